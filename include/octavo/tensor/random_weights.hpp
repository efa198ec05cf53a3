// Weights drawn at random: to run and time a network before it has any of its own.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "octavo/tensor/params.hpp"

namespace octavo {

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
  std::string description() const override { return text("random weights of seed ", seed_); }

 private:
  std::uint64_t seed_;
};

/// Random weights for any network, e.g. `draw_weights(1) / "layer1.0"`: see random_weights. A trained network's are
/// read by load_weights().
inline params draw_weights(std::uint64_t seed) { return params(std::make_shared<random_weights>(seed)); }

}  // namespace octavo
