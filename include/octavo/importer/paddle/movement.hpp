// PaddlePaddle's operators that move elements. Shapes are whole numbers that are known when the file is read; the
// extent of a bounded axis among them is a code that can be passed on only.
#pragma once

#include "octavo/importer/paddle/layers.hpp"

namespace octavo::paddle {
namespace detail {

/// What `to` means for an element count of `x`: 0 keeps an extent, -1 is what is left.
inline dims reshaped_extents(const dims& x, const std::vector<std::int64_t>& to) {
  std::vector<std::int64_t> all = to;
  std::int64_t left = 1, *open = nullptr;
  std::multiset<std::int64_t> bounded;  // that are not in `to` yet
  for (int i = 0; i < x.rank; ++i) x.is_bounded(i) ? void(bounded.insert(x.encoded(i))) : void(left *= x[i]);
  for (std::size_t i = 0; i < all.size(); ++i) {
    require(all[i] != 0 || static_cast<int>(i) < x.rank, "extent ", i, " is that of ", x, ", which does not have it");
    if (all[i] == 0) all[i] = x.encoded(static_cast<int>(i));
    if (all[i] == -1) {
      require(open == nullptr, "more than one extent is -1");
      open = &all[i];
    } else if (all[i] > 0) {
      require(left % all[i] == 0 || bounded.size() > 0, "cannot reshape ", x, ": ", all[i], " does not divide it");
      left /= left % all[i] == 0 ? all[i] : 1;
    } else if (const auto found = bounded.find(all[i]); found != bounded.end()) {
      bounded.erase(found);
    }
  }
  if (open) *open = bounded.size() == 1 && left == 1 ? *bounded.begin() : left;
  dims y;
  for (std::int64_t e : all) y.push_back(e);
  return y;
}

/// The output is the input under other extents.
inline void reshape_to(const imported_op& o, const dims& to) {
  if (const constant t = o.net.known(o.input())) return o.set_known(t->reshaped(to));
  o.set(o.append(op::reshape{to}, {o.net.plain(o.input())}));
}

inline void reshape(const imported_op& o) {
  reshape_to(o, reshaped_extents(o.net.extents(o.input()), o.integers_of("ShapeTensor", "Shape", "shape")));
}

/// Two axes from (N, ...), all but one from `axis` on.
inline void flatten(const imported_op& o) {
  const dims x = o.net.extents(o.input());
  const int axis = o.small_integer("axis", 1);
  require(axis >= 0 && axis <= x.rank, "there is no axis ", axis, " in ", x);
  reshape_to(o, {product_of(x, 0, axis), product_of(x, axis, x.rank)});
}

inline void flatten_contiguous_range(const imported_op& o) {
  const dims x = o.net.extents(o.input());
  const int start = axis_of(o.small_integer("start_axis", 1), x.rank),
            stop = axis_of(o.small_integer("stop_axis", 1), x.rank);
  require(start >= 0 && start <= stop, "cannot flatten axes ", o.integer("start_axis", 1), " to ",
          o.integer("stop_axis", 1), " of ", x);
  dims y;
  for (int i = 0; i < start; ++i) y.push_back(x.encoded(i));
  y.push_back(product_of(x, start, stop + 1));
  for (int i = stop + 1; i < x.rank; ++i) y.push_back(x.encoded(i));
  reshape_to(o, y);
}

/// `x` without these axes, which are 1; none leave one axis.
inline dims without(const dims& x, const std::vector<std::int64_t>& axes) {
  axis_numbers out;
  for (std::int64_t axis : axes) {
    require(axis >= -x.rank && axis < x.rank, "there is no axis ", axis, " in ", x);
    out.push_back(axis_of(static_cast<int>(axis), x.rank));
  }
  dims y;
  for (int i = 0; i < x.rank; ++i)
    if (!out.contains(i)) y.push_back(x.encoded(i));
  if (y.rank == 0) y.push_back(1);
  return y;
}

inline void squeeze(const imported_op& o) {
  const dims x = o.net.extents(o.input());
  std::vector<std::int64_t> axes;
  for (std::int64_t axis : o.integers("axes")) {  // others than 1 stay
    const int a = axis_of(imported_op::as_int(axis, "axis"), x.rank);
    require(a >= 0, "there is no axis ", axis, " in ", x);
    if (x.encoded(a) == 1) axes.push_back(a);
  }
  for (int i = 0; i < x.rank && o.integers("axes").empty(); ++i)
    if (x.encoded(i) == 1) axes.push_back(i);
  reshape_to(o, without(x, axes));
}

inline dims with_axis(const dims& x, std::int64_t axis) {
  require(axis >= -x.rank - 1 && axis <= x.rank, "there is no place ", axis, " for an axis in ", x);
  const auto at = static_cast<int>(axis < 0 ? axis + x.rank + 1 : axis);
  dims y;
  for (int i = 0; i <= x.rank; ++i) y.push_back(i == at ? 1 : x.encoded(i < at ? i : i - 1));
  return y;
}

inline void unsqueeze(const imported_op& o) {
  dims y = o.net.extents(o.input());
  for (std::int64_t axis : o.integers_of("AxesTensorList", "AxesTensor", "axes")) y = with_axis(y, axis);
  reshape_to(o, y);
}

inline void transpose(const imported_op& o) {
  o.set(o.append(op::transpose{to_axis_numbers(o.integers("axis"))}, {o.net.plain(o.input())}));
}

/// Steps are attributes of strided_slice only.
inline void slice(const imported_op& o) {
  const std::string& x = o.input("Input");
  const auto decrease = o.integers("decrease_axis");
  op::slice s{to_axis_numbers(o.integers_of("StartsTensorList", "StartsTensor", "starts")),
              to_axis_numbers(o.integers_of("EndsTensorList", "EndsTensor", "ends")),
              {},
              to_axis_numbers(o.integers_of("StridesTensorList", "StridesTensor", "strides"))};
  const bool last = o.net.lies_channels_last(x) && decrease.empty();
  for (std::int64_t axis : o.integers("axes"))
    s.axes.push_back(last ? o.net.axis_as_it_lies(x, axis) : imported_op::as_int(axis, "axis"));
  const int y = o.append(s, {last ? o.net.channels_last(x) : o.net.plain(x)});
  if (decrease.empty()) return o.set(y, last);
  o.set(o.append_inner(op::reshape{without(o.net.net.type(y).extents, decrease)}, y));
}

inline void split(const imported_op& o) {
  const std::string& x = o.input();
  const bool last = o.net.lies_channels_last(x);
  const int axis = o.net.axis_as_it_lies(x, o.integer_of("AxisTensor", "axis", 0));
  const int v = o.net.as_it_lies(x), n = o.net.net.type(v).extents[axis];
  auto sizes = o.integers_of("SectionsTensorList", "", "sections");
  const auto parts = static_cast<std::int64_t>(o.outputs().size());
  require(parts > 0, "output Out is missing");
  if (sizes.empty()) sizes.assign(o.outputs().size(), n / parts);
  require(sizes.size() == o.outputs().size(), "expected ", parts, " sections, found ", sizes.size());
  std::int64_t left = n;
  for (std::int64_t size : sizes) left -= std::max<std::int64_t>(size, 0);
  std::int64_t start = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const std::int64_t size = sizes[i] < 0 ? left : sizes[i];
    const op::slice part{to_axis_numbers({start}), to_axis_numbers({start + size}), {axis}, {}};
    const std::string& name = o.outputs()[i];
    const int y = *o.net.append(part, name, {v});
    o.net.forget(name);
    o.net.set(name, y, last);
    start += size;
  }
  require(start == n, "sections of ", start, " elements for an axis of ", n);
}

inline void concat(const imported_op& o) {
  const std::string& first = o.input();
  const bool last = o.net.lies_channels_last(first);
  const int axis = o.net.axis_as_it_lies(first, o.integer_of("AxisTensor", "axis", 0));
  std::vector<int> all;
  for (const std::string& name : o.inputs("X")) all.push_back(last ? o.net.channels_last(name) : o.net.plain(name));
  o.set(o.append(op::concat{axis}, all), last);
}

inline void stack(const imported_op& o) {
  std::vector<int> all;
  const dims to = with_axis(o.net.extents(o.input()), o.integer("axis", 0));
  for (const std::string& name : o.inputs("X"))
    all.push_back(o.append_inner(op::reshape{to}, o.net.plain(name), {}, "Y"));
  o.set(o.append(op::concat{axis_of(o.small_integer("axis", 0), to.rank)}, all, {}, "Y"), false, "Y");
}

/// The inverse of stack: unstack writes Y, unbind Out.
inline void unstack(const imported_op& o, std::string_view slot) {
  const dims x = o.net.extents(o.input());
  const int axis = axis_of(o.small_integer("axis", 0), x.rank), v = o.net.plain(o.input());
  require(axis >= 0 && static_cast<std::size_t>(x[axis]) == o.outputs(slot).size(),
          "expected an output for each of axis ", o.integer("axis", 0), " of ", x, ", found ", o.outputs(slot).size());
  for (int i = 0; const std::string& name : o.outputs(slot)) {
    const int part = *o.net.append(op::slice{{i}, {i + 1}, {axis}, {}}, name + ".slice", {v});
    const int y = *o.net.append(op::reshape{without(x, {axis})}, name, {part});
    o.net.forget(name);
    o.net.set(name, y);
    ++i;
  }
}

/// -1 keeps an extent.
inline void expand(const imported_op& o) {
  const dims x = o.net.extents(o.input());
  const auto shape = o.integers_of("expand_shapes_tensor", "Shape", "shape");
  dims to;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const int from = static_cast<int>(i) + x.rank - static_cast<int>(shape.size());
    require(shape[i] != -1 || from >= 0, "extent ", i, " is -1, and ", x, " has no such axis");
    to.push_back(shape[i] == -1 ? x.encoded(from) : shape[i]);
  }
  o.set(o.append(op::expand{to}, {o.net.plain(o.input())}));
}

