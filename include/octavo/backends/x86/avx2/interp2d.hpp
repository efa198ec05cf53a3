// AVX2: bilinear resizing, 32 channels at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/interp2d.hpp"
#include "octavo/backends/x86/avx2/lanes.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of resizing.
struct interp2d {
  template <class T>
  static OCTAVO_AVX2 void blend(const native::four_pixels& p, void* dst, std::ptrdiff_t n) noexcept {
    const T* from[] = {static_cast<const T*>(p.x00), static_cast<const T*>(p.x01), static_cast<const T*>(p.x10),
                       static_cast<const T*>(p.x11)};
    T* const y = static_cast<T*>(dst);
    std::ptrdiff_t i = 0;
    for (; i + 32 <= n; i += 32) blend_block(p, from[0] + i, from[1] + i, from[2] + i, from[3] + i, y + i);
    if (i == n) return;
    T x[4][32] = {}, last[32];
    for (int k = 0; k < 4; ++k) std::memcpy(x[k], from[k] + i, static_cast<std::size_t>(n - i) * sizeof(T));
    blend_block(p, x[0], x[1], x[2], x[3], last);
    std::memcpy(y + i, last, static_cast<std::size_t>(n - i) * sizeof(T));
  }

 private:
  template <class T>
  static OCTAVO_AVX2 OCTAVO_INLINE __m256 across8(const T* left, const T* right, __m256 weight) {
    const __m256 from = load8(left, _mm256_setzero_si256()), to = load8(right, _mm256_setzero_si256());
    return _mm256_fmadd_ps(weight, _mm256_sub_ps(to, from), from);
  }
  template <class T>
  static OCTAVO_AVX2 OCTAVO_INLINE __m256 blend8(const native::four_pixels& p, const T* x00, const T* x01, const T* x10,
                                                 const T* x11) {
    const __m256 weight = _mm256_set1_ps(p.across);
    const __m256 upper = across8(x00, x01, weight), lower = across8(x10, x11, weight);
    return _mm256_fmadd_ps(_mm256_set1_ps(p.down), _mm256_sub_ps(lower, upper), upper);
  }
  template <class T>
  static OCTAVO_AVX2 OCTAVO_INLINE void blend_block(const native::four_pixels& p, const T* x00, const T* x01,
                                                    const T* x10, const T* x11, T* y) {
    end32(y,
          {blend8(p, x00, x01, x10, x11), blend8(p, x00 + 8, x01 + 8, x10 + 8, x11 + 8),
           blend8(p, x00 + 16, x01 + 16, x10 + 16, x11 + 16), blend8(p, x00 + 24, x01 + 24, x10 + 24, x11 + 24)},
          *p.end);
  }
};

/// Kernels for bilinear resizing.
inline constexpr kernel interp2d_kernels[] = {
    native::bilinear_kernel<interp2d, std::uint8_t>("interp2d_u8_avx2", isa::avx2),
    native::bilinear_kernel<interp2d, float>("interp2d_f32_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
