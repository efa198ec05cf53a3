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
    for (std::ptrdiff_t row = 0; row < r.rows; ++row) {
      source<X> x0(r.x0, row), x1(r.x1, row);
      Y* y = static_cast<Y*>(r.y) + row * r.y_step;
      std::ptrdiff_t i = 0;
      for (; i + 32 <= r.columns; i += 32) run_block<F>(r, x0, x1, i, y + i);
      if (i == r.columns) continue;
      X last0[32] = {}, last1[32] = {};
      Y last[32];
      x0.keep_last(i, r.columns, last0), x1.keep_last(i, r.columns, last1);
      run_block<F>(r, x0, x1, 0, last);
      std::memcpy(y + i, last, static_cast<std::size_t>(r.columns - i) * sizeof(Y));
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
    f32x8 multiplier;

    OCTAVO_AVX2 OCTAVO_INLINE source(const native::binary_operand& o, std::ptrdiff_t row)
        : x(static_cast<const X*>(o.x) + row * o.step),
          single(o.single),
          zero_point(_mm256_set1_epi32(o.zero_point)),
          number(_mm256_set1_ps(static_cast<float>(*x) - static_cast<float>(o.zero_point))),
          multiplier(o.multiplier) {}
    OCTAVO_AVX2 OCTAVO_INLINE f32x8 at(std::ptrdiff_t i) const { return single ? number : load8(x + i, zero_point); }
    /// Makes `to` the row: numbers [i, n).
    void keep_last(std::ptrdiff_t i, std::ptrdiff_t n, X* to) {
      if (!single) std::memcpy(to, x + i, static_cast<std::size_t>(n - i) * sizeof(X));
      x = to;
    }
  };

  template <class F, class X, class Y>
  static OCTAVO_AVX2 OCTAVO_INLINE void run_block(const native::binary_run& r, const source<X>& x0, const source<X>& x1,
                                                  std::ptrdiff_t i, Y* y) {
    const f32x32 v{combine(F(), x0.at(i), x1.at(i), x0.multiplier, x1.multiplier).v,
                   combine(F(), x0.at(i + 8), x1.at(i + 8), x0.multiplier, x1.multiplier).v,
                   combine(F(), x0.at(i + 16), x1.at(i + 16), x0.multiplier, x1.multiplier).v,
                   combine(F(), x0.at(i + 24), x1.at(i + 24), x0.multiplier, x1.multiplier).v};
    end32(y, v, r.epilogue);
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
