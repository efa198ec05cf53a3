// AVX-512: arithmetic of two tensors, 64 numbers at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/binary.hpp"
#include "octavo/backends/x86/avx512_vnni/vector.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic.
struct arithmetic {
  template <class F, class X, class Y>
  static OCTAVO_AVX512 void run(const native::binary_run& r) noexcept {
    // A row that all others meet, as a factor for each channel of an image is, is loaded and converted once.
    if (r.rows > 1 && r.x1.step == 0) return run_columns<F, X, Y>(r, r.x1, r.x0, false);
    if (r.rows > 1 && r.x0.step == 0) return run_columns<F, X, Y>(r, r.x0, r.x1, true);
    for (std::ptrdiff_t row = 0; row < r.rows; ++row) {
      const source<X> x0(r.x0, row), x1(r.x1, row);
      Y* y = static_cast<Y*>(r.y) + row * r.y_step;
      for (std::ptrdiff_t i = 0; i < r.columns; i += 64) {
        const std::uint64_t mask = first_channels(r.columns - i);
        run_block<F>(r, x0.at64(i, mask), x1.at64(i, mask), y + i, mask);
      }
    }
  }

 private:
  /// A row of an operand.
  template <class X>
  struct source {
    const X* x;
    bool single;
    __m512i zero_point;
    __m512 number;  // the only one

    OCTAVO_AVX512 OCTAVO_INLINE source(const native::binary_operand& o, std::ptrdiff_t row)
        : x(static_cast<const X*>(o.x) + row * o.step),
          single(o.single),
          zero_point(_mm512_set1_epi32(o.zero_point)),
          number(_mm512_set1_ps(static_cast<float>(*x) - static_cast<float>(o.zero_point))) {}
    /// Numbers i + 16 part to i + 16 part + 15.
    OCTAVO_AVX512 OCTAVO_INLINE f32x16 at(std::ptrdiff_t i, std::uint64_t mask, int part) const {
      return single ? number : load16(x + i + 16 * part, sixteen(mask, part), zero_point);
    }
    /// Numbers i to i + 63.
    OCTAVO_AVX512 OCTAVO_INLINE f32x64 at64(std::ptrdiff_t i, std::uint64_t mask) const {
      return {at(i, mask, 0).v, at(i, mask, 1).v, at(i, mask, 2).v, at(i, mask, 3).v};
    }
  };

  /// Combines 64 numbers.
  template <class F, class Y>
  static OCTAVO_AVX512 OCTAVO_INLINE void run_block(const native::binary_run& r, const f32x64& x0, const f32x64& x1,
                                                    Y* y, std::uint64_t mask) {
    const f32x16 m0(r.x0.multiplier), m1(r.x1.multiplier);
    const f32x64 v{
        combine(F(), f32x16(x0.a), f32x16(x1.a), m0, m1).v, combine(F(), f32x16(x0.b), f32x16(x1.b), m0, m1).v,
        combine(F(), f32x16(x0.c), f32x16(x1.c), m0, m1).v, combine(F(), f32x16(x0.d), f32x16(x1.d), m0, m1).v};
    end64(y, mask, v, r.epilogue);
  }

  /// Rows of which `kept`, x0 where `kept_first`, has one only.
  template <class F, class X, class Y>
  static OCTAVO_AVX512 OCTAVO_INLINE void run_columns(const native::binary_run& r, const native::binary_operand& kept,
                                                      const native::binary_operand& other, bool kept_first) {
    for (std::ptrdiff_t i = 0; i < r.columns; i += 64) {
      const std::uint64_t mask = first_channels(r.columns - i);
      const f32x64 same = source<X>(kept, 0).at64(i, mask);
      for (std::ptrdiff_t row = 0; row < r.rows; ++row) {
        const f32x64 next = source<X>(other, row).at64(i, mask);
        Y* y = static_cast<Y*>(r.y) + row * r.y_step + i;
        kept_first ? run_block<F>(r, same, next, y, mask) : run_block<F>(r, next, same, y, mask);
      }
    }
  }
};

/// Kernels for arithmetic.
inline constexpr kernel binary_kernels[] = {
    native::binary_kernel<arithmetic, std::uint8_t, std::uint8_t>("binary_u8_avx512_vnni", isa::avx512_vnni),
    native::binary_kernel<arithmetic, std::uint8_t, float>("binary_u8f32_avx512_vnni", isa::avx512_vnni),
    native::binary_kernel<arithmetic, float, float>("binary_f32_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
