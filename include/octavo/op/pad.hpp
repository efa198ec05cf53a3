// Padding: more elements before and after each axis, or fewer of them where a padding is negative.
//   y(p) = x(p - before) where that is inside of x; elsewhere
//     constant  `value`, 0 by default (on u8 `value` is quantized, so 0 is the zero point)
//     edge      the nearest element of x
//     reflect   x mirrored at its first and last index, which are not repeated
#pragma once

#include "octavo/op/axis_numbers.hpp"
#include "octavo/op/position.hpp"
#include "octavo/quant/requantize.hpp"

namespace octavo::op {

/// Padding in a graph.
struct pad {
  static constexpr std::string_view name = "pad";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  enum mode_type : std::uint8_t { constant, edge, reflect };
  axis_numbers before{};  ///< of each axis, outermost first; negative: so many are cut off
  axis_numbers after{};
  mode_type mode = constant;
  float value = 0;  ///< of `constant`, in real units

  static constexpr auto fields = std::tuple{field{"before", &pad::before}, field{"after", &pad::after},
                                            field{"mode", &pad::mode}, field{"value", &pad::value}};
};

inline constexpr std::string_view pad_modes[] = {"constant", "edge", "reflect"};

inline std::ostream& operator<<(std::ostream& out, pad::mode_type m) { return out << pad_modes[m]; }
inline attribute to_attribute(pad::mode_type m) { return std::string(pad_modes[m]); }
inline void from_attribute(const attribute& a, pad::mode_type& m) {
  const std::string& given = octavo::detail::attribute_as<std::string>(a, "constant, edge or reflect");
  const auto found = std::ranges::find(pad_modes, given);
  require(found != std::end(pad_modes), "expected constant, edge or reflect, found '", given, "'");
  m = static_cast<pad::mode_type>(found - std::begin(pad_modes));
}

/// Zeros before and after the innermost axis of a tensor of that rank.
constexpr pad channel_padding(int rank, int before, int after) {
  pad p;
  for (int i = 0; i < rank; ++i) {
    p.before.push_back(i == rank - 1 ? before : 0);
    p.after.push_back(i == rank - 1 ? after : 0);
  }
  return p;
}

/// Extents of the output. Of what check() refuses they may be anything.
constexpr dims infer(const pad& p, const dims& x) {
  dims y = x;
  for (int i = 0; i < x.rank && i < p.before.count && i < p.after.count; ++i)
    y[i] = static_cast<int>(
        std::clamp<std::int64_t>(std::int64_t{x[i]} + p.before[i] + p.after[i], 1, std::numeric_limits<int>::max()));
  return y;
}

/// The index of x that index `at` of an axis of `n` shows in modes edge and reflect.
constexpr int reflected(pad::mode_type mode, int at, int n) {
  if (mode == pad::edge) return std::clamp(at, 0, n - 1);
  return at < 0 ? -at : at >= n ? 2 * (n - 1) - at : at;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a padding that can be run.
inline void check(const pad& p, const signature& s) {
  require(s.src.size() == 1, "pad: expected 1 input, found ", s.src.size());
  const dims& x = s.src[0].extents;
  require(p.before.count == x.rank && p.after.count == x.rank, "pad: expected paddings of each axis of ", x, ", found ",
          p.before, " before and ", p.after, " after");
  const float largest = s.dst->type == element::s8 ? 127.0f : 0x1p30f;  // of whole numbers
  require(s.dst->is_number() ? !std::isnan(p.value) : p.value == std::trunc(p.value) && std::fabs(p.value) <= largest,
          "pad: the value ", p.value, " is none of ", name_of(s.dst->type));
  for (int i = 0; i < x.rank; ++i) {
    const std::int64_t before = p.before[i], after = p.after[i], y = before + after + x[i];
    require(before == 0 && after == 0 ? true : !x.is_bounded(i), "pad: axis ", i, " of ", x,
            " is bounded and cannot be padded");
    require(y >= 1 && y <= std::numeric_limits<int>::max() && before > -x[i] && after > -x[i], "pad: ", before, " and ",
            after, " elements more on axis ", i, " of ", x, " leave none, or too many");
    require(p.mode != pad::reflect || (before < x[i] && after < x[i]), "pad: axis ", i, " of ", x,
            " is too short to reflect ", before, " and ", after, " elements");
  }
  check_moved(s, 1, infer(p, x), pad::name);
}

/// The bytes of the element that the mode `constant` pads with, in the first size_of(y.type).
inline std::array<std::byte, 8> padding_element(const pad& p, const tensor_type& y) {
  std::array<std::byte, 8> bytes{};
  const auto store = [&](auto v) { std::memcpy(bytes.data(), &v, sizeof v); };
  switch (y.type) {
    case element::f32: store(p.value); break;
    case element::u8: store(quantize_u8(p.value, y.q)); break;
    case element::s8: store(static_cast<std::int8_t>(p.value)); break;
    case element::s32: store(static_cast<std::int32_t>(p.value)); break;
    case element::s64: store(static_cast<std::int64_t>(p.value)); break;
    case element::none: break;
  }
  return bytes;
}

/// Reference evaluation.
inline void evaluate(const pad& p, const signature& s, const arguments& a) {
  const operand &x = a.src[0], &y = *a.dst;
  const std::size_t bytes = size_of(s.dst->type), n = y.extents.count();
  const std::array<std::byte, 8> value = padding_element(p, *s.dst);
  for (std::size_t i = 0; i < n; ++i) {
    const position to = position_of(i, y.extents);
    position from{};
    bool inside = true;
    for (int axis = 0; axis < y.extents.rank; ++axis) {
      const auto k = static_cast<std::size_t>(axis);
      const int at = to[k] - p.before[axis];
      from[k] = p.mode == pad::constant ? at : reflected(p.mode, at, x.extents[axis]);
      inside = inside && from[k] >= 0 && from[k] < x.extents[axis];
    }
    std::memcpy(element_of_operand(y, to, bytes), inside ? element_of_operand(x, from, bytes) : value.data(), bytes);
  }
}

}  // namespace octavo::op
