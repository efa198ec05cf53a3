// AVX2: softmax of f32 rows with the bits of the reference: its 16 partial sums are two registers.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/softmax.hpp"
#include "octavo/backends/x86/avx2/elementwise.hpp"
#include "octavo/backends/x86/avx2/vector.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of softmax.
struct softmax {
  static OCTAVO_AVX2 void row(const float* x, float* y, std::ptrdiff_t n) noexcept {
    const __m256 largest = _mm256_set1_ps(largest_of(x, n));
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();  // partial sums 0-7 and 8-15
    std::ptrdiff_t i = 0;
    for (; i + 16 <= n; i += 16) add_powers(x + i, y + i, largest, low, high);
    if (i < n) {
      // exp(-inf) = 0 changes no sum. Where largest is -inf or a NaN all of the row is a NaN anyway.
      float last[16];
      for (float& v : last) v = -std::numeric_limits<float>::infinity();
      std::memcpy(last, x + i, static_cast<std::size_t>(n - i) * sizeof(float));
      add_powers(last, last, largest, low, high);
      std::memcpy(y + i, last, static_cast<std::size_t>(n - i) * sizeof(float));
    }
    const float inverse = 1.0f / sum_of(_mm256_add_ps(low, high));
    const __m256 factor = _mm256_set1_ps(inverse);
    for (i = 0; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_loadu_ps(y + i), factor));
    for (; i < n; ++i) y[i] *= inverse;
  }

 private:
  // A NaN may or may not win: it makes the whole row NaN in either case.
  static OCTAVO_AVX2 float largest_of(const float* x, std::ptrdiff_t n) {
    __m256 m = _mm256_set1_ps(x[0]);
    std::ptrdiff_t i = 0;
    for (; i + 8 <= n; i += 8) m = _mm256_max_ps(m, _mm256_loadu_ps(x + i));
    float lanes[8];
    _mm256_storeu_ps(lanes, m);
    float largest = lanes[0];
    for (float v : lanes) largest = std::max(largest, v);
    for (; i < n; ++i) largest = std::max(largest, x[i]);
    return largest;
  }

  static OCTAVO_AVX2 OCTAVO_INLINE void add_powers(const float* x, float* y, __m256 largest, __m256& low,
                                                   __m256& high) {
    const __m256 a = exp_f32(f32x8(_mm256_sub_ps(_mm256_loadu_ps(x), largest))).v;
    const __m256 b = exp_f32(f32x8(_mm256_sub_ps(_mm256_loadu_ps(x + 8), largest))).v;
    low = _mm256_add_ps(low, a), high = _mm256_add_ps(high, b);
    _mm256_storeu_ps(y, a), _mm256_storeu_ps(y + 8, b);
  }

  static OCTAVO_AVX2 OCTAVO_INLINE float sum_of(__m256 v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
};

#define OCTAVO_KERNEL_FUNCTION OCTAVO_AVX2
#include "octavo/backends/native/softmax.inc"
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for softmax.
inline constexpr kernel softmax_kernels[] = {
    native::softmax_kernel<op::softmax, softmax>("softmax_f32_avx2", isa::avx2),
    native::softmax_along_kernel<op::softmax, softmax_of_columns<false>, elementwise>("softmax_along_avx2", isa::avx2),
    native::softmax_kernel<op::log_softmax, log_softmax_rows>("log_softmax_f32_avx2", isa::avx2),
    native::softmax_along_kernel<op::log_softmax, softmax_of_columns<true>, elementwise>("log_softmax_along_avx2",
                                                                                         isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
