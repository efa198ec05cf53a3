// AVX2: layer normalisation.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/layer_norm.hpp"
#include "octavo/backends/x86/avx2/elementwise.hpp"
#include "octavo/backends/x86/avx2/vector.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

OCTAVO_AVX2 OCTAVO_INLINE std::int32_t sum_of_lanes(__m256i v) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_srli_epi64(two, 32)));
}

/// s32 holds both, as op::layer_norm checks.
OCTAVO_AVX2 OCTAVO_INLINE native::byte_sums sums_of_bytes(const std::uint8_t* x, std::ptrdiff_t n) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i all = zero, squares = zero;
  for (std::ptrdiff_t i = 0; i < n; i += 32) {
    const __m256i q = n - i >= 32 ? load32(x + i) : load_first(x + i, static_cast<int>(n - i));
    const __m256i low = _mm256_unpacklo_epi8(q, zero), high = _mm256_unpackhi_epi8(q, zero);
    all = _mm256_add_epi32(all, _mm256_sad_epu8(q, zero));
    squares = _mm256_add_epi32(squares, _mm256_add_epi32(_mm256_madd_epi16(low, low), _mm256_madd_epi16(high, high)));
  }
  return {sum_of_lanes(all), sum_of_lanes(squares)};
}

#define OCTAVO_KERNEL_FUNCTION OCTAVO_AVX2
#define OCTAVO_LANES_FUNCTION OCTAVO_AVX2 OCTAVO_INLINE
#include "octavo/backends/native/layer_norm.inc"
#undef OCTAVO_LANES_FUNCTION
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for layer normalisation.
inline constexpr kernel layer_norm_kernels[] = {
    native::layer_norm_kernel<layer_norm_rows, elementwise, std::uint8_t, std::uint8_t>("layer_norm_u8_avx2",
                                                                                        isa::avx2),
    native::layer_norm_kernel<layer_norm_rows, elementwise, float, std::uint8_t>("layer_norm_f32u8_avx2", isa::avx2),
    native::layer_norm_kernel<layer_norm_rows, elementwise, std::uint8_t, float>("layer_norm_u8f32_avx2", isa::avx2),
    native::layer_norm_kernel<layer_norm_rows, elementwise, float, float>("layer_norm_f32_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
