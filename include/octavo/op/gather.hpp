// Rows of a table by their numbers: embeddings, and any other choice of indices on one axis.
//   y(a, i, b) = x(a, ids(i), b), where `a` are the axes outside of `axis`, `b` those inside
// Extents of y: those of x with those of ids in the place of `axis`. An id below 0 is counted from the end, as in ONNX.
// An id that is out of range reads nothing: its elements of y become 0, and the run is refused (arguments::refuse).
#pragma once

#include "octavo/op/axis_numbers.hpp"
#include "octavo/op/position.hpp"

namespace octavo::op {

/// Gather in a graph.
struct gather {
  static constexpr std::string_view name = "gather";
  static constexpr port inputs[] = {{"x", port_rule::moved}, {"ids", port_rule::untouched}};
  int axis = 0;  ///< negative: counted from the innermost, -1

  static constexpr auto fields = std::tuple{field{"axis", &gather::axis}};
};

/// Extents of the output.
constexpr dims infer(const gather& g, const dims& x, const dims& ids) {
  dims y;
  const int axis = axis_of(g.axis, x.rank);
  if (axis < 0 || x.rank - 1 + ids.rank > max_rank) return y;  // which check() refuses
  for (int i = 0; i < axis; ++i) y.push_back(x.encoded(i));
  for (int i = 0; i < ids.rank; ++i) y.push_back(ids.encoded(i));
  for (int i = axis + 1; i < x.rank; ++i) y.push_back(x.encoded(i));
  return y;
}

/// Throws octavo::error, beginning with `what`, unless these can be ids.
inline void check_ids(const tensor_type& ids, std::string_view what) {
  require(ids.type == element::s32 || ids.type == element::s64, what, ": ids must be s32 or s64, found ", ids);
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a gather that can be run.
inline void check(const gather& g, const signature& s) {
  require(s.src.size() == 2, "gather: expected 2 inputs, found ", s.src.size());
  const dims &x = s.src[0].extents, &ids = s.src[1].extents;
  require(axis_of(g.axis, x.rank) >= 0, "gather: axis ", g.axis, " of a tensor of ", x);
  check_ids(s.src[1], gather::name);
  require(x.rank - 1 + ids.rank <= max_rank, "gather: ", ids, " ids of ", x, " give more than ", max_rank, " axes");
  check_moved(s, 2, infer(g, x, ids), gather::name);
}

/// The id number `i` of ids of that type, for a table of `n`; -1 where it is out of range.
inline std::ptrdiff_t id_at(element type, const operand& ids, std::size_t i, int n) {
  const auto columns = static_cast<std::size_t>(ids.extents.back());
  const std::ptrdiff_t at =
      static_cast<std::ptrdiff_t>(i / columns) * ids.stride + static_cast<std::ptrdiff_t>(i % columns);
  const std::int64_t id = type == element::s32 ? ids.as<std::int32_t>()[at] : ids.as<std::int64_t>()[at];
  if (id < -std::int64_t{n} || id >= n) return -1;
  return static_cast<std::ptrdiff_t>(id < 0 ? id + n : id);
}

/// Reference evaluation.
inline void evaluate(const gather& g, const signature& s, const arguments& a) {
  const operand &x = a.src[0], &ids = a.src[1], &y = *a.dst;
  const std::size_t bytes = size_of(s.dst->type), n = y.extents.count();
  const auto axis = static_cast<std::size_t>(axis_of(g.axis, x.extents.rank)),
             id_axes = static_cast<std::size_t>(ids.extents.rank);
  const int zero = s.dst->is_u8() ? s.dst->q.zero_point : 0;
  for (std::size_t i = 0; i < n; ++i) {
    const position to = position_of(i, y.extents);
    std::size_t number = 0;  // of the id
    for (std::size_t k = 0; k < id_axes; ++k)
      number =
          number * static_cast<std::size_t>(ids.extents[static_cast<int>(k)]) + static_cast<std::size_t>(to[axis + k]);
    const std::ptrdiff_t id = id_at(s.src[1].type, ids, number, x.extents[static_cast<int>(axis)]);
    std::byte* element = element_of_operand(y, to, bytes);
    if (id < 0) {
      std::memset(element, zero, bytes);
      a.refuse();
      continue;
    }
    position from{};
    for (std::size_t k = 0; k < static_cast<std::size_t>(x.extents.rank); ++k)
      from[k] = k < axis ? to[k] : k == axis ? static_cast<int>(id) : to[k + id_axes - 1];
    std::memcpy(element, element_of_operand(x, from, bytes), bytes);
  }
}

}  // namespace octavo::op
