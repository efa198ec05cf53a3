// Places of the largest or smallest elements along one axis.
//   argmax, argmin:  y(kept) = the place of the largest, smallest x(kept, .), the first of equal ones or the last
//   top_k:           the k largest or smallest and their places, best first, of equal ones the first first
// x: f32 or u8, which are compared as bytes. Places are s64, as ONNX has them. A NaN counts as larger than any number
// for the largest, as smaller for the smallest.
#pragma once

#include "octavo/op/reduce.hpp"

namespace octavo::op {

/// The place of the largest element.
struct argmax {
  static constexpr std::string_view name = "argmax";
  static constexpr port inputs[] = {{"x"}};
  int axis = -1;
  bool keep_dims = false, select_last = false;

  static constexpr auto fields = std::tuple{field{"axis", &argmax::axis}, field{"keep_dims", &argmax::keep_dims},
                                            field{"select_last", &argmax::select_last}};
};

/// The place of the smallest element.
struct argmin {
  static constexpr std::string_view name = "argmin";
  static constexpr port inputs[] = {{"x"}};
  int axis = -1;
  bool keep_dims = false, select_last = false;

  static constexpr auto fields = std::tuple{field{"axis", &argmin::axis}, field{"keep_dims", &argmin::keep_dims},
                                            field{"select_last", &argmin::select_last}};
};

/// The k largest or smallest elements, in order, and their places.
struct top_k {
  static constexpr std::string_view name = "top_k";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  static constexpr std::string_view outputs[] = {"values", "indices"};
  int k = 1;
  int axis = -1;
  bool largest = true;

  static constexpr auto fields =
      std::tuple{field{"k", &top_k::k}, field{"axis", &top_k::axis}, field{"largest", &top_k::largest}};
};

namespace detail {

/// Extents without `axis`, or with `extent` in its place; of an axis that is not there x.
constexpr dims along_axis(const dims& x, int axis, int extent, bool keep) {
  const int a = axis_of(axis, x.rank);
  if (a < 0) return x;  // which check() refuses
  dims y = without_axes(x, {a}, keep);
  if (keep) y[a] = extent;
  return y;
}

inline void check_along(const signature& s, std::string_view name, int axis) {
  require(s.src.size() == 1, name, ": expected 1 inputs, found ", s.src.size());
  require(s.src[0].is_number(), name, ": input must be f32 or u8, found ", s.src[0]);
  require(axis_of(axis, s.src[0].extents.rank) >= 0, name, ": there is no axis ", axis, " in a tensor of ",
          s.src[0].extents);
}

/// Whether a comes before b, neither where they are equal.
inline bool is_better(float a, float b, bool largest) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && !std::isnan(b);
  return largest ? a > b : a < b;
}

inline void evaluate_best(const signature& s, const arguments& a, int given_axis, bool largest, bool select_last) {
  const operand& x = a.src[0];
  const int axis = axis_of(given_axis, x.extents.rank);
  const element_walk kept(x, {axis}, false), along(x, {axis}, true);
  const std::size_t columns = static_cast<std::size_t>(a.dst->extents.back());
  for (std::size_t i = 0; i < kept.count(); ++i) {
    const element_line line(s.src[0], x, kept.at(i), x.extents[axis] > 1 ? along.at(1) : 0);
    int best = 0;
    for (int k = 1; k < x.extents[axis]; ++k)
      if (is_better(line[k], line[best], largest) || (select_last && !is_better(line[best], line[k], largest)))
        best = k;
    a.dst->row<std::int64_t>(i / columns)[i % columns] = best;
  }
}

}  // namespace detail

