// The one arithmetic rule. Every kernel on every CPU gives the bits that these few lines give:
//
//   q = clamp(rne(fma(float(acc), m, b) [then fma(float(r - zp_r), m_r, .)]) + zp, lo, hi)
//
// in binary32 with fused multiply-add, rounded once to nearest even. relu is `lo`.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "octavo/quant/affine.hpp"

// Those of -ffast-math's parts that compilers tell of: g++ of all (__GCC_IEC_559), clang of two. And the x87 rounds to
// other widths.
#if defined(__FAST_MATH__) || defined(_M_FP_FAST) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || \
    (defined(__GCC_IEC_559) && !__GCC_IEC_559) || FLT_EVAL_METHOD == 2
#error "octavo: the results would be wrong: compile without -ffast-math or parts of it, and for SSE instead of the x87"
#endif

namespace octavo {

/// Whether this was compiled without those parts of -ffast-math that clang does not tell of: false where sums are
/// reassociated, quotients become products, signs of zeros are lost or NaNs are thought away.
[[gnu::noinline]] inline bool keeps_ieee_arithmetic() {
  volatile float any = 1.25f, large = 12582912.0f, three = 3.0f, not_a_number = NAN;  // known when this runs only
  const float x = any, also = any, big = large, divisor = three, nan = not_a_number;
  return (x + big) - big != x && x / 3.0f == x / divisor && std::signbit(-(x - also)) != std::signbit(also - x) &&
         nan != nan;
}

/// How a real number becomes a u8: add the zero point after rounding, clamp to [lower, upper].
struct saturation {
  std::int32_t zero_point = 0;
  std::int32_t lower = 0;
  std::int32_t upper = 255;
  friend constexpr bool operator==(const saturation&, const saturation&) = default;
};

/// clamp(rne(x) + zero_point, lower, upper). The clamp comes first, in binary32, between bounds that are integers:
/// that gives the same number, and the conversion cannot overflow. A NaN gives `lower`.
inline std::uint8_t saturate_u8(float x, const saturation& s) {
  const float lower = static_cast<float>(s.lower - s.zero_point), upper = static_cast<float>(s.upper - s.zero_point);
  const float clamped = x > lower ? (x < upper ? x : upper) : lower;
  return static_cast<std::uint8_t>(std::lrintf(clamped) + s.zero_point);
}

/// q = clamp(rne(x / scale) + zero_point, 0, 255), where the division is a multiplication by float(1/scale).
inline std::uint8_t quantize_u8(float x, const affine& a) {
  return saturate_u8(x * (1.0f / a.scale), {a.zero_point, 0, 255});
}

/// x = scale * (q - zero_point).
inline float dequantize_u8(std::uint8_t q, const affine& a) {
  return a.scale * static_cast<float>(static_cast<std::int32_t>(q) - a.zero_point);
}

}  // namespace octavo
