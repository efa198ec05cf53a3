// Convolution and fully connected layers on AVX-VNNI: the tiles of avx2/direct_tile.hpp with vpdpbusd in its VEX form,
// which sums four products of u8 and s8 exactly in s32.
#pragma once

#include "octavo/backends/x86/avx2/direct_tile.hpp"

#if OCTAVO_X86

#include "octavo/backends/blocking/direct_convolution.hpp"

namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// How u8 and s8 multiply: see avx2::f32. A target mark cannot depend on a template parameter, so tiles are marked for
/// AVX2 and the instruction is written out.
struct u8s8s32 {
  using sum = __m256i;
  static constexpr int partial_sums = 4;
  OCTAVO_AVX2 static OCTAVO_INLINE sum zero() { return _mm256_setzero_si256(); }
  OCTAVO_AVX2 static OCTAVO_INLINE sum load(const void* from) {
    return _mm256_loadu_si256(static_cast<const __m256i*>(from));
  }
  OCTAVO_AVX2 static OCTAVO_INLINE sum add(sum a, sum b) { return _mm256_add_epi32(a, b); }
#if defined(_MSC_VER) && !defined(__clang__)
  static OCTAVO_INLINE sum multiply_add(sum s, __m256i x, __m256i w) { return _mm256_dpbusd_avx_epi32(s, x, w); }
  static OCTAVO_INLINE sum multiply_add(sum s, __m256i x, const __m256i* w) { return multiply_add(s, x, *w); }
#else
  OCTAVO_AVX2 static OCTAVO_INLINE sum multiply_add(sum s, __m256i x, __m256i w) {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(s) : "x"(x), "x"(w));
    return s;
  }
  OCTAVO_AVX2 static OCTAVO_INLINE sum multiply_add(sum s, __m256i x, const __m256i* w) {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(s) : "x"(x), "m"(*w));
    return s;
  }
#endif
  OCTAVO_AVX2 static OCTAVO_INLINE __m256 scaled(sum s, __m256 multiplier, __m256 offset) {
    return avx2::scaled(s, multiplier, offset);
  }
};

/// Kernels for conv2d and fc.
inline constexpr kernel convolution_kernels[] = {
    blocking::direct_kernel<avx2::direct<u8s8s32>, element::u8>("conv_u8s8s32_7x16_avx_vnni", isa::avx_vnni),
};

}  // namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE

#endif