inline void expand_as(const imported_op& o) {
  dims to;
  if (o.has("Y"))
    to = o.net.extents(o.input("Y"));
  else
    for (std::int64_t e : o.integers("target_shape")) to.push_back(e);
  o.set(o.append(op::expand{to}, {o.net.plain(o.input())}));
}

inline void tile(const imported_op& o, std::string_view list, std::string_view tensor, std::string_view attribute) {
  auto repeats = o.integers_of(list, tensor, attribute);
  dims x = o.net.extents(o.input());
  int v = o.net.plain(o.input());
  while (static_cast<int>(repeats.size()) < x.rank) repeats.insert(repeats.begin(), 1);
  if (static_cast<int>(repeats.size()) > x.rank) {
    while (static_cast<int>(repeats.size()) > x.rank) x = with_axis(x, 0);
    v = o.append_inner(op::reshape{x}, v);
  }
  o.set(o.append(op::tile{to_axis_numbers(repeats)}, {v}));
}

inline void gather(const imported_op& o) {
  const int axis = o.integer_of("Axis", "axis", 0);
  int ids = o.net.plain(o.input("Index"));
  if (const dims e = o.net.net.type(ids).extents; e.rank == 2 && e.encoded(1) == 1)  // a column counts as a list
    ids = o.append_inner(op::reshape{{e.encoded(0)}}, ids);
  o.set(o.append(op::gather{axis}, {o.net.plain(o.input()), ids}));
}

