// The networks that are benchmarked, and random weights for them. They are composed in networks.cpp, which all benchmarks
// share: compiling them takes its time.
#pragma once

#include <cmath>
#include <span>
#include <string>

#include "octavo/graph/graph.hpp"

namespace octavo::bench {

/// Random 64-bit numbers from a seed: splitmix64 (Steele, Lea and Flood, 2014). Hundreds of millions of weights are
/// drawn, for which the standard engines and distributions are slow.
class random_bits {
 public:
  explicit random_bits(std::uint64_t seed) : state_(seed) {}

  std::uint64_t operator()() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  /// Nearly normal, of mean 0 and deviation 1: the sum of eight uniform numbers, at most 4.9. Weights of trained
  /// networks are bell-shaped too, and a kernel may depend on how many of them are large.
  float normal() {
    std::uint64_t sum = 0;
    for (int half = 0; half < 2; ++half)
      for (std::uint64_t bits = (*this)(), i = 0; i < 4; ++i, bits >>= 16) sum += bits & 0xffff;
    const float centred = static_cast<float>(sum) * 0x1p-16f - 4.0f;  // variance 8/12
    return centred * 1.2247449f;
  }

 private:
  std::uint64_t state_;
};

/// Weights of any name and shape, scaled so that activations keep their variance through a layer and its relu
/// (He et al., arXiv 1502.01852); batch norms that change nothing; biases 0. They depend on seed and name alone.
class random_weights : public weight_source {
 public:
  explicit random_weights(std::uint64_t seed) : seed_(seed) {}

  constant find(const std::string& name, const dims& expected) const override {
    tensor t(element::f32, expected);
    if (expected.rank >= 2) {
      std::uint64_t hash = 14695981039346656037u ^ seed_;  // FNV-1a
      for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
      random_bits random(hash);
      const auto depth = static_cast<float>(expected.count() / static_cast<std::size_t>(expected[0]));
      const float deviation = std::sqrt(2.0f / depth);
      for (float& v : t.as<float>()) v = deviation * random.normal();
    } else if (name.ends_with(".weight") || name.ends_with(".running_var")) {
      for (float& v : t.as<float>()) v = 1.0f;
    }
    return make_constant(std::move(t));
  }
  std::string description() const override { return "random weights"; }

 private:
  std::uint64_t seed_;
};

/// The most images that one run may take.
inline constexpr int largest_batch = 64;

/// A network by name.
struct network_entry {
  std::string_view name;
  void (*compose)(graph&, const params&);  ///< adds the input "image" and the outputs
};

/// Those that classify images of (N, 224, 224, 3): their one output is "logits".
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
  return 2.0 * static_cast<double>(s.dst.extents.count()) *
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
