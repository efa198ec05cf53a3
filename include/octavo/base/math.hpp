// Transcendental functions as polynomials in fused multiply-adds: the same bits on every CPU. Here for one number at a
// time; math.inc has them for vectors too.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace octavo::scalar {

// A float as a vector of one lane: what math.inc expects.

inline float fused_multiply_add(float a, float b, float c) { return std::fma(a, b, c); }
inline float select(bool mask, float a, float b) { return mask ? a : b; }
inline float at_least(float x, float bound) { return x < bound ? bound : x; }
inline float at_most(float x, float bound) { return x > bound ? bound : x; }
inline float absolute(float x) { return std::fabs(x); }
inline float copy_sign(float size, float sign) { return std::copysign(size, sign); }
inline float divide(float a, float b) { return a / b; }
inline float sqrt_f32(float x) { return std::sqrt(x); }
inline float round_f32(float x) { return std::nearbyint(x); }
inline float floor_f32(float x) { return std::floor(x); }
inline float ceil_f32(float x) { return std::ceil(x); }

inline constexpr std::int32_t bits_of_one = 0x3f800000, bits_of_shift = 0x4b400000, bits_of_root_half = 0x3f3504f3;

// Integers wrap around: a NaN gives any.

inline std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }
/// 2^n as a float, for the last 8 bits of n + 127.
inline float power_of_two_bits(std::uint32_t n) { return std::bit_cast<float>((n + 127u) << 23); }
inline float power_of_two(float shifted) { return power_of_two_bits(bits_of(shifted)); }
inline float scale_by_power(float p, float shifted) {
  const std::uint32_t n = bits_of(shifted) - std::uint32_t{bits_of_shift};
  const auto half = static_cast<std::uint32_t>(static_cast<std::int32_t>(n) >> 1);
  return p * power_of_two_bits(half) * power_of_two_bits(n - half);
}
inline float scale_by_small_power(float p, float shifted) { return p * power_of_two(shifted); }
inline std::int32_t exponent_bits(float x) {
  return static_cast<std::int32_t>(bits_of(x) - std::uint32_t{bits_of_root_half}) >> 23;
}
inline float exponent_of(float x) { return static_cast<float>(exponent_bits(x)); }
inline float mantissa_of(float x) {
  return std::bit_cast<float>(bits_of(x) - (static_cast<std::uint32_t>(exponent_bits(x)) << 23));
}

#define OCTAVO_LANES_FUNCTION inline
#include "octavo/base/math.inc"
#undef OCTAVO_LANES_FUNCTION

}  // namespace octavo::scalar

namespace octavo {

/// exp(x) in binary32, within 2 units in the last place: with gradual underflow, infinity above 88.72, NaN for NaN.
inline float exp_f32(float x) { return scalar::exp_f32(x); }

/// The fixed order of every long sum in binary32: element i goes to partial sum i mod 16, then the partial sums are
/// added pairwise, distance 8, 4, 2, 1. `at(i)` gives element i of n.
template <class At>
float sum_f32(int n, At&& at) {
  float partial[16] = {};
  for (int i = 0; i < n; ++i) partial[i % 16] += at(i);
  for (int distance = 8; distance > 0; distance /= 2)
    for (int i = 0; i < distance; ++i) partial[i] += partial[i + distance];
  return partial[0];
}

/// The sum of the squares of n elements in the same order, each square added by one fused multiply-add.
template <class At>
float sum_squares_f32(int n, At&& at) {
  float partial[16] = {};
  for (int i = 0; i < n; ++i) partial[i % 16] = std::fma(at(i), at(i), partial[i % 16]);
  return sum_f32(16, [&](int i) { return partial[i]; });
}

}  // namespace octavo
