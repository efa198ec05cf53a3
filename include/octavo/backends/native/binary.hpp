// Arithmetic of two tensors that broadcast: everything but the arithmetic, for all native instruction sets.
//
// Axes along which all operands go on as they do along the next inner one become one axis with it, so that tensors of
// equal extents are one long row, and each kind of broadcasting is rows of one kind: both operands go along the row, or
// one of them is a single number there. An instruction set is a class with
//   run<F, X, Y>(binary_run)   rows of F, one of op::binary_functions, from X and X to Y
#pragma once

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/op/binary.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// One of two operands.
struct binary_operand {
  const void* x = nullptr;  ///< the first number of the first row
  std::ptrdiff_t step = 0;  ///< elements from a row to the next
  bool single = false;      ///< one number for the whole row
  float multiplier = 1.0f;
  std::int32_t zero_point = 0;
};

/// Rows of numbers.
struct binary_run {
  binary_operand x0, x1;
  void* y = nullptr;
  std::ptrdiff_t y_step = 0;
  std::ptrdiff_t rows = 0, columns = 0;
  native::epilogue epilogue;
};
using binary_function = void (*)(const binary_run&) noexcept;

/// Axes of a result and of two operands, innermost first: strides of x0, x1 and y in elements. Along the first axis
/// that of y is 1, those of x0 and x1 are 1 or 0.
struct broadcast_axes {
  struct axis {
    std::ptrdiff_t extent = 1, x0 = 1, x1 = 1, y = 1;
  };
  std::array<axis, max_rank + 1> at{};
  int count = 1;

  std::ptrdiff_t columns() const { return at[0].extent; }
  std::ptrdiff_t rows() const {
    std::ptrdiff_t n = 1;
    for (int i = 1; i < count; ++i) n *= at[static_cast<std::size_t>(i)].extent;
    return n;
  }
};

/// The axes of a call, as few as possible.
inline broadcast_axes make_broadcast_axes(const arguments& a) {
  const dims& extents = a.dst->extents;
  const op::axis_strides x0 = op::strides_of(a.src[0], extents), x1 = op::strides_of(a.src[1], extents),
                         y = op::strides_of(*a.dst, extents);
  broadcast_axes axes;
  for (int i = extents.rank; i-- > 0;) {
    const auto at = static_cast<std::size_t>(i);
    const broadcast_axes::axis outer{extents[i], x0[at], x1[at], y[at]};
    if (outer.extent == 1) continue;
    broadcast_axes::axis& inner = axes.at[static_cast<std::size_t>(axes.count - 1)];
    const auto goes_on = [&](auto stride) { return outer.*stride == inner.*stride * inner.extent; };
    using axis = broadcast_axes::axis;
    if (inner.extent == 1 && outer.y == 1 && outer.x0 <= 1 && outer.x1 <= 1)
      inner = outer;
    else if (goes_on(&axis::x0) && goes_on(&axis::x1) && goes_on(&axis::y))
      inner.extent *= outer.extent;
    else
      axes.at[static_cast<std::size_t>(axes.count++)] = outer;
  }
  return axes;
}

/// A prepared operator.
class binary_map final : public executable {
 public:
  binary_map(const problem& p, binary_function function) : function_(function), x_(p.src[0].type), y_(p.dst->type) {
    op::visit(op::binary_functions(), p.op, [&]<class F>(const F& f) {
      const op::operand_multipliers m = op::multipliers<F>(p);
      shared_.x0.multiplier = m.m0, shared_.x1.multiplier = m.m1;
      shared_.epilogue = make_epilogue(*p.dst, f.act, p.src[0].is_u8() ? largest<F>(m) : infinity);
    });
    if (p.src[0].is_u8()) shared_.x0.zero_point = p.src[0].q.zero_point, shared_.x1.zero_point = p.src[1].q.zero_point;
  }

  int tasks(const arguments& a) const noexcept override { return grid(make_broadcast_axes(a)).tasks(); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    const broadcast_axes axes = make_broadcast_axes(a);
    const row_grid g = grid(axes);
    for (std::ptrdiff_t t = begin; t < end; ++t) {
      const std::ptrdiff_t row = t / g.slices() * g.rows_per_task, column = t % g.slices() * g.columns_per_task;
      run_rows(a, axes, row, std::min(row + g.rows_per_task, g.rows), column,
               std::min(g.columns_per_task, g.columns - column));
    }
  }

 private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  /// The largest result from u8, in steps of the output.
  template <class F>
  static double largest(const op::operand_multipliers& m) {
    if constexpr (std::is_same_v<F, op::div>) return infinity;
    if constexpr (std::is_same_v<F, op::mul>) return 255.0 * 255.0 * static_cast<double>(m.m0);
    return 255.0 * (static_cast<double>(m.m0) + static_cast<double>(m.m1));
  }

  row_grid grid(const broadcast_axes& axes) const noexcept {
    return make_row_grid(axes.rows(), axes.columns(), static_cast<std::ptrdiff_t>(2 * size_of(x_) + size_of(y_)));
  }

  /// Rows [row, end), as many at a time as lie along the second axis.
  void run_rows(const arguments& a, const broadcast_axes& axes, std::ptrdiff_t row, std::ptrdiff_t end,
                std::ptrdiff_t column, std::ptrdiff_t columns) const noexcept {
    const broadcast_axes::axis &inner = axes.at[0], &next = axes.at[1];
    binary_run r = shared_;
    r.columns = columns;
    if (axes.count > 1) r.x0.step = next.x0, r.x1.step = next.x1, r.y_step = next.y;
    r.x0.single = inner.x0 == 0, r.x1.single = inner.x1 == 0;
    for (; row < end; row += r.rows) {
      r.rows = axes.count > 1 ? std::min(end - row, next.extent - row % next.extent) : 1;
      broadcast_axes::axis place{0, column * inner.x0, column * inner.x1, column * inner.y};
      std::ptrdiff_t rest = row;
      for (int i = 1; i < axes.count; ++i) {
        const broadcast_axes::axis& axis = axes.at[static_cast<std::size_t>(i)];
        const std::ptrdiff_t index = rest % axis.extent;
        rest /= axis.extent;
        place.x0 += index * axis.x0, place.x1 += index * axis.x1, place.y += index * axis.y;
      }
      r.x0.x = element_at(a.src[0], x_, 0, place.x0);
      r.x1.x = element_at(a.src[1], x_, 0, place.x1);
      r.y = element_at(*a.dst, y_, 0, place.y);
      function_(r);
    }
  }

  binary_function function_;
  element x_, y_;
  binary_run shared_;
};

/// The kernel `name` for arithmetic from X and X to Y.
template <class Isa, class X, class Y>
constexpr kernel binary_kernel(std::string_view name, isa needs) {
  return {name, needs,
          [](const problem& p) {
            return p.src.size() == 2 && p.src[0].type == element_of<X> && p.src[1].type == element_of<X> &&
                   p.dst->type == element_of<Y> && op::visit(op::binary_functions(), p.op, [](const auto&) {});
          },
          [](const problem& p) -> std::unique_ptr<const executable> {
            binary_function function = nullptr;
            op::visit(op::binary_functions(), p.op, [&]<class F>(const F&) { function = Isa::template run<F, X, Y>; });
            return std::make_unique<binary_map>(p, function);
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