/// `before` and `after` of each axis of the file.
inline void append_pad(const imported_op& o, const std::vector<std::int64_t>& before,
                       const std::vector<std::int64_t>& after, std::string_view mode, float value) {
  op::pad p{to_axis_numbers(before), to_axis_numbers(after), op::pad::constant, value};
  require(mode == "constant" || mode == "reflect" || mode == "edge" || mode == "replicate", "the mode ", mode,
          " is not supported");
  if (mode != "constant") p.mode = mode == "reflect" ? op::pad::reflect : op::pad::edge;
  o.set(o.append(p, {o.net.plain(o.input())}));
}

/// Numbers before and after each axis, outermost first.
inline void pad(const imported_op& o) {
  std::vector<std::int64_t> before, after;
  const auto all = o.integers("paddings");
  require(all.size() == 2 * static_cast<std::size_t>(o.net.extents(o.input()).rank),
          "expected two paddings for each axis of ", o.net.extents(o.input()), ", found ", all.size());
  for (std::size_t i = 0; i < all.size(); ++i) (i % 2 ? after : before).push_back(all[i]);
  append_pad(o, before, after, "constant", o.number("pad_value", 0.0f));
}

/// pad2d and pad3d: numbers for spatial axes only, in pad3d the innermost ones first.
inline void pad_image(const imported_op& o, bool innermost_first, std::string_view value) {
  const auto all = o.integers_of("", "Paddings", "paddings");
  const std::size_t axes = all.size() / 2;
  require(all.size() % 2 == 0 && axes + 2 == static_cast<std::size_t>(o.net.extents(o.input()).rank),
          "expected two paddings for each spatial axis of ", o.net.extents(o.input()), ", found ", all.size());
  const std::string format = o.string("data_format", "NCHW");
  const std::size_t first = format.ends_with("C") ? 1 : 2;
  std::vector<std::int64_t> before(axes + 2, 0), after(axes + 2, 0);
  for (std::size_t i = 0; i < axes; ++i) {
    const std::size_t from = innermost_first ? axes - 1 - i : i;
    before[first + i] = all[2 * from], after[first + i] = all[2 * from + 1];
  }
  append_pad(o, before, after, o.string("mode", "constant"), o.number(value, 0.0f));
}

