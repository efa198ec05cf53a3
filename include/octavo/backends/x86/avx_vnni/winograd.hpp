// Winograd's algorithm on AVX-VNNI: that of AVX2 with vpdpwssd in its VEX form.
#pragma once

#include "octavo/backends/x86/avx2/winograd.hpp"

#if OCTAVO_X86

namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// How pairs multiply: sum += x0 * w0 + x1 * w1 for 8 channels.
struct pairs {
#if defined(_MSC_VER) && !defined(__clang__)
  static OCTAVO_INLINE __m256i multiply_add(__m256i s, __m256i x, __m256i w) {
    return _mm256_dpwssd_avx_epi32(s, x, w);
  }
#else
  OCTAVO_AVX2 static OCTAVO_INLINE __m256i multiply_add(__m256i s, __m256i x, __m256i w) {
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(s) : "x"(x), "x"(w));
    return s;
  }
#endif
};

/// The plain way multiplies bytes at twice the rate.
inline constexpr blocking::winograd_microkernel winograd = avx2::make_winograd<pairs>(0.5);

/// Kernels for conv2d of 3x3.
inline constexpr kernel winograd_kernels[] = {
    blocking::winograd_kernel<winograd>("winograd_u8s8s32_6x16_avx_vnni", isa::avx_vnni),
};

}  // namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE

#endif
