// The epilogue: how what a kernel computed, in binary32, becomes outputs by the one arithmetic rule
// (octavo/quant/requantize.hpp). Every native kernel ends its numbers as one plain struct says.
#pragma once

#include <limits>

#include "octavo/base/arch_namespace.hpp"
#include "octavo/op/activation.hpp"
#include "octavo/op/signature.hpp"
#include "octavo/quant/fold.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// How u8 outputs may be clamped. Where no number before rounding can leave s32, the saturation of packing does it.
enum class clamping : std::uint8_t {
  by_packing,  ///< to [0, 255], with zero point 0
  as_bytes,    ///< after packing
  as_floats    ///< before the conversion to s32, always right
};

/// From a number x to an output y, the same for all channels:
///   u8: x' = fma(r - residual_zero_point, residual_multiplier, x) where there is a residual r,
///       y = clamp(x', lower, upper) rounded to nearest even, plus u8.zero_point
///   f32: y = clamp(x + r, lower, upper)
/// Without member functions: they would have no instruction set, and g++ 12 inlines such ones into kernels too late to
/// keep accumulators in registers.
struct epilogue {
  element type = element::f32;       ///< of y: u8 or f32
  float lower = 0.0f, upper = 0.0f;  ///< u8: the bounds of y minus its zero point
  saturation u8{};                   ///< zero point and bounds of a u8 y
  float residual_multiplier = 0.0f;  ///< u8
  std::int32_t residual_zero_point = 0;
  clamping clamp = clamping::as_floats;
};

/// The epilogue of outputs of type `y` after the activation `act`, without a residual, where no number before rounding,
/// in steps of y, is larger than `most`.
inline epilogue make_epilogue(const tensor_type& y, const activation& act,
                              double most = std::numeric_limits<double>::infinity()) {
  epilogue e;
  e.type = y.type, e.lower = act.lower, e.upper = act.upper;
  if (!y.is_u8()) return e;
  e.u8 = saturation_of(act, y.q);
  e.lower = static_cast<float>(e.u8.lower - e.u8.zero_point);
  e.upper = static_cast<float>(e.u8.upper - e.u8.zero_point);
  if (most < 0x1p30) e.clamp = e.u8 == saturation{} ? clamping::by_packing : clamping::as_bytes;
  return e;
}

/// The same of an operator whose last input is a residual, where `residual` says so; `most` leaves that out.
inline epilogue make_epilogue(const signature& s, const activation& act, bool residual,
                              double most = std::numeric_limits<double>::infinity()) {
  if (!residual || !s.dst->is_u8()) return make_epilogue(*s.dst, act, most);
  const affine& r = s.src.back().q;
  const float multiplier = checked_ratio(r.scale, s.dst->q.scale, "residual");
  epilogue e = make_epilogue(*s.dst, act, most + 255 * static_cast<double>(multiplier));
  e.residual_multiplier = multiplier, e.residual_zero_point = r.zero_point;
  return e;
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
