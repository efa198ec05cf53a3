// Broadcasting by numpy's rule: axes are paired from the innermost out; an axis that is 1, or that one operand does not
// have, is repeated along the other's.
#pragma once

#include "octavo/op/signature.hpp"

namespace octavo::op {

/// Extent `i`, counted from the innermost, as dims::encoded(); 1 for an axis that is not there.
constexpr std::int64_t encoded_from_innermost(const dims& d, int i) {
  return i < d.rank ? d.encoded(d.rank - 1 - i) : 1;
}

/// Whether tensors of these extents can be operands of one operator: paired extents are equal, or one of them is 1.
constexpr bool broadcasts(const dims& a, const dims& b) {
  for (int i = 0; i < std::max(a.rank, b.rank); ++i) {
    const std::int64_t x = encoded_from_innermost(a, i), y = encoded_from_innermost(b, i);
    if (x != y && x != 1 && y != 1) return false;
  }
  return true;
}

/// The extents of the result. Of what does not broadcast it may be anything.
constexpr dims broadcast(const dims& a, const dims& b) {
  dims y;
  for (int i = std::max(a.rank, b.rank); i-- > 0;) {
    const std::int64_t x = encoded_from_innermost(a, i);
    y.push_back(x != 1 ? x : encoded_from_innermost(b, i));
  }
  return y;
}

/// How many elements lie between neighbours along each axis of a result; 0 where an operand is repeated.
using axis_strides = std::array<std::ptrdiff_t, max_rank>;

/// The strides of `o` as an operand of a result of extents `y`.
inline axis_strides strides_of(const operand& o, const dims& y) {
  axis_strides strides{};
  std::ptrdiff_t step = 1;
  for (int i = 0; i < o.extents.rank; ++i) {
    const int extent = o.extents[o.extents.rank - 1 - i];
    if (extent != 1) strides[static_cast<std::size_t>(y.rank - 1 - i)] = step;
    step = i == 0 ? o.stride : step * extent;
  }
  return strides;
}

/// The place, in elements, at which innermost row `row` of a result of extents `y` begins in an operand of these
/// strides.
inline std::ptrdiff_t row_offset(const axis_strides& strides, const dims& y, std::size_t row) {
  std::ptrdiff_t offset = 0;
  for (int axis = y.rank - 1; axis-- > 0;) {
    const auto extent = static_cast<std::size_t>(y[axis]);
    offset += static_cast<std::ptrdiff_t>(row % extent) * strides[static_cast<std::size_t>(axis)];
    row /= extent;
  }
  return offset;
}

}  // namespace octavo::op
