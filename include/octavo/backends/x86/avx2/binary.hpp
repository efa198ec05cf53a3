// AVX2: arithmetic of two tensors, 32 numbers at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/binary.hpp"
#include "octavo/backends/x86/avx2/vector.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic.
struct arithmetic {
  template <class F, class X, class Y>
  static OCTAVO_AVX2 void run(const native::binary_run& r) noexcept {
    // A row that all others meet, as a factor for each channel of an image is, is loaded and converted once.
    if (r.rows > 1 && r.x1.step == 0) return run_columns<F, X, Y>(r, r.x1, r.x0, false);
    if (r.rows > 1 && r.x0.step == 0) return run_columns<F, X, Y>(r, r.x0, r.x1, true);
    for (std::ptrdiff_t row = 0; row < r.rows; ++row) {
      const source<X> x0(r.x0, row), x1(r.x1, row);
      Y* y = static_cast<Y*>(r.y) + row * r.y_step;
      for (std::ptrdiff_t i = 0; i < r.columns; i += 32) {
        const std::ptrdiff_t n = r.columns - i;
        run_block<F>(r, x0.at32(i, n), x1.at32(i, n), y + i, n);
      }
    }
  }

 private:
  /// A row of an operand.
  template <class X>
  struct source {
    const X* x;
    bool single;
    __m256i zero_point;
    __m256 number;  // the only one

    OCTAVO_AVX2 OCTAVO_INLINE source(const native::binary_operand& o, std::ptrdiff_t row)
        : x(static_cast<const X*>(o.x) + row * o.step),
          single(o.single),
          zero_point(_mm256_set1_epi32(o.zero_point)),
          number(_mm256_set1_ps(static_cast<float>(*x) - static_cast<float>(o.zero_point))) {}
    /// Numbers i to i + 31, of which there are n.
    OCTAVO_AVX2 OCTAVO_INLINE f32x32 at32(std::ptrdiff_t i, std::ptrdiff_t n) const {
      if (single) return {number, number, number, number};
      if (n >= 32) return load32(x + i);
      X last[32] = {};
      std::memcpy(last, x + i, static_cast<std::size_t>(n) * sizeof(X));
      return load32(last);
    }
    OCTAVO_AVX2 OCTAVO_INLINE f32x32 load32(const X* p) const {
      return {load8(p, zero_point), load8(p + 8, zero_point), load8(p + 16, zero_point), load8(p + 24, zero_point)};
    }
  };

  /// Combines 32 numbers, or the first n.
  template <class F, class Y>
  static OCTAVO_AVX2 OCTAVO_INLINE void run_block(const native::binary_run& r, const f32x32& x0, const f32x32& x1, Y* y,
                                                  std::ptrdiff_t n) {
    const f32x8 m0(r.x0.multiplier), m1(r.x1.multiplier);
    const f32x32 v{combine(F(), f32x8(x0.a), f32x8(x1.a), m0, m1).v, combine(F(), f32x8(x0.b), f32x8(x1.b), m0, m1).v,
                   combine(F(), f32x8(x0.c), f32x8(x1.c), m0, m1).v, combine(F(), f32x8(x0.d), f32x8(x1.d), m0, m1).v};
    if (n >= 32) return end32(y, v, r.epilogue);
    Y last[32];
    end32(last, v, r.epilogue);
    std::memcpy(y, last, static_cast<std::size_t>(n) * sizeof(Y));
  }

  /// Rows of which `kept`, x0 where `kept_first`, has one only.
  template <class F, class X, class Y>
  static OCTAVO_AVX2 OCTAVO_INLINE void run_columns(const native::binary_run& r, const native::binary_operand& kept,
                                                    const native::binary_operand& other, bool kept_first) {
    for (std::ptrdiff_t i = 0; i < r.columns; i += 32) {
      const std::ptrdiff_t n = r.columns - i;
      const f32x32 same = source<X>(kept, 0).at32(i, n);
      for (std::ptrdiff_t row = 0; row < r.rows; ++row) {
        const f32x32 next = source<X>(other, row).at32(i, n);
        Y* y = static_cast<Y*>(r.y) + row * r.y_step + i;
        kept_first ? run_block<F>(r, same, next, y, n) : run_block<F>(r, next, same, y, n);
      }
    }
  }
};

/// Kernels for arithmetic.
inline constexpr kernel binary_kernels[] = {
    native::binary_kernel<arithmetic, std::uint8_t, std::uint8_t>("binary_u8_avx2", isa::avx2),
    native::binary_kernel<arithmetic, std::uint8_t, float>("binary_u8f32_avx2", isa::avx2),
    native::binary_kernel<arithmetic, float, float>("binary_f32_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
