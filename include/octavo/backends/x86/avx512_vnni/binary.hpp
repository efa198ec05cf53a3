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
    for (std::ptrdiff_t row = 0; row < r.rows; ++row) {
      const source<X> x0(r.x0, row), x1(r.x1, row);
      Y* y = static_cast<Y*>(r.y) + row * r.y_step;
      for (std::ptrdiff_t i = 0; i < r.columns; i += 64) {
        const std::uint64_t mask = first_channels(r.columns - i);
        const f32x64 v{combine(F(), x0.at(i, mask, 0), x1.at(i, mask, 0), x0.multiplier, x1.multiplier).v,
                       combine(F(), x0.at(i, mask, 1), x1.at(i, mask, 1), x0.multiplier, x1.multiplier).v,
                       combine(F(), x0.at(i, mask, 2), x1.at(i, mask, 2), x0.multiplier, x1.multiplier).v,
                       combine(F(), x0.at(i, mask, 3), x1.at(i, mask, 3), x0.multiplier, x1.multiplier).v};
        end64(y + i, mask, v, r.epilogue);
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
    f32x16 multiplier;

    OCTAVO_AVX512 OCTAVO_INLINE source(const native::binary_operand& o, std::ptrdiff_t row)
        : x(static_cast<const X*>(o.x) + row * o.step),
          single(o.single),
          zero_point(_mm512_set1_epi32(o.zero_point)),
          number(_mm512_set1_ps(static_cast<float>(*x) - static_cast<float>(o.zero_point))),
          multiplier(o.multiplier) {}
    /// Numbers i + 16 part to i + 16 part + 15.
    OCTAVO_AVX512 OCTAVO_INLINE f32x16 at(std::ptrdiff_t i, std::uint64_t mask, int part) const {
      return single ? number : load16(x + i + 16 * part, sixteen(mask, part), zero_point);
    }
  };
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
