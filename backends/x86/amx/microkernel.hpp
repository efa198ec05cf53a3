// The innermost parts of the AMX convolution: 2x2 tiles of 16 pixels x 16 channels multiplied, their sums brought to an
// end with AVX-512, and pixels gathered into rows of depth.
#pragma once

#include "octavo/backends/x86/amx/tile.hpp"

#if OCTAVO_X86_64

#include "octavo/backends/blocking/microkernel.hpp"

// GCC's own AVX-512 header initializes the unused operand of an unmasked instruction with itself (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::amx {

inline constexpr int block_rows = 2 * tile_rows, block_channels = 32;
inline constexpr int sums_stride = block_channels * 4;  ///< bytes of a row of sums
inline constexpr int sums_bytes = block_rows * sums_stride;

/// Weights that will be needed soon, brought into L2 a few lines at a time.
struct prefetch {
  const std::byte *at = nullptr, *end = nullptr;
  int lines = 0;  ///< in each step
};

/// What a block multiplies.
struct factors {
  const std::byte* a[2];         ///< first pixel of either tile
  std::ptrdiff_t a_stride;       ///< bytes from pixel to pixel
  const std::ptrdiff_t* offset;  ///< bytes from a pixel to its 64 bytes of depth, for each step
  const std::byte* b;            // (steps, NT tiles of 16 groups x 16 channels x 4 bytes)
  int steps;
  std::byte* sums;  // (32 rows, 32 channels) of s32
};

/// Sums of MT x 16 pixels times NT x 16 channels.
template <int MT, int NT>
OCTAVO_TARGET_AMX inline void multiply(const factors& f, prefetch& next) noexcept {
  OCTAVO_TILE_FENCE;
  const std::byte *a0 = f.a[0], *a1 = f.a[1], *b = f.b, *ahead = next.at;
  const std::ptrdiff_t stride = f.a_stride;
  const int lines = next.lines;
  OCTAVO_TILE_ZERO(0);
  if constexpr (NT > 1) OCTAVO_TILE_ZERO(1);
  if constexpr (MT > 1) OCTAVO_TILE_ZERO(2);
  if constexpr (MT > 1 && NT > 1) OCTAVO_TILE_ZERO(3);
  for (int k = 0; k < f.steps; ++k, b += NT * tile_bytes) {
    const std::ptrdiff_t at = f.offset[k];
    OCTAVO_TILE_LOAD(6, b, tile_row_bytes);
    OCTAVO_TILE_LOAD(4, a0 + at, stride);
    OCTAVO_TILE_MULTIPLY(0, 4, 6);
    if constexpr (MT > 1) {
      OCTAVO_TILE_LOAD(5, a1 + at, stride);
      OCTAVO_TILE_MULTIPLY(2, 5, 6);
    }
    if constexpr (NT > 1) {
      OCTAVO_TILE_LOAD(7, b + tile_bytes, tile_row_bytes);
      OCTAVO_TILE_MULTIPLY(1, 4, 7);
      if constexpr (MT > 1) OCTAVO_TILE_MULTIPLY(3, 5, 7);
    }
    if (ahead < next.end)
      for (int i = 0; i < lines; ++i, ahead += 64) _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
  }
  next.at = ahead;
}

/// Stores the sums of multiply<MT, NT>().
template <int MT, int NT>
OCTAVO_TARGET_AMX inline void store_sums(std::byte* sums) noexcept {
  OCTAVO_TILE_STORE(0, sums, sums_stride);
  if constexpr (NT > 1) OCTAVO_TILE_STORE(1, sums + 64, sums_stride);
  if constexpr (MT > 1) OCTAVO_TILE_STORE(2, sums + tile_rows * sums_stride, sums_stride);
  if constexpr (MT > 1 && NT > 1) OCTAVO_TILE_STORE(3, sums + tile_rows * sums_stride + 64, sums_stride);
}

/// How u8 outputs are clamped. Where no number before rounding can leave s32, the saturation of packing does it.
enum class clamping : std::uint8_t { by_packing, as_bytes, as_floats };

/// The constants of the ending.
struct ending : blocking::ending {
  clamping clamp = clamping::as_floats;
  std::uint8_t lowest = 0, highest = 255;  ///< bounds of a u8 output
};

/// Pixels whose sums wait for their ending.
struct rows {
  const std::byte* sums;
  const float *multiplier, *offset;  // (32)
  std::byte* dst;
  std::ptrdiff_t dst_stride;
  const std::byte* residual;  ///< of dst's type, or null
  std::ptrdiff_t residual_stride;
  int count;
  std::uint32_t channels;  ///< a bit for each of the 32 that exists
};

/// Sixteen numbers before rounding.
template <bool Residual, clamping Clamp>
OCTAVO_TARGET_AMX OCTAVO_INLINE __m512i rounded(const std::byte* sums, __m512 multiplier, __m512 offset, __m128i r,
                                                const ending& end) {
  __m512 x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(sums)), multiplier, offset);
  if constexpr (Residual) {
    const __m512i i = _mm512_sub_epi32(_mm512_cvtepu8_epi32(r), _mm512_set1_epi32(end.residual_zero));
    x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i), _mm512_set1_ps(end.residual_multiplier), x);
  }
  if constexpr (Clamp == clamping::as_floats)  // the bound comes second: a NaN gives it
    x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(end.lower)), _mm512_set1_ps(end.upper));
  return _mm512_cvtps_epi32(x);
}

