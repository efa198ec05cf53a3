// AVX2: elementwise operators, 32 numbers at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/backends/x86/avx2/lanes.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of elementwise operators.
struct elementwise {
  static constexpr int channel_block = 32;

  template <class X, class Y>
  static OCTAVO_AVX2 void affine(const native::affine_run& r, std::ptrdiff_t n) noexcept {
    apply<line, X, Y>(r, n);
  }
  template <class X, class Y>
  static OCTAVO_AVX2 void prelu(const native::affine_run& r, std::ptrdiff_t n) noexcept {
    apply<bent_line, X, Y>(r, n);
  }
  template <class X, class Y>
  static OCTAVO_AVX2 void normalized(const native::normalized_run& r, std::ptrdiff_t n) noexcept {
    apply<line_of_normalized, X, Y>(r, n);
  }

 private:
  struct line {
    static OCTAVO_AVX2 OCTAVO_INLINE __m256 at(__m256 x, const float* m, const float* b, const native::affine_run&) {
      return _mm256_fmadd_ps(x, _mm256_loadu_ps(m), _mm256_loadu_ps(b));
    }
  };
  struct bent_line {
    static OCTAVO_AVX2 OCTAVO_INLINE __m256 at(__m256 x, const float* m, const float* b, const native::affine_run&) {
      const __m256 below = _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ);
      return _mm256_mul_ps(x, _mm256_blendv_ps(_mm256_loadu_ps(m), _mm256_loadu_ps(b), below));
    }
  };

  struct line_of_normalized {
    static OCTAVO_AVX2 OCTAVO_INLINE __m256 at(__m256 x, const float* m, const float* b,
                                               const native::normalized_run& r) {
      const __m256 distance = _mm256_sub_ps(x, _mm256_set1_ps(r.mean));
      return _mm256_fmadd_ps(_mm256_mul_ps(distance, _mm256_set1_ps(r.inverse)), _mm256_loadu_ps(m),
                             _mm256_loadu_ps(b));
    }
  };

  template <class Line, class X, class Y, class Run>
  static OCTAVO_AVX2 OCTAVO_INLINE void apply(const Run& r, std::ptrdiff_t n) noexcept {
    const X* from = static_cast<const X*>(r.x);
    Y* to = static_cast<Y*>(r.y);
    std::ptrdiff_t i = 0;
    for (; i + 32 <= n; i += 32) apply_to_block<Line>(r, from + i, to + i, r.per_channel ? i : 0);
    if (i == n) return;
    X x[32] = {};
    Y y[32];
    std::memcpy(x, from + i, static_cast<std::size_t>(n - i) * sizeof(X));
    apply_to_block<Line>(r, x, y, r.per_channel ? i : 0);
    std::memcpy(to + i, y, static_cast<std::size_t>(n - i) * sizeof(Y));
  }

  template <class Line, class X, class Y, class Run>
  static OCTAVO_AVX2 OCTAVO_INLINE void apply_to_block(const Run& r, const X* x, Y* y, std::ptrdiff_t channel) {
    const __m256i zero = _mm256_set1_epi32(r.zero_point);
    const float *m = r.multiplier + channel, *b = r.offset + channel;
    const f32x32 v{Line::at(load8(x, zero), m, b, r), Line::at(load8(x + 8, zero), m + 8, b + 8, r),
                   Line::at(load8(x + 16, zero), m + 16, b + 16, r), Line::at(load8(x + 24, zero), m + 24, b + 24, r)};
    end32(y, v, r.epilogue);
  }
};

/// Kernels for elementwise operators. "affine" is activate, convert, bias_add, batch_norm and scale.
inline constexpr kernel elementwise_kernels[] = {
    native::affine_kernel<elementwise, std::uint8_t, std::uint8_t>("affine_u8_avx2", isa::avx2),
    native::affine_kernel<elementwise, float, std::uint8_t>("affine_f32u8_avx2", isa::avx2),
    native::affine_kernel<elementwise, std::uint8_t, float>("affine_u8f32_avx2", isa::avx2),
    native::affine_kernel<elementwise, float, float>("affine_f32_avx2", isa::avx2),
    native::prelu_kernel<elementwise, std::uint8_t, std::uint8_t>("prelu_u8_avx2", isa::avx2),
    native::prelu_kernel<elementwise, float, std::uint8_t>("prelu_f32u8_avx2", isa::avx2),
    native::prelu_kernel<elementwise, std::uint8_t, float>("prelu_u8f32_avx2", isa::avx2),
    native::prelu_kernel<elementwise, float, float>("prelu_f32_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