/// The types of the outputs.
inline std::vector<tensor_type> infer(const argmax& o, std::span<const tensor_type> x) {
  return {{element::s64, detail::along_axis(x[0].extents, o.axis, 1, o.keep_dims), {}}};
}
inline std::vector<tensor_type> infer(const argmin& o, std::span<const tensor_type> x) {
  return {{element::s64, detail::along_axis(x[0].extents, o.axis, 1, o.keep_dims), {}}};
}
inline std::vector<tensor_type> infer(const top_k& o, std::span<const tensor_type> x) {
  const dims y = detail::along_axis(x[0].extents, o.axis, o.k, true);
  return {{x[0].type, y, x[0].q}, {element::s64, y, {}}};
}

/// Throw octavo::error, naming what is wrong, unless the operator can be run.
inline void check(const argmax& o, const signature& s) {
  detail::check_along(s, argmax::name, o.axis);
  require(*s.dst == infer(o, s.src)[0], "argmax: output must be ", infer(o, s.src)[0], ", found ", *s.dst);
}
inline void check(const argmin& o, const signature& s) {
  detail::check_along(s, argmin::name, o.axis);
  require(*s.dst == infer(o, s.src)[0], "argmin: output must be ", infer(o, s.src)[0], ", found ", *s.dst);
}
inline void check(const top_k& o, const signature& s) {
  detail::check_along(s, top_k::name, o.axis);
  const dims& x = s.src[0].extents;
  const int axis = axis_of(o.axis, x.rank);
  require(!x.is_bounded(axis) && o.k >= 1 && o.k <= x[axis], "top_k: k is ", o.k, ", axis ", o.axis, " of ", x,
          " must have as many elements, and not be bounded");
  const std::vector<tensor_type> y = infer(o, s.src);
  require(s.dst[0].type == y[0].type && s.dst[0].extents == y[0].extents && (!y[0].is_u8() || s.dst[0].q == y[0].q) &&
              s.dst[1] == y[1],
          "top_k: outputs must be ", y[0], " and ", y[1], ", found ", s.dst[0], " and ", s.dst[1]);
}

/// Reference evaluations.
inline void evaluate(const argmax& o, const signature& s, const arguments& a) {
  detail::evaluate_best(s, a, o.axis, true, o.select_last);
}
inline void evaluate(const argmin& o, const signature& s, const arguments& a) {
  detail::evaluate_best(s, a, o.axis, false, o.select_last);
}
/// Looks for the next best k times, so that it needs no memory.
inline void evaluate(const top_k& o, const signature& s, const arguments& a) {
  const operand& x = a.src[0];
  const int axis = axis_of(o.axis, x.extents.rank);
  const element_walk kept(x, {axis}, false), along(x, {axis}, true);
  const element_walk kept_values(a.dst[0], {axis}, false), kept_places(a.dst[1], {axis}, false),
      along_values(a.dst[0], {axis}, true), along_places(a.dst[1], {axis}, true);
  for (std::size_t i = 0; i < kept.count(); ++i) {
    const std::ptrdiff_t step = x.extents[axis] > 1 ? along.at(1) : 0;
    const detail::element_line line(s.src[0], x, kept.at(i), step);
    int last = -1;  // the one found before: those after it in the order are left
    for (int found = 0; found < o.k; ++found) {
      int best = -1;
      for (int k = 0; k < x.extents[axis]; ++k) {
        const bool left = last < 0 || detail::is_better(line[last], line[k], o.largest) ||
                          (!detail::is_better(line[k], line[last], o.largest) && k > last);
        if (left && (best < 0 || detail::is_better(line[k], line[best], o.largest))) best = k;
      }
      const auto number = static_cast<std::size_t>(found);
      const std::ptrdiff_t to = kept_values.at(i) + along_values.at(number), from = kept.at(i) + best * step;
      if (s.src[0].is_u8())
        a.dst[0].as<std::uint8_t>()[to] = x.as<const std::uint8_t>()[from];
      else
        a.dst[0].as<float>()[to] = x.as<const float>()[from];
      a.dst[1].as<std::int64_t>()[kept_places.at(i) + along_places.at(number)] = best;
      last = best;
    }
  }
}

}  // namespace octavo::op
