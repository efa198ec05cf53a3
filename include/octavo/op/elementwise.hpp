// Operators whose every output element comes from the element at the same place of the only input.
//   activate:  y = act(x)                      relu, relu6, clip
//   convert:   y = x                           quantize (f32 -> u8), dequantize (u8 -> f32), requantize (u8 -> u8)
//   bias_add:  y(..., c) = act(x(..., c) + bias(c))
// x, y: any extents, f32 or u8. On u8 a number is computed in binary32 and rounded once:
//   t = (q_x - zp_x) * m or, with a bias, fma(q_x - zp_x, m, bias / s_y);  q = clamp(rne(t) + zp_y),  m = s_x / s_y
#pragma once

#include "octavo/op/operation.hpp"
#include "octavo/quant/fold.hpp"

namespace octavo::op {

/// Types of operators of one kind.
template <class... T>
struct type_list {};

/// Calls use(f) where `o` is f, an operator of one of these types. Whether it is.
template <class... T, class Use>
bool visit(type_list<T...>, const operation& o, Use&& use) {
  const auto visit_one = [&](const auto* f) { return f && (use(*f), true); };
  return (visit_one(o.as<T>()) || ...);
}

/// y = act(x): relu, relu6, clip.
struct activate {
  static constexpr std::string_view name = "activate";
  static constexpr port inputs[] = {{"x"}};
  static constexpr bool elementwise = true;
  activation act{};

  static constexpr auto fields = std::tuple{field{"act", &activate::act}};
};

/// A change of representation: quantize, dequantize or requantize, as the types of input and output say.
struct convert {
  static constexpr std::string_view name = "convert";
  static constexpr port inputs[] = {{"x"}};
  static constexpr bool elementwise = true;

  static constexpr auto fields = std::tuple{};
};

/// y(..., c) = act(x(..., c) + bias(c)). Constants: [0] bias, f32 (C).
struct bias_add {
  static constexpr std::string_view name = "bias_add";
  static constexpr port inputs[] = {{"x"}};
  static constexpr std::string_view constants[] = {"bias"};
  activation act{};

  static constexpr auto fields = std::tuple{field{"act", &bias_add::act}};
};

namespace detail {

/// The multiplier s_x / s_y of an input; an f32 side counts as scale 1.
inline float rescale(const tensor_type& x, const tensor_type& y, std::string_view name) {
  return checked_ratio(x.is_u8() ? static_cast<double>(x.q.scale) : 1.0,
                       y.is_u8() ? static_cast<double>(y.q.scale) : 1.0, name);
}

inline void check_elementwise(const signature& s, std::size_t inputs, std::string_view name) {
  require(s.src.size() == inputs, name, ": expected ", inputs, " inputs, found ", s.src.size());
  for (const tensor_type& t : s.src) {
    require(t.extents == s.dst->extents, name, ": input ", t.extents, " and output ", s.dst->extents,
            " must have the same extents");
    require(t.is_number() && s.dst->is_number(), name, ": input and output must be f32 or u8, found ", t, " and ",
            *s.dst);
    rescale(t, *s.dst, name);
  }
}

/// Element c of row r, zero point removed.
inline float load(const tensor_type& t, const operand& o, std::size_t r, std::size_t c) {
  return t.is_u8() ? static_cast<float>(o.row<std::uint8_t>(r)[c] - t.q.zero_point) : o.row<float>(r)[c];
}

/// Calls y = value(r, c) for every element and stores act(y) by the one rule.
template <class Value>
void for_each_output(const signature& s, const activation& act, const arguments& a, Value&& value) {
  const saturation limits = saturation_of(act, s.dst->q);
  const std::size_t rows = a.dst->extents.rows(), columns = static_cast<std::size_t>(a.dst->extents.back());
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) {
      const float y = value(r, c);
      if (s.dst->is_u8())
        a.dst->row<std::uint8_t>(r)[c] = saturate_u8(y, limits);
      else
        a.dst->row<float>(r)[c] = act(y);
    }
}

inline void evaluate_unary(const signature& s, const activation& act, const arguments& a, std::string_view name) {
  const float m = rescale(s.src[0], *s.dst, name);
  for_each_output(s, act, a, [&](std::size_t r, std::size_t c) { return load(s.src[0], a.src[0], r, c) * m; });
}

}  // namespace detail

/// The bias of channel `c` in units of the output.
inline float bias_at(const bias_add&, const signature& s, std::size_t c) {
  return checked_ratio(static_cast<double>(s.at(0)->as<float>()[c]),
                       s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0, bias_add::name);
}

/// Throw octavo::error, naming what is wrong, unless the operator can be run.
inline void check(const activate&, const signature& s) { detail::check_elementwise(s, 1, activate::name); }
inline void check(const convert&, const signature& s) { detail::check_elementwise(s, 1, convert::name); }
inline void check(const bias_add&, const signature& s) {
  detail::check_elementwise(s, 1, bias_add::name);
  check_channels(s.src[0], bias_add::name);
  require(s.at(0) && s.at(0)->type() == element::f32 && s.at(0)->extents() == dims{s.dst->extents.back()},
          "bias_add: bias must be f32[", s.dst->extents.back(), "]");
  for (std::size_t c = 0; c < s.at(0)->extents().count(); ++c) bias_at(bias_add{}, s, c);
}

/// Reference evaluations.
inline void evaluate(const activate& op, const signature& s, const arguments& a) {
  detail::evaluate_unary(s, op.act, a, activate::name);
}
inline void evaluate(const convert&, const signature& s, const arguments& a) {
  detail::evaluate_unary(s, no_activation, a, convert::name);
}
inline void evaluate(const bias_add& op, const signature& s, const arguments& a) {
  const float m = detail::rescale(s.src[0], *s.dst, bias_add::name);
  detail::for_each_output(s, op.act, a, [&](std::size_t r, std::size_t c) {
    return std::fma(detail::load(s.src[0], a.src[0], r, c), m, bias_at(op, s, c));
  });
}

}  // namespace octavo::op
