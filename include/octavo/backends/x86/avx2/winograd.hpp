// Winograd's algorithm in 256-bit registers: sums of two products of s16 in s32, 6 tiles x 16 channels at a time: 12 of
// 16 registers.
#pragma once

#include "octavo/backends/blocking/winograd.hpp"
#include "octavo/backends/x86/avx2/direct_tile.hpp"

#if OCTAVO_X86

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// Output channels.
inline constexpr int winograd_block = 16;

/// Integers that wrap around.
struct s16 {
  static constexpr int lanes = 16;
  __m256i v;
};
OCTAVO_AVX2 OCTAVO_INLINE s16 operator+(s16 a, s16 b) { return {_mm256_add_epi16(a.v, b.v)}; }
OCTAVO_AVX2 OCTAVO_INLINE s16 operator-(s16 a, s16 b) { return {_mm256_sub_epi16(a.v, b.v)}; }
OCTAVO_AVX2 OCTAVO_INLINE s16 operator<<(s16 a, int n) { return {_mm256_slli_epi16(a.v, n)}; }
OCTAVO_AVX2 OCTAVO_INLINE s16 s16_times(s16 a, s16 b) { return {_mm256_mullo_epi16(a.v, b.v)}; }
OCTAVO_AVX2 OCTAVO_INLINE s16 broadcast_s16(std::int16_t n) { return {_mm256_set1_epi16(n)}; }
OCTAVO_AVX2 OCTAVO_INLINE s16 s16_of_u8(const std::byte* p) {
  return {_mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
OCTAVO_AVX2 OCTAVO_INLINE s16 s16_of_s8(const std::byte* p) {
  return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
OCTAVO_AVX2 OCTAVO_INLINE void store(std::byte* p, s16 a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v); }
struct s32 {
  __m256i v;
};
OCTAVO_AVX2 OCTAVO_INLINE s32 operator+(s32 a, s32 b) { return {_mm256_add_epi32(a.v, b.v)}; }
OCTAVO_AVX2 OCTAVO_INLINE s32 operator-(s32 a, s32 b) { return {_mm256_sub_epi32(a.v, b.v)}; }
OCTAVO_AVX2 OCTAVO_INLINE s32 operator<<(s32 a, int n) { return {_mm256_slli_epi32(a.v, n)}; }
OCTAVO_AVX2 OCTAVO_INLINE s32 load_s32(const std::byte* p) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
}

#define OCTAVO_WINOGRAD_TARGET OCTAVO_AVX2
#include "octavo/backends/x86/winograd_transforms.inc"
#undef OCTAVO_WINOGRAD_TARGET

/// How pairs multiply: sum += x0 * w0 + x1 * w1 for 8 channels.
struct pairs {
  OCTAVO_AVX2 static OCTAVO_INLINE __m256i multiply_add(__m256i s, __m256i x, __m256i w) {
    return _mm256_add_epi32(s, _mm256_madd_epi16(x, w));
  }
};
/// A product of Rows tiles x 16 channels.
template <class Pairs, int Rows>
OCTAVO_AVX2 inline void product(const blocking::winograd_product& p) {
  __m256i acc[Rows][2];
  OCTAVO_UNROLL
  for (int i = 0; i < 2 * Rows; ++i)
    acc[i / 2][i % 2] = p.add ? load_s32(p.dst + i / 2 * p.dst_stride + i % 2 * 32).v : _mm256_setzero_si256();
  // One pointer and two strides reach the rows.
  const std::ptrdiff_t stride = p.src_stride, stride3 = 3 * stride, stride5 = 5 * stride;
  const std::uintptr_t ahead_step = p.ahead_step;
  std::uintptr_t ahead = p.ahead;
  const std::byte *weights = p.weights, *x0 = p.src;
  for (int group = p.groups; group > 0; --group, x0 += 4, weights += 64, ahead += ahead_step) {
    _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
    const __m256i w0 = load_s32(weights).v, w1 = load_s32(weights + 32).v;
    OCTAVO_UNROLL
    for (int m = 0; m < Rows; ++m) {
      const __m256i x = broadcast(x0 + (m == 3 ? stride3 : m == 5 ? stride5 : m * stride));
      acc[m][0] = Pairs::multiply_add(acc[m][0], x, w0);
      acc[m][1] = Pairs::multiply_add(acc[m][1], x, w1);
    }
  }
  OCTAVO_UNROLL
  for (int i = 0; i < 2 * Rows; ++i)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p.dst + i / 2 * p.dst_stride + i % 2 * 32), acc[i / 2][i % 2]);
}

