// Arithmetic of two tensors, element by element, which broadcast (see broadcast.hpp):
//   add:  y = act(x0 + x1)      mul:  y = act(x0 x1)      min:  y = act(min(x0, x1))
//   sub:  y = act(x0 - x1)      div:  y = act(x0 / x1)    max:  y = act(max(x0, x1))
// x0, x1, y: f32 or u8. With v_i = q_i - zp_i, or the f32 number, a scale of 1 for f32, and m_i = s_i / s_y, a number
// is computed in binary32, in this order, and rounded to u8 once: q = clamp(rne(t) + zp_y).
//   add:  t = fma(v_1, m_1, v_0 m_0)      mul:  t = (v_0 v_1) m, m = s_0 s_1 / s_y      min:  of v_0 m_0 and v_1 m_1
//   sub:  t = fma(v_1, -m_1, v_0 m_0)     div:  t = (v_0 / v_1) m, m = s_0 / (s_1 s_y)  max:  the same
// A NaN gives a NaN, on u8 the lower bound; there a quotient by 0 is the bound of its sign, and 0 / 0 the lower one.
#pragma once

#include "octavo/base/math.hpp"
#include "octavo/op/broadcast.hpp"
#include "octavo/op/elementwise.hpp"

namespace octavo::op {

namespace detail {
template <class F>
void check_binary(const signature& s);
template <class F>
void evaluate_binary(const F& f, const signature& s, const arguments& a);
}  // namespace detail

/// What makes F such an operator: a name, and its formulas in multipliers() and binary.inc.
template <class F>
struct binary {
  static constexpr port inputs[] = {{"x0"}, {"x1"}};
  activation act{};
  static constexpr auto fields = std::tuple{field{"act", &binary::act}};

  friend constexpr dims infer(const F&, const dims& x0, const dims& x1) { return broadcast(x0, x1); }
  /// Throws octavo::error, naming what is wrong, unless `s` describes an operator that can be run.
  friend void check(const F&, const signature& s) { detail::check_binary<F>(s); }
  /// Reference evaluation.
  friend void evaluate(const F& f, const signature& s, const arguments& a) { detail::evaluate_binary(f, s, a); }
};

/// y = act(x0 + x1).
struct add : binary<add> {
  static constexpr std::string_view name = "add";
};
/// y = act(x0 - x1).
struct sub : binary<sub> {
  static constexpr std::string_view name = "sub";
};
/// y = act(x0 x1).
struct mul : binary<mul> {
  static constexpr std::string_view name = "mul";
};
/// y = act(x0 / x1).
struct div : binary<div> {
  static constexpr std::string_view name = "div";
};
/// y = act(min(x0, x1)).
struct min : binary<min> {
  static constexpr std::string_view name = "min";
};
/// y = act(max(x0, x1)).
struct max : binary<max> {
  static constexpr std::string_view name = "max";
};

/// All of them.
using binary_functions = type_list<add, sub, mul, div, min, max>;

/// m_0 and m_1 above, or m and 1.
struct operand_multipliers {
  float m0 = 1.0f, m1 = 1.0f;
};

/// The multipliers of F. Throws octavo::error, beginning with its name, when one is out of range.
template <class F>
operand_multipliers multipliers(const signature& s) {
  const auto scale = [](const tensor_type& t) { return t.is_u8() ? static_cast<double>(t.q.scale) : 1.0; };
  const double s0 = scale(s.src[0]), s1 = scale(s.src[1]), y = scale(*s.dst);
  if constexpr (std::is_same_v<F, mul>)
    return {checked_ratio(s0 * s1, y, F::name), 1.0f};
  else if constexpr (std::is_same_v<F, div>)
    return {checked_ratio(s0, s1 * y, F::name), 1.0f};
  else
    return {checked_ratio(s0, y, F::name), checked_ratio(s1, y, F::name)};
}

}  // namespace octavo::op

namespace octavo::scalar {
#define OCTAVO_LANES_FUNCTION inline
#include "octavo/op/binary.inc"
#undef OCTAVO_LANES_FUNCTION
}  // namespace octavo::scalar

namespace octavo::op::detail {

template <class F>
void check_binary(const signature& s) {
  require(s.src.size() == 2, F::name, ": expected 2 inputs, found ", s.src.size());
  const dims &x0 = s.src[0].extents, &x1 = s.src[1].extents;
  require(broadcasts(x0, x1), F::name, ": inputs of ", x0, " and ", x1,
          " do not broadcast: counted from the innermost axis, extents must be equal or 1");
  require(s.dst->extents == broadcast(x0, x1), F::name, ": output must be ", broadcast(x0, x1), ", found ",
          s.dst->extents);
  for (const tensor_type& t : s.src)
    require(t.is_number() && s.dst->is_number(), F::name, ": input and output must be f32 or u8, found ", t, " and ",
            *s.dst);
  multipliers<F>(s);
}

template <class F>
void evaluate_binary(const F& f, const signature& s, const arguments& a) {
  const operand_multipliers m = multipliers<F>(s);
  const dims& y = a.dst->extents;
  const axis_strides strides[] = {strides_of(a.src[0], y), strides_of(a.src[1], y)};
  const auto value = [&](std::size_t i, std::size_t r, std::size_t c) {
    const auto innermost = y.rank == 0 ? 0 : strides[i][static_cast<std::size_t>(y.rank - 1)];
    const std::ptrdiff_t at = row_offset(strides[i], y, r) + static_cast<std::ptrdiff_t>(c) * innermost;
    const tensor_type& t = s.src[i];
    return t.is_u8() ? static_cast<float>(a.src[i].as<const std::uint8_t>()[at] - t.q.zero_point)
                     : a.src[i].as<const float>()[at];
  };
  for_each_output(s, f.act, a, [&](std::size_t r, std::size_t c) {
    return scalar::combine(f, value(0, r, c), value(1, r, c), m.m0, m.m1);
  });
}

}  // namespace octavo::op::detail
