// Convolution and fully connected layers on AVX2: strips of 7 pixels x 8 channels.
//
// INT8. vpmaddubsw multiplies u8 by s8 and sums pairs in s16, which saturates where weights are large. Groups of depth
// whose weights cannot saturate, most of them, come first and take that way; those of the others are multiplied by
// their absolute value, and x takes their sign: |w| (x - 128) for w >= 0, |w| (127 - x) for w < 0, each one exclusive or.
// All of it is exact. FP32: direct_tile.hpp.
#pragma once

#include "octavo/backends/x86/avx2/direct_tile.hpp"

#if OCTAVO_X86

namespace octavo::x86::avx2 {

/// How sums of s32 become numbers.
struct u8s8s32 {
  using sum = __m256i;
  OCTAVO_AVX2 static OCTAVO_INLINE __m256 scaled(sum s, __m256 multiplier, __m256 offset) {
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), multiplier, offset);
  }
};

/// Adds the products of `rows` pixels to their sums.
template <int rows>
OCTAVO_AVX2 OCTAVO_INLINE void sum_products(const direct_tile& t, __m256i (&acc)[strip][1]) {
  const std::ptrdiff_t stride = t.src_stride, stride3 = 3 * stride, stride5 = 5 * stride, ahead_step = t.ahead_step;
  const std::byte *weights = t.weights, *ahead = t.ahead;
  const std::int32_t* order = t.order;
  const __m256i ones = _mm256_set1_epi16(1);
  for (int run = 0; run < t.run_count; ++run) {
    const std::byte* x = t.src[0] + t.runs[run];
    const int exact = t.exact[run];
    for (int group = 0; group < exact; ++group, ++order, weights += 32, ahead += ahead_step) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
      const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
      const std::byte* from = x + *order;
      OCTAVO_UNROLL
      for (int m = 0; m < rows; ++m) {
        const std::ptrdiff_t at = m == 3 ? stride3 : m == 5 ? stride5 : m == 6 ? 2 * stride3 : m * stride;
        const __m256i pairs = _mm256_maddubs_epi16(broadcast(from + at), w);
        acc[m][0] = _mm256_add_epi32(acc[m][0], _mm256_madd_epi16(pairs, ones));
      }
    }
    for (int group = exact; group < t.run_groups; ++group, ++order, weights += 32, ahead += ahead_step) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
      const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights)), magnitude = _mm256_abs_epi8(w);
      const __m256i negative = _mm256_cmpgt_epi8(_mm256_setzero_si256(), w);
      const __m256i flip = _mm256_xor_si256(negative, _mm256_set1_epi8(static_cast<char>(0x80)));
      const std::byte* from = x + *order;
      OCTAVO_UNROLL
      for (int m = 0; m < rows; ++m) {
        const std::ptrdiff_t at = m == 3 ? stride3 : m == 5 ? stride5 : m == 6 ? 2 * stride3 : m * stride;
        const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_xor_si256(broadcast(from + at), flip));
        acc[m][0] = _mm256_add_epi32(acc[m][0], _mm256_madd_epi16(pairs, ones));
      }
    }
  }
}

/// A strip.
OCTAVO_AVX2 inline void strip_tile_u8(const direct_tile& t) noexcept {
  __m256i acc[strip][1];
  OCTAVO_UNROLL
  for (int m = 0; m < strip; ++m) acc[m][0] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.start));
  add_row_starts<u8s8s32, 1>(t, acc);
  sum_products<strip>(t, acc);
  end_strip<u8s8s32, 1>(t, acc);
}

/// A single pixel.
OCTAVO_AVX2 inline void pixel_tile_u8(const direct_tile& t) noexcept {
  __m256i acc[strip][1];
  acc[0][0] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.start));
  if (t.row_start[0]) acc[0][0] = _mm256_add_epi32(acc[0][0], _mm256_set1_epi32(*t.row_start[0]));
  sum_products<1>(t, acc);
  alignas(32) float x[8];
  _mm256_store_ps(x, u8s8s32::scaled(acc[0][0], _mm256_loadu_ps(t.multiplier), _mm256_loadu_ps(t.offset)));
  end_rows(t, x, 1, 8);
}

inline constexpr blocking::direct_microkernel direct_u8s8s32{
    8, 1, strip, true, {{pixel_tile_u8}, {strip_tile_u8}, {two_strips<strip_tile_u8>}}};

}  // namespace octavo::x86::avx2

namespace octavo::x86 {

/// conv2d and fc, u8 x s8 to u8 or f32.
inline constexpr kernel conv_u8s8s32_7x8_avx2{"conv_u8s8s32_7x8_avx2", isa::avx2,
                                              [](const problem& p) { return blocking::is_layer_of(p, element::u8); },
                                              blocking::pack_direct<avx2::direct_u8s8s32>};

/// conv2d and fc, f32.
inline constexpr kernel conv_f32_7x16_avx2{"conv_f32_7x16_avx2", isa::avx2,
                                           [](const problem& p) { return blocking::is_layer_of(p, element::f32); },
                                           blocking::pack_direct<avx2::direct<avx2::f32>>};

}  // namespace octavo::x86

#endif
