// AVX-512: functions of one f32 number, 16 at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/unary.hpp"
#include "octavo/backends/x86/avx512_vnni/elementwise.hpp"
#include "octavo/backends/x86/avx512_vnni/vector.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of functions.
struct functions {
  template <class F>
  static OCTAVO_AVX512 void run(const void* attributes, const float* x, float* y, std::ptrdiff_t n) noexcept {
    const F& f = *static_cast<const F*>(attributes);
    for (std::ptrdiff_t i = 0; i < n; i += f32x16::lanes) store_lanes(y + i, n - i, apply(f, load_lanes(x + i, n - i)));
  }
};

/// Kernels for functions.
inline constexpr kernel unary_kernels[] = {
    native::unary_kernel<functions, elementwise, float>("unary_f32_avx512_vnni", isa::avx512_vnni),
    native::unary_kernel<functions, elementwise, std::uint8_t>("unary_f32u8_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
