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
    const X* from = static_cast<const X*>(r.x);
    Y* to = static_cast<Y*>(r.y);
    std::ptrdiff_t i = 0;
    for (; i + 32 <= n; i += 32) affine_block(r, from + i, to + i, r.per_channel ? i : 0);
    if (i == n) return;
    X x[32] = {};
    Y y[32];
    std::memcpy(x, from + i, static_cast<std::size_t>(n - i) * sizeof(X));
    affine_block(r, x, y, r.per_channel ? i : 0);
    std::memcpy(to + i, y, static_cast<std::size_t>(n - i) * sizeof(Y));
  }

  template <class T>
  static OCTAVO_AVX2 void add(const native::add_run& r, std::ptrdiff_t n) noexcept {
    const T *from0 = static_cast<const T*>(r.x0), *from1 = static_cast<const T*>(r.x1);
    T* to = static_cast<T*>(r.y);
    std::ptrdiff_t i = 0;
    for (; i + 32 <= n; i += 32) add_block(r, from0 + i, from1 + i, to + i);
    if (i == n) return;
    T x0[32] = {}, x1[32] = {}, y[32];
    std::memcpy(x0, from0 + i, static_cast<std::size_t>(n - i) * sizeof(T));
    std::memcpy(x1, from1 + i, static_cast<std::size_t>(n - i) * sizeof(T));
    add_block(r, x0, x1, y);
    std::memcpy(to + i, y, static_cast<std::size_t>(n - i) * sizeof(T));
  }

 private:
  template <class X, class Y>
  static OCTAVO_AVX2 OCTAVO_INLINE void affine_block(const native::affine_run& r, const X* x, Y* y,
                                                     std::ptrdiff_t channel) {
    const __m256i zero = _mm256_set1_epi32(r.zero_point);
    const float *m = r.multiplier + channel, *b = r.offset + channel;
    const f32x32 v{_mm256_fmadd_ps(load8(x, zero), _mm256_loadu_ps(m), _mm256_loadu_ps(b)),
                   _mm256_fmadd_ps(load8(x + 8, zero), _mm256_loadu_ps(m + 8), _mm256_loadu_ps(b + 8)),
                   _mm256_fmadd_ps(load8(x + 16, zero), _mm256_loadu_ps(m + 16), _mm256_loadu_ps(b + 16)),
                   _mm256_fmadd_ps(load8(x + 24, zero), _mm256_loadu_ps(m + 24), _mm256_loadu_ps(b + 24))};
    end32(y, v, r.epilogue);
  }

  template <class T>
  static OCTAVO_AVX2 OCTAVO_INLINE __m256 sum8(const native::add_run& r, const T* x0, const T* x1) {
    const __m256 first = _mm256_mul_ps(load8(x0, _mm256_set1_epi32(r.zero_point0)), _mm256_set1_ps(r.multiplier0));
    return _mm256_fmadd_ps(load8(x1, _mm256_set1_epi32(r.zero_point1)), _mm256_set1_ps(r.multiplier1), first);
  }
  template <class T>
  static OCTAVO_AVX2 OCTAVO_INLINE void add_block(const native::add_run& r, const T* x0, const T* x1, T* y) {
    end32(y, {sum8(r, x0, x1), sum8(r, x0 + 8, x1 + 8), sum8(r, x0 + 16, x1 + 16), sum8(r, x0 + 24, x1 + 24)},
          r.epilogue);
  }
};

/// Kernels for elementwise operators. "affine" is activate, convert, bias_add and batch_norm.
inline constexpr kernel elementwise_kernels[] = {
    native::add_kernel<elementwise, std::uint8_t>("add_u8_avx2", isa::avx2),
    native::add_kernel<elementwise, float>("add_f32_avx2", isa::avx2),
    native::affine_kernel<elementwise, std::uint8_t, std::uint8_t>("affine_u8_avx2", isa::avx2),
    native::affine_kernel<elementwise, float, std::uint8_t>("affine_f32u8_avx2", isa::avx2),
    native::affine_kernel<elementwise, std::uint8_t, float>("affine_u8f32_avx2", isa::avx2),
    native::affine_kernel<elementwise, float, float>("affine_f32_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
