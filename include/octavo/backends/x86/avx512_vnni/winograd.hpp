// Winograd's algorithm on AVX-512: vpdpwssd sums two products of s16 in s32; 14 tiles x 32 channels at a time.
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

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// Output channels.
inline constexpr int winograd_block = 32;

/// Integers that wrap around.
struct s16 {
  static constexpr int lanes = 32;
  __m512i v;
};
OCTAVO_AVX512 OCTAVO_INLINE s16 operator+(s16 a, s16 b) { return {_mm512_add_epi16(a.v, b.v)}; }
OCTAVO_AVX512 OCTAVO_INLINE s16 operator-(s16 a, s16 b) { return {_mm512_sub_epi16(a.v, b.v)}; }
OCTAVO_AVX512 OCTAVO_INLINE s16 operator<<(s16 a, unsigned n) { return {_mm512_slli_epi16(a.v, n)}; }
OCTAVO_AVX512 OCTAVO_INLINE s16 s16_times(s16 a, s16 b) { return {_mm512_mullo_epi16(a.v, b.v)}; }
OCTAVO_AVX512 OCTAVO_INLINE s16 broadcast_s16(std::int16_t n) { return {_mm512_set1_epi16(n)}; }
OCTAVO_AVX512 OCTAVO_INLINE s16 s16_of_u8(const std::byte* p) {
  return {_mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
OCTAVO_AVX512 OCTAVO_INLINE s16 s16_of_s8(const std::byte* p) {
  return {_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}
OCTAVO_AVX512 OCTAVO_INLINE void store(std::byte* p, s16 a) { _mm512_storeu_si512(p, a.v); }
struct s32 {
  __m512i v;
};
OCTAVO_AVX512 OCTAVO_INLINE s32 operator+(s32 a, s32 b) { return {_mm512_add_epi32(a.v, b.v)}; }
OCTAVO_AVX512 OCTAVO_INLINE s32 operator-(s32 a, s32 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
OCTAVO_AVX512 OCTAVO_INLINE s32 operator<<(s32 a, unsigned n) { return {_mm512_slli_epi32(a.v, n)}; }
OCTAVO_AVX512 OCTAVO_INLINE s32 load_s32(const std::byte* p) { return {_mm512_loadu_si512(p)}; }

#define OCTAVO_WINOGRAD_TARGET OCTAVO_AVX512
#include "octavo/backends/x86/winograd_transforms.inc"
#undef OCTAVO_WINOGRAD_TARGET

/// A product of Rows tiles x 32 channels.
template <int Rows>
OCTAVO_AVX512 inline void product(const blocking::winograd_product& p) {
  __m512i acc[Rows][2];
  OCTAVO_UNROLL
  for (int i = 0; i < 2 * Rows; ++i)
    acc[i / 2][i % 2] = p.add ? _mm512_loadu_si512(p.dst + i / 2 * p.dst_stride + i % 2 * 64) : _mm512_setzero_si512();
  // Two pointers and three strides reach the rows.
  const std::ptrdiff_t stride = p.src_stride, stride3 = 3 * stride, stride5 = 5 * stride;
  const std::uintptr_t ahead_step = p.ahead_step;
  std::uintptr_t ahead = p.ahead;
  const std::byte *weights = p.weights, *x0 = p.src, *x1 = p.src + strip * stride;
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
  const int bytes = s.epilogue->type == element::u8 ? 16 : 64;
  std::byte* dst = s.dst + line * s.dst_line + v * bytes;
  const std::byte* residual = s.residual ? s.residual + line * s.residual_line + v * bytes : nullptr;
  for (int i = 0; i < s.pixels; ++i)
    end_row(*s.epilogue, x[i], 0xffff, dst + i * s.dst_pixel, residual ? residual + i * s.residual_pixel : nullptr);
}

/// See blocking::winograd_microkernel.
OCTAVO_AVX512 inline void transform_sums(const blocking::winograd_sums& s) {
  const __m512i inverse = _mm512_set1_epi32(static_cast<std::int32_t>(blocking::winograd_inverse));
  const packing bytes(*s.epilogue);
  const __m512i residual_zero = _mm512_set1_epi32(s.epilogue->residual_zero_point);
  const __m512 residual_multiplier = _mm512_set1_ps(s.epilogue->residual_multiplier);
  for (int v = 0; v < 2; ++v) {
    s32 lines[4][6];
    transform_columns(s.sums + v * 64, lines);
    const __m512 multiplier = _mm512_loadu_ps(s.multiplier + v * 16), offset = _mm512_loadu_ps(s.offset + v * 16);
    for (int line = 0; line < s.lines; ++line) {
      s32 y[4];
      transform_line(lines[line], y);
      __m512 x[4];
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i)
        x[i] = u8s8s32::scaled(_mm512_srai_epi32(_mm512_mullo_epi32(y[i].v, inverse), 2), multiplier, offset);
      if (s.epilogue->clamp == native::clamping::as_floats) {
        end_pixels(s, line, v, x);
        continue;
      }
      __m512i q[4];
      const std::byte* residual = s.residual ? s.residual + line * s.residual_line + v * 16 : nullptr;
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i) {
        if (residual && i < s.pixels) {
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
    {0.5, 320, 210, 440}, winograd_block, s16::lanes, 7, transform_weights, transform_pixels, products, transform_sums};

/// Kernels for conv2d of 3x3.
inline constexpr kernel winograd_kernels[] = {
    blocking::winograd_kernel<winograd>("winograd_u8s8s32_14x32_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
