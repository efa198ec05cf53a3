// Convolution and fully connected layers on AVX-512: tiles of up to 14 pixels x 32 channels, 28 of 32 registers (14
// divides the lines of the usual maps: 56, 28, 14, 7).
//
// INT8: vpdpbusd sums four products of u8 and s8 exactly in s32. FP32: vfmadd231ps.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include <immintrin.h>

#include "octavo/backends/blocking/panel_convolution.hpp"
#include "octavo/backends/x86/avx512_vnni/direct_convolution.hpp"
#include "octavo/backends/x86/target.hpp"

// GCC's own AVX-512 header initializes the unused operand of an unmasked instruction with itself (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni {

using blocking::accumulator_sets;
using blocking::chunk_bytes;

/// Sums of a tile that wait for its ending.
template <int MR, int NV>
using sums = __m512[MR][NV];

/// Adds the residual, clamps, and stores rows of f32.
template <int MR, int NV>
OCTAVO_AVX512 OCTAVO_INLINE void store_f32(const blocking::tile& t, sums<MR, NV>& x) {
  const std::uint32_t mask = channel_mask(t.channels);
  const __m512 lower = _mm512_set1_ps(t.end->lower), upper = _mm512_set1_ps(t.end->upper);
  OCTAVO_UNROLL
  for (int m = 0; m < MR; ++m) {
    float* to = reinterpret_cast<float*>(t.dst + m * t.dst_stride);
    const float* r = reinterpret_cast<const float*>(t.residual + m * t.residual_stride);
    OCTAVO_UNROLL
    for (int v = 0; v < NV; ++v) {
      const auto lanes = static_cast<__mmask16>(mask >> (v * 16));
      __m512 y = x[m][v];
      if (t.residual) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(lanes, r + v * 16));
      // The bound comes first: of two operands one of which is NaN, min and max give the second, as std::max does.
      _mm512_mask_storeu_ps(to + v * 16, lanes, _mm512_min_ps(upper, _mm512_max_ps(lower, y)));
    }
  }
}

/// Stores two rows of 32 channels (four vectors of s32 that are u8 once `zero` is added).
OCTAVO_AVX512 OCTAVO_INLINE void store_pair(std::byte* first, std::byte* second, __mmask32 lanes, __m512i q0,
                                            __m512i q1, __m512i q2, __m512i q3, __m512i zero) {
  // Packing works within 128-bit lanes: dword 4 i + v of the result holds channels 4 i .. 4 i + 3 of vector v.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i a = _mm512_add_epi16(_mm512_packs_epi32(q0, q1), zero);
  const __m512i b = _mm512_add_epi16(_mm512_packs_epi32(q2, q3), zero);
  const __m512i both = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(a, b));
  _mm256_mask_storeu_epi8(first, lanes, _mm512_castsi512_si256(both));
  _mm256_mask_storeu_epi8(second, lanes, _mm512_extracti64x4_epi64(both, 1));
}

