// AVX-512: a vector of binary32 with the functions of octavo/base/math.inc and of octavo/op.
#pragma once

#include "octavo/backends/x86/avx512_vnni/lanes.hpp"
#include "octavo/op/binary.hpp"
#include "octavo/op/unary.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// 16 numbers.
struct f32x16 {
  static constexpr int lanes = 16;
  __m512 v;

  f32x16() = default;
  OCTAVO_AVX512 OCTAVO_INLINE f32x16(__m512 all) : v(all) {}
  OCTAVO_AVX512 OCTAVO_INLINE explicit f32x16(float each) : v(_mm512_set1_ps(each)) {}
};
using vector_of_f32 = f32x16;  // the name in texts for vectors of any length
inline constexpr int lanes_of_f32 = f32x16::lanes;

/// What comparisons give: a bit for each lane.
struct mask16 {
  __mmask16 v;
};

OCTAVO_AVX512 OCTAVO_INLINE f32x16 operator+(f32x16 a, f32x16 b) { return _mm512_add_ps(a.v, b.v); }
OCTAVO_AVX512 OCTAVO_INLINE f32x16 operator-(f32x16 a, f32x16 b) { return _mm512_sub_ps(a.v, b.v); }
OCTAVO_AVX512 OCTAVO_INLINE f32x16 operator*(f32x16 a, f32x16 b) { return _mm512_mul_ps(a.v, b.v); }
OCTAVO_AVX512 OCTAVO_INLINE f32x16 divide(f32x16 a, f32x16 b) { return _mm512_div_ps(a.v, b.v); }
OCTAVO_AVX512 OCTAVO_INLINE mask16 operator<(f32x16 a, f32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
OCTAVO_AVX512 OCTAVO_INLINE mask16 operator<=(f32x16 a, f32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
OCTAVO_AVX512 OCTAVO_INLINE mask16 operator>(f32x16 a, f32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)}; }
OCTAVO_AVX512 OCTAVO_INLINE mask16 operator==(f32x16 a, f32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
OCTAVO_AVX512 OCTAVO_INLINE mask16 operator&(mask16 a, mask16 b) { return {static_cast<__mmask16>(a.v & b.v)}; }

OCTAVO_AVX512 OCTAVO_INLINE f32x16 select(mask16 m, f32x16 a, f32x16 b) { return _mm512_mask_blend_ps(m.v, b.v, a.v); }
OCTAVO_AVX512 OCTAVO_INLINE f32x16 at_least(f32x16 x, f32x16 bound) { return _mm512_max_ps(bound.v, x.v); }
OCTAVO_AVX512 OCTAVO_INLINE f32x16 at_most(f32x16 x, f32x16 bound) { return _mm512_min_ps(bound.v, x.v); }
OCTAVO_AVX512 OCTAVO_INLINE f32x16 fused_multiply_add(f32x16 a, f32x16 b, f32x16 c) {
  return _mm512_fmadd_ps(a.v, b.v, c.v);
}
OCTAVO_AVX512 OCTAVO_INLINE f32x16 absolute(f32x16 x) { return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), x.v); }
OCTAVO_AVX512 OCTAVO_INLINE f32x16 copy_sign(f32x16 size, f32x16 sign) {
  const __m512 bit = _mm512_set1_ps(-0.0f);
  return _mm512_or_ps(_mm512_andnot_ps(bit, size.v), _mm512_and_ps(bit, sign.v));
}
OCTAVO_AVX512 OCTAVO_INLINE f32x16 sqrt_f32(f32x16 x) { return _mm512_sqrt_ps(x.v); }
OCTAVO_AVX512 OCTAVO_INLINE f32x16 round_f32(f32x16 x) {
  return _mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
OCTAVO_AVX512 OCTAVO_INLINE f32x16 floor_f32(f32x16 x) {
  return _mm512_roundscale_ps(x.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
OCTAVO_AVX512 OCTAVO_INLINE f32x16 ceil_f32(f32x16 x) {
  return _mm512_roundscale_ps(x.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}

/// 2^n as floats, for the last 8 bits of n + 127.
OCTAVO_AVX512 OCTAVO_INLINE f32x16 power_of_two_bits(__m512i n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(127)), 23));
}
OCTAVO_AVX512 OCTAVO_INLINE f32x16 power_of_two(f32x16 shifted) {
  return power_of_two_bits(_mm512_castps_si512(shifted.v));
}
OCTAVO_AVX512 OCTAVO_INLINE f32x16 scale_by_power(f32x16 p, f32x16 shifted) {
  return _mm512_scalef_ps(p.v, _mm512_sub_ps(shifted.v, _mm512_set1_ps(12582912.0f)));
}
OCTAVO_AVX512 OCTAVO_INLINE f32x16 scale_by_small_power(f32x16 p, f32x16 shifted) { return scale_by_power(p, shifted); }
OCTAVO_AVX512 OCTAVO_INLINE __m512i exponent_bits(f32x16 x) {
  return _mm512_srai_epi32(_mm512_sub_epi32(_mm512_castps_si512(x.v), _mm512_set1_epi32(scalar::bits_of_root_half)),
                           23);
}
OCTAVO_AVX512 OCTAVO_INLINE f32x16 exponent_of(f32x16 x) { return _mm512_cvtepi32_ps(exponent_bits(x)); }
OCTAVO_AVX512 OCTAVO_INLINE f32x16 mantissa_of(f32x16 x) {
  return _mm512_castsi512_ps(_mm512_sub_epi32(_mm512_castps_si512(x.v), _mm512_slli_epi32(exponent_bits(x), 23)));
}

/// The first n of 16 numbers, n > 0, the others 0; reads nothing else.
OCTAVO_AVX512 OCTAVO_INLINE f32x16 load_lanes(const float* p, std::ptrdiff_t n) {
  if (n >= 16) return _mm512_loadu_ps(p);
  return _mm512_maskz_loadu_ps(sixteen(first_channels(n), 0), p);
}
OCTAVO_AVX512 OCTAVO_INLINE void store_lanes(float* p, std::ptrdiff_t n, f32x16 x) {
  if (n >= 16) return _mm512_storeu_ps(p, x.v);
  _mm512_mask_storeu_ps(p, sixteen(first_channels(n), 0), x.v);
}

#define OCTAVO_LANES_FUNCTION OCTAVO_AVX512 OCTAVO_INLINE
#include "octavo/base/math.inc"
#include "octavo/op/binary.inc"
#include "octavo/op/recurrent.inc"
#include "octavo/op/unary.inc"
#undef OCTAVO_LANES_FUNCTION

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
