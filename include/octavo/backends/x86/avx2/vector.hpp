// AVX2: a vector of binary32 with the functions of octavo/base/math.inc and of octavo/op.
#pragma once

#include "octavo/backends/x86/avx2/lanes.hpp"
#include "octavo/op/binary.hpp"
#include "octavo/op/unary.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// 8 numbers.
struct f32x8 {
  static constexpr int lanes = 8;
  __m256 v;

  f32x8() = default;
  OCTAVO_AVX2 OCTAVO_INLINE f32x8(__m256 all) : v(all) {}
  OCTAVO_AVX2 OCTAVO_INLINE explicit f32x8(float each) : v(_mm256_set1_ps(each)) {}
};
using vector_of_f32 = f32x8;  // the name in texts for vectors of any length
inline constexpr int lanes_of_f32 = f32x8::lanes;

/// What comparisons give: all bits or none of each lane.
struct mask8 {
  __m256 v;
};

OCTAVO_AVX2 OCTAVO_INLINE f32x8 operator+(f32x8 a, f32x8 b) { return _mm256_add_ps(a.v, b.v); }
OCTAVO_AVX2 OCTAVO_INLINE f32x8 operator-(f32x8 a, f32x8 b) { return _mm256_sub_ps(a.v, b.v); }
OCTAVO_AVX2 OCTAVO_INLINE f32x8 operator*(f32x8 a, f32x8 b) { return _mm256_mul_ps(a.v, b.v); }
OCTAVO_AVX2 OCTAVO_INLINE f32x8 divide(f32x8 a, f32x8 b) { return _mm256_div_ps(a.v, b.v); }
OCTAVO_AVX2 OCTAVO_INLINE mask8 operator<(f32x8 a, f32x8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
OCTAVO_AVX2 OCTAVO_INLINE mask8 operator<=(f32x8 a, f32x8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
OCTAVO_AVX2 OCTAVO_INLINE mask8 operator>(f32x8 a, f32x8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
OCTAVO_AVX2 OCTAVO_INLINE mask8 operator==(f32x8 a, f32x8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
OCTAVO_AVX2 OCTAVO_INLINE mask8 operator&(mask8 a, mask8 b) { return {_mm256_and_ps(a.v, b.v)}; }

OCTAVO_AVX2 OCTAVO_INLINE f32x8 select(mask8 m, f32x8 a, f32x8 b) { return _mm256_blendv_ps(b.v, a.v, m.v); }
OCTAVO_AVX2 OCTAVO_INLINE f32x8 at_least(f32x8 x, f32x8 bound) { return _mm256_max_ps(bound.v, x.v); }
OCTAVO_AVX2 OCTAVO_INLINE f32x8 at_most(f32x8 x, f32x8 bound) { return _mm256_min_ps(bound.v, x.v); }
OCTAVO_AVX2 OCTAVO_INLINE f32x8 fused_multiply_add(f32x8 a, f32x8 b, f32x8 c) { return _mm256_fmadd_ps(a.v, b.v, c.v); }
OCTAVO_AVX2 OCTAVO_INLINE f32x8 absolute(f32x8 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x.v); }
OCTAVO_AVX2 OCTAVO_INLINE f32x8 copy_sign(f32x8 size, f32x8 sign) {
  const __m256 bit = _mm256_set1_ps(-0.0f);
  return _mm256_or_ps(_mm256_andnot_ps(bit, size.v), _mm256_and_ps(bit, sign.v));
}
OCTAVO_AVX2 OCTAVO_INLINE f32x8 sqrt_f32(f32x8 x) { return _mm256_sqrt_ps(x.v); }
OCTAVO_AVX2 OCTAVO_INLINE f32x8 round_f32(f32x8 x) {
  return _mm256_round_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
OCTAVO_AVX2 OCTAVO_INLINE f32x8 floor_f32(f32x8 x) { return _mm256_floor_ps(x.v); }
OCTAVO_AVX2 OCTAVO_INLINE f32x8 ceil_f32(f32x8 x) { return _mm256_ceil_ps(x.v); }

/// 2^n as floats, for the last 8 bits of n + 127.
OCTAVO_AVX2 OCTAVO_INLINE f32x8 power_of_two_bits(__m256i n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
OCTAVO_AVX2 OCTAVO_INLINE f32x8 power_of_two(f32x8 shifted) {
  return power_of_two_bits(_mm256_castps_si256(shifted.v));
}
OCTAVO_AVX2 OCTAVO_INLINE f32x8 scale_by_power(f32x8 p, f32x8 shifted) {
  const __m256i n = _mm256_sub_epi32(_mm256_castps_si256(shifted.v), _mm256_set1_epi32(scalar::bits_of_shift));
  const __m256i half = _mm256_srai_epi32(n, 1);
  return p * power_of_two_bits(half) * power_of_two_bits(_mm256_sub_epi32(n, half));
}
OCTAVO_AVX2 OCTAVO_INLINE f32x8 scale_by_small_power(f32x8 p, f32x8 shifted) { return p * power_of_two(shifted); }
OCTAVO_AVX2 OCTAVO_INLINE __m256i exponent_bits(f32x8 x) {
  return _mm256_srai_epi32(_mm256_sub_epi32(_mm256_castps_si256(x.v), _mm256_set1_epi32(scalar::bits_of_root_half)),
                           23);
}
OCTAVO_AVX2 OCTAVO_INLINE f32x8 exponent_of(f32x8 x) { return _mm256_cvtepi32_ps(exponent_bits(x)); }
OCTAVO_AVX2 OCTAVO_INLINE f32x8 mantissa_of(f32x8 x) {
  return _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_castps_si256(x.v), _mm256_slli_epi32(exponent_bits(x), 23)));
}

/// The first n of 8 numbers, 0 < n <= 8, the others 0; reads nothing else.
OCTAVO_AVX2 OCTAVO_INLINE f32x8 load_lanes(const float* p, std::ptrdiff_t n) {
  if (n >= 8) return _mm256_loadu_ps(p);
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane));
}
OCTAVO_AVX2 OCTAVO_INLINE void store_lanes(float* p, std::ptrdiff_t n, f32x8 x) {
  if (n >= 8) return _mm256_storeu_ps(p, x.v);
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane), x.v);
}

#define OCTAVO_LANES_FUNCTION OCTAVO_AVX2 OCTAVO_INLINE
#include "octavo/base/math.inc"
#include "octavo/op/binary.inc"
#include "octavo/op/recurrent.inc"
#include "octavo/op/unary.inc"
#undef OCTAVO_LANES_FUNCTION

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE
