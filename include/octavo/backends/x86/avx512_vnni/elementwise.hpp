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
    const __m512i zero = _mm512_set1_epi32(r.zero_point);
    for (std::ptrdiff_t i = 0; i < n; i += 64) {
      const std::uint64_t mask = first_channels(n - i);
      const std::ptrdiff_t channel = r.per_channel ? i : 0;
      const X* x = static_cast<const X*>(r.x) + i;
      const float *m = r.multiplier + channel, *b = r.offset + channel;
      const f32x64 v{
          _mm512_fmadd_ps(load16(x, sixteen(mask, 0), zero), _mm512_loadu_ps(m), _mm512_loadu_ps(b)),
          _mm512_fmadd_ps(load16(x + 16, sixteen(mask, 1), zero), _mm512_loadu_ps(m + 16), _mm512_loadu_ps(b + 16)),
          _mm512_fmadd_ps(load16(x + 32, sixteen(mask, 2), zero), _mm512_loadu_ps(m + 32), _mm512_loadu_ps(b + 32)),
          _mm512_fmadd_ps(load16(x + 48, sixteen(mask, 3), zero), _mm512_loadu_ps(m + 48), _mm512_loadu_ps(b + 48))};
      end64(static_cast<Y*>(r.y) + i, mask, v, r.epilogue);
    }
  }

  template <class T>
  static OCTAVO_AVX512 void add(const native::add_run& r, std::ptrdiff_t n) noexcept {
    for (std::ptrdiff_t i = 0; i < n; i += 64) {
      const std::uint64_t mask = first_channels(n - i);
      end64(static_cast<T*>(r.y) + i, mask,
            {sum16<T>(r, i, mask, 0), sum16<T>(r, i, mask, 1), sum16<T>(r, i, mask, 2), sum16<T>(r, i, mask, 3)},
            r.epilogue);
    }
  }

 private:
  template <class T>
  static OCTAVO_AVX512 OCTAVO_INLINE __m512 sum16(const native::add_run& r, std::ptrdiff_t i, std::uint64_t mask,
                                                  int part) {
    const __mmask16 lanes = sixteen(mask, part);
    const __m512 x0 = load16(static_cast<const T*>(r.x0) + i + 16 * part, lanes, _mm512_set1_epi32(r.zero_point0));
    const __m512 x1 = load16(static_cast<const T*>(r.x1) + i + 16 * part, lanes, _mm512_set1_epi32(r.zero_point1));
    const __m512 first = _mm512_mul_ps(x0, _mm512_set1_ps(r.multiplier0));
    return _mm512_fmadd_ps(x1, _mm512_set1_ps(r.multiplier1), first);
  }
};

/// Kernels for elementwise operators. "affine" is activate, convert, bias_add and batch_norm.
inline constexpr kernel elementwise_kernels[] = {
    native::add_kernel<elementwise, std::uint8_t>("add_u8_avx512_vnni", isa::avx512_vnni),
    native::add_kernel<elementwise, float>("add_f32_avx512_vnni", isa::avx512_vnni),
    native::affine_kernel<elementwise, std::uint8_t, std::uint8_t>("affine_u8_avx512_vnni", isa::avx512_vnni),
    native::affine_kernel<elementwise, float, std::uint8_t>("affine_f32u8_avx512_vnni", isa::avx512_vnni),
    native::affine_kernel<elementwise, std::uint8_t, float>("affine_u8f32_avx512_vnni", isa::avx512_vnni),
    native::affine_kernel<elementwise, float, float>("affine_f32_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
