// AVX-512: softmax of f32 rows with the bits of the reference: its 16 partial sums are one register.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/softmax.hpp"
#include "octavo/backends/x86/avx512_vnni/elementwise.hpp"
#include "octavo/backends/x86/avx512_vnni/vector.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of softmax.
struct softmax {
  static OCTAVO_AVX512 void row(const float* x, float* y, std::ptrdiff_t n) noexcept {
    // A NaN may or may not win: it makes the whole row NaN in either case.
    __m512 m = _mm512_set1_ps(x[0]);
    for (std::ptrdiff_t i = 0; i < n; i += 16)
      m = _mm512_mask_max_ps(m, lanes(n - i), m, _mm512_maskz_loadu_ps(lanes(n - i), x + i));
    const __m512 largest = _mm512_set1_ps(_mm512_reduce_max_ps(m));
    __m512 sum = _mm512_setzero_ps();
    for (std::ptrdiff_t i = 0; i < n; i += 16) {
      const __m512 power = exp_f32(f32x16(_mm512_sub_ps(_mm512_maskz_loadu_ps(lanes(n - i), x + i), largest))).v;
      sum = _mm512_mask_add_ps(sum, lanes(n - i), sum, power);
      _mm512_mask_storeu_ps(y + i, lanes(n - i), power);
    }
    const __m512 inverse = _mm512_set1_ps(1.0f / sum_of(sum));
    for (std::ptrdiff_t i = 0; i < n; i += 16)
      _mm512_mask_storeu_ps(y + i, lanes(n - i), _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes(n - i), y + i), inverse));
  }

 private:
  static __mmask16 lanes(std::ptrdiff_t n) { return sixteen(first_channels(n), 0); }

  static OCTAVO_AVX512 OCTAVO_INLINE float sum_of(__m512 v) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
};

#define OCTAVO_KERNEL_FUNCTION OCTAVO_AVX512
#include "octavo/backends/native/softmax.inc"
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for softmax.
inline constexpr kernel softmax_kernels[] = {
    native::softmax_kernel<op::softmax, softmax>("softmax_f32_avx512_vnni", isa::avx512_vnni),
    native::softmax_along_kernel<op::softmax, softmax_of_columns<false>, elementwise>("softmax_along_avx512_vnni",
                                                                                      isa::avx512_vnni),
    native::softmax_kernel<op::log_softmax, log_softmax_rows>("log_softmax_f32_avx512_vnni", isa::avx512_vnni),
    native::softmax_along_kernel<op::log_softmax, softmax_of_columns<true>, elementwise>(
        "log_softmax_along_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
