// Operators of ONNX along axes: reductions, softmax, places of extremes.
#pragma once

#include "octavo/importer/onnx/movement.hpp"

namespace octavo::onnx {

/// Of known integers all become one number.
inline void reduce_integers(node_import& n, op::reduce::kind_type kind, bool keep_dims) {
  const std::vector<std::int64_t> list = n.known_integers(0);
  require(n.rank() <= 1, "integers of ", n.extents(), " are not reduced");
  std::int64_t result = no_bounded_extent(list.at(0));
  for (std::size_t i = 1; i < list.size(); ++i) {
    const std::int64_t next = no_bounded_extent(list[i]);
    switch (kind) {
      case op::reduce::sum:
        result = static_cast<std::int64_t>(static_cast<std::uint64_t>(result) + static_cast<std::uint64_t>(next));
        break;
      case op::reduce::prod:
        result = static_cast<std::int64_t>(static_cast<std::uint64_t>(result) * static_cast<std::uint64_t>(next));
        break;
      case op::reduce::max: result = std::max(result, next); break;
      case op::reduce::min: result = std::min(result, next); break;
      case op::reduce::mean: fail("the mean of integers is not supported");
    }
  }
  write_integers(n, keep_dims ? dims{1} : dims{}, {&result, 1});
}

/// A reduction of `x`, which lies as input 0 lies or plain.
inline void write_reduction(node_import& n, op::reduce::kind_type kind, const axis_numbers& axes, bool keep_dims) {
  const int rank = n.rank();
  bool spatial = true;  // whether the axes are all those between batch and channels, so that either way gives (N, C)
  for (int i = 0; i < rank; ++i) spatial = spatial && axes.contains(i) == (i > 1);
  const bool last = n.into.lies_channels_last(n.in()) && (keep_dims || spatial);
  op::reduce r{kind, {}, keep_dims};
  for (int a : axes) r.axes.push_back(last ? n.into.axis_as_it_lies(n.in(), a) : a);
  n.write(*n.append(r, {last ? n.into.channels_last(n.in()) : n.into.plain(n.in())}), last && keep_dims);
}

/// The axes are an attribute or input 1; none means all, or nothing is done.
template <op::reduce::kind_type Kind>
void reduce(node_import& n) {
  const int rank = n.rank();
  const bool keep_dims = n.integer("keepdims", 1) != 0;
  axis_numbers axes = listed_axes(n, rank);
  if (rank == 0 || (axes.empty() && n.flag("noop_with_empty_axes"))) return n.write_same();
  for (int i = 0; axes.count < rank && i < rank && n.integers("axes", 1).empty(); ++i) axes.push_back(i);
  if (n.known(0) && n.known(0)->type() != element::f32) return reduce_integers(n, Kind, keep_dims);
  write_reduction(n, Kind, op::axes_of(axes, rank), keep_dims);
}

/// Before opset 13 all axes from `axis` on are one, of which the default is the second.
template <class F>
void softmax(node_import& n) {
  const dims x = n.extents();
  const int axis = n.axis("axis", n.opset() < 13 ? 1 : -1);
  if (n.opset() >= 13 || axis == x.rank - 1) {
    const int lies = n.into.axis_as_it_lies(n.in(), axis);
    return n.write(*n.append(F{lies}, {n.into.as_it_lies(n.in())}), n.into.lies_channels_last(n.in()));
  }
  dims rows;
  std::int64_t row = 1;
  for (int i = 0; i < x.rank; ++i)
    if (i < axis)
      rows.push_back(x.encoded(i));
    else
      row *= no_bounded_extent(x.encoded(i));
  rows.push_back(row);
  const int y = *n.append(F{-1}, {n.reshape(n.into.plain(n.in()), rows)}, {}, ".rows");
  n.write(n.reshape(y, x, ""));
}

template <class F>
void place_of_extreme(node_import& n) {
  const F f{n.axis("axis", 0), n.integer("keepdims", 1) != 0, n.flag("select_last_index")};
  n.write(*n.append(f, {n.into.plain(n.in())}));
}

inline void top_k(node_import& n) {
  const float k = n.node.attribute("k") ? static_cast<float>(n.integer("k", 0)) : n.known_number(1);
  require(k >= 1 && k <= 0x1p30f, "k is ", k);
  const op::top_k t{static_cast<int>(k), n.axis("axis", -1), n.integer("largest", 1) != 0};
  const one_or_more<int> both = n.append(t, {n.into.plain(n.in())});
  for (std::size_t i = 0; i < 2; ++i)
    if (n.writes(i)) n.write(both[i], false, i);
}

}  // namespace octavo::onnx