/// Adds the residual, clamps, rounds, adds the zero point, and stores rows of u8.
template <int MR, int NV>
OCTAVO_AVX512 OCTAVO_INLINE void store_u8(const blocking::tile& t, sums<MR, NV>& x) {
  const std::uint32_t mask = channel_mask(t.channels);
  if (t.residual) {
    const __m512i zero = _mm512_set1_epi32(t.end->residual_zero);
    const __m512 multiplier = _mm512_set1_ps(t.end->residual_multiplier);
    OCTAVO_UNROLL
    for (int m = 0; m < MR; ++m) {
      OCTAVO_UNROLL
      for (int v = 0; v < NV; ++v) {
        const auto lanes = static_cast<__mmask16>(mask >> (v * 16));
        const __m128i bytes = _mm_maskz_loadu_epi8(lanes, t.residual + m * t.residual_stride + v * 16);
        const __m512i r = _mm512_sub_epi32(_mm512_cvtepu8_epi32(bytes), zero);
        x[m][v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(r), multiplier, x[m][v]);
      }
    }
  }
  const __m512 lower = _mm512_set1_ps(t.end->lower), upper = _mm512_set1_ps(t.end->upper);
  const __m512i zero =
      NV == 1 ? _mm512_set1_epi32(t.end->zero) : _mm512_set1_epi16(static_cast<std::int16_t>(t.end->zero));
  OCTAVO_UNROLL
  for (int m = 0; m < MR; m += NV) {  // as many rows at a time as a row has vectors
    __m512i q[NV][NV];
    OCTAVO_UNROLL
    for (int i = 0; i < NV * NV; ++i)  // the bound comes second: a NaN gives it
      q[i / NV][i % NV] =
          _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(x[std::min(m + i / NV, MR - 1)][i % NV], lower), upper));
    std::byte* to = t.dst + m * t.dst_stride;
    if constexpr (NV == 1)
      _mm_mask_storeu_epi8(to, static_cast<__mmask16>(mask), _mm512_cvtepi32_epi8(_mm512_add_epi32(q[0][0], zero)));
    else
      store_pair(to, MR == 1 ? to : to + t.dst_stride, mask, q[0][0], q[0][1], q[1][0], q[1][1], zero);
  }
}

/// INT8: panel u8, weights s8.
template <int MR, int NV>
OCTAVO_AVX512 inline void tile_u8s8s32(const blocking::tile& t) noexcept {
  constexpr int sets = accumulator_sets(MR * NV, 28);
  __m512i acc[sets][MR][NV];
  OCTAVO_UNROLL
  for (int i = 0; i < sets * MR * NV; ++i) acc[i / (MR * NV)][i / NV % MR][i % NV] = _mm512_setzero_si512();
  const std::byte *a = t.panel, *b = t.weights;
  for (int left = t.steps; left > 0; left -= 4, a += (MR - 1) * chunk_bytes) {
    for (int step = std::min(left, 4); step > 0; --step, a += 16, b += 4 * NV * 64) {
      OCTAVO_UNROLL
      for (int j = 0; j < 4; ++j) {
        __m512i w[NV];
        OCTAVO_UNROLL
        for (int v = 0; v < NV; ++v) w[v] = _mm512_loadu_si512(b + (j * NV + v) * 64);
        OCTAVO_UNROLL
        for (int m = 0; m < MR; ++m) {
          __m512i x = broadcast_group(a + m * chunk_bytes + j * 4);
          OCTAVO_KEEP(x);
          OCTAVO_UNROLL
          for (int v = 0; v < NV; ++v) acc[j % sets][m][v] = _mm512_dpbusd_epi32(acc[j % sets][m][v], x, w[v]);
        }
      }
    }
  }
  sums<MR, NV> x;
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    const __m512 multiplier = _mm512_loadu_ps(t.multiplier + v * 16), offset = _mm512_loadu_ps(t.offset + v * 16);
    OCTAVO_UNROLL
    for (int m = 0; m < MR; ++m) {
      __m512i sum = _mm512_setzero_si512();
      OCTAVO_UNROLL
      for (int j = 0; j < sets; ++j) {
        __m512i part = acc[j][m][v];
        OCTAVO_KEEP(part);
        sum = _mm512_add_epi32(sum, part);
      }
      x[m][v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), multiplier, offset);
    }
  }
  if (t.end->to_u8)
    store_u8<MR, NV>(t, x);
  else
    store_f32<MR, NV>(t, x);
}

