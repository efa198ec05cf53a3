// How every native kernel ends: the numbers that the one rounding rule (octavo/quant/requantize.hpp) needs, prepared.
#pragma once

#include "octavo/base/arch_namespace.hpp"
#include "octavo/op/activation.hpp"
#include "octavo/op/signature.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// y of type u8: clamp(x, lower, upper) in binary32, rounded to nearest even, plus zero_point.
/// y of type f32: clamp(x, lower, upper).
struct output_rule {
  element type = element::f32;
  float lower = 0.0f;  ///< u8: the smallest output minus the zero point
  float upper = 0.0f;
  std::int32_t zero_point = 0;
};

/// The rule for an output of type `y` after the activation `act`.
inline output_rule make_output_rule(const tensor_type& y, const activation& act) {
  if (!y.is_u8()) return {y.type, act.lower, act.upper, 0};
  const saturation s = saturation_of(act, y.q);
  return {y.type, static_cast<float>(s.lower - s.zero_point), static_cast<float>(s.upper - s.zero_point), s.zero_point};
}

/// What a residual adds before the clamp: u8: fma(r - zero_point, multiplier, x); f32: x + r.
struct residual_rule {
  float multiplier = 0.0f;
  std::int32_t zero_point = 0;
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
