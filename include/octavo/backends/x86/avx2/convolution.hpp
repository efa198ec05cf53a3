// Convolution and fully connected layers on AVX2: strips of 7 pixels x 8 channels.
//
// INT8. vpmaddubsw multiplies u8 by s8 and sums pairs in s16, which saturates where weights are large. Groups of depth
// whose weights cannot saturate, most of them, come first and take that way; those of the others are multiplied by
// their absolute value, and x takes their sign: |w| (x - 128) for w >= 0, |w| (127 - x) for w < 0, each one exclusive
// or. All of it is exact. Layers of one pixel, which wait for their weights, widen them to s16 instead. FP32:
// direct_tile.hpp.
#pragma once

#include "octavo/backends/x86/avx2/direct_tile.hpp"

#if OCTAVO_X86

#include "octavo/backends/blocking/direct_convolution.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// How sums of s32 become numbers.
struct u8s8s32 {
  using sum = __m256i;
  OCTAVO_AVX2 static OCTAVO_INLINE __m256 scaled(sum s, __m256 multiplier, __m256 offset) {
    return avx2::scaled(s, multiplier, offset);
  }
};

/// Weights whose pairs could saturate, as their absolute value.
struct flipped {
  __m256i magnitude, flip;

  OCTAVO_AVX2 OCTAVO_INLINE explicit flipped(const std::byte* weights) {
    const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
    magnitude = _mm256_abs_epi8(w);
    flip = _mm256_xor_si256(_mm256_cmpgt_epi8(_mm256_setzero_si256(), w), _mm256_set1_epi8(static_cast<char>(0x80)));
  }
  /// Sums of two products, of x - 128 where w >= 0 and 127 - x elsewhere.
  OCTAVO_AVX2 OCTAVO_INLINE __m256i pairs(__m256i x) const {
    return _mm256_maddubs_epi16(magnitude, _mm256_xor_si256(x, flip));
  }
};

/// A strip.
OCTAVO_AVX2 inline void strip_tile_u8(const direct_tile& t) noexcept {
  __m256i acc[strip][1];
  OCTAVO_UNROLL
  for (int m = 0; m < strip; ++m) acc[m][0] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.start));
  add_row_starts<u8s8s32, 1>(t, acc);
  const std::ptrdiff_t stride = t.src_stride, stride3 = 3 * stride, stride5 = 5 * stride;
  const std::uintptr_t ahead_step = t.ahead_step;
  std::uintptr_t ahead = t.ahead;
  const std::byte* weights = t.weights;
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
      for (int m = 0; m < strip; ++m) {
        const std::ptrdiff_t at = m == 3 ? stride3 : m == 5 ? stride5 : m == 6 ? 2 * stride3 : m * stride;
        const __m256i pairs = _mm256_maddubs_epi16(broadcast(from + at), w);
        acc[m][0] = _mm256_add_epi32(acc[m][0], _mm256_madd_epi16(pairs, ones));
      }
    }
    for (int group = exact; group < t.run_groups; ++group, ++order, weights += 32, ahead += ahead_step) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
      const flipped w(weights);
      const std::byte* from = x + *order;
      OCTAVO_UNROLL
      for (int m = 0; m < strip; ++m) {
        const std::ptrdiff_t at = m == 3 ? stride3 : m == 5 ? stride5 : m == 6 ? 2 * stride3 : m * stride;
        acc[m][0] = _mm256_add_epi32(acc[m][0], _mm256_madd_epi16(w.pairs(broadcast(from + at)), ones));
      }
    }
  }
  end_strip<u8s8s32, 1>(t, acc);
}

