// AVX2: loads and stores of u8 and f32 in blocks of 32 channels, and the first n lanes of such a block.
#pragma once

#include <immintrin.h>

#include "octavo/backends/blocking/unroll.hpp"
#include "octavo/backends/native/epilogue.hpp"
#include "octavo/backends/x86/target.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

using native::epilogue;

/// 32 numbers in binary32.
struct f32x32 {
  __m256 a, b, c, d;
};

/// The first n of 32 bytes, 0 < n < 32, the others 0; reads nothing else.
OCTAVO_AVX2 OCTAVO_INLINE __m256i load_first(const std::uint8_t* p, int n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), words = _mm256_set1_epi32(n / 4);
  const __m256i whole = _mm256_maskload_epi32(reinterpret_cast<const int*>(p), _mm256_cmpgt_epi32(words, lane));
  if (n % 4 == 0) return whole;
  std::uint32_t rest = 0;  // the bytes of the last, incomplete word
  if (n > 4) {
    std::memcpy(&rest, p + n - 4, 4);
    rest >>= 8 * (4 - n % 4);
  } else {
    for (int i = n; i-- > 0;) rest = rest << 8 | p[i];
  }
  return _mm256_or_si256(whole,
                         _mm256_and_si256(_mm256_cmpeq_epi32(words, lane), _mm256_set1_epi32(static_cast<int>(rest))));
}

/// Stores the first n of 32 bytes.
OCTAVO_AVX2 OCTAVO_INLINE void store_first(std::uint8_t* p, int n, __m256i v) {
  alignas(32) std::uint8_t bytes[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes), v);
  std::memcpy(p, bytes, static_cast<std::size_t>(n));
}

OCTAVO_AVX2 OCTAVO_INLINE __m256i load32(const std::uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
OCTAVO_AVX2 OCTAVO_INLINE void store32(std::uint8_t* p, __m256i v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
}

/// The first n of 32 numbers, the others 0.
OCTAVO_AVX2 OCTAVO_INLINE f32x32 load_first(const float* p, int n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane)),
          _mm256_maskload_ps(p + 8, _mm256_cmpgt_epi32(_mm256_set1_epi32(n - 8), lane)),
          _mm256_maskload_ps(p + 16, _mm256_cmpgt_epi32(_mm256_set1_epi32(n - 16), lane)),
          _mm256_maskload_ps(p + 24, _mm256_cmpgt_epi32(_mm256_set1_epi32(n - 24), lane))};
}

OCTAVO_AVX2 OCTAVO_INLINE f32x32 load32(const float* p) {
  return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8), _mm256_loadu_ps(p + 16), _mm256_loadu_ps(p + 24)};
}
OCTAVO_AVX2 OCTAVO_INLINE void store32(float* p, const f32x32& v) {
  _mm256_storeu_ps(p, v.a);
  _mm256_storeu_ps(p + 8, v.b);
  _mm256_storeu_ps(p + 16, v.c);
  _mm256_storeu_ps(p + 24, v.d);
}

/// 8 numbers as f32; a u8 loses its zero point.
OCTAVO_AVX2 OCTAVO_INLINE __m256 load8(const std::uint8_t* p, __m256i zero_point) {
  const __m256i q = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(q, zero_point));
}
OCTAVO_AVX2 OCTAVO_INLINE __m256 load8(const float* p, __m256i) { return _mm256_loadu_ps(p); }

/// clamp(x, lower, upper) rounded to nearest even; a NaN gives `lower`.
OCTAVO_AVX2 OCTAVO_INLINE __m256i round_clamped(__m256 x, const epilogue& e) {
  const __m256 above = _mm256_max_ps(x, _mm256_set1_ps(e.lower));
  return _mm256_cvtps_epi32(_mm256_min_ps(above, _mm256_set1_ps(e.upper)));
}

/// activation::operator(): a NaN stays a NaN.
OCTAVO_AVX2 OCTAVO_INLINE __m256 clamp(__m256 x, const epilogue& e) {
  return _mm256_min_ps(_mm256_set1_ps(e.upper), _mm256_max_ps(_mm256_set1_ps(e.lower), x));
}

/// 32 integers, each at most 16 bits, plus the zero point as bytes; 8-lane halves of the inputs are interleaved:
/// a, b, c, d hold channels 0-3 and 16-19, 4-7 and 20-23, ... as two rounds of unpacking leave them.
OCTAVO_AVX2 OCTAVO_INLINE __m256i pack_interleaved(__m256i a, __m256i b, __m256i c, __m256i d,
                                                   std::int32_t zero_point) {
  const __m256i zero = _mm256_set1_epi16(static_cast<short>(zero_point));
  return _mm256_packus_epi16(_mm256_adds_epi16(_mm256_packs_epi32(a, b), zero),
                             _mm256_adds_epi16(_mm256_packs_epi32(c, d), zero));
}

/// Ends 32 numbers by the epilogue and stores them as u8.
OCTAVO_AVX2 OCTAVO_INLINE void end32(std::uint8_t* y, const f32x32& x, const epilogue& e) {
  const __m256i bytes = pack_interleaved(round_clamped(x.a, e), round_clamped(x.b, e), round_clamped(x.c, e),
                                         round_clamped(x.d, e), e.u8.zero_point);
  store32(y, _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
}
/// Ends 32 numbers by the epilogue and stores them as f32.
OCTAVO_AVX2 OCTAVO_INLINE void end32(float* y, const f32x32& x, const epilogue& e) {
  store32(y, {clamp(x.a, e), clamp(x.b, e), clamp(x.c, e), clamp(x.d, e)});
}

/// Interleaved halves (see pack_interleaved) put in the order of the channels.
OCTAVO_AVX2 OCTAVO_INLINE f32x32 in_order(const f32x32& x) {
  return {_mm256_permute2f128_ps(x.a, x.b, 0x20), _mm256_permute2f128_ps(x.c, x.d, 0x20),
          _mm256_permute2f128_ps(x.a, x.b, 0x31), _mm256_permute2f128_ps(x.c, x.d, 0x31)};
}

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE
