// Concatenation along one axis: bytes move, so all inputs and the output share one type and affine map.
//   y = x0 followed by x1, ... along `axis`
// The planner makes a concat along the innermost axis free: its inputs are written straight into slices of y.
#pragma once

#include "octavo/op/signature.hpp"

namespace octavo::op {

/// Concatenation in a graph.
struct concat {
  static constexpr std::string_view name = "concat";
  static constexpr port inputs[] = {{"x", port_rule::moved, port_count::any}};
  int axis = 0;  ///< counted from the outermost, not negative

  static constexpr auto fields = std::tuple{field{"axis", &concat::axis}};
};

/// Extents of x0 with the sum of all inputs' extents along the axis.
constexpr dims infer(const concat& c, std::span<const dims> x) {
  dims y = x[0];
  if (c.axis < 0 || c.axis >= y.rank) return y;  // which check() refuses
  for (std::size_t i = 1; i < x.size(); ++i) y[c.axis] += x[i][c.axis];
  return y;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a concat that can be run.
inline void check(const concat& c, const signature& s) {
  require(!s.src.empty(), "concat: no inputs");
  std::int64_t along = 0;
  require(c.axis >= 0 && c.axis < s.dst->extents.rank, "concat: axis ", c.axis, " of a tensor of ", s.dst->extents);
  std::vector<dims> x;
  for (const tensor_type& t : s.src) {
    require(t.type == s.dst->type && (!t.is_u8() || t.q == s.dst->q), "concat: input ", t, " and output ", *s.dst,
            " must have the same type and scale");
    dims other = t.extents;
    require(other.rank == s.dst->extents.rank, "concat: input ", other, " has another rank than ", s.dst->extents);
    other[c.axis] = s.dst->extents[c.axis];
    require(other == s.dst->extents, "concat: input ", t.extents, " does not fit output ", s.dst->extents);
    along += t.extents[c.axis];
    x.push_back(t.extents);
  }
  require(along <= std::numeric_limits<int>::max(), "concat: the output's extent ", along, " is too large");
  require(!s.dst->extents.is_bounded(c.axis), "concat: axis ", c.axis, " of ", s.dst->extents, " is bounded");
  require(infer(c, x) == s.dst->extents, "concat: output must be ", infer(c, x), ", found ", s.dst->extents);
}

/// Reference evaluation.
inline void evaluate(const concat& c, const signature& s, const arguments& a) {
  const std::size_t bytes = size_of(s.dst->type);
  const dims& y = a.dst->extents;
  const bool innermost = c.axis == y.rank - 1;
  std::size_t outer = 1, inner_rows = 1;  // innermost rows per step of the axis
  for (int i = 0; i < c.axis; ++i) outer *= static_cast<std::size_t>(y[i]);
  for (int i = c.axis + 1; i + 1 < y.rank; ++i) inner_rows *= static_cast<std::size_t>(y[i]);
  std::size_t start = 0;  // where this input begins along the axis
  for (const operand& x : a.src) {
    const auto along = static_cast<std::size_t>(x.extents[c.axis]);
    const std::size_t block = innermost ? 1 : along * inner_rows;
    const std::size_t stride = innermost ? 1 : static_cast<std::size_t>(y[c.axis]) * inner_rows;
    for (std::size_t o = 0; o < outer; ++o)
      for (std::size_t r = 0; r < block; ++r) {
        const std::size_t to = o * stride + (innermost ? 0 : start * inner_rows) + r;
        std::byte* out = a.dst->as<std::byte>() +
                         static_cast<std::ptrdiff_t>(to) * a.dst->stride * static_cast<std::ptrdiff_t>(bytes) +
                         (innermost ? start * bytes : 0);
        const std::byte* in = x.as<std::byte>() + static_cast<std::ptrdiff_t>(o * block + r) * x.stride *
                                                      static_cast<std::ptrdiff_t>(bytes);
        if (out != in) std::memcpy(out, in, static_cast<std::size_t>(x.extents.back()) * bytes);
      }
    start += along;
  }
}

}  // namespace octavo::op
