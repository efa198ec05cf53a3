// Operators of ONNX that move elements. What they say of axes is translated to how a tensor lies; reshapes, and what
// mixes axes, take tensors as the file has them.
#pragma once

#include "octavo/importer/onnx/elementwise.hpp"

namespace octavo::onnx {

/// Extents to the form that reshape and expand take: numbers, and code of extents that each run chooses.
inline dims reshaped_extents(std::vector<std::int64_t> to, const dims& x, bool zero_is_zero) {
  std::vector<std::int64_t> bounded;  // of x, those that `to` does not have yet
  for (int i = 0; i < x.rank; ++i)
    if (x.is_bounded(i)) bounded.push_back(x.encoded(i));
  int open = -1;
  std::size_t rest = x.count();
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (to[i] == 0 && !zero_is_zero) {
      require(static_cast<int>(i) < x.rank, "extent ", i, " shall be that of the input, which has ", x.rank, " axes");
      to[i] = x.encoded(static_cast<int>(i));
    }
    if (to[i] == -1) {
      require(open < 0, "two extents are -1");
      open = static_cast<int>(i);
      continue;
    }
    const dims one{to[i]};
    if (one.is_bounded(0)) std::erase(bounded, to[i]);
    require(one[0] > 0 && rest % static_cast<std::size_t>(one[0]) == 0, "cannot reshape ", x, " to an extent of ",
            one[0]);
    rest /= static_cast<std::size_t>(one[0]);
  }
  if (open >= 0) {
    const bool is_bounded = bounded.size() == 1 && dims{bounded[0]}[0] == static_cast<int>(rest);
    to[static_cast<std::size_t>(open)] = is_bounded ? bounded[0] : static_cast<std::int64_t>(rest);
  }
  return extents_of(to);
}

/// The tensor of input 0 under other extents, in the file's order.
inline void write_reshaped(node_import& n, const dims& to) {
  if (const constant t = n.known(0)) return n.write_known(t->reshaped(to));
  if (to == n.extents()) return n.write_same();
  const int y = n.reshape(n.into.plain(n.in()), in_graph(to), "");
  to.rank == 0 ? n.write_scalar(y) : n.write(y);
}

inline void reshape(node_import& n) {
  std::vector<std::int64_t> to = n.integers("shape");
  if (n.inputs() > 1 && !n.into.is_empty(n.in(1))) to = n.known_integers(1);
  write_reshaped(n, reshaped_extents(std::move(to), n.extents(), n.flag("allowzero")));
}

inline void flatten(node_import& n) {
  const dims x = n.extents();
  const int asked = n.integer("axis", 1), axis = asked < 0 ? asked + x.rank : asked;
  require(axis >= 0 && axis <= x.rank, "there is no axis ", asked, " in ", x);
  std::vector<std::int64_t> to{1, -1};
  if (axis == 1) to[0] = x.encoded(0);
  for (int i = 0; i < axis && axis > 1; ++i) to[0] *= no_bounded_extent(x.encoded(i));
  write_reshaped(n, reshaped_extents(to, x, true));
}

/// Axes counted from the outermost of a tensor of that rank, as attribute or as input 1.
inline axis_numbers listed_axes(const node_import& n, int rank) {
  axis_numbers axes;
  for (std::int64_t a : n.integers("axes", 1)) {
    require(a >= -rank && a < rank, "there is no axis ", a, " among ", rank);
    axes.push_back(axis_of(static_cast<int>(a), rank));
  }
  return axes;
}

inline void squeeze(node_import& n) {
  const dims x = n.extents();
  const axis_numbers axes = listed_axes(n, x.rank);
  dims y;
  for (int i = 0; i < x.rank; ++i) {
    const bool is_one = x[i] == 1 && !x.is_bounded(i);
    require(!axes.contains(i) || is_one, "axis ", i, " of ", x, " cannot be dropped: it is not 1");
    if (axes.empty() ? !is_one : !axes.contains(i)) y.push_back(x.encoded(i));
  }
  write_reshaped(n, y);
}

inline void unsqueeze(node_import& n) {
  const dims x = n.extents();
  const std::size_t more = n.integers("axes", 1).size();
  require(more <= max_rank && x.rank + static_cast<int>(more) <= max_rank, "a tensor has at most ", max_rank, " axes");
  const int rank = x.rank + static_cast<int>(more);
  const axis_numbers axes = listed_axes(n, rank);
  dims y;
  for (int i = 0, from = 0; i < rank; ++i) {
    require(axes.contains(i) || from < x.rank, "an axis is named twice");
    y.push_back(axes.contains(i) ? 1 : x.encoded(from++));
  }
  write_reshaped(n, y);
}

