// Where an element is in its tensor, axis by axis: what the references of operators that move elements are written in.
#pragma once

#include <cstring>

#include "octavo/op/signature.hpp"

namespace octavo {

/// An index for each axis, outermost first.
using position = std::array<int, max_rank>;

/// The position of the element number `i`, in the order of rows, of a tensor of extents `e`.
constexpr position position_of(std::size_t i, const dims& e) {
  position p{};
  for (int axis = e.rank; axis-- > 0; i /= static_cast<std::size_t>(e[axis]))
    p[static_cast<std::size_t>(axis)] = static_cast<int>(i % static_cast<std::size_t>(e[axis]));
  return p;
}

/// The element at that position; each has so many bytes.
inline std::byte* element_of_operand(const operand& o, const position& p, std::size_t bytes) {
  std::ptrdiff_t row = 0, column = 0;
  for (int i = 0; i + 1 < o.extents.rank; ++i) row = row * o.extents[i] + p[static_cast<std::size_t>(i)];
  if (o.extents.rank > 0) column = p[static_cast<std::size_t>(o.extents.rank - 1)];
  return o.as<std::byte>() + (row * o.stride + column) * static_cast<std::ptrdiff_t>(bytes);
}

/// y(p) = x(source(p)) for every position p of y.
template <class Source>
void move_elements(element type, const operand& x, const operand& y, Source&& source) {
  const std::size_t bytes = size_of(type), n = y.extents.count();
  for (std::size_t i = 0; i < n; ++i) {
    const position p = position_of(i, y.extents);
    std::memcpy(element_of_operand(y, p, bytes), element_of_operand(x, source(p), bytes), bytes);
  }
}

/// Throws octavo::error, beginning with `name`, unless there is one output of extents `y`, with the elements and the
/// affine map of the first of exactly `inputs` inputs.
inline void check_moved(const signature& s, std::size_t inputs, const dims& y, std::string_view name) {
  require(s.src.size() == inputs, name, ": expected ", inputs, " inputs, found ", s.src.size());
  require(s.dst->extents == y, name, ": output must be ", y, ", found ", s.dst->extents);
  require(s.src[0].type == s.dst->type && (!s.dst->is_u8() || s.src[0].q == s.dst->q), name, ": input ", s.src[0],
          " and output ", *s.dst, " must have the same type and scale");
}

}  // namespace octavo
