// Winograd convolution on AVX-512: vpdpwssd sums two products of s16 in s32; 14 tiles x 32 channels at a time.
#pragma once

#include "octavo/backends/blocking/winograd.hpp"
#include "octavo/backends/x86/avx512_vnni/convolution.hpp"

#if OCTAVO_X86

// GCC's own AVX-512 header initializes the unused operand of an unmasked instruction with itself (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni {

/// Integers that wrap around.
struct s16x32 {
  __m512i v;
};
OCTAVO_AVX512 OCTAVO_INLINE s16x32 operator+(s16x32 a, s16x32 b) { return {_mm512_add_epi16(a.v, b.v)}; }
OCTAVO_AVX512 OCTAVO_INLINE s16x32 operator-(s16x32 a, s16x32 b) { return {_mm512_sub_epi16(a.v, b.v)}; }
OCTAVO_AVX512 OCTAVO_INLINE s16x32 operator<<(s16x32 a, unsigned n) { return {_mm512_slli_epi16(a.v, n)}; }
struct s32x16 {
  __m512i v;
};
OCTAVO_AVX512 OCTAVO_INLINE s32x16 operator+(s32x16 a, s32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
OCTAVO_AVX512 OCTAVO_INLINE s32x16 operator-(s32x16 a, s32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
OCTAVO_AVX512 OCTAVO_INLINE s32x16 operator<<(s32x16 a, unsigned n) { return {_mm512_slli_epi32(a.v, n)}; }

/// B' x for a line of 6.
OCTAVO_AVX512 OCTAVO_INLINE void transform_line(const s16x32 (&x)[6], s16x32 (&y)[6]) {
  const s16x32 p = x[3] - x[1], q = x[4] - x[2], sum = q + p, difference = q - p;
  const s16x32 middle_sum = x[3] + x[2], middle_difference = x[3] - x[2];
  const s16x32 y0 = difference + (x[0] - x[2]), y1 = middle_sum - sum;
  const s16x32 y2 = middle_difference - difference, y5 = x[5] - x[3] - sum;
  y[0] = y0 + y0 - p;                  // 2 x0 + 3 x1 - 4 x2 - 3 x3 + 2 x4
  y[1] = y1 + y1 + middle_sum;         //        2 x1 + 5 x2 +   x3 - 2 x4
  y[2] = y2 + y2 + middle_difference;  //      - 2 x1 -   x2 + 5 x3 - 2 x4
  y[3] = sum + q;                      //      -   x1 - 2 x2 +   x3 + 2 x4
  y[4] = p - difference;               //      - 2 x1 +   x2 + 2 x3 -   x4
  y[5] = y5 + y5 - q;                  //        2 x1 + 3 x2 - 4 x3 - 3 x4 + 2 x5
}

/// A' m for a line of 6.
OCTAVO_AVX512 OCTAVO_INLINE void transform_line(const s32x16 (&m)[6], s32x16 (&y)[4]) {
  const s32x16 sum = m[1] + m[2], difference = m[1] - m[2], m3 = m[3] + m[3], m4 = m[4] + m[4];
  const s32x16 y1 = m[3] - m4, y2 = m3 + m[4];
  y[0] = m[0] + sum + m[3] + (m4 << 2);         // m0 + m1 + m2 +   m3 + 8 m4
  y[1] = difference + (y1 + y1);                //      m1 - m2 + 2 m3 - 4 m4
  y[2] = sum + (y2 + y2);                       //      m1 + m2 + 4 m3 + 2 m4
  y[3] = difference + (m3 << 2) + (m[5] - m[4]);  //    m1 - m2 + 8 m3 -   m4 + m5
}

/// See blocking::winograd_microkernel.
OCTAVO_AVX512 inline void transform_pixels(const std::byte* const* pixels, int channels, std::byte* to,
                                           std::ptrdiff_t plane_bytes) {
  for (int channel = 0; channel < channels; channel += 32, to += 64) {
    s16x32 lines[6][6];  // [column][line]
    OCTAVO_UNROLL
    for (int column = 0; column < 6; ++column) {
      s16x32 x[6];
      OCTAVO_UNROLL
      for (int line = 0; line < 6; ++line)
        x[line].v = _mm512_cvtepu8_epi16(
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(pixels[line * 6 + column] + channel)));
      transform_line(x, lines[column]);
    }
    std::byte* row = to;
    OCTAVO_UNROLL
    for (int line = 0; line < 6; ++line) {
      s16x32 x[6], y[6];
      OCTAVO_UNROLL
      for (int column = 0; column < 6; ++column) x[column] = lines[column][line];
      transform_line(x, y);
      OCTAVO_UNROLL
      for (int column = 0; column < 6; ++column)
        _mm512_storeu_si512(row + column * plane_bytes, y[column].v);
      row += 6 * plane_bytes;
      blocking::keep(row);
    }
  }
}

/// G w for a line of 3, but for blocking::winograd_factors.
OCTAVO_AVX512 OCTAVO_INLINE void transform_line(const s16x32 (&w)[3], s16x32 (&y)[6]) {
  const s16x32 outer = w[0] + w[2], middle = w[1] + w[1];
  y[0] = w[0];
  y[1] = w[1] + outer;
  y[2] = w[1] - outer;
  y[3] = w[0] + middle + (w[2] << 2);
  y[4] = (w[0] << 2) - middle + w[2];
  y[5] = w[2];
}

/// See blocking::winograd_microkernel.
OCTAVO_AVX512 inline void transform_weights(const std::byte* from, int groups, std::byte* to) {
  constexpr std::ptrdiff_t plane = blocking::winograd_weight_plane_bytes(32);
  __m512i f225 = _mm512_set1_epi16(225), f75 = _mm512_set1_epi16(75), f25 = _mm512_set1_epi16(25),
          f15 = _mm512_set1_epi16(15), f5 = _mm512_set1_epi16(5);
  OCTAVO_KEEP(f225); OCTAVO_KEEP(f75); OCTAVO_KEEP(f25); OCTAVO_KEEP(f15); OCTAVO_KEEP(f5);
  const __m512i factors[3][3] = {{f225, f75, f15}, {f75, f25, f5}, {f15, f5, f5}};
  for (int i = 0; i < 2 * groups; ++i, to += 64, from += i % 2 ? 32 : 9 * 64 - 32) {
    s16x32 lines[3][6];  // [column][line]
    OCTAVO_UNROLL
    for (int column = 0; column < 3; ++column) {
      s16x32 w[3];
      OCTAVO_UNROLL
      for (int line = 0; line < 3; ++line)
        w[line].v = _mm512_cvtepi8_epi16(
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + (line * 3 + column) * 64)));
      transform_line(w, lines[column]);
    }
    OCTAVO_UNROLL
    for (int line = 0; line < 6; ++line) {
      const s16x32 w[3] = {lines[0][line], lines[1][line], lines[2][line]};
      s16x32 y[6];
      transform_line(w, y);
      OCTAVO_UNROLL
      for (int column = 0; column < 6; ++column) {
        constexpr auto& c = blocking::winograd_factors;
        const __m512i v = y[column].v;
        _mm512_storeu_si512(to + (line * 6 + column) * plane,
                            c[line] * c[column] == 1 ? v : _mm512_mullo_epi16(v, factors[line % 5 / 2 + line % 5 % 2][column % 5 / 2 + column % 5 % 2]));
      }
    }
  }
}

