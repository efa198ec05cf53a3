// Reshape, of which flatten is a case: the same elements under other extents. The planner makes it free.
#pragma once

#include "octavo/op/signature.hpp"

namespace octavo::op {

/// Reshape in a graph.
struct reshape {
  static constexpr std::string_view name = "reshape";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  dims to{};  ///< the output's extents; the bounded ones take the input's. Of rank 0: those that the output has

  static constexpr auto fields = std::tuple{field{"to", &reshape::to}};
};

/// The bounded axes, outermost first, as extents of a list.
constexpr dims bounded_axes(const dims& x) {
  dims b;
  for (int i = 0; i < x.rank; ++i)
    if (x.is_bounded(i)) b.push_back(x.encoded(i));
  return b;
}

/// Whether bounded extents stay in their order, an innermost one innermost: the elements of each row stay together.
constexpr bool keeps_bounds(const dims& x, const dims& y) {
  return bounded_axes(x) == bounded_axes(y) && innermost_bounded(x) == innermost_bounded(y);
}

/// Extents of the output.
constexpr dims infer(const reshape& r, const dims& x) {
  dims y = r.to;
  for (int i = 0, from = -1; i < y.rank; ++i) {
    if (!y.is_bounded(i)) continue;
    do ++from;
    while (from < x.rank && !x.is_bounded(from));
    if (from >= x.rank) break;  // check() refuses it
    y[i] = x[from];
    y.bind(i, x.form(from));
  }
  return y;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a reshape.
inline void check(const reshape& r, const signature& s) {
  require(s.src.size() == 1 && s.src[0].extents.count() == s.dst->extents.count(), "reshape: cannot turn ",
          s.src.empty() ? dims{} : s.src[0].extents, " into ", s.dst->extents);
  require(keeps_bounds(s.src[0].extents, s.dst->extents),
          "reshape: bounded extents must stay in their order: cannot turn ", s.src[0].extents, " into ",
          s.dst->extents);
  require(r.to.rank == 0 || infer(r, s.src[0].extents) == s.dst->extents, "reshape: output must be ", r.to, ", found ",
          s.dst->extents);
  require(s.src[0].type == s.dst->type && (!s.dst->is_u8() || s.src[0].q == s.dst->q),
          "reshape: input and output must have the same type");
}

/// Reference evaluation: a copy, row by row since either side may be strided.
inline void evaluate(const reshape&, const signature& s, const arguments& a) {
  const std::size_t bytes = size_of(s.dst->type), n = a.dst->extents.count();
  const auto place = [&](const operand& o, std::size_t i) {
    const auto columns = static_cast<std::size_t>(o.extents.back());
    return o.as<std::byte>() + (i / columns * static_cast<std::size_t>(o.stride) + i % columns) * bytes;
  };
  for (std::size_t i = 0; i < n; ++i) std::memmove(place(*a.dst, i), place(a.src[0], i), bytes);
}

}  // namespace octavo::op