/// Ends a line of up to 4 pixels x 8 channels, of the tile's line and vector, the general way.
OCTAVO_AVX2 inline void end_pixels(const blocking::winograd_sums& s, int line, int v, const __m256 (&x)[4]) {
  const int bytes = s.epilogue->type == element::u8 ? 8 : 32;
  direct_tile t{};
  t.channels = 8, t.epilogue = s.epilogue;
  t.dst[0] = s.dst + line * s.dst_line + v * bytes, t.dst_stride = s.dst_pixel;
  t.residual[0] = s.residual ? s.residual + line * s.residual_line + v * bytes : nullptr;
  t.residual_stride = s.residual_pixel;
  alignas(32) float values[4 * 8];
  for (int i = 0; i < 4; ++i) _mm256_store_ps(values + i * 8, x[i]);
  end_rows(t, values, s.pixels, 8);
}

/// See blocking::winograd_microkernel.
OCTAVO_AVX2 inline void transform_sums(const blocking::winograd_sums& s) {
  const __m256i inverse = _mm256_set1_epi32(static_cast<std::int32_t>(blocking::winograd_inverse));
  for (int v = 0; v < 2; ++v) {
    s32 lines[4][6];
    transform_columns(s.sums + v * 32, lines);
    const __m256 multiplier = _mm256_loadu_ps(s.multiplier + v * 8), offset = _mm256_loadu_ps(s.offset + v * 8);
    for (int line = 0; line < s.lines; ++line) {
      s32 y[4];
      transform_line(lines[line], y);
      __m256 x[4];
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i)
        x[i] = scaled(_mm256_srai_epi32(_mm256_mullo_epi32(y[i].v, inverse), 2), multiplier, offset);
      if (s.epilogue->clamp == native::clamping::as_floats) {
        end_pixels(s, line, v, x);
        continue;
      }
      __m256i q[4];
      const std::byte* residual = s.residual ? s.residual + line * s.residual_line + v * 8 : nullptr;
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i) {
        if (residual && i < s.pixels) x[i] = add_residual(x[i], residual + i * s.residual_pixel, *s.epilogue);
        q[i] = _mm256_cvtps_epi32(x[i]);
      }
      const __m256i packed = pack_u8(q, *s.epilogue);
      const __m128i low = _mm256_castsi256_si128(packed), high = _mm256_extracti128_si256(packed, 1);
      const __m128i quarters[4] = {low, _mm_unpackhi_epi64(low, low), high, _mm_unpackhi_epi64(high, high)};
      std::byte* dst = s.dst + line * s.dst_line + v * 8;
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i)
        if (i < s.pixels) _mm_storel_epi64(reinterpret_cast<__m128i*>(dst + i * s.dst_pixel), quarters[i]);
    }
  }
}

template <class Pairs>
inline constexpr void (*const products[])(const blocking::winograd_product&) = {product<Pairs, 3>, product<Pairs, 4>,
                                                                                product<Pairs, 5>, product<Pairs, 6>};

/// `plain_product`: the cost of a product of bytes done the plain way, see blocking::winograd_cost.
template <class Pairs>
constexpr blocking::winograd_microkernel make_winograd(double plain_product) {
  return {{plain_product, 200, 210, 440},
          winograd_block,
          s16::lanes,
          3,
          transform_weights,
          transform_pixels,
          products<Pairs>,
          transform_sums};
}

/// Sums of products of bytes saturate: the plain way multiplies them no faster.
inline constexpr blocking::winograd_microkernel winograd = make_winograd<pairs>(1.0);

/// Kernels for conv2d of 3x3.
inline constexpr kernel winograd_kernels[] = {
    blocking::winograd_kernel<winograd>("winograd_u8s8s32_6x16_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
