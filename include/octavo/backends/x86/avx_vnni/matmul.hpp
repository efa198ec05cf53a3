// Matrix products of two activations on AVX-VNNI: the tiles of avx2/direct_tile.hpp.
#pragma once

#include "octavo/backends/x86/avx2/row_product.hpp"
#include "octavo/backends/x86/avx_vnni/convolution.hpp"

#if OCTAVO_X86

namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE {

inline constexpr blocking::matmul_microkernel matmul_u8{avx2::direct<u8s8s32>, avx2::matmul_functions_u8<false>};

/// Kernels for matmul.
inline constexpr kernel matmul_kernels[] = {
    blocking::matmul_kernel<matmul_u8, element::u8>("matmul_u8s8s32_7x16_avx_vnni", isa::avx_vnni),
};

}  // namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE

#endif
