// What the flags of this translation unit let portable kernels use: xsimd sees only those.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include <xsimd/xsimd.hpp>

#include "octavo/base/arch_namespace.hpp"

#ifdef XSIMD_NO_SUPPORTED_ARCHITECTURE
#error "octavo: xsimd knows no vector instructions for this target"
#endif

/// Whether std::fma is one instruction here.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__aarch64__) || (defined(_MSC_VER) && XSIMD_WITH_AVX2)
#define OCTAVO_ARCH_FMA 1
#else
#define OCTAVO_ARCH_FMA 0
#endif

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// The f32 nearest to product + addend, where the product is that of two f32 and so exact: the sum is rounded to odd,
/// which keeps what the second rounding needs (Boldo and Melquiond, Emulation of a FMA and correctly rounded sums:
/// proved algorithms using rounding to odd, 2008).
inline float round_once(double product, double addend) noexcept {
  const double sum = product + addend, back = sum - product;
  const double lost = (product - (sum - back)) + (addend - back);  // sum + lost is exact (Knuth)
  auto bits = std::bit_cast<std::int64_t>(sum);
  const bool inexact = lost < 0.0 || lost > 0.0;  // false for the NaN of an infinite sum
  if (inexact && (bits & 1) == 0) bits += (lost > 0.0) == (sum > 0.0) ? 1 : -1;
  return static_cast<float>(std::bit_cast<double>(bits));
}

/// a b + c rounded once, as std::fma, without a call into the C library where there is no instruction for it.
inline float fused_multiply_add(float a, float b, float c) noexcept {
#if OCTAVO_ARCH_FMA
  return std::fma(a, b, c);
#else
  const double product = static_cast<double>(a) * static_cast<double>(b), addend = static_cast<double>(c);
  const double sum = product + addend;
  // Rounding twice can go wrong only where the binary64 sum lies halfway between two binary32 numbers: the 29 bits that
  // the second rounding drops are 100...0. Subnormal results drop more bits.
  const bool halfway = (std::bit_cast<std::int64_t>(sum) & 0x1fffffff) == 0x10000000;
  if (halfway || std::fabs(sum) < 0x1p-126) [[unlikely]]
    return round_once(product, addend);
  return static_cast<float>(sum);
#endif
}

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
