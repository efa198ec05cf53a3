// AVX512-VNNI: attention.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/attention.hpp"
#include "octavo/backends/x86/avx512_vnni/matmul.hpp"
#include "octavo/backends/x86/avx512_vnni/softmax.hpp"

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// Kernels for attention.
inline constexpr kernel attention_kernels[] = {
    native::attention_kernel<matmul_kernels, softmax_of_row<native::softmax_form::steps>, elementwise, std::uint8_t>(
        "attention_u8_avx512_vnni", isa::avx512_vnni),
    native::attention_kernel<matmul_kernels, softmax_of_row<native::softmax_form::quotients>, elementwise, float>(
        "attention_f32_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#endif
