// Portable attention.
#pragma once

#include "octavo/backends/native/attention.hpp"
#include "octavo/backends/portable/matmul.hpp"
#include "octavo/backends/portable/softmax.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// Kernels for attention.
inline constexpr kernel attention_kernels[] = {
    native::attention_kernel<matmul_kernels, softmax_of_row<native::softmax_form::steps>, elementwise, std::uint8_t>(
        "attention_u8_portable", isa::portable),
    native::attention_kernel<matmul_kernels, softmax_of_row<native::softmax_form::quotients>, elementwise, float>(
        "attention_f32_portable", isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
