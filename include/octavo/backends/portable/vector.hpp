// xsimd's vectors of binary32 with the functions of octavo/base/math.inc and of octavo/op.
#pragma once

#include <cstring>

#include "octavo/backends/blocking/unroll.hpp"
#include "octavo/backends/portable/batch.hpp"
#include "octavo/op/binary.hpp"
#include "octavo/op/unary.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

using integers = xsimd::batch<std::int32_t>;
using mask = batch::batch_bool_type;
using vector_of_f32 = batch;  // the name in texts for vectors of any length
inline constexpr int lanes_of_f32 = lanes;

inline batch select(const mask& m, const batch& a, const batch& b) { return xsimd::select(m, a, b); }
inline batch at_least(const batch& x, const batch& bound) { return xsimd::select(x < bound, bound, x); }
inline batch at_most(const batch& x, const batch& bound) { return xsimd::select(x > bound, bound, x); }

inline integers bits_of(const batch& x) { return xsimd::bitwise_cast<integers>(x); }
inline batch from_bits(const integers& x) { return xsimd::bitwise_cast<batch>(x); }
inline batch absolute(const batch& x) { return from_bits(bits_of(x) & integers(0x7fffffff)); }
inline batch copy_sign(const batch& size, const batch& sign) {
  return from_bits((bits_of(size) & integers(0x7fffffff)) | (bits_of(sign) & integers(-0x7fffffff - 1)));
}

/// f of each lane: what not every instruction set has.
template <class F>
batch by_lane(const batch& x, F&& f) {
  float each[lanes];
  x.store_unaligned(each);
  for (float& v : each) v = f(v);
  return batch::load_unaligned(each);
}

// xsimd's quotients and square roots on NEON are products with estimates, which round more than once.
#if XSIMD_WITH_NEON
inline batch divide(const batch& a, const batch& b) {
  float x[lanes], y[lanes];
  a.store_unaligned(x), b.store_unaligned(y);
  for (int i = 0; i < lanes; ++i) x[i] /= y[i];
  return batch::load_unaligned(x);
}
inline batch sqrt_f32(const batch& x) { return by_lane(x, scalar::sqrt_f32); }
#else
inline batch divide(const batch& a, const batch& b) { return a / b; }
inline batch sqrt_f32(const batch& x) { return xsimd::sqrt(x); }
#endif

inline batch round_f32(const batch& x) { return by_lane(x, scalar::round_f32); }
inline batch floor_f32(const batch& x) { return by_lane(x, scalar::floor_f32); }
inline batch ceil_f32(const batch& x) { return by_lane(x, scalar::ceil_f32); }

/// 2^n as floats, for the last 8 bits of n + 127.
inline batch power_of_two_bits(const integers& n) { return from_bits((n + integers(127)) << 23); }
inline batch power_of_two(const batch& shifted) { return power_of_two_bits(bits_of(shifted)); }
inline batch scale_by_power(const batch& p, const batch& shifted) {
  const integers n = bits_of(shifted) - integers(scalar::bits_of_shift), half = n >> 1;
  return p * power_of_two_bits(half) * power_of_two_bits(n - half);
}
inline batch scale_by_small_power(const batch& p, const batch& shifted) { return p * power_of_two(shifted); }
inline integers exponent_bits(const batch& x) { return (bits_of(x) - integers(scalar::bits_of_root_half)) >> 23; }
inline batch exponent_of(const batch& x) { return xsimd::to_float(exponent_bits(x)); }
inline batch mantissa_of(const batch& x) { return from_bits(bits_of(x) - (exponent_bits(x) << 23)); }

/// The first n numbers, n > 0, the others 0; reads nothing else.
inline batch load_lanes(const float* p, std::ptrdiff_t n) {
  if (n >= lanes) return batch::load_unaligned(p);
  float first[lanes] = {};
  std::memcpy(first, p, static_cast<std::size_t>(n) * sizeof(float));
  return batch::load_unaligned(first);
}
inline void store_lanes(float* p, std::ptrdiff_t n, const batch& x) {
  if (n >= lanes) return x.store_unaligned(p);
  float first[lanes];
  x.store_unaligned(first);
  std::memcpy(p, first, static_cast<std::size_t>(n) * sizeof(float));
}

#define OCTAVO_LANES_FUNCTION inline
#include "octavo/base/math.inc"
#include "octavo/op/binary.inc"
#include "octavo/op/recurrent.inc"
#include "octavo/op/unary.inc"
#undef OCTAVO_LANES_FUNCTION

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
