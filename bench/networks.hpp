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
  void (*compose)(graph&, const params&);  ///< adds the input "image" and the outputs
};

/// Those that are run whole: their one output is "logits". They classify images of (N, 224, 224, 3), but for
/// ssd_mobilenet_v1, a detector without what follows its convolutions.
std::span<const network_entry> classifiers();

/// Those that find objects in images of (N, 300, 300, 3).
std::span<const network_entry> detectors();

/// The classifier of that name. Throws octavo::error, with the names there are, for others.
const network_entry& find_classifier(std::string_view name);

/// Operations of a node, a multiplication and an addition counted as two: those of convolutions and fully connected
/// layers; others count as none, as everywhere.
inline double operations(const operation& o, const signature& s) {
  if (!has_weights(o)) return 0;
  const tensor& w = *s.at(0);
  return 2.0 * static_cast<double>(s.dst->extents.count()) *
         static_cast<double>(w.extents().count() / static_cast<std::size_t>(w.extents()[0]));
}

/// Bytes of all operands of a node: what it has to read and write at least.
inline double operand_bytes(const signature& s) {
  const auto bytes = [](const tensor_type& t) { return static_cast<double>(t.extents.count() * size_of(t.type)); };
  double sum = bytes(s.dst);
  for (const tensor_type& t : s.src) sum += bytes(t);
  if (const tensor* w = s.at(0)) sum += static_cast<double>(w->bytes().size());
  return sum;
}

}  // namespace octavo::bench
