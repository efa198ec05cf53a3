// Portable arithmetic of two tensors, 16 numbers at a time.
#pragma once

#include "octavo/backends/native/binary.hpp"
#include "octavo/backends/portable/lanes.hpp"
#include "octavo/backends/portable/vector.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic.
struct arithmetic {
  template <class F, class X, class Y>
  static void run(const native::binary_run& r) noexcept {
    for (std::ptrdiff_t row = 0; row < r.rows; ++row) {
      const X *x0 = static_cast<const X*>(r.x0.x) + row * r.x0.step,
              *x1 = static_cast<const X*>(r.x1.x) + row * r.x1.step;
      Y* y = static_cast<Y*>(r.y) + row * r.y_step;
      for (std::ptrdiff_t i = 0; i < r.columns; i += block) {
        const auto n = static_cast<std::size_t>(std::min<std::ptrdiff_t>(r.columns - i, block));
        numbers v0, v1;
        load_first(v0, r.x0, x0 + (r.x0.single ? 0 : i), n), load_first(v1, r.x1, x1 + (r.x1.single ? 0 : i), n);
        const batch m0(r.x0.multiplier), m1(r.x1.multiplier);
        for (int k = 0; k < block; k += lanes)
          combine(F(), batch::load_unaligned(v0.at + k), batch::load_unaligned(v1.at + k), m0, m1)
              .store_unaligned(v0.at + k);
        Y result[block];
        end(result, v0, r.epilogue);
        std::memcpy(y + i, result, n * sizeof(Y));
      }
    }
  }

 private:
  /// The first n of 16 numbers, or the only one.
  template <class X>
  static void load_first(numbers& v, const native::binary_operand& o, const X* x, std::size_t n) {
    X some[block] = {};
    if (o.single)
      std::fill_n(some, block, *x);
    else
      std::memcpy(some, x, n * sizeof(X));
    load(v, some, o.zero_point);
  }
};

/// Kernels for arithmetic.
inline constexpr kernel binary_kernels[] = {
    native::binary_kernel<arithmetic, std::uint8_t, std::uint8_t>("binary_u8_portable", isa::portable),
    native::binary_kernel<arithmetic, std::uint8_t, float>("binary_u8f32_portable", isa::portable),
    native::binary_kernel<arithmetic, float, float>("binary_f32_portable", isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
