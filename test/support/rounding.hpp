// The arithmetic of design.md, section 3, once more: written from its formulas, with rounding by hand. Tests compare
// the library's reference evaluations with it.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>

namespace octavo::test {

/// `x` rounded to the nearest integer, ties to even.
inline double rounded_to_even(double x) {
  const double below = std::floor(x), distance = x - below;
  if (distance != 0.5) return distance < 0.5 ? below : below + 1;
  return std::fmod(below, 2.0) == 0.0 ? below : below + 1;
}

/// a * b + c, rounded once to binary32: exact in double up to the last bit of the sum, which is rounded to odd, so that
/// the second rounding cannot go wrong (Boldo and Melquiond, Emulation of FMA, 2008).
inline float fused_multiply_add(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b), addend = static_cast<double>(c);
  const double sum = product + addend;
  const double part = sum - product;  // two-sum: `error` is what the rounding of `sum` lost
  const double error = (product - (sum - part)) + (addend - part);
  std::int64_t bits = std::bit_cast<std::int64_t>(sum);
  if (error != 0.0 && (bits & 1) == 0) bits += (error > 0.0) == (sum > 0.0) ? 1 : -1;
  return static_cast<float>(std::bit_cast<double>(bits));
}

/// How a real number of the output becomes a u8.
struct output_grid {
  double scale = 1.0;
  int zero_point = 0;
  double lower = -HUGE_VAL, upper = HUGE_VAL;  // of the activation, in real units

  /// The quantized number of a sum that is in units of the scale already.
  int operator()(float sum) const {
    const double q = rounded_to_even(static_cast<double>(sum)) + zero_point;
    return static_cast<int>(std::fmin(std::fmax(q, bound(lower, 0)), bound(upper, 255)));
  }

 private:
  double bound(double real, double otherwise) const {
    if (std::isinf(real)) return otherwise;
    const float inverse = 1.0f / static_cast<float>(scale);
    return std::fmin(
        std::fmax(rounded_to_even(static_cast<double>(static_cast<float>(real) * inverse)) + zero_point, 0.0), 255.0);
  }
};

/// fma(float(acc), m, b), where m = s_x s_w / s_y and b = bias / s_y - zp_x sum(w) m.
struct folded_channel {
  float m, b;
  folded_channel(float s_x, int zp_x, float s_w, std::int64_t weight_sum, float bias, double s_y)
      : m(static_cast<float>(static_cast<double>(s_x) * static_cast<double>(s_w) / s_y)),
        b(static_cast<float>(std::fma(-static_cast<double>(zp_x * weight_sum), static_cast<double>(m),
                                      static_cast<double>(bias) / s_y))) {}
  float operator()(std::int64_t acc) const { return fused_multiply_add(static_cast<float>(acc), m, b); }
};

}  // namespace octavo::test
