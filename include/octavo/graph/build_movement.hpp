// Composing a network: what is known from the start, and operators that only move elements. Included by builder.hpp.
#pragma once

#include <tuple>

#include "octavo/graph/builder.hpp"

namespace octavo {

/// A value of `g` that is known from the start, dense. Throws octavo::error where `elements` are not as many as the
/// shape has.
template <class T, class Shape>
value<T, Shape> constant_value(graph& g, std::string name, std::span<const T> elements) {
  static_assert(Shape::value.bounded == 0, "octavo: a constant has no bounded extents");
  return {&g, *g.append(op::constant{}, std::move(name), {}, {make_constant(tensor::of(Shape::value, elements))})};
}

namespace detail {
template <int Axis, class S>
inline constexpr int axis_in = axis_of(Axis, S::value.rank);
template <dims D, int Axis>
concept has_axis = axis_of(Axis, D.rank)
>= 0;

/// The slice [Start, End) of one axis, every Step-th.
template <int Axis, int Start, int End, int Step>
inline constexpr op::slice slice_of = {{Start}, {End}, {Axis}, {Step}};

template <dims X, int Axis, int Start, int End, int Step>
concept takes_something =
    Step != 0 &&
    op::range_on_axis(slice_of<Axis, Start, End, Step>, axis_of(Axis, X.rank), X.rank, X[axis_of(Axis, X.rank)]).count >
        0;
template <dims X, int Axis, int Start, int End, int Step>
concept takes_as_many = !X.is_bounded(axis_of(Axis, X.rank)) ||
                        op::takes_as_many(slice_of<Axis, Start, End, Step>, axis_of(Axis, X.rank), X);
}  // namespace detail

/// The indices from Start up to End, which is left out, of an axis (negative: counted from the innermost, -1), every
/// Step-th. A negative Start or End is counted from the end of the axis; beyond it both are clamped to it.
template <int Axis, int Start, int End, int Step = 1, class T, class S>
auto slice(const value<T, S>& x) {
  static_assert(detail::has_axis<S::value, Axis>, "octavo: slice's axis is outside its input's rank");
  if constexpr (detail::has_axis<S::value, Axis>) {
    constexpr bool some = detail::takes_something<S::value, Axis, Start, End, Step>;
    static_assert(some, "octavo: slice takes nothing of its axis");
    static_assert(!some || detail::takes_as_many<S::value, Axis, Start, End, Step>,
                  "octavo: of a bounded axis slice takes all, or as much of any extent");
    if constexpr (some) {
      constexpr op::slice s = detail::slice_of<Axis, Start, End, Step>;
      return detail::append<op::infer(s, S::value)>(s, "slice", x);
    } else {
      return x;
    }
  } else {
    return x;
  }
}

namespace detail {
template <int Axis, int Start, int... Sizes, class T, class S>
auto split_from(const value<T, S>& x) {
  constexpr std::array<int, sizeof...(Sizes)> sizes{Sizes...};
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    constexpr auto start = [](std::size_t i) {
      int sum = 0;
      for (std::size_t k = 0; k < i; ++k) sum += std::array{Sizes...}[k];
      return sum;
    };
    return std::tuple{octavo::slice<Axis, start(I), start(I) + sizes[I]>(x)...};
  }
  (std::make_index_sequence<sizeof...(Sizes)>{});
}
}  // namespace detail

/// Consecutive parts of an axis, of these sizes: a tuple of slices. auto [a, b] = split<-1, 8, 24>(x);
template <int Axis, int... Sizes, class T, class S>
auto split(const value<T, S>& x) {
  static_assert(detail::has_axis<S::value, Axis>, "octavo: split's axis is outside its input's rank");
  static_assert(!detail::has_axis<S::value, Axis> ||
                    (((Sizes > 0) && ...) && equals<(Sizes + ...), S::value[detail::axis_in<Axis, S>]>),
                "octavo: split's sizes must be positive and add up to its input's extent");
  return detail::split_from<Axis, 0, Sizes...>(x);
}

/// Equal parts of an axis: a tuple of slices.
template <int Axis, int Parts, class T, class S>
auto split_equally(const value<T, S>& x) {
  static_assert(detail::has_axis<S::value, Axis>, "octavo: split_equally's axis is outside its input's rank");
  static_assert(!detail::has_axis<S::value, Axis> || divides_into<S::value[detail::axis_in<Axis, S>], Parts>,
                "octavo: split_equally's parts must divide its input's extent");
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return detail::split_from<Axis, 0, (static_cast<void>(I), S::value[detail::axis_in<Axis, S>] / Parts)...>(x);
  }
  (std::make_index_sequence<static_cast<std::size_t>(Parts)>{});
}

