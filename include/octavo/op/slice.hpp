// Some indices of some axes, evenly spaced; a split is several of them, each free where it can be.
//   y(p) = x(start + step p) on each axis
// A negative start or end is counted from the end of the axis, and what lies outside of the axis is clamped to it, as
// in ONNX's Slice. The planner makes a slice free where its rows are evenly spaced in its input (plan/placement.hpp).
#pragma once

#include "octavo/op/axis_numbers.hpp"
#include "octavo/op/position.hpp"

namespace octavo::op {

/// Slice in a graph.
struct slice {
  static constexpr std::string_view name = "slice";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  axis_numbers starts{};
  axis_numbers ends{};   ///< one after the last; on the way down one before it, so INT_MIN where index 0 is the last
  axis_numbers axes{};   ///< which axes, negative ones from the innermost; empty: the outermost ones, in order
  axis_numbers steps{};  ///< not 0; empty: all 1

  static constexpr auto fields = std::tuple{field{"starts", &slice::starts}, field{"ends", &slice::ends},
                                            field{"axes", &slice::axes}, field{"steps", &slice::steps}};
};

/// The indices of one axis that a slice takes: `count` of them, `step` apart.
struct axis_range {
  int start = 0, step = 1, count = 0;
};

/// The range on an axis of `n`. Of what check() refuses it may be anything.
constexpr axis_range range_on_axis(const slice& s, int axis, int rank, int n) {
  axis_range r{0, 1, n};
  for (int i = 0; i < s.starts.count && i < s.ends.count; ++i) {
    if (axis_of(s.axes.empty() ? i : s.axes[i], rank) != axis) continue;
    const std::int64_t step = i < s.steps.count ? s.steps[i] : 1;
    const auto inside = [&](std::int64_t at) {
      return step > 0 ? std::clamp<std::int64_t>(at < 0 ? at + n : at, 0, n)
                      : std::clamp<std::int64_t>(at < 0 ? at + n : at, -1, n - 1);
    };
    const std::int64_t start = inside(s.starts[i]), end = inside(s.ends[i]);
    const std::int64_t distance = step > 0 ? end - start : start - end, stride = step > 0 ? step : -step;
    r = {static_cast<int>(start), static_cast<int>(step),
         stride == 0 ? 0 : static_cast<int>((std::max<std::int64_t>(distance, 0) + stride - 1) / stride)};
  }
  return r;
}

/// Whether the range takes the whole of an axis of `n`, in order.
constexpr bool is_whole(const axis_range& r, int n) { return r.start == 0 && r.step == 1 && r.count == n; }

/// Extents of the output. A bounded axis stays so where it is taken whole; else its extent is one that all runs have.
constexpr dims infer(const slice& s, const dims& x) {
  dims y = x;
  for (int i = 0; i < x.rank; ++i)
    if (const axis_range r = range_on_axis(s, i, x.rank, x[i]); !is_whole(r, x[i]))
      y.fix(i, std::max(r.count, 1));  // of nothing, which check() refuses, it may be anything
  return y;
}

/// Whether every run takes as many indices of a bounded axis, however long it is, or all of them.
constexpr bool takes_as_many(const slice& s, int axis, const dims& x) {
  const axis_range least = range_on_axis(s, axis, x.rank, 1), most = range_on_axis(s, axis, x.rank, x[axis]);
  return is_whole(most, x[axis]) ? is_whole(range_on_axis(s, axis, x.rank, x[axis] - 1), x[axis] - 1)
                                 : least.count == most.count;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a slice that can be run.
inline void check(const slice& o, const signature& s) {
  require(s.src.size() == 1, "slice: expected 1 input, found ", s.src.size());
  const dims& x = s.src[0].extents;
  require(o.starts.count == o.ends.count && (o.axes.empty() || o.axes.count == o.starts.count) &&
              (o.steps.empty() || o.steps.count == o.starts.count),
          "slice: starts ", o.starts, ", ends ", o.ends, ", axes ", o.axes, " and steps ", o.steps,
          " must be as many numbers");
  unsigned seen = 0;
  for (int i = 0; i < o.starts.count; ++i) {
    const int given = o.axes.empty() ? i : o.axes[i], axis = axis_of(given, x.rank);
    require(axis >= 0, "slice: axis ", given, " of a tensor of ", x);
    require((seen >> axis & 1u) == 0, "slice: axis ", given, " of a tensor of ", x, " is there twice");
    seen |= 1u << axis;
    require(o.steps.empty() || o.steps[i] != 0, "slice: the step of axis ", given, " is 0");
    const axis_range r = range_on_axis(o, axis, x.rank, x[axis]);
    require(r.count >= 1, "slice: from ", o.starts[i], " to ", o.ends[i], " axis ", given, " of ", x, " has nothing");
    require(!x.is_bounded(axis) || takes_as_many(o, axis, x), "slice: axis ", given, " of ", x,
            " is bounded: all of it can be taken, or as much of any extent");
  }
  check_moved(s, 1, infer(o, x), slice::name);
}

/// Reference evaluation.
inline void evaluate(const slice& o, const signature& s, const arguments& a) {
  const dims& x = a.src[0].extents;
  std::array<axis_range, max_rank> ranges{};
  for (int i = 0; i < x.rank; ++i) ranges[static_cast<std::size_t>(i)] = range_on_axis(o, i, x.rank, x[i]);
  move_elements(s.dst->type, a.src[0], *a.dst, [&](position p) {
    for (std::size_t i = 0; i < max_rank; ++i) p[i] = ranges[i].start + ranges[i].step * p[i];
    return p;
  });
}

}  // namespace octavo::op