/// Ends rows of u8, two at a time: four vectors of s32 become one of bytes.
template <bool Residual, clamping Clamp>
OCTAVO_TARGET_AMX inline void end_u8(const rows& t, const ending& end) noexcept {
  // Packing works within 128-bit lanes: dword 4 i + v of the result holds channels 4 i .. 4 i + 3 of vector v.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512 m0 = _mm512_loadu_ps(t.multiplier), m1 = _mm512_loadu_ps(t.multiplier + 16);
  const __m512 o0 = _mm512_loadu_ps(t.offset), o1 = _mm512_loadu_ps(t.offset + 16);
  const __m512i zero = _mm512_set1_epi16(static_cast<std::int16_t>(end.zero));
  const __m512i lowest = _mm512_set1_epi8(static_cast<char>(end.lowest)),
                highest = _mm512_set1_epi8(static_cast<char>(end.highest));
  const __mmask32 channels = t.channels;
  const bool whole = t.channels == 0xffffffffu;
  for (int m = 0; m < t.count; m += 2) {
    const int second = m + 1 < t.count ? m + 1 : m;  // a last row alone is done twice
    const std::byte *s0 = t.sums + m * sums_stride, *s1 = t.sums + second * sums_stride;
    __m256i r0 = _mm256_setzero_si256(), r1 = r0;
    if constexpr (Residual) {
      const std::byte *from0 = t.residual + m * t.residual_stride, *from1 = t.residual + second * t.residual_stride;
      if (whole) {
        r0 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from0));
        r1 = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from1));
      } else {
        r0 = _mm256_maskz_loadu_epi8(channels, from0);
        r1 = _mm256_maskz_loadu_epi8(channels, from1);
      }
    }
    const __m512i q0 = rounded<Residual, Clamp>(s0, m0, o0, _mm256_castsi256_si128(r0), end);
    const __m512i q1 = rounded<Residual, Clamp>(s0 + 64, m1, o1, _mm256_extracti128_si256(r0, 1), end);
    const __m512i q2 = rounded<Residual, Clamp>(s1, m0, o0, _mm256_castsi256_si128(r1), end);
    const __m512i q3 = rounded<Residual, Clamp>(s1 + 64, m1, o1, _mm256_extracti128_si256(r1, 1), end);
    __m512i a = _mm512_packs_epi32(q0, q1), b = _mm512_packs_epi32(q2, q3);
    if constexpr (Clamp != clamping::by_packing) a = _mm512_adds_epi16(a, zero), b = _mm512_adds_epi16(b, zero);
    __m512i y = _mm512_packus_epi16(a, b);
    if constexpr (Clamp == clamping::as_bytes) y = _mm512_min_epu8(_mm512_max_epu8(y, lowest), highest);
    y = _mm512_permutexvar_epi32(order, y);
    std::byte *to0 = t.dst + m * t.dst_stride, *to1 = t.dst + second * t.dst_stride;
    const __m256i y0 = _mm512_castsi512_si256(y), y1 = _mm512_extracti64x4_epi64(y, 1);
    if (whole) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to0), y0);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to1), y1);
    } else {
      _mm256_mask_storeu_epi8(to0, channels, y0);
      _mm256_mask_storeu_epi8(to1, channels, y1);
    }
  }
}

/// Ends rows of f32.
OCTAVO_TARGET_AMX inline void end_f32(const rows& t, const ending& end) noexcept {
  const __m512 lower = _mm512_set1_ps(end.lower), upper = _mm512_set1_ps(end.upper);
  for (int v = 0; v < 2; ++v) {
    const auto lanes = static_cast<__mmask16>(t.channels >> (v * 16));
    if (lanes == 0) continue;
    const __m512 multiplier = _mm512_loadu_ps(t.multiplier + v * 16), offset = _mm512_loadu_ps(t.offset + v * 16);
    for (int m = 0; m < t.count; ++m) {
      const __m512i sum = _mm512_loadu_si512(t.sums + m * sums_stride + v * 64);
      __m512 x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), multiplier, offset);
      if (t.residual) {
        const auto* r = reinterpret_cast<const float*>(t.residual + m * t.residual_stride) + v * 16;
        x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(lanes, r));
      }
      // The bound comes first: of two operands one of which is NaN, min and max give the second, as std::max does.
      _mm512_mask_storeu_ps(reinterpret_cast<float*>(t.dst + m * t.dst_stride) + v * 16, lanes,
                            _mm512_min_ps(upper, _mm512_max_ps(lower, x)));
    }
  }
}

/// Ends rows as `end` says.
inline void end_rows(const rows& t, const ending& end) noexcept {
  using enum clamping;
  if (!end.to_u8) return end_f32(t, end);
  if (end.clamp == by_packing) return t.residual ? end_u8<true, by_packing>(t, end) : end_u8<false, by_packing>(t, end);
  if (end.clamp == as_bytes) return t.residual ? end_u8<true, as_bytes>(t, end) : end_u8<false, as_bytes>(t, end);
  return t.residual ? end_u8<true, as_floats>(t, end) : end_u8<false, as_floats>(t, end);
}

/// Copies at least n bytes, reading and writing whole vectors of 32.
OCTAVO_TARGET_AMX OCTAVO_INLINE void copy_vectors(std::byte* to, const std::byte* from, int n) noexcept {
  for (int i = 0; i < n; i += 32)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
}

/// Gathers the depth of one pixel: `count` runs of `bytes` each. Touches up to 31 bytes beyond either end.
OCTAVO_TARGET_AMX inline void gather_pixel(std::byte* to, const std::byte* from, const std::ptrdiff_t* offset, int count,
                                           int bytes) noexcept {
  for (int i = 0; i < count; ++i, to += bytes) copy_vectors(to, from + offset[i], bytes);
}

}  // namespace octavo::x86::amx

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
