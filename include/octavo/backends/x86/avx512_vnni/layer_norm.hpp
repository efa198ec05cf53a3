// AVX512-VNNI: layer normalisation. vpdpbusd takes q - 128 as the s8 factor: sum q^2 = sum q (q - 128) + 128 sum q.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/layer_norm.hpp"
#include "octavo/backends/x86/avx512_vnni/elementwise.hpp"
#include "octavo/backends/x86/avx512_vnni/vector.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// s32 holds both, as op::layer_norm checks.
OCTAVO_AVX512 OCTAVO_INLINE native::byte_sums sums_of_bytes(const std::uint8_t* x, std::ptrdiff_t n) {
  const __m512i zero = _mm512_setzero_si512(), middle = _mm512_set1_epi8(-128);
  __m512i all = zero, products = zero;
  for (std::ptrdiff_t i = 0; i < n; i += 64) {
    const __m512i q = load64(x + i, first_channels(n - i));
    all = _mm512_add_epi32(all, _mm512_sad_epu8(q, zero));
    products = _mm512_dpbusd_epi32(products, q, _mm512_xor_si512(q, middle));
  }
  const std::int32_t sum = _mm512_reduce_add_epi32(all);
  return {sum, _mm512_reduce_add_epi32(products) + 128 * sum};
}

#define OCTAVO_KERNEL_FUNCTION OCTAVO_AVX512
#define OCTAVO_LANES_FUNCTION OCTAVO_AVX512 OCTAVO_INLINE
#include "octavo/backends/native/layer_norm.inc"
#undef OCTAVO_LANES_FUNCTION
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for layer normalisation.
inline constexpr kernel layer_norm_kernels[] = {
    native::layer_norm_kernel<layer_norm_rows, elementwise, std::uint8_t, std::uint8_t>("layer_norm_u8_avx512_vnni",
                                                                                        isa::avx512_vnni),
    native::layer_norm_kernel<layer_norm_rows, elementwise, float, std::uint8_t>("layer_norm_f32u8_avx512_vnni",
                                                                                 isa::avx512_vnni),
    native::layer_norm_kernel<layer_norm_rows, elementwise, std::uint8_t, float>("layer_norm_u8f32_avx512_vnni",
                                                                                 isa::avx512_vnni),
    native::layer_norm_kernel<layer_norm_rows, elementwise, float, float>("layer_norm_f32_avx512_vnni",
                                                                          isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
