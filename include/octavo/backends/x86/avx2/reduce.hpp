// AVX2: reductions. Means and sums that keep the innermost axis are average pooling.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/reduce.hpp"
#include "octavo/backends/x86/avx2/pool.hpp"
#include "octavo/backends/x86/avx2/vector.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// 32 bytes.
struct vector_of_u8 {
  __m256i v;

  OCTAVO_AVX2 OCTAVO_INLINE vector_of_u8(__m256i all) : v(all) {}
  OCTAVO_AVX2 OCTAVO_INLINE explicit vector_of_u8(std::uint8_t each) : v(_mm256_set1_epi8(static_cast<char>(each))) {}
};
inline constexpr int lanes_of_u8 = 32;

/// The first n of 32 bytes, n > 0, the others 0; reads nothing else.
OCTAVO_AVX2 OCTAVO_INLINE vector_of_u8 load_lanes(const std::uint8_t* p, std::ptrdiff_t n) {
  return n >= 32 ? load32(p) : load_first(p, static_cast<int>(n));
}
OCTAVO_AVX2 OCTAVO_INLINE void store_lanes(std::uint8_t* p, std::ptrdiff_t n, vector_of_u8 x) {
  n >= 32 ? store32(p, x.v) : store_first(p, static_cast<int>(n), x.v);
}
OCTAVO_AVX2 OCTAVO_INLINE vector_of_u8 at_least(vector_of_u8 a, vector_of_u8 b) { return _mm256_max_epu8(a.v, b.v); }
OCTAVO_AVX2 OCTAVO_INLINE vector_of_u8 at_most(vector_of_u8 a, vector_of_u8 b) { return _mm256_min_epu8(a.v, b.v); }
OCTAVO_AVX2 OCTAVO_INLINE vector_of_u8 inverted(vector_of_u8 a) { return _mm256_xor_si256(a.v, _mm256_set1_epi8(-1)); }
OCTAVO_AVX2 OCTAVO_INLINE std::uint8_t smallest_of(vector_of_u8 a) {
  const __m128i half = _mm_min_epu8(_mm256_castsi256_si128(a.v), _mm256_extracti128_si256(a.v, 1));
  const __m128i words = _mm_min_epu8(half, _mm_srli_epi16(half, 8));  // a smallest one below a zero
  return static_cast<std::uint8_t>(_mm_cvtsi128_si32(_mm_minpos_epu16(words)));
}

template <int N>
OCTAVO_AVX2 OCTAVO_INLINE f32x8 turned(f32x8 a) {
  static_assert(N == 4 || N == 2 || N == 1);
  if constexpr (N == 4) return _mm256_permute2f128_ps(a.v, a.v, 1);
  return _mm256_permute_ps(a.v, N == 2 ? 0x4e : 0x39);
}

/// The sum of whole rows: s32 holds it, as op::reduce checks.
OCTAVO_AVX2 OCTAVO_INLINE std::int32_t sum_of_bytes(const native::window& w, int n) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i sum = zero;  // four sums of 64 bits
  for (int h = 0; h < w.rows; ++h) {
    const auto* x = w.row<std::uint8_t>(h, 0);
    for (int i = 0; i < w.columns; ++i, x += w.pixel_step)
      for (std::ptrdiff_t c = 0; c < n; c += 32)
        sum = _mm256_add_epi64(sum, _mm256_sad_epu8(load_lanes(x + c, n - c).v, zero));
  }
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
  return _mm_cvtsi128_si32(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two)));
}

#define OCTAVO_KERNEL_FUNCTION OCTAVO_AVX2
#define OCTAVO_LANES_FUNCTION OCTAVO_AVX2 OCTAVO_INLINE
#include "octavo/backends/native/reduce.inc"
#undef OCTAVO_LANES_FUNCTION
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for reductions.
inline constexpr kernel reduce_kernels[] = {
    native::mean_kernel<pool, std::uint8_t, std::uint8_t>("reduce_mean_u8_avx2", isa::avx2),
    native::mean_kernel<pool, std::uint8_t, float>("reduce_mean_u8f32_avx2", isa::avx2),
    native::mean_kernel<pool, float, float>("reduce_mean_f32_avx2", isa::avx2),
    native::row_mean_kernel<reductions, std::uint8_t, std::uint8_t>("reduce_row_mean_u8_avx2", isa::avx2),
    native::row_mean_kernel<reductions, std::uint8_t, float>("reduce_row_mean_u8f32_avx2", isa::avx2),
    native::row_mean_kernel<reductions, float, float>("reduce_row_mean_f32_avx2", isa::avx2),
    native::extreme_kernel<reductions, std::uint8_t>("reduce_extreme_u8_avx2", isa::avx2),
    native::extreme_kernel<reductions, float>("reduce_extreme_f32_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
