// Convolution and fully connected layers on AVX-VNNI: the tiles of avx2/direct_tile.hpp.
#pragma once

#include "octavo/backends/x86/avx2/direct_tile.hpp"

#if OCTAVO_X86

#include "octavo/backends/blocking/direct_convolution.hpp"

namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE {

/// conv2d and fc, u8 x s8 to u8 or f32.
inline constexpr kernel conv_u8s8s32_7x16_avx_vnni{
    "conv_u8s8s32_7x16_avx_vnni", isa::avx_vnni, [](const problem& p) { return blocking::is_layer_of(p, element::u8); },
    blocking::pack_direct<avx2::direct<avx2::vnni_u8s8s32>>};

}  // namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE

#endif