inline void transpose(node_import& n) {
  const int rank = n.rank();
  axis_numbers perm = to_axis_numbers(n.integers("perm"));
  for (int i = rank; perm.count < rank && i-- > 0;) perm.push_back(i);
  require(perm.count == rank, "attribute 'perm' names ", perm.count, " axes of ", rank);
  if (rank == 0) return n.write_same();
  if (const constant t = n.known(0)) {
    std::optional<weight_grid> grid;
    if (const weight_grid* g = n.into.grid(n.in())) grid = *g;
    if (grid) grid->axis = static_cast<int>(std::find(perm.begin(), perm.end(), grid->axis) - perm.begin());
    return n.write_known(importer::transposed(*t, perm), std::move(grid));
  }
  const bool last = n.into.lies_channels_last(n.in());
  if (rank > 2 && !last && perm == importer::to_channels_first(rank))  // which is channels last already
    return n.into.set(n.out(), n.into.plain(n.in()), true);
  for (int i = 0; i < rank; ++i) perm[i] = n.into.axis_as_it_lies(n.in(), perm[i]);
  n.write(n.transpose(n.into.as_it_lies(n.in()), perm, ""));
}

/// Inputs without elements add nothing. Quantized ones must have one map.
inline void concat(node_import& n) {
  std::vector<std::string> parts;
  bool last = false;
  for (std::size_t i = 0; i < n.inputs(); ++i) {
    if (!n.has(i)) continue;
    parts.push_back(n.in(i));
    last = last || n.into.lies_channels_last(n.in(i));
  }
  require(!parts.empty(), "it has no inputs with elements");
  const auto map_of_part = [&](const std::string& part) {
    const auto q = n.state.quantized.find(part);
    return q == n.state.quantized.end() ? std::nullopt : std::optional(q->second);
  };
  const std::optional<integer_map> map = map_of_part(parts[0]);
  for (const std::string& part : parts)
    require(map_of_part(part) == map, "inputs are quantized by different maps: '", parts[0], "' and '", part, "'");
  if (map) n.state.quantized[n.out()] = *map;
  if (parts.size() == 1) return n.into.set_same(n.out(), parts[0]);
  std::vector<int> src;
  for (const std::string& part : parts) src.push_back(last ? n.into.channels_last(part) : n.into.plain(part));
  const int rank = n.into.extents(parts[0]).rank, axis = axis_of(n.integer("axis", 0), rank);
  require(axis >= 0, "there is no axis ", n.integer("axis", 0), " in ", n.into.extents(parts[0]));
  const axis_numbers perm = importer::to_channels_last(rank);
  const int lies = last ? static_cast<int>(std::find(perm.begin(), perm.end(), axis) - perm.begin()) : axis;
  n.write(*n.append(op::concat{lies}, std::move(src)), last);
}

/// Some indices of one axis or several of input 0, as it lies.
inline int append_slice(node_import& n, op::slice s, std::string_view more = {}) {
  for (int i = 0; i < s.axes.count; ++i) s.axes[i] = n.into.axis_as_it_lies(n.in(), s.axes[i]);
  return *n.append(s, {n.into.as_it_lies(n.in())}, {}, more);
}

inline void slice(node_import& n) {
  const dims x = n.extents();
  op::slice s{to_axis_numbers(n.integers("starts", 1)), to_axis_numbers(n.integers("ends", 2)),
              to_axis_numbers(n.integers("axes", 3)), to_axis_numbers(n.integers("steps", 4))};
  for (int i = 0; s.axes.count < s.starts.count; ++i) s.axes.push_back(i);
  require(s.starts.count == s.ends.count && s.axes.count == s.starts.count, "starts ", s.starts, ", ends ", s.ends,
          " and axes ", s.axes, " must be as many");
  bool whole = true;
  for (int i = 0; i < x.rank; ++i) {
    const op::axis_range r = op::range_on_axis(s, i, x.rank, x[i]);
    if (r.count == 0) return n.into.set_empty(n.out());
    whole = whole && op::is_whole(r, x[i]) && op::takes_as_many(s, i, x);
  }
  if (whole) return n.write_same();
  n.write(append_slice(n, s), n.into.lies_channels_last(n.in()));
}

