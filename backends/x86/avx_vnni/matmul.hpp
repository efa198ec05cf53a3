// Matrix products of two activations on AVX-VNNI: the tiles of avx2/direct_tile.hpp.
#pragma once

#include "octavo/backends/x86/avx2/pack_columns.hpp"
#include "octavo/backends/x86/avx_vnni/convolution.hpp"

#if OCTAVO_X86

namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE {
namespace avx_vnni {
inline constexpr blocking::matmul_microkernel matmul_u8{avx2::direct<avx2::vnni_u8s8s32>, avx2::pack_u8<false>,
                                                        avx2::sum_row};
}

/// matmul, u8 x u8 to u8 or f32.
inline constexpr kernel matmul_u8s8s32_7x16_avx_vnni{
    "matmul_u8s8s32_7x16_avx_vnni", isa::avx_vnni,
    [](const problem& p) { return blocking::is_matmul_of(p, element::u8); },
    blocking::prepare_matmul<avx_vnni::matmul_u8>};

}  // namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE

#endif
