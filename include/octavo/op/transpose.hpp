// Axes in another order.
//   y(p) = x(q), where q[perm[i]] = p[i]: axis i of y is axis perm[i] of x
#pragma once

#include "octavo/op/axis_numbers.hpp"
#include "octavo/op/position.hpp"

namespace octavo::op {

/// Transpose in a graph.
struct transpose {
  static constexpr std::string_view name = "transpose";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  axis_numbers perm{};  ///< the input's axis for each of the output's; empty: all axes in reverse

  static constexpr auto fields = std::tuple{field{"perm", &transpose::perm}};
};

/// The input's axis that is axis `i` of the output.
constexpr int source_axis(const transpose& t, int i, int rank) { return t.perm.empty() ? rank - 1 - i : t.perm[i]; }

/// Whether `t` names each axis of a tensor of that rank once.
constexpr bool is_permutation(const transpose& t, int rank) {
  if (!t.perm.empty() && t.perm.count != rank) return false;
  unsigned seen = 0;
  for (int i = 0; i < rank; ++i) {
    const int axis = source_axis(t, i, rank);
    if (axis < 0 || axis >= rank || (seen >> axis & 1u) != 0) return false;
    seen |= 1u << axis;
  }
  return true;
}

/// Extents of the output.
constexpr dims infer(const transpose& t, const dims& x) {
  dims y;
  if (!is_permutation(t, x.rank)) return y;  // which check() refuses
  for (int i = 0; i < x.rank; ++i) y.push_back(x.encoded(source_axis(t, i, x.rank)));
  return y;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a transpose that can be run.
inline void check(const transpose& t, const signature& s) {
  require(s.src.size() == 1, "transpose: expected 1 input, found ", s.src.size());
  const dims& x = s.src[0].extents;
  require(is_permutation(t, x.rank), "transpose: ", t.perm, " is no permutation of the axes of ", x);
  check_moved(s, 1, infer(t, x), transpose::name);
}

/// Reference evaluation.
inline void evaluate(const transpose& t, const signature& s, const arguments& a) {
  const int rank = a.dst->extents.rank;
  move_elements(s.dst->type, a.src[0], *a.dst, [&](const position& p) {
    position q{};
    for (int i = 0; i < rank; ++i)
      q[static_cast<std::size_t>(source_axis(t, i, rank))] = p[static_cast<std::size_t>(i)];
    return q;
  });
}

}  // namespace octavo::op
