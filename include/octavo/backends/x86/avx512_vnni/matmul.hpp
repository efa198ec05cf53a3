// Matrix products of two activations on AVX-512: the tiles of convolution.hpp.
#pragma once

#include "octavo/backends/x86/avx2/row_product.hpp"
#include "octavo/backends/x86/avx512_vnni/convolution.hpp"

#if OCTAVO_X86

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

inline constexpr blocking::matmul_microkernel matmul_u8{direct<u8s8s32>, avx2::matmul_functions_u8<false>};
inline constexpr blocking::matmul_microkernel matmul_f32{direct<f32>, avx2::matmul_functions_f32};

/// Kernels for matmul.
inline constexpr kernel matmul_kernels[] = {
    blocking::matmul_kernel<matmul_u8, element::u8>("matmul_u8s8s32_14x32_avx512_vnni", isa::avx512_vnni),
    blocking::matmul_kernel<matmul_f32, element::f32>("matmul_f32_14x32_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#endif
