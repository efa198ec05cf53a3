// Reductions along axes: everything but the arithmetic, for all native instruction sets.
//
// Axes that are reduced and go on alike are one, so that what makes one output is a window (see pool.hpp) of pixels:
// where the innermost axis is kept a pixel is one element of each of the channels of an output row, else it is a row of
// the innermost axis, which is reduced too. An instruction set is a class (reduce.inc) with
//   columns<Kind, T>(window, mean_rule, y, n)   n channels, for max, min and products
//   row<Kind, T>(window, mean_rule, y, n)       one output from pixels of n elements
//   row_mean<X, Y>(window, mean_rule, y, n)     the same, for sums and means
// Sums and means of channels are average pooling.
#pragma once

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/backends/native/pool.hpp"
#include "octavo/op/reduce.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// The reduced axes of an operand but its innermost one, outermost first, as few as possible: extents and steps.
struct reduced_axes {
  std::array<std::ptrdiff_t, max_rank> extent{}, step{};
  std::size_t count = 0;

  reduced_axes(const operand& x, const axis_numbers& axes) {
    const op::axis_strides strides = op::strides_of(x, x.extents);
    for (int a : axes) {
      if (a == x.extents.rank - 1 || x.extents[a] == 1) continue;
      const std::ptrdiff_t e = x.extents[a], s = strides[static_cast<std::size_t>(a)];
      if (count > 0 && step[count - 1] == s * e)
        extent[count - 1] *= e, step[count - 1] = s;
      else
        extent[count] = e, step[count++] = s;
    }
  }
};

/// Whether the innermost axis is reduced.
inline bool reduces_innermost(const op::reduce& r, const dims& x) { return r.axes.contains(x.rank - 1); }

/// A prepared reduction.
class reduction final : public executable {
 public:
  reduction(const problem& p, pool_function function)
      : op_(*p.op.as<op::reduce>()),
        types_(p),
        function_(function),
        along_rows_(reduces_innermost(op_, p.src[0].extents)) {
    types_.constants.clear();
    rule_.epilogue = make_epilogue(*p.dst, no_activation);
    for (int a : op_.axes) fixed_.push_back(a);
    if (!along_rows_ && p.src[0].extents.rank > 0) fixed_.push_back(p.src[0].extents.rank - 1);
  }

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    const operand &x = a.src[0], &y = *a.dst;
    const row_grid g = grid(a);
    const op::element_walk kept(x, fixed_, false);
    const reduced_axes axes(x, op_.axes);
    window pixels;
    if (axes.count > 0) pixels.pixel_step = axes.step[axes.count - 1];
    if (axes.count > 1) pixels.row_step = axes.step[0];
    pixels.columns = axes.count > 0 ? static_cast<int>(axes.extent[axes.count - 1]) : 1;
    pixels.rows = axes.count > 1 ? static_cast<int>(axes.extent[0]) : 1;
    mean_rule rule = rule_;
    const std::size_t count = op::reduced_count(op_, x.extents);
    rule.multiplier = op::multiplier_of(op_, types_, count);
    if (types_.src[0].is_u8()) rule.zero_sum = types_.src[0].q.zero_point * static_cast<std::int32_t>(count);
    const std::ptrdiff_t y_columns = y.extents.back();
    for (std::ptrdiff_t t = begin; t < end; ++t) {
      const std::ptrdiff_t first = t / g.slices() * g.rows_per_task, column = t % g.slices() * g.columns_per_task;
      const int n = along_rows_ ? x.extents.back() : static_cast<int>(std::min(g.columns_per_task, g.columns - column));
      for (std::ptrdiff_t i = first; i < std::min(first + g.rows_per_task, g.rows); ++i) {
        pixels.first = element_at(x, types_.src[0].type, 0, kept.at(static_cast<std::size_t>(i)) + column);
        function_(pixels, rule,
                  along_rows_ ? element_at(y, types_.dst->type, i / y_columns, i % y_columns)
                              : element_at(y, types_.dst->type, i, column),
                  n);
      }
    }
  }

 private:
  row_grid grid(const arguments& a) const noexcept {
    const auto read =
        static_cast<std::ptrdiff_t>(op::reduced_count(op_, a.src[0].extents) * size_of(types_.src[0].type));
    const auto outputs = static_cast<std::ptrdiff_t>(a.dst->extents.count());
    const std::ptrdiff_t columns = along_rows_ ? 1 : a.src[0].extents.back();
    return make_row_grid(outputs / columns, columns, read + static_cast<std::ptrdiff_t>(size_of(types_.dst->type)));
  }

  op::reduce op_;
  signature types_;
  pool_function function_;
  bool along_rows_;
  axis_numbers fixed_;  // those that do not choose the window
  mean_rule rule_;
};