/// Parts are as long as an attribute or input 1 says, or all as long, the last one perhaps less.
inline void split(node_import& n) {
  const int axis = n.axis("axis", 0), extent = n.extents()[axis];
  const int parts = static_cast<int>(n.node.outputs.size());
  std::vector<std::int64_t> sizes = n.integers("split", 1);
  require(parts > 0 && (sizes.empty() || static_cast<int>(sizes.size()) == parts), sizes.size(), " sizes for ", parts,
          " outputs");
  const int each = (extent + parts - 1) / parts;
  for (int i = 0; static_cast<int>(sizes.size()) < parts; ++i) sizes.push_back(std::min(each, extent - i * each));
  std::int64_t start = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    require(sizes[i] >= 0 && sizes[i] <= extent - start, "parts of ", sizes[i], " and more from ", start, " on of ",
            extent);
    const op::slice part{{static_cast<int>(start)}, {static_cast<int>(start + sizes[i])}, {axis}, {}};
    start += sizes[i];
    if (!n.writes(i)) continue;
    if (sizes[i] == 0)
      n.into.set_empty(n.out(i));
    else
      n.write(append_slice(n, part, i == 0 ? "" : text(".part", i)), n.into.lies_channels_last(n.in()), i);
  }
}

/// Paddings are an attribute, or an input since opset 11; of a quantized tensor the value is one of its integers.
inline void pad(node_import& n) {
  const int rank = n.rank();
  const std::vector<std::int64_t> pads = n.integers("pads", 1),
                                  axes = n.has(3) ? n.known_integers(3) : std::vector<std::int64_t>{};
  const auto count = axes.empty() ? static_cast<std::size_t>(rank) : axes.size();
  require(pads.size() == 2 * count, "expected ", 2 * count, " paddings, found ", pads.size());
  op::pad p;
  for (int i = 0; i < rank; ++i) p.before.push_back(0), p.after.push_back(0);
  for (std::size_t i = 0; i < count; ++i) {
    const int axis = n.into.axis_as_it_lies(n.in(), axes.empty() ? static_cast<std::int64_t>(i) : axes[i]);
    const std::vector<std::int64_t> both{pads[i], pads[i + count]};
    p.before[axis] = to_axis_numbers(both)[0], p.after[axis] = to_axis_numbers(both)[1];
  }
  from_attribute(attribute(n.string("mode", "constant")), p.mode);
  p.value = n.has(2) ? n.known_number(2) : n.real("value", 0.0f);
  if (const auto q = n.state.quantized.find(n.in()); q != n.state.quantized.end())
    p.value = q->second.scale * (p.value - static_cast<float>(q->second.zero_point));
  n.write(*n.append(p, {n.into.as_it_lies(n.in())}), n.into.lies_channels_last(n.in()));
}

/// A known index is a slice, which can be free; several, or those of a value, are gathered.
inline void gather(node_import& n) {
  const dims x = n.extents(), ids = n.extents(1);
  const int axis = n.axis("axis", 0);
  dims y;
  require(x.rank - 1 + ids.rank <= max_rank, "it would have more than ", max_rank, " axes");
  for (int i = 0; i < axis; ++i) y.push_back(x.encoded(i));
  for (int i = 0; i < ids.rank; ++i) y.push_back(ids.encoded(i));
  for (int i = axis + 1; i < x.rank; ++i) y.push_back(x.encoded(i));
  int value = -1;
  if (ids.count() == 1 && n.known(1)) {
    const std::int64_t id = n.known_integers(1)[0];
    require(id >= -x[axis] && id < x[axis], "there is no index ", id, " on axis ", axis, " of ", x);
    const int at = static_cast<int>(id);
    const op::slice one{{at}, {at == -1 ? std::numeric_limits<int>::max() : at + 1}, {axis}, {}};
    value = *n.append(one, {n.into.plain(n.in())}, {}, ".slice");
  } else {
    value =
        *n.append(op::gather{axis}, {n.into.plain(n.in()), n.into.plain(n.in(1))}, {}, ids.rank == 0 ? ".rows" : "");
  }
  value = n.reshape(value, in_graph(y), "");
  y.rank == 0 ? n.write_scalar(value) : n.write(value);
}