/// FP32: panel and weights are f32. The multiplier is 1.
template <int MR, int NV>
OCTAVO_AVX512 inline void tile_f32(const blocking::tile& t) noexcept {
  constexpr int sets = accumulator_sets(MR * NV, 28);
  __m512 acc[sets][MR][NV];
  OCTAVO_UNROLL
  for (int i = 0; i < sets * MR * NV; ++i) acc[i / (MR * NV)][i / NV % MR][i % NV] = _mm512_setzero_ps();
  const std::byte *a = t.panel, *b = t.weights;
  for (int left = t.steps; left > 0; left -= 4, a += (MR - 1) * chunk_bytes) {
    for (int step = std::min(left, 4); step > 0; --step, a += 16, b += 4 * NV * 64) {
      OCTAVO_UNROLL
      for (int j = 0; j < 4; ++j) {
        __m512 w[NV];
        OCTAVO_UNROLL
        for (int v = 0; v < NV; ++v) w[v] = _mm512_loadu_ps(reinterpret_cast<const float*>(b + (j * NV + v) * 64));
        OCTAVO_UNROLL
        for (int m = 0; m < MR; ++m) {
          const __m512 x = _mm512_castsi512_ps(broadcast_group(a + m * chunk_bytes + j * 4));
          OCTAVO_UNROLL
          for (int v = 0; v < NV; ++v) acc[j % sets][m][v] = _mm512_fmadd_ps(x, w[v], acc[j % sets][m][v]);
        }
      }
    }
  }
  sums<MR, NV> x;
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    const __m512 offset = _mm512_loadu_ps(t.offset + v * 16);
    OCTAVO_UNROLL
    for (int m = 0; m < MR; ++m) {
      __m512 sum = acc[0][m][v];
      OCTAVO_UNROLL
      for (int j = 1; j < sets; ++j) sum = _mm512_add_ps(sum, acc[j][m][v]);
      x[m][v] = _mm512_add_ps(sum, offset);
    }
  }
  store_f32<MR, NV>(t, x);
}

/// Values as they are; `value` bytes each.
template <int value>
OCTAVO_AVX512 inline void pack_values(std::byte* row, int rows, int position, const std::byte* src, int n) noexcept {
  const int chunk = rows * chunk_bytes;
  for (int i = 0; i < n * value;) {
    const int at = position * value + i, within = at % chunk_bytes;
    std::byte* to = row + at / chunk_bytes * chunk + within;
    if (within == 0 && n * value - i >= chunk_bytes) {
      _mm512_storeu_si512(to, _mm512_loadu_si512(src + i));
      i += chunk_bytes;
    } else {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_loadu_si128(reinterpret_cast<const __m128i*>(src + i)));
      i += 16;
    }
  }
}

inline constexpr blocking::tile_shape tiles_u8s8s32[] = {{1, {tile_u8s8s32<1, 1>, tile_u8s8s32<1, 2>}},
                                                         {8, {tile_u8s8s32<8, 1>, tile_u8s8s32<8, 2>}},
                                                         {14, {tile_u8s8s32<14, 1>, tile_u8s8s32<14, 2>}}};
inline constexpr blocking::tile_shape tiles_f32[] = {{1, {tile_f32<1, 1>, tile_f32<1, 2>}},
                                                     {8, {tile_f32<8, 1>, tile_f32<8, 2>}},
                                                     {14, {tile_f32<14, 1>, tile_f32<14, 2>}}};
inline constexpr blocking::microkernel panels_u8s8s32{4, 16, true, pack_values<1>, tiles_u8s8s32};
inline constexpr blocking::microkernel panels_f32{1, 16, true, pack_values<4>, tiles_f32};

}  // namespace octavo::x86::avx512_vnni

namespace octavo::x86 {

/// conv2d and fc, u8 x s8 to u8 or f32.
inline constexpr kernel conv_u8s8s32_14x32_avx512_vnni{
    "conv_u8s8s32_14x32_avx512_vnni", isa::avx512_vnni,
    [](const problem& p) { return blocking::is_layer_of(p, element::u8); },
    blocking::pack_panels<avx512_vnni::panels_u8s8s32>};

/// conv2d and fc, f32.
inline constexpr kernel conv_f32_14x32_avx512_vnni{
    "conv_f32_14x32_avx512_vnni", isa::avx512_vnni,
    [](const problem& p) { return blocking::is_layer_of(p, element::f32); },
    blocking::pack_panels<avx512_vnni::panels_f32>};

}  // namespace octavo::x86

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