/// Consecutive parts of an axis, of these sizes, for who composes at run time: a slice each. Throws octavo::error where
/// the sizes do not add up to the axis' extent.
inline std::vector<int> append_split(graph& g, const std::string& name, int x, int axis, std::span<const int> sizes) {
  const dims extents = g.type(x).extents;
  const int at = axis_of(axis, extents.rank);
  require(at >= 0, "split '", name, "': axis ", axis, " of a tensor of ", extents);
  std::int64_t sum = 0;
  for (int n : sizes) sum += n;
  require(sum == extents[at], "split '", name, "': the sizes add up to ", sum, ", the extent is ", extents[at]);
  std::vector<int> parts;
  int start = 0;
  for (int n : sizes) {
    parts.push_back(g.append(op::slice{{start}, {start + n}, {at}, {}}, name, {x}));
    start += n;
  }
  return parts;
}

/// Axis i of the result is axis Perm[i] of x.
template <int... Perm, class T, class S>
auto transpose(const value<T, S>& x) {
  constexpr op::transpose t{{Perm...}};
  static_assert(op::is_permutation(t, S::value.rank), "octavo: transpose needs each axis of its input once");
  if constexpr (op::is_permutation(t, S::value.rank))
    return detail::append<op::infer(t, S::value)>(t, "transpose", x);
  else
    return x;
}

namespace detail {
template <int Axis>
constexpr dims without_axis(const dims& x) {
  dims y;
  for (int i = 0; i < x.rank; ++i)
    if (i != Axis) y.push_back(x.encoded(i));
  return y;
}
template <int Axis>
constexpr dims with_axis(const dims& x) {
  dims y;
  for (int i = 0; i <= x.rank; ++i) {
    if (i == Axis) y.push_back(1);
    if (i < x.rank) y.push_back(x.encoded(i));
  }
  return y;
}
}  // namespace detail

/// x without an axis of extent 1: a reshape.
template <int Axis, class T, class S>
auto squeeze(const value<T, S>& x) {
  constexpr int axis = axis_of(Axis, S::value.rank);
  static_assert(axis >= 0 && S::value.encoded(axis < 0 ? 0 : axis) == 1, "octavo: squeeze needs an axis of extent 1");
  constexpr dims y = detail::without_axis<axis>(S::value);
  return reshape<shape_of<y>>(x);
}

/// x with an axis of extent 1 more, which is axis `Axis` of the result: a reshape.
template <int Axis, class T, class S>
auto unsqueeze(const value<T, S>& x) {
  constexpr int axis = axis_of(Axis, S::value.rank + 1);
  static_assert(axis >= 0 && S::value.rank < max_rank, "octavo: unsqueeze's axis is outside the rank of its result");
  constexpr dims y = detail::with_axis<axis>(S::value);
  return reshape<shape_of<y>>(x);
}

/// Before[i] and After[i] elements more on axis i, or fewer where they are negative; see op/pad.hpp for what they hold.
template <axis_numbers Before, axis_numbers After, class T, class S>
auto pad(const value<T, S>& x, op::pad::mode_type mode = op::pad::constant, float value_outside = 0) {
  static_assert(equals<Before.count, S::value.rank> && equals<After.count, S::value.rank>,
                "octavo: pad needs two numbers for each axis of its input");
  constexpr dims y = op::infer(op::pad{Before, After}, S::value);
  return detail::append<y>(op::pad{Before, After, mode, value_outside}, "pad", x);
}

/// Zero channels before and after the input's: (..., C) -> (..., Before + C + After).
template <int Before, int After, class T, class S>
auto pad_channels(const value<T, S>& x) {
  static_assert(Before >= 0 && After >= 0, "octavo: pad_channels cannot remove channels");
  static_assert(S::value.rank > 0 && !innermost_bounded(S::value),
                "octavo: pad_channels needs an innermost axis that is not bounded");
  constexpr op::pad p = op::channel_padding(S::value.rank, Before, After);
  return detail::append<op::infer(p, S::value)>(p, "pad_channels", x);
}

/// x(..., ids, ...): the indices `ids` of an axis of x, whose place the axes of ids take.
template <int Axis = 0, class T, class S, class Id, class Ids>
auto gather(const value<T, S>& x, const value<Id, Ids>& ids) {
  static_assert(std::is_same_v<Id, std::int32_t> || std::is_same_v<Id, std::int64_t>,
                "octavo: gather's ids must be std::int32_t or std::int64_t");
  static_assert(detail::has_axis<S::value, Axis>, "octavo: gather's axis is outside its input's rank");
  constexpr op::gather o{Axis};
  constexpr dims y = op::infer(o, S::value, Ids::value);
  return value<T, shape_of<y>>(detail::append_node(o, "gather", {&x, &ids}));
}

