// Softmax along one axis, and its logarithm.
//   softmax:      y(.., c, ..) = exp(x(.., c, ..) - max) / sum over c of the same
//   log_softmax:  y(.., c, ..) = x(.., c, ..) - max - log(sum over c of exp(x(.., c, ..) - max))
// x, y: f32 or u8. Along the innermost axis the sum runs in the fixed order of sum_f32, along another one element after
// the other; exp is exp_f32 and log is log_f32, so all kernels agree.
//
// Softmax along the innermost axis of (N, ..., C) takes lengths (N) s32 too, from 1 to C: elements from the length of
// their n on count as -infinity, so that they give 0. A length out of range is taken as the nearest one in range, and
// the run is refused (arguments::refuse).
#pragma once

#include "octavo/base/math.hpp"
#include "octavo/op/reduce.hpp"

namespace octavo::op {

/// Softmax in a graph.
struct softmax {
  static constexpr std::string_view name = "softmax";
  static constexpr port inputs[] = {{"x", port_rule::f32}, {"lengths", port_rule::untouched, port_count::optional}};
  int axis = -1;

  static constexpr auto fields = std::tuple{field{"axis", &softmax::axis}};
};

/// The logarithm of softmax in a graph.
struct log_softmax {
  static constexpr std::string_view name = "log_softmax";
  static constexpr port inputs[] = {{"x", port_rule::f32}};
  int axis = -1;

  static constexpr auto fields = std::tuple{field{"axis", &log_softmax::axis}};
};

/// -1 for the innermost axis, else counted from the outermost; one that is not there stays.
constexpr int softmax_axis(int axis, const dims& x) {
  const int a = axis_of(axis, x.rank);
  return a < 0 ? axis : a == x.rank - 1 ? -1 : a;
}
constexpr softmax resolved(softmax o, const dims& x) { return {softmax_axis(o.axis, x)}; }
constexpr log_softmax resolved(log_softmax o, const dims& x) { return {softmax_axis(o.axis, x)}; }

/// Throws octavo::error, beginning with `name`, unless `lengths` has one number for each of the outermost axis of `x`.
inline void check_lengths(const tensor_type& lengths, const tensor_type& x, std::string_view name) {
  const dims expected{x.extents.encoded(0)};
  require(lengths.type == element::s32 && lengths.extents == expected, name, ": lengths must be s32[", expected,
          "], found ", lengths);
}

/// The length number `n`, from 1 to `most`; one that is out of range refuses the run.
inline int length_at(const arguments& a, const operand& lengths, std::size_t n, int most) {
  const std::int32_t length = lengths.as<const std::int32_t>()[n];
  if (length < 1 || length > most) a.refuse();
  return std::clamp(length, 1, most);
}

namespace detail {

inline void check_softmax(signature s, std::string_view name, int axis) {
  if (s.has(1)) {
    require(s.src.size() == 2, name, ": expected at most 2 inputs, found ", s.src.size());
    require(axis == -1 && s.src[0].extents.rank >= 2, name, ": lengths need the innermost axis of (N, ..., C)");
    check_lengths(s.src[1], s.src[0], name);
    s.src.pop_back();
  }
  check_elementwise(s, 1, name);
  if (axis == -1) return check_channels(s.src[0], name);
  const dims& x = s.src[0].extents;
  require(axis >= 0 && axis < x.rank - 1 && !x.is_bounded(axis), name, ": axis ", axis, " of a tensor of ", x,
          ": it must be there and not bounded, the innermost one is -1");
}

inline void evaluate_softmax(const signature& s, const arguments& a, int axis, bool log) {
  const operand &x = a.src[0], &y = *a.dst;
  const bool innermost = axis == -1;
  if (innermost) axis = x.extents.rank - 1;
  const element_walk kept(x, {axis}, false), along(x, {axis}, true), kept_y(y, {axis}, false), along_y(y, {axis}, true);
  const float scale = s.src[0].is_u8() ? s.src[0].q.scale : 1.0f;
  const int extent = x.extents[axis];
  const std::size_t rows_of_one = s.has(1) ? kept.count() / static_cast<std::size_t>(x.extents[0]) : 1;
  for (std::size_t i = 0; i < kept.count(); ++i) {
    const int count = s.has(1) ? length_at(a, a.src[1], i / rows_of_one, extent) : extent;
    const element_line line(s.src[0], x, kept.at(i), extent > 1 ? along.at(1) : 0);
    float largest = line[0];
    for (int c = 1; c < count; ++c) largest = std::max(largest, line[c]);
    const auto power = [&](int c) { return exp_f32((line[c] - largest) * scale); };
    float sum = 0.0f;
    if (innermost)
      sum = sum_f32(count, power);
    else
      for (int c = 0; c < count; ++c) sum += power(c);
    const float inverse = 1.0f / sum, logarithm = log ? scalar::log_f32(sum) : 0.0f;
    for (int c = 0; c < extent; ++c) {
      const float value = c >= count ? 0.0f : log ? std::fma(line[c] - largest, scale, -logarithm) : power(c) * inverse;
      const std::ptrdiff_t to = kept_y.at(i) + along_y.at(static_cast<std::size_t>(c));
      if (s.dst->is_u8())
        y.as<std::uint8_t>()[to] = quantize_u8(value, s.dst->q);
      else
        y.as<float>()[to] = value;
    }
  }
}

}  // namespace detail

/// Throw octavo::error, naming what is wrong, unless the operator can be run.
inline void check(const softmax& o, const signature& s) { detail::check_softmax(s, softmax::name, o.axis); }
inline void check(const log_softmax& o, const signature& s) { detail::check_softmax(s, log_softmax::name, o.axis); }

/// Reference evaluations.
inline void evaluate(const softmax& o, const signature& s, const arguments& a) {
  detail::evaluate_softmax(s, a, o.axis, false);
}
inline void evaluate(const log_softmax& o, const signature& s, const arguments& a) {
  detail::evaluate_softmax(s, a, o.axis, true);
}

}  // namespace octavo::op
