// Matrix products of two activations on AVX2: the tiles of convolution.hpp. Columns of b are not looked through for
// pairs that vpmaddubsw could saturate; all of them are multiplied by their absolute values.
#pragma once

#include "octavo/backends/x86/avx2/convolution.hpp"
#include "octavo/backends/x86/avx2/pack_columns.hpp"

#if OCTAVO_X86

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

inline constexpr blocking::matmul_microkernel matmul_u8{direct_u8s8s32, pack_u8<true>, sum_row};
inline constexpr blocking::matmul_microkernel matmul_f32{direct<f32>, pack_f32, sum_row};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE {

/// matmul, u8 x u8 to u8 or f32.
inline constexpr kernel matmul_u8s8s32_7x8_avx2{"matmul_u8s8s32_7x8_avx2", isa::avx2,
                                                [](const problem& p) { return blocking::is_matmul_of(p, element::u8); },
                                                blocking::prepare_matmul<avx2::matmul_u8>};

/// matmul, f32.
inline constexpr kernel matmul_f32_7x16_avx2{"matmul_f32_7x16_avx2", isa::avx2,
                                             [](const problem& p) { return blocking::is_matmul_of(p, element::f32); },
                                             blocking::prepare_matmul<avx2::matmul_f32>};

}  // namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE

#endif
