// Convolution and fully connected layers on AVX2: tiles of up to 6 pixels x 16 channels, 12 of 16 registers.
//
// INT8: u8 and s8 are widened to s16, and vpmaddwd sums pairs exactly in s32 (vpmaddubsw would saturate): twice the
// products of an FP32 multiply-add. FP32: vfmadd231ps.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include <immintrin.h>

#include "octavo/backends/blocking/panel_convolution.hpp"
#include "octavo/backends/x86/avx2/direct_tile.hpp"
#include "octavo/backends/x86/target.hpp"

namespace octavo::x86::avx2 {

using blocking::accumulator_sets;
using blocking::chunk_bytes;
using blocking::tile;

/// Sums of a tile that wait for its ending.
template <int MR, int NV>
using sums = __m256[MR][NV];

/// 4 bytes in every lane.
OCTAVO_AVX2 OCTAVO_INLINE __m256i broadcast_group(const std::byte* from) {
  std::int32_t group;
  std::memcpy(&group, from, sizeof group);
  return _mm256_set1_epi32(group);
}

/// 8 u8 in the low bytes of 8 s32.
OCTAVO_AVX2 OCTAVO_INLINE __m256i load_u8(const std::byte* from) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
}

/// Adds the residual, clamps, and stores a row of f32.
template <int MR, int NV>
OCTAVO_AVX2 OCTAVO_INLINE void store_f32(const tile& t, sums<MR, NV>& x) {
  const __m256 lower = _mm256_set1_ps(t.end->lower), upper = _mm256_set1_ps(t.end->upper);
  OCTAVO_UNROLL
  for (int m = 0; m < MR; ++m) {
    float* to = reinterpret_cast<float*>(t.dst + m * t.dst_stride);
    const float* r = reinterpret_cast<const float*>(t.residual + m * t.residual_stride);
    OCTAVO_UNROLL
    for (int v = 0; v < NV; ++v) {
      __m256 y = x[m][v];
      if (t.residual) y = _mm256_add_ps(y, _mm256_loadu_ps(r + v * 8));
      // The bound comes first: of two operands one of which is NaN, min and max give the second, as std::max does.
      _mm256_storeu_ps(to + v * 8, _mm256_min_ps(upper, _mm256_max_ps(lower, y)));
    }
  }
}

/// Adds the residual, clamps, rounds, adds the zero point, and stores a row of u8.
template <int MR, int NV>
OCTAVO_AVX2 OCTAVO_INLINE void store_u8(const tile& t, sums<MR, NV>& x) {
  if (t.residual) {
    const __m256i zero = _mm256_set1_epi32(t.end->residual_zero);
    const __m256 multiplier = _mm256_set1_ps(t.end->residual_multiplier);
    OCTAVO_UNROLL
    for (int m = 0; m < MR; ++m) {
      OCTAVO_UNROLL
      for (int v = 0; v < NV; ++v) {
        const __m256i r = _mm256_sub_epi32(load_u8(t.residual + m * t.residual_stride + v * 8), zero);
        x[m][v] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(r), multiplier, x[m][v]);
      }
    }
  }
  const __m256 lower = _mm256_set1_ps(t.end->lower), upper = _mm256_set1_ps(t.end->upper);
  const __m128i zero = _mm_set1_epi16(static_cast<std::int16_t>(t.end->zero));
  OCTAVO_UNROLL
  for (int m = 0; m < MR; ++m) {
    __m256i q[2];
    OCTAVO_UNROLL
    for (int v = 0; v < NV; ++v)  // the bound comes second: a NaN gives it
      q[v] = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(x[m][v], lower), upper));
    // After the clamp, q + zero is a u8, so neither pack saturates.
    const __m256i s = _mm256_permute4x64_epi64(_mm256_packs_epi32(q[0], q[NV - 1]), 0xd8);
    const __m128i low = _mm_add_epi16(_mm256_castsi256_si128(s), zero);
    __m128i* to = reinterpret_cast<__m128i*>(t.dst + m * t.dst_stride);
    if constexpr (NV == 1)
      _mm_storel_epi64(to, _mm_packus_epi16(low, low));
    else
      _mm_storeu_si128(to, _mm_packus_epi16(low, _mm_add_epi16(_mm256_extracti128_si256(s, 1), zero)));
  }
}