/// Rows of "weight" (Rows, C) of `w` by their numbers: (...) -> (..., C).
template <int Rows, int C, class Id, class Ids>
auto embedding(const value<Id, Ids>& ids, const params& w) {
  static_assert(std::is_same_v<Id, std::int32_t> || std::is_same_v<Id, std::int64_t>,
                "octavo: embedding's ids must be std::int32_t or std::int64_t");
  constexpr dims y = op::infer(op::gather{}, {Rows, C}, Ids::value);
  graph& g = ids.owner("embedding");
  const int table = g.append(op::constant{}, w.path() + ".weight", {}, {w.get("weight", dims{Rows, C})});
  return value<float, shape_of<y>>(&g, *g.append(op::gather{}, w.path(), {table, ids.id}));
}

/// Rows of an s8 table with a scale each, as quantize_weights() makes them of f32 (Rows, C): (...) -> (..., C). Throws
/// octavo::error where the table is another one.
template <int Rows, int C, class Id, class Ids>
auto embedding(const value<Id, Ids>& ids, const quantized_weights& table, std::string name = "embedding") {
  static_assert(std::is_same_v<Id, std::int32_t> || std::is_same_v<Id, std::int64_t>,
                "octavo: embedding's ids must be std::int32_t or std::int64_t");
  constexpr dims y = op::infer(op::gather{}, {Rows, C}, Ids::value);
  require(table.values.extents() == dims{Rows, C}, "embedding: expected rows of ", dims{Rows, C}, ", found ",
          table.values.extents());
  graph& g = ids.owner("embedding");
  return value<float, shape_of<y>>(
      &g, *g.append(op::embedding{}, std::move(name), {ids.id},
                    {make_constant(tensor(table.values)), make_constant(tensor(table.scales))}));
}

/// The channels as (Groups, C / Groups), transposed.
template <int Groups, class T, class S>
auto shuffle_channel(const value<T, S>& x) {
  static_assert(op::fits(op::shuffle_channel{Groups}, S::value),
                "octavo: shuffle_channel's groups must divide channels");
  return detail::append<S::value>(op::shuffle_channel{Groups}, "shuffle_channel", x);
}

/// Blocks of pixels to channels: (N, H, W, C) -> (N, H/B, W/B, B B C).
template <int Block, bool ChannelsFirst = false, class T, class S>
auto space_to_depth(const value<T, S>& x) {
  constexpr op::space_to_depth o{Block, ChannelsFirst};
  static_assert(op::fits(o, S::value), "octavo: space_to_depth needs (N, H, W, C) with H and W multiples of the block");
  return detail::append<op::infer(o, S::value)>(o, "space_to_depth", x);
}

/// Channels to blocks of pixels: (N, H, W, B B C) -> (N, H B, W B, C).
template <int Block, bool ChannelsFirst = false, class T, class S>
auto depth_to_space(const value<T, S>& x) {
  constexpr op::depth_to_space o{Block, ChannelsFirst};
  static_assert(op::fits(o, S::value),
                "octavo: depth_to_space needs (N, H, W, C) with C a multiple of the square of the block");
  return detail::append<op::infer(o, S::value)>(o, "depth_to_space", x);
}

/// Images of (N, H, W, C) resized to (N, Height, Width, C): see op/interp2d.hpp.
template <int Height, int Width, class T, class S>
auto interp2d(const value<T, S>& x, op::interp2d::mode_type mode,
              op::interp2d::coordinates_type coordinates = op::interp2d::half_pixel,
              op::interp2d::rounding_type rounding = op::interp2d::round_prefer_floor) {
  static_assert(equals<S::value.rank, 4> && only_batch_bounded(S::value),
                "octavo: interp2d needs an input of (N, H, W, C), of which N alone may be bounded");
  static_assert(Height > 0 && Width > 0, "octavo: interp2d needs a height and a width of at least 1");
  constexpr dims y = op::infer(op::interp2d{.size = {Height, Width}}, S::value);
  return detail::append<y>(
      op::interp2d{.mode = mode, .size = {Height, Width}, .coordinates = coordinates, .rounding = rounding}, "interp2d",
      x);
}

/// x repeated along its axes of extent 1, and along new outermost ones, as numpy's broadcast_to.
template <class To, class T, class S>
auto expand(const value<T, S>& x) {
  constexpr op::expand o{To::value};
  static_assert(op::fits(o, S::value), "octavo: expand can repeat axes of extent 1 only");
  return detail::append<op::infer(o, S::value)>(o, "expand", x);
}

/// x repeated so many times along each axis.
template <int... Repeats, class T, class S>
auto tile(const value<T, S>& x) {
  constexpr op::tile o{{Repeats...}};
  static_assert(equals<static_cast<int>(sizeof...(Repeats)), S::value.rank> && ((Repeats > 0) && ...),
                "octavo: tile needs a positive number for each axis of its input");
  return detail::append<op::infer(o, S::value)>(o, "tile", x);
}

}  // namespace octavo
