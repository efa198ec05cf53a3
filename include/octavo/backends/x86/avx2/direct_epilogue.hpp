// How strips of 7 pixels x 16 channels in 256-bit registers end: their sums scaled, residuals added, packed and stored.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include <immintrin.h>

#include "octavo/backends/blocking/direct_microkernel.hpp"
#include "octavo/backends/x86/target.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

using blocking::direct_tile;

inline constexpr int strip = 7;

struct f32;  ///< how the type multiplies: direct_tile.hpp

/// A sum of s32 as binary32 with the multiplier and offset applied.
OCTAVO_AVX2 OCTAVO_INLINE __m256 scaled(__m256i sum, __m256 multiplier, __m256 offset) {
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), multiplier, offset);
}

/// 8 u8 as s32.
OCTAVO_AVX2 OCTAVO_INLINE __m256i load_bytes(const std::byte* from) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
}

/// Ends up to 16 channels of a row as f32. `x`: (channels).
OCTAVO_AVX2 inline void end_row_f32(const direct_tile& t, const float* x, float* to, const float* residual) noexcept {
  const __m256 lower = _mm256_set1_ps(t.epilogue->lower), upper = _mm256_set1_ps(t.epilogue->upper);
  for (int c = 0; c < t.channels; c += 8) {
    const __m256i lanes =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(t.channels - c), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256 y = _mm256_loadu_ps(x + c);
    if (residual) y = _mm256_add_ps(y, _mm256_maskload_ps(residual + c, lanes));
    // The bound comes first: of two operands one of which is NaN, min and max give the second, as std::max does.
    _mm256_maskstore_ps(to + c, lanes, _mm256_min_ps(upper, _mm256_max_ps(lower, y)));
  }
}

/// Ends up to 16 channels of a row as u8, the general way. `x`: (channels).
OCTAVO_AVX2 inline void end_row_u8(const direct_tile& t, const float* x, std::byte* to,
                                   const std::byte* residual) noexcept {
  const native::epilogue& e = *t.epilogue;
  for (int c = 0; c < t.channels; ++c) {
    __m128 y = _mm_set_ss(x[c]);
    if (residual) {
      const float r = static_cast<float>(std::to_integer<int>(residual[c]) - e.residual_zero_point);
      y = _mm_fmadd_ss(_mm_set_ss(r), _mm_set_ss(e.residual_multiplier), y);
    }
    // The bound comes second: a NaN gives it.
    y = _mm_min_ss(_mm_max_ss(y, _mm_set_ss(e.lower)), _mm_set_ss(e.upper));
    to[c] = static_cast<std::byte>(_mm_cvtss_si32(y) + e.u8.zero_point);
  }
}

/// Ends rows of a strip one after the other. `x`: (rows, stride).
inline void end_rows(const direct_tile& t, const float* x, int rows, int stride) noexcept {
  for (int m = 0; m < rows; ++m, x += stride) {
    std::byte* to = t.dst[0] + m * t.dst_stride;
    const std::byte* residual = t.residual[0] ? t.residual[0] + m * t.residual_stride : nullptr;
    if (t.epilogue->type == element::u8)
      end_row_u8(t, x, to, residual);
    else
      end_row_f32(t, x, reinterpret_cast<float*>(to), reinterpret_cast<const float*>(residual));
  }
}

/// Adds the u8 residual of 8 channels.
OCTAVO_AVX2 OCTAVO_INLINE __m256 add_residual(__m256 x, const std::byte* residual, const native::epilogue& e) {
  const __m256i r = _mm256_sub_epi32(load_bytes(residual), _mm256_set1_epi32(e.residual_zero_point));
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(r), _mm256_set1_ps(e.residual_multiplier), x);
}

/// The bytes of q[0], then those of q[1], ..., as u8 whose clamp may come after packing.
OCTAVO_AVX2 OCTAVO_INLINE __m256i pack_u8(const __m256i (&q)[4], const native::epilogue& e) {
  const __m256i zero = _mm256_set1_epi16(static_cast<std::int16_t>(e.u8.zero_point));
  const __m256i low = _mm256_adds_epi16(_mm256_packs_epi32(q[0], q[1]), zero);
  const __m256i high = _mm256_adds_epi16(_mm256_packs_epi32(q[2], q[3]), zero);
  __m256i y = _mm256_max_epu8(_mm256_packus_epi16(low, high), _mm256_set1_epi8(static_cast<char>(e.u8.lower)));
  y = _mm256_min_epu8(y, _mm256_set1_epi8(static_cast<char>(e.u8.upper)));
  // Packing works within 128-bit lanes: dword i of either holds channels of vector i.
  return _mm256_permutevar8x32_epi32(y, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/// Ends two rows of 16 channels, or four of 8, as u8 whose clamp may come after packing.
template <class Type, int NV>
OCTAVO_AVX2 OCTAVO_INLINE void end_rows_u8(const direct_tile& t, const typename Type::sum (&acc)[strip][NV],
                                           int first) {
  const native::epilogue& e = *t.epilogue;
  __m256i q[4];
  OCTAVO_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int row = std::min(first + i / NV, strip - 1), v = i % NV;
    __m256 x = Type::scaled(acc[row][v], _mm256_loadu_ps(t.multiplier + v * 8), _mm256_loadu_ps(t.offset + v * 8));
    if (t.residual[0]) x = add_residual(x, t.residual[0] + row * t.residual_stride + v * 8, e);
    q[i] = _mm256_cvtps_epi32(x);
  }
  const __m256i y = pack_u8(q, e);
  OCTAVO_UNROLL
  for (int i = 0; i < 4 / NV; ++i) {
    if (first + i >= strip) continue;
    auto* to = reinterpret_cast<__m128i*>(t.dst[0] + (first + i) * t.dst_stride);
    const __m128i half = i < 2 / NV ? _mm256_castsi256_si128(y) : _mm256_extracti128_si256(y, 1);
    if constexpr (NV == 2)
      _mm_storeu_si128(to, half);
    else
      _mm_storel_epi64(to, i % 2 ? _mm_unpackhi_epi64(half, half) : half);
  }
}

/// Ends a strip.
template <class Type, int NV>
OCTAVO_AVX2 OCTAVO_INLINE void end_strip(const direct_tile& t, const typename Type::sum (&acc)[strip][NV]) {
  if constexpr (!std::is_same_v<Type, f32>)
    if (t.epilogue->clamp != native::clamping::as_floats && t.channels == NV * 8) {
      OCTAVO_UNROLL
      for (int m = 0; m < strip; m += 4 / NV) end_rows_u8<Type, NV>(t, acc, m);
      return;
    }
  alignas(32) float x[strip * NV * 8];
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    const __m256 multiplier = _mm256_loadu_ps(t.multiplier + v * 8), offset = _mm256_loadu_ps(t.offset + v * 8);
    OCTAVO_UNROLL
    for (int m = 0; m < strip; ++m) _mm256_store_ps(x + (m * NV + v) * 8, Type::scaled(acc[m][v], multiplier, offset));
  }
  end_rows(t, x, strip, NV * 8);
}

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
