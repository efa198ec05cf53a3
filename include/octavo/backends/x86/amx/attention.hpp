// AMX: attention. Softmax is that of AVX-512.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86_64

#include "octavo/backends/native/attention.hpp"
#include "octavo/backends/x86/amx/matmul.hpp"
#include "octavo/backends/x86/avx512_vnni/softmax.hpp"

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

/// Kernels for attention.
inline constexpr kernel attention_kernels[] = {
    native::attention_kernel<matmul_kernels, avx512_vnni::softmax_of_row<native::softmax_form::steps>,
                             avx512_vnni::elementwise, std::uint8_t>("attention_u8_amx", isa::amx),
};

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#endif
