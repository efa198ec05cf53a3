// Matrix products of two activations on AVX2: the tiles of convolution.hpp. Columns of b are not looked through for
// pairs that vpmaddubsw could saturate; all of them are multiplied by their absolute values.
#pragma once

#include "octavo/backends/x86/avx2/convolution.hpp"
#include "octavo/backends/x86/avx2/row_product.hpp"

#if OCTAVO_X86

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

inline constexpr blocking::matmul_microkernel matmul_u8{direct_u8s8s32, matmul_functions_u8<true>};
inline constexpr blocking::matmul_microkernel matmul_f32{direct<f32>, matmul_functions_f32};

/// Kernels for matmul.
inline constexpr kernel matmul_kernels[] = {
    blocking::matmul_kernel<matmul_u8, element::u8>("matmul_u8s8s32_7x8_avx2", isa::avx2),
    blocking::matmul_kernel<matmul_f32, element::f32>("matmul_f32_7x16_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
