// Random numbers, tensors and weights for tests: the same on every machine for the same seed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "octavo/op/signature.hpp"
#include "octavo/tensor/params.hpp"

namespace octavo::test {

/// Random numbers from a seed. The standard distributions are left out: they differ between standard libraries.
class random_numbers {
 public:
  explicit random_numbers(unsigned seed) : engine_(seed) {}

  /// From 0 to n - 1.
  int below(int n) { return static_cast<int>(engine_() % static_cast<unsigned>(n)); }
  /// From first to last, both included.
  int between(int first, int last) { return first + below(last - first + 1); }
  bool chance(int percent) { return below(100) < percent; }
  /// From lower to upper, on a grid of 2^-24 of the distance.
  float real(float lower, float upper) {
    return lower + (upper - lower) * static_cast<float>(engine_() >> 8) * 0x1p-24f;
  }
  /// Any byte, every fourth at one of its ends: that is where saturation happens.
  std::uint8_t byte() { return static_cast<std::uint8_t>(chance(25) ? 255 * below(2) : below(256)); }
  /// Any weight, every fourth at one of its ends.
  std::int8_t weight() { return static_cast<std::int8_t>(chance(25) ? 127 - 254 * below(2) : between(-127, 127)); }

 private:
  std::mt19937 engine_;
};

/// Random elements: f32 from lower to upper, u8 and s8 as byte() and weight() of random_numbers, others below 100.
inline tensor random_tensor(element type, const dims& extents, random_numbers& random, float lower = -1.0f,
                            float upper = 1.0f) {
  tensor t(type, extents);
  if (type == element::f32)
    for (float& v : t.as<float>()) v = random.real(lower, upper);
  else if (type == element::u8)
    for (std::uint8_t& v : t.as<std::uint8_t>()) v = random.byte();
  else if (type == element::s32)
    for (std::int32_t& v : t.as<std::int32_t>()) v = random.below(100);
  else if (type == element::s64)
    for (std::int64_t& v : t.as<std::int64_t>()) v = random.below(100);
  else
    for (std::int8_t& v : t.as<std::int8_t>()) v = random.weight();
  return t;
}

inline constant random_constant(element type, const dims& extents, random_numbers& random, float lower = -1.0f,
                                float upper = 1.0f) {
  return make_constant(random_tensor(type, extents, random, lower, upper));
}

/// Random inputs of an operator.
inline std::vector<tensor> random_sources(const signature& s, random_numbers& random) {
  std::vector<tensor> src;
  for (const tensor_type& t : s.src) src.push_back(random_tensor(t.type, t.extents, random));
  return src;
}

/// Weights of any name and shape. They depend on the seed and the name alone; variances ("running_var") are positive,
/// matrices are scaled so that sums stay near 1.
class random_weights : public weight_source {
 public:
  explicit random_weights(unsigned seed) : seed_(seed) {}

  constant find(const std::string& name, const dims& expected) const override {
    std::uint32_t hash = 2166136261u ^ seed_;  // FNV-1a
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    random_numbers random(hash);
    if (name.ends_with("running_var")) return random_constant(element::f32, expected, random, 0.5f, 1.5f);
    const std::size_t depth = expected.count() / static_cast<std::size_t>(expected.rank == 0 ? 1 : expected[0]);
    const float bound = expected.rank < 2 ? 1.0f : 2.0f / std::sqrt(static_cast<float>(depth));
    return random_constant(element::f32, expected, random, -bound, bound);
  }
  std::string description() const override { return "random weights"; }

 private:
  unsigned seed_;
};

/// The same, ready to be given to a model.
inline params random_params(unsigned seed) { return params(std::make_shared<random_weights>(seed)); }

/// A few tensors by name, for small cases with known weights.
class known_weights : public weight_source {
 public:
  explicit known_weights(std::map<std::string, constant> tensors) : tensors_(std::move(tensors)) {}
  constant find(const std::string& name, const dims&) const override {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : found->second;
  }
  std::string description() const override { return "known weights"; }

 private:
  std::map<std::string, constant> tensors_;
};

/// An FP32 constant of these values.
inline constant values(const dims& extents, std::initializer_list<float> list) {
  return make_constant(tensor::of(extents, std::span<const float>(list.begin(), list.size())));
}

}  // namespace octavo::test
