// AVX2: attention.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/attention.hpp"
#include "octavo/backends/x86/avx2/matmul.hpp"
#include "octavo/backends/x86/avx2/softmax.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// Kernels for attention.
inline constexpr kernel attention_kernels[] = {
    native::attention_kernel<matmul_kernels, softmax_of_row<native::softmax_form::steps>, elementwise, std::uint8_t>(
        "attention_u8_avx2", isa::avx2),
    native::attention_kernel<matmul_kernels, softmax_of_row<native::softmax_form::quotients>, elementwise, float>(
        "attention_f32_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
