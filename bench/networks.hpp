// The networks that are benchmarked. They are composed in networks.cpp, which all benchmarks share: compiling them
// takes its time.
#pragma once

#include <span>

#include "octavo/graph/graph.hpp"
#include "octavo/tensor/random_weights.hpp"

namespace octavo::bench {

/// The most images that one run may take.
inline constexpr int largest_batch = 64;

/// A network by name.
struct network_entry {
  std::string_view name;
  void (*compose)(graph&, const params&);  ///< adds inputs and outputs
};

/// Those that are run whole: their one output is "logits". They classify images of (N, 224, 224, 3), but for
/// ssd_mobilenet_v1, a detector without what follows its convolutions.
std::span<const network_entry> classifiers();

/// Those that read sentences (ernie, of 128 tokens, and ernie_32 and ernie_512: ids and types of words) or hear words
/// (kwt1: features of clips of a second). Their one output is "logits".
std::span<const network_entry> transformers();

/// Those with recurrent layers: lac tags sentences (lac_32, which is lac, and lac_128: ids of characters), crnn reads
/// images of (N, 32, 320, 3), kws_gru_s and kws_lstm_s hear words. Their one output is "logits".
std::span<const network_entry> recurrent_networks();

/// Those that find objects in images of (N, 300, 300, 3).
std::span<const network_entry> detectors();

/// The classifier, transformer or recurrent network of that name. Throws octavo::error, with the names there are, for
/// others.
const network_entry& find_network(std::string_view name);

/// Operations of a node, a multiplication and an addition counted as two: those of sums of products; others count as
/// none, as everywhere.
inline double operations(const operation& o, const signature& s) {
  const auto count = [](const dims& d) { return static_cast<double>(d.count()); };
  if (const auto* f = o.as<op::matmul>()) {
    const dims a = op::matrices_of(s.src[0].extents, f->interleave_a);
    return 2 * count(s.dst->extents) * a[f->k_axis_of_a(a)];
  }
  if (o.is<op::attention>()) {  // of both products
    const dims &q = s.src[0].extents, &k = s.src[1].extents;
    return 2 * (count(q) + count(s.dst->extents)) * k[1];
  }
  if (!has_weights(o)) return 0;
  const dims &w = s.at(0)->extents(), &x = s.src[0].extents;
  if (o.is<op::conv_transpose2d>()) return 2 * count(x) / x.back() * count(w);
  return 2 * count(s.dst->extents) * count(w) / w[0];
}

/// Bytes of all operands of a node: what it has to read and write at least.
inline double operand_bytes(const operation& o, const signature& s) {
  const auto bytes = [](const tensor_type& t) { return static_cast<double>(t.extents.count() * size_of(t.type)); };
  if (o.is<op::gather>()) return bytes(s.src[1]) + 2 * bytes(s.dst);  // not the whole table
  double sum = bytes(s.dst);
  for (const tensor_type& t : s.src)
    if (t.type != element::none) sum += bytes(t);
  if (const tensor* w = s.at(0)) sum += static_cast<double>(w->bytes().size());
  return sum;
}

}  // namespace octavo::bench
