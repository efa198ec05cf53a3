// AVX-512: bilinear resizing, 64 channels at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/interp2d.hpp"
#include "octavo/backends/x86/avx512_vnni/lanes.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of resizing.
struct interp2d {
  template <class T>
  static OCTAVO_AVX512 void blend(const native::four_pixels& p, void* dst, std::ptrdiff_t n) noexcept {
    for (std::ptrdiff_t i = 0; i < n; i += 64) {
      const std::uint64_t mask = first_channels(n - i);
      end64(
          static_cast<T*>(dst) + i, mask,
          {blend16<T>(p, i, mask, 0), blend16<T>(p, i, mask, 1), blend16<T>(p, i, mask, 2), blend16<T>(p, i, mask, 3)},
          *p.end);
    }
  }

 private:
  template <class T>
  static OCTAVO_AVX512 OCTAVO_INLINE __m512 across16(const void* left, const void* right, std::ptrdiff_t i,
                                                     __mmask16 lanes, __m512 weight) {
    const __m512 from = load16(static_cast<const T*>(left) + i, lanes, _mm512_setzero_si512());
    const __m512 to = load16(static_cast<const T*>(right) + i, lanes, _mm512_setzero_si512());
    return _mm512_fmadd_ps(weight, _mm512_sub_ps(to, from), from);
  }
  template <class T>
  static OCTAVO_AVX512 OCTAVO_INLINE __m512 blend16(const native::four_pixels& p, std::ptrdiff_t i, std::uint64_t mask,
                                                    int part) {
    const __mmask16 lanes = sixteen(mask, part);
    const __m512 weight = _mm512_set1_ps(p.across);
    const __m512 upper = across16<T>(p.x00, p.x01, i + 16 * part, lanes, weight);
    const __m512 lower = across16<T>(p.x10, p.x11, i + 16 * part, lanes, weight);
    return _mm512_fmadd_ps(_mm512_set1_ps(p.down), _mm512_sub_ps(lower, upper), upper);
  }
};

/// Kernels for bilinear resizing.
inline constexpr kernel interp2d_kernels[] = {
    native::bilinear_kernel<interp2d, std::uint8_t>("interp2d_u8_avx512", isa::avx512_vnni),
    native::bilinear_kernel<interp2d, float>("interp2d_f32_avx512", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
