// AVX-VNNI: attention. Softmax is that of AVX2.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/attention.hpp"
#include "octavo/backends/x86/avx2/softmax.hpp"
#include "octavo/backends/x86/avx_vnni/matmul.hpp"

namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// Kernels for attention.
inline constexpr kernel attention_kernels[] = {
    native::attention_kernel<matmul_kernels, avx2::softmax_of_row<native::softmax_form::steps>, avx2::elementwise,
                             std::uint8_t>("attention_u8_avx_vnni", isa::avx_vnni),
};

}  // namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE

#endif