/// INT8: panel and weights are s16.
template <int MR, int NV>
OCTAVO_AVX2 inline void tile_u8s8s32(const tile& t) noexcept {
  constexpr int sets = accumulator_sets(MR * NV, 12);
  __m256i acc[sets][MR][NV];
  OCTAVO_UNROLL
  for (int i = 0; i < sets * MR * NV; ++i) acc[i / (MR * NV)][i / NV % MR][i % NV] = _mm256_setzero_si256();
  const std::byte *a = t.panel, *b = t.weights;
  for (int left = t.steps; left > 0; left -= 4, a += (MR - 1) * chunk_bytes) {
    for (int turn = std::min(left, 4) * 4 / sets; turn > 0; --turn, a += sets * 4, b += sets * NV * 32) {
      OCTAVO_UNROLL
      for (int j = 0; j < sets; ++j) {
        __m256i w[NV];
        OCTAVO_UNROLL
        for (int v = 0; v < NV; ++v) w[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b + (j * NV + v) * 32));
        OCTAVO_UNROLL
        for (int m = 0; m < MR; ++m) {
          const __m256i x = broadcast_group(a + m * chunk_bytes + j * 4);
          OCTAVO_UNROLL
          for (int v = 0; v < NV; ++v) acc[j][m][v] = _mm256_add_epi32(acc[j][m][v], _mm256_madd_epi16(x, w[v]));
        }
      }
    }
  }
  sums<MR, NV> x;
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    const __m256 multiplier = _mm256_loadu_ps(t.multiplier + v * 8), offset = _mm256_loadu_ps(t.offset + v * 8);
    OCTAVO_UNROLL
    for (int m = 0; m < MR; ++m) {
      __m256i sum = _mm256_setzero_si256();
      OCTAVO_UNROLL
      for (int j = 0; j < sets; ++j) {
        __m256i part = acc[j][m][v];
        OCTAVO_KEEP(part);
        sum = _mm256_add_epi32(sum, part);
      }
      x[m][v] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), multiplier, offset);
    }
  }
  if (t.end->to_u8)
    store_u8<MR, NV>(t, x);
  else
    store_f32<MR, NV>(t, x);
}

/// u8 to s16, 32 of them to a chunk.
OCTAVO_AVX2
inline void pack_s16(std::byte* row, int rows, int position, const std::byte* src, int n) noexcept {
  const int chunk = rows * chunk_bytes;
  int i = 0;
  for (; i < n; i += 8) {
    const int at = position + i;
    std::byte* to = row + at / 32 * chunk + at % 32 * 2;
    if (at % 32 == 0 && n - i >= 32) {
      const __m128i* from = reinterpret_cast<const __m128i*>(src + i);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_cvtepu8_epi16(_mm_loadu_si128(from)));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32), _mm256_cvtepu8_epi16(_mm_loadu_si128(from + 1)));
      i += 24;
    } else {
      const __m128i x = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(src + i));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_cvtepu8_epi16(x));
    }
  }
}

inline constexpr blocking::tile_shape tiles_u8s8s32[] = {{1, {tile_u8s8s32<1, 1>, tile_u8s8s32<1, 2>}},
                                                         {6, {tile_u8s8s32<6, 1>, tile_u8s8s32<6, 2>}}};
inline constexpr blocking::microkernel u8s8s32{2, 8, false, pack_s16, tiles_u8s8s32};

}  // namespace octavo::x86::avx2

namespace octavo::x86 {

/// conv2d and fc, u8 x s8 to u8 or f32.
inline constexpr kernel conv_u8s8s32_6x16_avx2{"conv_u8s8s32_6x16_avx2", isa::avx2,
                                               [](const problem& p) { return blocking::is_layer_of(p, element::u8); },
                                               blocking::pack_panels<avx2::u8s8s32>};

/// conv2d and fc, f32.
inline constexpr kernel conv_f32_7x16_avx2{"conv_f32_7x16_avx2", isa::avx2,
                                           [](const problem& p) { return blocking::is_layer_of(p, element::f32); },
                                           blocking::pack_direct<avx2::direct<avx2::f32>>};

}  // namespace octavo::x86

#endif