inline void pixel_shuffle(const imported_op& o) {
  const op::depth_to_space d{.block = o.small_integer("upscale_factor", 1), .channels_first = true};
  o.set_image(o.append(d, {o.image("X")}));
}
inline void shuffle_channel(const imported_op& o) {
  o.set(o.append(op::shuffle_channel{o.small_integer("group", 1)}, {o.net.channels_last(o.input())}), true);
}

}  // namespace detail

/// What moves elements.
inline const operator_table& movement_operators() {
  using namespace detail;
  using in = const imported_op&;
  static const operator_table table{
      {"reshape", reshape},
      {"reshape2", reshape},
      {"flatten", flatten},
      {"flatten2", flatten},
      {"flatten_contiguous_range", flatten_contiguous_range},
      {"squeeze", squeeze},
      {"squeeze2", squeeze},
      {"unsqueeze", unsqueeze},
      {"unsqueeze2", unsqueeze},
      {"transpose", transpose},
      {"transpose2", transpose},
      {"slice", slice},
      {"strided_slice", slice},
      {"split", split},
      {"concat", concat},
      {"stack", stack},
      {"unstack", [](in o) { unstack(o, "Y"); }},
      {"unbind", [](in o) { unstack(o, "Out"); }},
      {"expand", [](in o) { tile(o, "expand_times_tensor", "ExpandTimes", "expand_times"); }},
      {"expand_v2", expand},
      {"expand_as_v2", expand_as},
      {"tile", [](in o) { tile(o, "repeat_times_tensor", "RepeatTimes", "repeat_times"); }},
      {"gather", gather},
      {"pad", pad},
      {"pad2d", [](in o) { pad_image(o, false, "pad_value"); }},
      {"pad3d", [](in o) { pad_image(o, true, "value"); }},
      {"pixel_shuffle", pixel_shuffle},
      {"shuffle_channel", shuffle_channel},
  };
  return table;
}

}  // namespace octavo::paddle
