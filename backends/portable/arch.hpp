// What the flags of this translation unit let portable kernels use, and a namespace of that name.
//
// xsimd sees only those flags. Everything that depends on its batch width, or on whether there is a fused multiply-add,
// lives in `inline namespace OCTAVO_ARCH_NAMESPACE`, so that units compiled for different CPUs link safely.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include <xsimd/xsimd.hpp>

#if XSIMD_WITH_AVX512BW
#define OCTAVO_ARCH_BASE avx512bw
#elif XSIMD_WITH_AVX512DQ
#define OCTAVO_ARCH_BASE avx512dq
#elif XSIMD_WITH_AVX512CD
#define OCTAVO_ARCH_BASE avx512cd
#elif XSIMD_WITH_AVX512F
#define OCTAVO_ARCH_BASE avx512f
#elif XSIMD_WITH_AVX2
#define OCTAVO_ARCH_BASE avx2
#elif XSIMD_WITH_AVX
#define OCTAVO_ARCH_BASE avx
#elif XSIMD_WITH_SSE4_2
#define OCTAVO_ARCH_BASE sse4_2
#elif XSIMD_WITH_SSE4_1
#define OCTAVO_ARCH_BASE sse4_1
#elif XSIMD_WITH_SSSE3
#define OCTAVO_ARCH_BASE ssse3
#elif XSIMD_WITH_SSE3
#define OCTAVO_ARCH_BASE sse3
#elif XSIMD_WITH_SSE2
#define OCTAVO_ARCH_BASE sse2
#elif XSIMD_WITH_NEON64
#define OCTAVO_ARCH_BASE neon64
#elif XSIMD_WITH_NEON
#define OCTAVO_ARCH_BASE neon
#else
#error "octavo: xsimd knows no vector instructions for this target"
#endif

/// Whether std::fma is one instruction here.
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) || defined(__aarch64__) || (defined(_MSC_VER) && XSIMD_WITH_AVX2)
#define OCTAVO_ARCH_FMA 1
#else
#define OCTAVO_ARCH_FMA 0
#endif

#define OCTAVO_ARCH_JOIN_(base, fma) arch_##base##_fma##fma
#define OCTAVO_ARCH_JOIN(base, fma) OCTAVO_ARCH_JOIN_(base, fma)
/// The flags as a name, such as arch_sse2_fma0.
#define OCTAVO_ARCH_NAMESPACE OCTAVO_ARCH_JOIN(OCTAVO_ARCH_BASE, OCTAVO_ARCH_FMA)

namespace octavo::portable {
inline namespace OCTAVO_ARCH_NAMESPACE {

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

}  // namespace OCTAVO_ARCH_NAMESPACE
}  // namespace octavo::portable