/// A product of Rows tiles x 32 channels.
template <int Rows>
OCTAVO_AVX512 inline void product(const blocking::winograd_product& p) {
  __m512i acc[Rows][2];
  OCTAVO_UNROLL
  for (int i = 0; i < 2 * Rows; ++i)
    acc[i / 2][i % 2] =
        p.add ? _mm512_loadu_si512(p.dst + i / 2 * p.dst_stride + i % 2 * 64) : _mm512_setzero_si512();
  // Two pointers and three strides reach the rows.
  const std::ptrdiff_t stride = p.src_stride, stride3 = 3 * stride, stride5 = 5 * stride, ahead_step = p.ahead_step;
  const std::byte *weights = p.weights, *ahead = p.ahead, *x0 = p.src, *x1 = p.src + strip * stride;
  for (int group = p.groups; group > 0; --group, x0 += 4, x1 += 4, weights += 128, ahead += ahead_step) {
    _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
    const __m512i w0 = _mm512_loadu_si512(weights), w1 = _mm512_loadu_si512(weights + 64);
    OCTAVO_UNROLL
    for (int m = 0; m < Rows; ++m) {
      const int i = m % strip;
      const std::ptrdiff_t at = i == 3 ? stride3 : i == 5 ? stride5 : i == 6 ? 2 * stride3 : i * stride;
      __m512i x = broadcast_group((m < strip ? x0 : x1) + at);
      OCTAVO_KEEP(x);
      acc[m][0] = _mm512_dpwssd_epi32(acc[m][0], x, w0);
      acc[m][1] = _mm512_dpwssd_epi32(acc[m][1], x, w1);
    }
  }
  OCTAVO_UNROLL
  for (int m = 0; m < Rows; ++m) {
    _mm512_storeu_si512(p.dst + m * p.dst_stride, acc[m][0]);
    _mm512_storeu_si512(p.dst + m * p.dst_stride + 64, acc[m][1]);
  }
}