/// A single pixel. Successive groups take turns at four sums.
OCTAVO_AVX2 inline void pixel_tile_u8(const direct_tile& t) noexcept {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i acc[4] = {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.start)), _mm256_setzero_si256(),
                    _mm256_setzero_si256(), _mm256_setzero_si256()};
  if (t.row_start[0]) acc[1] = _mm256_set1_epi32(*t.row_start[0]);
  const std::byte* weights = t.weights;
  const std::int32_t* order = t.order;
  for (int run = 0; run < t.run_count; ++run) {
    const std::byte* x = t.src[0] + t.runs[run];
    int left = t.exact[run];
    for (; left >= 4; left -= 4, order += 4, weights += 128) {
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i) {
        const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + i * 32));
        const __m256i pairs = _mm256_maddubs_epi16(broadcast(x + order[i]), w);
        acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(pairs, ones));
      }
    }
    for (; left > 0; --left, ++order, weights += 32) {
      const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
      acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(_mm256_maddubs_epi16(broadcast(x + *order), w), ones));
    }
    for (left = t.run_groups - t.exact[run]; left > 0; --left, ++order, weights += 32) {
      const flipped w(weights);
      acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(w.pairs(broadcast(x + *order)), ones));
    }
  }
  const __m256i sum = _mm256_add_epi32(_mm256_add_epi32(acc[0], acc[1]), _mm256_add_epi32(acc[2], acc[3]));
  alignas(32) float y[8];
  _mm256_store_ps(y, u8s8s32::scaled(sum, _mm256_loadu_ps(t.multiplier), _mm256_loadu_ps(t.offset)));
  end_rows(t, y, 1, 8);
}

/// Adds a group of depth, as four s16 in each quarter of x, times the weights of 8 channels, as two halves.
OCTAVO_AVX2 OCTAVO_INLINE void add_group(__m256i (&acc)[2], __m256i x, const std::byte* weights) {
  OCTAVO_UNROLL
  for (int half = 0; half < 2; ++half) {
    const __m128i w = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights + half * 16));
    acc[half] = _mm256_add_epi32(acc[half], _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(w)));
  }
}

/// The pixel of a layer that has no other, whose weights are in the order of its depth: waiting for them leaves time to
/// widen both factors to s16.
OCTAVO_AVX2 inline void lone_pixel_tile_u8(const direct_tile& t) noexcept {
  __m256i acc[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  const std::byte* weights = t.weights;
  for (int run = 0; run < t.run_count; ++run) {
    const std::byte* x = t.src[0] + t.runs[run];
    int left = t.run_groups;
    for (; left >= 4; left -= 4, x += 16, weights += 128) {
      const __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
      add_group(acc, _mm256_permute4x64_epi64(wide, 0x00), weights);
      add_group(acc, _mm256_permute4x64_epi64(wide, 0x55), weights + 32);
      add_group(acc, _mm256_permute4x64_epi64(wide, 0xaa), weights + 64);
      add_group(acc, _mm256_permute4x64_epi64(wide, 0xff), weights + 96);
    }
    for (; left > 0; --left, x += 4, weights += 32)
      add_group(acc, _mm256_cvtepu8_epi16(_mm256_castsi256_si128(broadcast(x))), weights);
  }
  // Adding neighbours gives channels 0, 1, 4, 5 in one lane and 2, 3, 6, 7 in the other.
  __m256i sum = _mm256_permute4x64_epi64(_mm256_hadd_epi32(acc[0], acc[1]), 0xd8);
  sum = _mm256_add_epi32(sum, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(t.start)));
  alignas(32) float y[8];
  _mm256_store_ps(y, u8s8s32::scaled(sum, _mm256_loadu_ps(t.multiplier), _mm256_loadu_ps(t.offset)));
  end_rows(t, y, 1, 8);
}

inline constexpr blocking::direct_microkernel lone_pixel_u8s8s32{8, 1, strip, false, {{lone_pixel_tile_u8}, {}, {}}};

inline constexpr blocking::direct_microkernel direct_u8s8s32{
    8, 1, strip, true, {{pixel_tile_u8}, {strip_tile_u8}, {two_strips<strip_tile_u8>}}};

/// conv2d and fc of one pixel.
constexpr kernel lone_pixel_kernel(kernel k) {
  k.supports = [](const problem& p) {
    return blocking::is_dense_problem<element::u8>(p) && p.dst->extents.rows() == 1;
  };
  return k;
}

/// Kernels for conv2d and fc.
inline constexpr kernel convolution_kernels[] = {
    lone_pixel_kernel(blocking::direct_kernel<lone_pixel_u8s8s32, element::u8>("conv_u8s8s32_1x8_avx2", isa::avx2)),
    blocking::direct_kernel<direct_u8s8s32, element::u8>("conv_u8s8s32_7x8_avx2", isa::avx2),
    blocking::direct_kernel<direct<f32>, element::f32>("conv_f32_7x16_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
