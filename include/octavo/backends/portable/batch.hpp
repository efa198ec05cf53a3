// xsimd's vectors of f32, and their fused multiply-add: one instruction, or the same bits in binary64 without it.
#pragma once

#include "octavo/backends/portable/arch.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

using batch = xsimd::batch<float>;
inline constexpr int lanes = static_cast<int>(batch::size);

#if OCTAVO_ARCH_FMA

/// a b + c rounded once.
inline batch fused_multiply_add(const batch& a, const batch& b, const batch& c) noexcept {
#if XSIMD_WITH_AVX512F
  return _mm512_fmadd_ps(a, b, c);  // xsimd 8, which Debian 12 has, multiplies and adds here
#else
  return xsimd::fma(a, b, c);
#endif
}

#else

/// fused_multiply_add() of each lane.
inline batch fused_multiply_add_by_lane(const batch& a, const batch& b, const batch& c) noexcept {
  float x[lanes], y[lanes], z[lanes];
  a.store_unaligned(x), b.store_unaligned(y), c.store_unaligned(z);
  for (int i = 0; i < lanes; ++i) z[i] = fused_multiply_add(x[i], y[i], z[i]);
  return batch::load_unaligned(z);
}

#if XSIMD_WITH_SSE2

/// Four lanes of fused_multiply_add(), without its rare case.
struct rounded_twice {
  __m128 sum;
  __m128i doubtful;  ///< lanes where one rounding may give another number: see the scalar function
};

inline rounded_twice multiply_add_twice(__m128 a, __m128 b, __m128 c) noexcept {
  const auto high = [](__m128 v) { return _mm_cvtps_pd(_mm_movehl_ps(v, v)); };
  const __m128d s0 = _mm_add_pd(_mm_mul_pd(_mm_cvtps_pd(a), _mm_cvtps_pd(b)), _mm_cvtps_pd(c)),
                s1 = _mm_add_pd(_mm_mul_pd(high(a), high(b)), high(c));
  const __m128 t0 = _mm_castpd_ps(s0), t1 = _mm_castpd_ps(s1);
  const __m128i low_words = _mm_castps_si128(_mm_shuffle_ps(t0, t1, 0x88)),
                magnitudes = _mm_and_si128(_mm_castps_si128(_mm_shuffle_ps(t0, t1, 0xdd)), _mm_set1_epi32(0x7fffffff));
  const __m128i halfway =
      _mm_cmpeq_epi32(_mm_and_si128(low_words, _mm_set1_epi32(0x1fffffff)), _mm_set1_epi32(0x10000000));
  // Below 2^-126, but not 0: no other sum is below 2^-298.
  const __m128i subnormal = _mm_and_si128(_mm_cmpgt_epi32(_mm_set1_epi32(0x38100000), magnitudes),
                                          _mm_cmpgt_epi32(magnitudes, _mm_setzero_si128()));
  return {_mm_movelh_ps(_mm_cvtpd_ps(s0), _mm_cvtpd_ps(s1)), _mm_or_si128(halfway, subnormal)};
}

/// a b + c rounded once.
inline batch fused_multiply_add(const batch& a, const batch& b, const batch& c) noexcept {
#if XSIMD_WITH_AVX
  const rounded_twice low = multiply_add_twice(_mm256_castps256_ps128(a), _mm256_castps256_ps128(b),
                                               _mm256_castps256_ps128(c)),
                      high = multiply_add_twice(_mm256_extractf128_ps(a, 1), _mm256_extractf128_ps(b, 1),
                                                _mm256_extractf128_ps(c, 1));
  const __m128i doubtful = _mm_or_si128(low.doubtful, high.doubtful);
  const batch sum(_mm256_insertf128_ps(_mm256_castps128_ps256(low.sum), high.sum, 1));
#else
  const auto [four, doubtful] = multiply_add_twice(a, b, c);
  const batch sum(four);
#endif
  if (_mm_movemask_epi8(doubtful) != 0) [[unlikely]]
    return fused_multiply_add_by_lane(a, b, c);
  return sum;
}

#else

inline batch fused_multiply_add(const batch& a, const batch& b, const batch& c) noexcept {
  return fused_multiply_add_by_lane(a, b, c);
}

#endif
#endif

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
