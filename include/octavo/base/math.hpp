// Transcendental functions as polynomials in fused multiply-adds: the same bits on every CPU.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace octavo {

/// exp(x) in binary32, relative error below 2e-7 for x in [-87, 88]; 0 below that range, infinity above it, NaN for
/// NaN. Cody-Waite reduction x = n ln 2 + r with |r| <= ln(2)/2, then a Taylor polynomial of degree 7.
inline float exp_f32(float x) {
  if (!(x >= -87.0f)) return x < 0 ? 0.0f : x;
  if (x > 88.0f) return HUGE_VALF;
  const float n = std::nearbyintf(x * 1.44269504f);
  float r =
      std::fmaf(n, -0.693145752f, x);  // ln 2 in two parts: the first has zeros at its end, so n times it is exact
  r = std::fmaf(n, -1.42860677e-6f, r);
  float p = 1.98412698e-4f;
  p = std::fmaf(p, r, 1.38888889e-3f);
  p = std::fmaf(p, r, 8.33333377e-3f);
  p = std::fmaf(p, r, 4.16666679e-2f);
  p = std::fmaf(p, r, 1.66666672e-1f);
  p = std::fmaf(p, r, 0.5f);
  p = std::fmaf(p, r, 1.0f);
  p = std::fmaf(p, r, 1.0f);
  return p * std::bit_cast<float>((static_cast<std::int32_t>(n) + 127) << 23);
}

/// The fixed order of every long sum in binary32: element i goes to partial sum i mod 16, then the partial sums are
/// added pairwise, distance 8, 4, 2, 1. `at(i)` gives element i of n.
template <class At>
float sum_f32(int n, At&& at) {
  float partial[16] = {};
  for (int i = 0; i < n; ++i) partial[i % 16] += at(i);
  for (int distance = 8; distance > 0; distance /= 2)
    for (int i = 0; i < distance; ++i) partial[i] += partial[i + distance];
  return partial[0];
}

}  // namespace octavo