/// Whether `p` is a reduction from elements of type x to type y.
inline bool is_reduction(const problem& p, element x, element y) {
  const op::reduce* r = p.op.as<op::reduce>();
  if (!r || p.src[0].type != x || p.dst->type != y) return false;
  dims extents = p.src[0].extents;
  extents.bounded = 0;
  return reduced_axes({nullptr, extents, extents.back()}, r->axes).count <= 2;
}

/// Whether `p` is a mean or a sum from elements of type x to type y, of the innermost axis too or not.
inline bool is_mean(const problem& p, element x, element y, bool along_rows) {
  if (!is_reduction(p, x, y)) return false;
  const op::reduce& r = *p.op.as<op::reduce>();
  return (r.kind == op::reduce::mean || r.kind == op::reduce::sum) &&
         reduces_innermost(r, p.src[0].extents) == along_rows;
}

/// The kernel `name` for means and sums from X to Y that keep the innermost axis, by the mean of Pool.
template <class Pool, class X, class Y>
constexpr kernel mean_kernel(std::string_view name, isa needs) {
  return {name, needs,
          [](const problem& p) {
            // Pooling subtracts zero points from the sum in binary32, which has every integer up to 2^24.
            return is_mean(p, element_of<X>, element_of<Y>, false) &&
                   (std::is_same_v<X, float> || op::reduced_count(*p.op.as<op::reduce>(), p.src[0].extents) <= 65793);
          },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<reduction>(p, Pool::template mean<X, Y>);
          }};
}

/// The kernel `name` for means and sums from X to Y along the innermost axis, by Isa.
template <class Isa, class X, class Y>
constexpr kernel row_mean_kernel(std::string_view name, isa needs) {
  return {name, needs, [](const problem& p) { return is_mean(p, element_of<X>, element_of<Y>, true); },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<reduction>(p, Isa::template row_mean<X, Y>);
          }};
}

/// The function of Isa for Kind of T.
template <class Isa, op::reduce::kind_type Kind, class T>
pool_function extreme_function(bool along_rows) {
  return along_rows ? Isa::template row<Kind, T> : Isa::template columns<Kind, T>;
}

/// The kernel `name` for maxima and minima of T, and for products where T is f32, along any axes, by Isa.
template <class Isa, class T>
constexpr kernel extreme_kernel(std::string_view name, isa needs) {
  return {name, needs,
          [](const problem& p) {
            if (!is_reduction(p, element_of<T>, element_of<T>)) return false;
            const auto kind = p.op.as<op::reduce>()->kind;
            return kind != op::reduce::mean && kind != op::reduce::sum;
          },
          [](const problem& p) -> std::unique_ptr<const executable> {
            const op::reduce& r = *p.op.as<op::reduce>();
            const bool rows = reduces_innermost(r, p.src[0].extents);
            pool_function function = r.kind == op::reduce::max ? extreme_function<Isa, op::reduce::max, T>(rows)
                                                               : extreme_function<Isa, op::reduce::min, T>(rows);
            if constexpr (std::is_same_v<T, float>)
              if (r.kind == op::reduce::prod) function = extreme_function<Isa, op::reduce::prod, T>(rows);
            return std::make_unique<reduction>(p, function);
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