inline void expand(node_import& n) {
  const dims x = n.extents(), to = n.into.is_empty(n.in(1)) ? dims{} : extents_of(n.known_integers(1));
  require(op::broadcasts(x, to), "cannot expand ", x, " to ", to);
  const dims y = op::broadcast(x, to);
  if (y == x) return n.write_same();
  n.write(*n.append(op::expand{y}, {n.into.plain(n.in())}));
}

inline void tile(node_import& n) {
  const axis_numbers repeats = to_axis_numbers(n.known_integers(1));
  n.write(*n.append(op::tile{repeats}, {n.into.plain(n.in())}));
}

template <class F>
void move_blocks(node_import& n) {
  F f;
  f.block = n.integer("blocksize", 0);
  f.channels_first = n.string("mode", "DCR") == "CRD";
  n.write(*n.append(f, {n.into.channels_last(n.in())}), true);
}

/// Where the output's extents come from: an attribute (Upsample 7), the input that Upsample 9 and Resize 10 have
/// second, or those of Resize from 11 on.
inline void resize(node_import& n) {
  const dims x = n.extents();
  require(x.rank == 4, "images of (N, C, H, W) are supported, found ", x);
  const bool newer = n.node.type == "Resize" && n.opset() >= 11;
  const std::size_t scales_at = newer ? 2 : 1;
  const std::vector<float> scales = n.node.attribute("scales") ? n.node.attribute("scales")->reals
                                    : n.has(scales_at)         ? n.known_numbers(scales_at)
                                                               : std::vector<float>{};
  const std::vector<std::int64_t> sizes = newer && n.has(3) ? n.known_integers(3) : std::vector<std::int64_t>{};
  axis_numbers axes = to_axis_numbers(n.integers("axes"));
  for (int i = 0; n.integers("axes").empty() && i < 4; ++i) axes.push_back(i);
  require(static_cast<int>(std::max(scales.size(), sizes.size())) == axes.count, "expected ", axes.count,
          " scales or sizes, found ", scales.size(), " and ", sizes.size());
  float scale[4] = {1, 1, 1, 1};
  std::int64_t size[4] = {x[0], x[1], x[2], x[3]};
  for (int i = 0; i < axes.count; ++i) {
    const int axis = axis_of(axes[i], 4);
    require(axis >= 0, "there is no axis ", axes[i], " in ", x);
    const auto at = static_cast<std::size_t>(i), to = static_cast<std::size_t>(axis);
    if (sizes.empty()) scale[to] = scales[at];
    if (!sizes.empty()) size[to] = sizes[at], scale[to] = static_cast<float>(sizes[at]) / static_cast<float>(x[axis]);
  }
  require(scale[0] == 1 && scale[1] == 1, "only height and width can be resized");
  op::interp2d o{.scale_h = scale[2], .scale_w = scale[3]};
  const std::string mode = n.string("mode", "nearest"), policy = n.string("keep_aspect_ratio_policy", "stretch");
  require(mode == "nearest" || mode == "linear" || mode == "bilinear", "mode '", mode, "' is not supported");
  require(!n.flag("antialias"), "antialiasing is not supported");
  o.mode = mode == "nearest" ? op::interp2d::nearest : op::interp2d::bilinear;
  from_attribute(attribute(n.string("coordinate_transformation_mode", newer ? "half_pixel" : "asymmetric")),
                 o.coordinates);
  from_attribute(attribute(n.string("nearest_mode", newer ? "round_prefer_floor" : "floor")), o.rounding);
  if (!sizes.empty()) {
    if (policy == "not_larger") scale[2] = scale[3] = std::min(scale[2], scale[3]);
    if (policy == "not_smaller") scale[2] = scale[3] = std::max(scale[2], scale[3]);
    const auto extent = [&](int axis) {
      const auto i = static_cast<std::size_t>(axis);
      if (policy == "stretch")
        return static_cast<int>(std::clamp<std::int64_t>(size[i], 1, std::numeric_limits<int>::max()));
      return static_cast<int>(std::floor(std::clamp(scale[i] * static_cast<float>(x[axis]), 1.0f, 0x1p30f) + 0.5f));
    };
    o.size = {extent(2), extent(3)};
    o.scale_h = o.scale_w = 0;
  }
  n.write(*n.append(o, {n.into.channels_last(n.in())}), true);
}

}  // namespace octavo::onnx
