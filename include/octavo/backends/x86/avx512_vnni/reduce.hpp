// AVX-512: reductions. Means and sums that keep the innermost axis are average pooling.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/reduce.hpp"
#include "octavo/backends/x86/avx512_vnni/pool.hpp"
#include "octavo/backends/x86/avx512_vnni/vector.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// 64 bytes.
struct vector_of_u8 {
  __m512i v;

  OCTAVO_AVX512 OCTAVO_INLINE vector_of_u8(__m512i all) : v(all) {}
  OCTAVO_AVX512 OCTAVO_INLINE explicit vector_of_u8(std::uint8_t each) : v(_mm512_set1_epi8(static_cast<char>(each))) {}
};
inline constexpr int lanes_of_u8 = 64;

/// The first n of 64 bytes, n > 0, the others 0; reads nothing else.
OCTAVO_AVX512 OCTAVO_INLINE vector_of_u8 load_lanes(const std::uint8_t* p, std::ptrdiff_t n) {
  return load64(p, first_channels(n));
}
OCTAVO_AVX512 OCTAVO_INLINE void store_lanes(std::uint8_t* p, std::ptrdiff_t n, vector_of_u8 x) {
  store64(p, first_channels(n), x.v);
}
OCTAVO_AVX512 OCTAVO_INLINE vector_of_u8 at_least(vector_of_u8 a, vector_of_u8 b) { return _mm512_max_epu8(a.v, b.v); }
OCTAVO_AVX512 OCTAVO_INLINE vector_of_u8 at_most(vector_of_u8 a, vector_of_u8 b) { return _mm512_min_epu8(a.v, b.v); }
OCTAVO_AVX512 OCTAVO_INLINE vector_of_u8 inverted(vector_of_u8 a) {
  return _mm512_xor_si512(a.v, _mm512_set1_epi8(-1));
}
OCTAVO_AVX512 OCTAVO_INLINE std::uint8_t smallest_of(vector_of_u8 a) {
  const __m256i half = _mm256_min_epu8(_mm512_castsi512_si256(a.v), _mm512_extracti64x4_epi64(a.v, 1));
  const __m128i quarter = _mm_min_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  const __m128i words = _mm_min_epu8(quarter, _mm_srli_epi16(quarter, 8));  // a smallest one below a zero
  return static_cast<std::uint8_t>(_mm_cvtsi128_si32(_mm_minpos_epu16(words)));
}

template <int N>
OCTAVO_AVX512 OCTAVO_INLINE f32x16 turned(f32x16 a) {
  const __m512i bits = _mm512_castps_si512(a.v);
  return _mm512_castsi512_ps(_mm512_alignr_epi32(bits, bits, N));
}

/// The sum of whole rows: s32 holds it, as op::reduce checks.
OCTAVO_AVX512 OCTAVO_INLINE std::int32_t sum_of_bytes(const native::window& w, int n) {
  const __m512i zero = _mm512_setzero_si512();
  __m512i sum = zero;  // eight sums of 64 bits
  for (int h = 0; h < w.rows; ++h) {
    const auto* x = w.row<std::uint8_t>(h, 0);
    for (int i = 0; i < w.columns; ++i, x += w.pixel_step)
      for (std::ptrdiff_t c = 0; c < n; c += 64)
        sum = _mm512_add_epi64(sum, _mm512_sad_epu8(load_lanes(x + c, n - c).v, zero));
  }
  return static_cast<std::int32_t>(_mm512_reduce_add_epi64(sum));
}

#define OCTAVO_KERNEL_FUNCTION OCTAVO_AVX512
#define OCTAVO_LANES_FUNCTION OCTAVO_AVX512 OCTAVO_INLINE
#include "octavo/backends/native/reduce.inc"
#undef OCTAVO_LANES_FUNCTION
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for reductions.
inline constexpr kernel reduce_kernels[] = {
    native::mean_kernel<pool, std::uint8_t, std::uint8_t>("reduce_mean_u8_avx512_vnni", isa::avx512_vnni),
    native::mean_kernel<pool, std::uint8_t, float>("reduce_mean_u8f32_avx512_vnni", isa::avx512_vnni),
    native::mean_kernel<pool, float, float>("reduce_mean_f32_avx512_vnni", isa::avx512_vnni),
    native::row_mean_kernel<reductions, std::uint8_t, std::uint8_t>("reduce_row_mean_u8_avx512_vnni", isa::avx512_vnni),
    native::row_mean_kernel<reductions, std::uint8_t, float>("reduce_row_mean_u8f32_avx512_vnni", isa::avx512_vnni),
    native::row_mean_kernel<reductions, float, float>("reduce_row_mean_f32_avx512_vnni", isa::avx512_vnni),
    native::extreme_kernel<reductions, std::uint8_t>("reduce_extreme_u8_avx512_vnni", isa::avx512_vnni),
    native::extreme_kernel<reductions, float>("reduce_extreme_f32_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
