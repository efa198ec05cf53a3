// Portable: functions of one f32 number, a vector at a time.
#pragma once

#include "octavo/backends/native/unary.hpp"
#include "octavo/backends/portable/elementwise.hpp"
#include "octavo/backends/portable/vector.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of functions.
struct functions {
  template <class F>
  static void run(const void* attributes, const float* x, float* y, std::ptrdiff_t n) noexcept {
    const F& f = *static_cast<const F*>(attributes);
    for (std::ptrdiff_t i = 0; i < n; i += lanes) store_lanes(y + i, n - i, apply(f, load_lanes(x + i, n - i)));
  }
};

/// Kernels for functions.
inline constexpr kernel unary_kernels[] = {
    native::unary_kernel<functions, elementwise, float>("unary_f32_portable", isa::portable),
    native::unary_kernel<functions, elementwise, std::uint8_t>("unary_f32u8_portable", isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
