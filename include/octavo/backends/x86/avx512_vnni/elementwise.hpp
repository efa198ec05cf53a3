// AVX-512: elementwise operators, 64 numbers at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/backends/x86/avx512_vnni/lanes.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of elementwise operators.
struct elementwise {
  static constexpr int channel_block = 64;

  template <class X, class Y>
  static OCTAVO_AVX512 void affine(const native::affine_run& r, std::ptrdiff_t n) noexcept {
    apply<line, X, Y>(r, n);
  }
  template <class X, class Y>
  static OCTAVO_AVX512 void prelu(const native::affine_run& r, std::ptrdiff_t n) noexcept {
    apply<bent_line, X, Y>(r, n);
  }
  template <class X, class Y>
  static OCTAVO_AVX512 void normalized(const native::normalized_run& r, std::ptrdiff_t n) noexcept {
    apply<line_of_normalized, X, Y>(r, n);
  }

 private:
  struct line {
    static OCTAVO_AVX512 OCTAVO_INLINE __m512 at(__m512 x, const float* m, const float* b, const native::affine_run&) {
      return _mm512_fmadd_ps(x, _mm512_loadu_ps(m), _mm512_loadu_ps(b));
    }
  };
  struct bent_line {
    static OCTAVO_AVX512 OCTAVO_INLINE __m512 at(__m512 x, const float* m, const float* b, const native::affine_run&) {
      const __mmask16 below = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
      return _mm512_mul_ps(x, _mm512_mask_blend_ps(below, _mm512_loadu_ps(m), _mm512_loadu_ps(b)));
    }
  };

  struct line_of_normalized {
    static OCTAVO_AVX512 OCTAVO_INLINE __m512 at(__m512 x, const float* m, const float* b,
                                                 const native::normalized_run& r) {
      const __m512 distance = _mm512_sub_ps(x, _mm512_set1_ps(r.mean));
      return _mm512_fmadd_ps(_mm512_mul_ps(distance, _mm512_set1_ps(r.inverse)), _mm512_loadu_ps(m),
                             _mm512_loadu_ps(b));
    }
  };

  template <class Line, class X, class Y, class Run>
  static OCTAVO_AVX512 OCTAVO_INLINE void apply(const Run& r, std::ptrdiff_t n) noexcept {
    const __m512i zero = _mm512_set1_epi32(r.zero_point);
    for (std::ptrdiff_t i = 0; i < n; i += 64) {
      const std::uint64_t mask = first_channels(n - i);
      const std::ptrdiff_t channel = r.per_channel ? i : 0;
      const X* x = static_cast<const X*>(r.x) + i;
      const float *m = r.multiplier + channel, *b = r.offset + channel;
      const f32x64 v{Line::at(load16(x, sixteen(mask, 0), zero), m, b, r),
                     Line::at(load16(x + 16, sixteen(mask, 1), zero), m + 16, b + 16, r),
                     Line::at(load16(x + 32, sixteen(mask, 2), zero), m + 32, b + 32, r),
                     Line::at(load16(x + 48, sixteen(mask, 3), zero), m + 48, b + 48, r)};
      end64(static_cast<Y*>(r.y) + i, mask, v, r.epilogue);
    }
  }
};

/// Kernels for elementwise operators. "affine" is activate, convert, bias_add, batch_norm and scale.
inline constexpr kernel elementwise_kernels[] = {
    native::affine_kernel<elementwise, std::uint8_t, std::uint8_t>("affine_u8_avx512_vnni", isa::avx512_vnni),
    native::affine_kernel<elementwise, float, std::uint8_t>("affine_f32u8_avx512_vnni", isa::avx512_vnni),
    native::affine_kernel<elementwise, std::uint8_t, float>("affine_u8f32_avx512_vnni", isa::avx512_vnni),
    native::affine_kernel<elementwise, float, float>("affine_f32_avx512_vnni", isa::avx512_vnni),
    native::prelu_kernel<elementwise, std::uint8_t, std::uint8_t>("prelu_u8_avx512_vnni", isa::avx512_vnni),
    native::prelu_kernel<elementwise, float, std::uint8_t>("prelu_f32u8_avx512_vnni", isa::avx512_vnni),
    native::prelu_kernel<elementwise, std::uint8_t, float>("prelu_u8f32_avx512_vnni", isa::avx512_vnni),
    native::prelu_kernel<elementwise, float, float>("prelu_f32_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
