// The affine map between real numbers and 8-bit integers: real = scale * (q - zero_point).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>

#include "octavo/base/error.hpp"

namespace octavo {

/// real = scale * (q - zero_point). Activations are u8, so 0 <= zero_point <= 255.
struct affine {
  float scale = 1.0f;
  std::int32_t zero_point = 0;

  friend constexpr bool operator==(const affine&, const affine&) = default;
  friend std::ostream& operator<<(std::ostream& out, const affine& a) {
    return out << "scale " << a.scale << " zp " << a.zero_point;
  }
};

/// Whether a number can be a scale: it is finite and positive, and so is its inverse.
inline bool is_scale(float s) { return std::isfinite(s) && s > 0 && std::isfinite(1.0f / s); }

/// Throws octavo::error unless the map is one of u8 activations.
inline void check(const affine& a) {
  require(is_scale(a.scale), "scale ", a.scale, " is out of range: it and its inverse must be finite and positive");
  require(a.zero_point >= 0 && a.zero_point <= 255, "zero point ", a.zero_point,
          " is out of range: it must be from 0 to 255");
}

/// The range of real numbers that an edge carries, found by calibration.
struct range {
  float lower = 0.0f;
  float upper = 0.0f;
  friend constexpr bool operator==(const range&, const range&) = default;
};

/// The smallest scale that is ever chosen: an edge that is always zero still needs an invertible map.
inline constexpr float smallest_scale = 1e-12f;

/// The u8 map for values in `r`, which is first widened to contain 0 (zero must be exact: padding uses it).
///   lower >= 0:       zero point 0,   scale = upper / 255
///   lower == -upper:  zero point 128, scale = upper / 127
///   otherwise:        scale = (upper - lower) / 255, zero point = the rounded place of 0
/// Throws octavo::error when `r` is not finite or empty.
inline affine choose_affine(range r) {
  require(std::isfinite(r.lower) && std::isfinite(r.upper) && r.lower <= r.upper, "cannot quantize the range [",
          r.lower, ", ", r.upper, "]: it must be finite and not empty");
  const double lower = std::min(r.lower, 0.0f), upper = std::max(r.upper, 0.0f);
  const bool symmetric = lower < 0 && -lower == upper;
  const double scale =
      std::max(symmetric ? upper / 127.0 : (upper - lower) / 255.0, static_cast<double>(smallest_scale));
  const double zero = symmetric ? 128.0 : std::nearbyint(-lower / scale);
  return {static_cast<float>(scale), static_cast<std::int32_t>(std::clamp(zero, 0.0, 255.0))};
}

}  // namespace octavo
