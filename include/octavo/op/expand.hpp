// Repetition: of an axis of extent 1 (expand, numpy's broadcast_to), and of whole axes (tile).
//   expand  y(p) = x(q), where q[i] is 0 on axes of extent 1, else p[i]; x's axes are the innermost ones of y
//   tile    y(p) = x(q), where q[i] = p[i] mod the extent of x
#pragma once

#include "octavo/op/axis_numbers.hpp"
#include "octavo/op/position.hpp"

namespace octavo::op {

/// Expand in a graph.
struct expand {
  static constexpr std::string_view name = "expand";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  dims to{};  ///< the output's extents; 1 where the input's extent stays, a bounded one takes the input's bound

  static constexpr auto fields = std::tuple{field{"to", &expand::to}};
};

/// Tile in a graph.
struct tile {
  static constexpr std::string_view name = "tile";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  axis_numbers repeats{};  ///< of each axis, outermost first

  static constexpr auto fields = std::tuple{field{"repeats", &tile::repeats}};
};

/// Whether each axis of x is 1, or stays. A bounded axis keeps its place.
constexpr bool fits(const expand& e, const dims& x) {
  const int more = e.to.rank - x.rank;
  for (int i = 0; i < x.rank && more >= 0; ++i) {
    const bool stays = e.to[i + more] == 1 || e.to[i + more] == x[i];
    if (x.is_bounded(i) ? more != 0 || !(stays || e.to.is_bounded(i)) : !stays && x[i] != 1) return false;
    if (e.to.is_bounded(i + more) && !x.is_bounded(i)) return false;
  }
  for (int i = 0; i < more; ++i)
    if (e.to.is_bounded(i)) return false;
  return more >= 0;
}

/// Extents of the output; those of x where it does not fit.
constexpr dims infer(const expand& e, const dims& x) {
  if (!fits(e, x)) return x;
  dims y;
  for (int i = 0; i < e.to.rank; ++i) {
    const int from = i - (e.to.rank - x.rank);
    const bool stays = from >= 0 && (e.to[i] == 1 || x.is_bounded(from));
    y.push_back(stays ? x.encoded(from) : e.to[i]);
  }
  return y;
}

/// Extents of the output. Of what check() refuses they may be anything.
constexpr dims infer(const tile& t, const dims& x) {
  dims y = x;
  for (int i = 0; i < x.rank && i < t.repeats.count; ++i)
    y[i] = static_cast<int>(
        std::clamp<std::int64_t>(std::int64_t{x[i]} * t.repeats[i], 1, std::numeric_limits<int>::max()));
  return y;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes such an operator that can be run.
inline void check(const expand& e, const signature& s) {
  require(s.src.size() == 1, "expand: expected 1 input, found ", s.src.size());
  const dims& x = s.src[0].extents;
  require(fits(e, x), "expand: cannot expand ", x, " to ", e.to,
          ": axes of extent 1 can be repeated, and bounded ones stay");
  check_moved(s, 1, infer(e, x), expand::name);
}
inline void check(const tile& t, const signature& s) {
  require(s.src.size() == 1, "tile: expected 1 input, found ", s.src.size());
  const dims& x = s.src[0].extents;
  require(t.repeats.count == x.rank, "tile: expected a number for each axis of ", x, ", found ", t.repeats);
  for (int i = 0; i < x.rank; ++i) {
    require(t.repeats[i] >= 1 && t.repeats[i] <= std::numeric_limits<int>::max() / x[i], "tile: cannot repeat axis ", i,
            " of ", x, " ", t.repeats[i], " times");
    require(t.repeats[i] == 1 || !x.is_bounded(i), "tile: axis ", i, " of ", x, " is bounded and cannot be repeated");
  }
  check_moved(s, 1, infer(t, x), tile::name);
}

/// Reference evaluation.
inline void evaluate(const expand&, const signature& s, const arguments& a) {
  const dims& x = a.src[0].extents;
  const int more = a.dst->extents.rank - x.rank;
  move_elements(s.dst->type, a.src[0], *a.dst, [&](const position& p) {
    position q{};
    for (int i = 0; i < x.rank; ++i)
      q[static_cast<std::size_t>(i)] = x[i] == 1 ? 0 : p[static_cast<std::size_t>(i + more)];
    return q;
  });
}
inline void evaluate(const tile&, const signature& s, const arguments& a) {
  const dims& x = a.src[0].extents;
  move_elements(s.dst->type, a.src[0], *a.dst, [&](position p) {
    for (int i = 0; i < x.rank; ++i) p[static_cast<std::size_t>(i)] %= x[i];
    return p;
  });
}

}  // namespace octavo::op
