// Portable layer normalisation.
#pragma once

#include <numeric>

#include "octavo/backends/native/layer_norm.hpp"
#include "octavo/backends/portable/elementwise.hpp"
#include "octavo/backends/portable/vector.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// s32 holds both, as op::layer_norm checks.
inline native::byte_sums sums_of_bytes(const std::uint8_t* x, std::ptrdiff_t n) {
  std::int32_t all[block] = {}, squares[block] = {};
  std::uint8_t q[block];
  for (std::ptrdiff_t i = 0; i < n; i += block) {
    if (n - i < block) std::memset(q, 0, sizeof q);
    std::memcpy(q, x + i, static_cast<std::size_t>(std::min<std::ptrdiff_t>(block, n - i)));
    for (int k = 0; k < block; ++k) all[k] += q[k], squares[k] += q[k] * q[k];
  }
  return {std::accumulate(all, all + block, 0), std::accumulate(squares, squares + block, 0)};
}

#define OCTAVO_KERNEL_FUNCTION inline
#define OCTAVO_LANES_FUNCTION inline
#include "octavo/backends/native/layer_norm.inc"
#undef OCTAVO_LANES_FUNCTION
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for layer normalisation.
inline constexpr kernel layer_norm_kernels[] = {
    native::layer_norm_kernel<layer_norm_rows, elementwise, std::uint8_t, std::uint8_t>("layer_norm_u8_portable",
                                                                                        isa::portable),
    native::layer_norm_kernel<layer_norm_rows, elementwise, float, std::uint8_t>("layer_norm_f32u8_portable",
                                                                                 isa::portable),
    native::layer_norm_kernel<layer_norm_rows, elementwise, std::uint8_t, float>("layer_norm_u8f32_portable",
                                                                                 isa::portable),
    native::layer_norm_kernel<layer_norm_rows, elementwise, float, float>("layer_norm_f32_portable", isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