/// Ends a line of up to 4 pixels x 16 channels, of the tile's line and vector, the general way.
OCTAVO_AVX512 inline void end_pixels(const blocking::winograd_sums& s, int line, int v, const __m512 (&x)[4]) {
  const int bytes = s.end->to_u8 ? 16 : 64;
  std::byte* dst = s.dst + line * s.dst_line + v * bytes;
  const std::byte* residual = s.residual ? s.residual + line * s.residual_line + v * bytes : nullptr;
  for (int i = 0; i < s.pixels; ++i)
    end_row(*s.end, x[i], 0xffff, dst + i * s.dst_pixel, residual ? residual + i * s.residual_pixel : nullptr);
}

/// See blocking::winograd_microkernel.
OCTAVO_AVX512 inline void transform_sums(const blocking::winograd_sums& s) {
  const __m512i inverse = _mm512_set1_epi32(static_cast<std::int32_t>(blocking::winograd_inverse));
  const packing bytes(*s.end);
  const __m512i residual_zero = _mm512_set1_epi32(s.end->residual_zero);
  const __m512 residual_multiplier = _mm512_set1_ps(s.end->residual_multiplier);
  for (int v = 0; v < 2; ++v) {
    s32x16 lines[4][6];
    OCTAVO_UNROLL
    for (int column = 0; column < 6; ++column) {
      s32x16 m[6], y[4];
      OCTAVO_UNROLL
      for (int line = 0; line < 6; ++line)
        m[line].v = _mm512_loadu_si512(s.sums + (line * 6 + column) * 128 + v * 64);
      transform_line(m, y);
      OCTAVO_UNROLL
      for (int line = 0; line < 4; ++line) lines[line][column] = y[line];
    }
    const __m512 multiplier = _mm512_loadu_ps(s.multiplier + v * 16), offset = _mm512_loadu_ps(s.offset + v * 16);
    for (int line = 0; line < s.lines; ++line) {
      s32x16 y[4];
      transform_line(lines[line], y);
      __m512 x[4];
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i)
        x[i] = u8s8s32::scaled(_mm512_srai_epi32(_mm512_mullo_epi32(y[i].v, inverse), 2), multiplier, offset);
      if (s.end->clamp == blocking::clamping::as_floats) {
        end_pixels(s, line, v, x);
        continue;
      }
      __m512i q[4];
      const std::byte* residual = s.residual + line * s.residual_line + v * 16;
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i) {
        if (s.residual && i < s.pixels) {
          const __m128i r = _mm_loadu_si128(reinterpret_cast<const __m128i*>(residual + i * s.residual_pixel));
          x[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(r), residual_zero)),
                                 residual_multiplier, x[i]);
        }
        q[i] = _mm512_cvtps_epi32(x[i]);
      }
      const __m512i packed = bytes.pack(q);
      const __m256i low = _mm512_castsi512_si256(packed), high = _mm512_extracti64x4_epi64(packed, 1);
      const __m128i quarters[4] = {_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1),
                                   _mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1)};
      std::byte* dst = s.dst + line * s.dst_line + v * 16;
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i)
        if (i < s.pixels) _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + i * s.dst_pixel), quarters[i]);
    }
  }
}

inline constexpr void (*const products[])(const blocking::winograd_product&) = {
    product<7>, product<8>, product<9>, product<10>, product<11>, product<12>, product<13>, product<14>};

inline constexpr blocking::winograd_microkernel winograd{
    {0.5, 200, 210, 440}, 32, 32, 7, transform_weights, transform_pixels, products, transform_sums};

}  // namespace octavo::x86::avx512_vnni

namespace octavo::x86 {

/// conv2d of 3x3, stride 1, u8 x s8 to u8 or f32.
inline constexpr kernel winograd_u8s8s32_14x32_avx512_vnni{
    "winograd_u8s8s32_14x32_avx512_vnni", isa::avx512_vnni,
    [](const problem& p) { return blocking::suits_winograd(avx512_vnni::winograd, p); },
    blocking::pack_winograd<avx512_vnni::winograd>};

}  // namespace octavo::x86

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
