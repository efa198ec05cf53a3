// AVX-512: loads and stores of u8 and f32 in blocks of 64 channels, of which the first n take part.
#pragma once

#include <immintrin.h>

#include "octavo/backends/blocking/unroll.hpp"
#include "octavo/backends/native/epilogue.hpp"
#include "octavo/backends/x86/target.hpp"

// GCC's own AVX-512 header initializes the unused operand of an unmasked instruction with itself (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

using native::epilogue;

/// 64 numbers in binary32.
struct f32x64 {
  __m512 a, b, c, d;
};

/// A bit for each of the first n of 64 channels, n >= 1.
inline std::uint64_t first_channels(std::ptrdiff_t n) {
  return n >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
}
/// The bits of channels 16 i to 16 i + 15.
constexpr __mmask16 sixteen(std::uint64_t channels, int i) { return static_cast<__mmask16>(channels >> (16 * i)); }

// Whole vectors go without the mask: masked loads of lines that are not in the cache take up to three times as long on
// AMD's Zen 5.
inline bool all(std::uint64_t channels) { return channels == ~std::uint64_t{0}; }

OCTAVO_AVX512 OCTAVO_INLINE __m512i load64(const std::uint8_t* p, std::uint64_t channels) {
  return all(channels) ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(channels, p);
}
OCTAVO_AVX512 OCTAVO_INLINE void store64(std::uint8_t* p, std::uint64_t channels, __m512i v) {
  if (all(channels))
    _mm512_storeu_si512(p, v);
  else
    _mm512_mask_storeu_epi8(p, channels, v);
}
OCTAVO_AVX512 OCTAVO_INLINE f32x64 load64(const float* p, std::uint64_t channels) {
  if (all(channels))
    return {_mm512_loadu_ps(p), _mm512_loadu_ps(p + 16), _mm512_loadu_ps(p + 32), _mm512_loadu_ps(p + 48)};
  return {_mm512_maskz_loadu_ps(sixteen(channels, 0), p), _mm512_maskz_loadu_ps(sixteen(channels, 1), p + 16),
          _mm512_maskz_loadu_ps(sixteen(channels, 2), p + 32), _mm512_maskz_loadu_ps(sixteen(channels, 3), p + 48)};
}
OCTAVO_AVX512 OCTAVO_INLINE void store64(float* p, std::uint64_t channels, const f32x64& v) {
  if (all(channels)) {
    _mm512_storeu_ps(p, v.a), _mm512_storeu_ps(p + 16, v.b);
    _mm512_storeu_ps(p + 32, v.c), _mm512_storeu_ps(p + 48, v.d);
    return;
  }
  _mm512_mask_storeu_ps(p, sixteen(channels, 0), v.a);
  _mm512_mask_storeu_ps(p + 16, sixteen(channels, 1), v.b);
  _mm512_mask_storeu_ps(p + 32, sixteen(channels, 2), v.c);
  _mm512_mask_storeu_ps(p + 48, sixteen(channels, 3), v.d);
}

/// 16 numbers as f32; a u8 loses its zero point.
OCTAVO_AVX512 OCTAVO_INLINE __m512 load16(const std::uint8_t* p, __mmask16 lanes, __m512i zero_point) {
  const __m128i bytes =
      lanes == 0xffff ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)) : _mm_maskz_loadu_epi8(lanes, p);
  const __m512i q = _mm512_cvtepu8_epi32(bytes);
  return _mm512_cvtepi32_ps(_mm512_sub_epi32(q, zero_point));
}
OCTAVO_AVX512 OCTAVO_INLINE __m512 load16(const float* p, __mmask16 lanes, __m512i) {
  return lanes == 0xffff ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(lanes, p);
}

/// clamp(x, lower, upper) rounded to nearest even; a NaN gives `lower`.
OCTAVO_AVX512 OCTAVO_INLINE __m512i round_clamped(__m512 x, const epilogue& e) {
  const __m512 above = _mm512_max_ps(x, _mm512_set1_ps(e.lower));
  return _mm512_cvtps_epi32(_mm512_min_ps(above, _mm512_set1_ps(e.upper)));
}

/// activation::operator(): a NaN stays a NaN.
OCTAVO_AVX512 OCTAVO_INLINE __m512 clamp(__m512 x, const epilogue& e) {
  return _mm512_min_ps(_mm512_set1_ps(e.upper), _mm512_max_ps(_mm512_set1_ps(e.lower), x));
}

/// 64 integers, each at most 16 bits, plus the zero point as bytes. The inputs are interleaved as two rounds of
/// unpacking leave them: a holds channels 0-3, 16-19, 32-35, 48-51, b the next four of each sixteen, and so on.
OCTAVO_AVX512 OCTAVO_INLINE __m512i pack_interleaved(__m512i a, __m512i b, __m512i c, __m512i d,
                                                     std::int32_t zero_point) {
  const __m512i zero = _mm512_set1_epi16(static_cast<short>(zero_point));
  return _mm512_packus_epi16(_mm512_adds_epi16(_mm512_packs_epi32(a, b), zero),
                             _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero));
}

/// Ends 64 numbers by the epilogue and stores them as u8.
OCTAVO_AVX512 OCTAVO_INLINE void end64(std::uint8_t* y, std::uint64_t channels, const f32x64& x, const epilogue& e) {
  const __m512i bytes = pack_interleaved(round_clamped(x.a, e), round_clamped(x.b, e), round_clamped(x.c, e),
                                         round_clamped(x.d, e), e.u8.zero_point);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  store64(y, channels, _mm512_permutexvar_epi32(order, bytes));
}
/// Ends 64 numbers by the epilogue and stores them as f32.
OCTAVO_AVX512 OCTAVO_INLINE void end64(float* y, std::uint64_t channels, const f32x64& x, const epilogue& e) {
  store64(y, channels, {clamp(x.a, e), clamp(x.b, e), clamp(x.c, e), clamp(x.d, e)});
}

/// Interleaved registers (see pack_interleaved) put in the order of the channels: a transpose of 4 x 4 lanes of 128
/// bits.
OCTAVO_AVX512 OCTAVO_INLINE f32x64 in_order(const f32x64& x) {
  const __m512 ab_low = _mm512_shuffle_f32x4(x.a, x.b, 0x44), ab_high = _mm512_shuffle_f32x4(x.a, x.b, 0xee);
  const __m512 cd_low = _mm512_shuffle_f32x4(x.c, x.d, 0x44), cd_high = _mm512_shuffle_f32x4(x.c, x.d, 0xee);
  return {_mm512_shuffle_f32x4(ab_low, cd_low, 0x88), _mm512_shuffle_f32x4(ab_low, cd_low, 0xdd),
          _mm512_shuffle_f32x4(ab_high, cd_high, 0x88), _mm512_shuffle_f32x4(ab_high, cd_high, 0xdd)};
}

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
