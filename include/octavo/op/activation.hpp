// The activation that ends an operator: a clamp in real numbers, which covers none, relu, relu6 and clip.
//   y = min(max(x, lower), upper)
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>

#include "octavo/op/attribute.hpp"
#include "octavo/quant/requantize.hpp"

namespace octavo {

/// y = min(max(x, lower), upper), in real units.
struct activation {
  static constexpr bool says_itself = true;  ///< printed without the attribute's name: "relu"
  float lower = -std::numeric_limits<float>::infinity();
  float upper = std::numeric_limits<float>::infinity();

  friend constexpr bool operator==(const activation&, const activation&) = default;

  constexpr bool is_none() const { return *this == activation{}; }
  float operator()(float x) const { return std::min(std::max(x, lower), upper); }

  /// This activation after `first`: both are clamps, so one clamp does both.
  constexpr activation after(const activation& first) const {
    return {std::clamp(first.lower, lower, upper), std::clamp(first.upper, lower, upper)};
  }

  friend std::ostream& operator<<(std::ostream& out, const activation& a) {
    if (a.is_none()) return out << "none";
    if (a.lower == 0.0f && a.upper == std::numeric_limits<float>::infinity()) return out << "relu";
    if (a.lower == 0.0f && a.upper == 6.0f) return out << "relu6";
    return out << "clip(" << a.lower << "," << a.upper << ")";
  }
};

/// As an attribute: the two bounds.
inline attribute to_attribute(const activation& a) {
  return std::vector<double>{static_cast<double>(a.lower), static_cast<double>(a.upper)};
}
inline void from_attribute(const attribute& from, activation& a) {
  const auto& bounds = detail::attribute_as<std::vector<double>>(from, "the lower and the upper bound of a clamp");
  require(bounds.size() == 2, "expected the lower and the upper bound of a clamp, found ", bounds.size(), " numbers");
  a = {static_cast<float>(bounds[0]), static_cast<float>(bounds[1])};
}

inline constexpr activation no_activation{};
inline constexpr activation relu_activation{0.0f, std::numeric_limits<float>::infinity()};
inline constexpr activation relu6_activation{0.0f, 6.0f};

/// The clamp of `act` on the u8 grid `q`: the real bounds are rounded to the grid.
inline saturation saturation_of(const activation& act, const affine& q) {
  const auto bound = [&](float real, std::int32_t otherwise) {
    if (std::isinf(real)) return otherwise;
    return static_cast<std::int32_t>(quantize_u8(real, q));
  };
  return {q.zero_point, bound(act.lower, 0), bound(act.upper, 255)};
}

}  // namespace octavo
