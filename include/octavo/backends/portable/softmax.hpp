// Portable softmax.
#pragma once

#include "octavo/backends/native/softmax.hpp"
#include "octavo/backends/portable/elementwise.hpp"
#include "octavo/backends/portable/vector.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

inline void store_bytes(std::uint8_t* p, const batch& v) {
  float each[lanes];
  v.store_unaligned(each);
  for (int i = 0; i < lanes; ++i) p[i] = each[i] > 0.0f ? static_cast<std::uint8_t>(each[i]) : std::uint8_t{0};
}

#define OCTAVO_KERNEL_FUNCTION inline
#include "octavo/backends/native/softmax.inc"
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for softmax.
inline constexpr kernel softmax_kernels[] = {
    native::softmax_kernel<op::softmax, softmax_of_row<native::softmax_form::quotients>, elementwise>(
        "softmax_portable", isa::portable),
    native::softmax_along_kernel<op::softmax, softmax_of_columns<false>, elementwise>("softmax_along_portable",
                                                                                      isa::portable),
    native::softmax_kernel<op::log_softmax, softmax_of_row<native::softmax_form::logarithms>, elementwise>(
        "log_softmax_portable", isa::portable),
    native::softmax_along_kernel<op::log_softmax, softmax_of_columns<true>, elementwise>("log_softmax_along_portable",
                                                                                         isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
