// Softmax of f32 along any axis, and its logarithm: everything but the arithmetic, for all native instruction sets.
//
// Along the innermost axis an instruction set is a class with row(x, y, n): one row, in the order of op::softmax. x may
// be y. Along another one it is a function for some columns of a line of rows.
#pragma once

#include <optional>

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/op/softmax.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// A prepared softmax along the innermost axis.
template <class Isa>
class softmax final : public executable {
 public:
  explicit softmax(const problem&) {}

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    for_each_piece(grid(a), begin, end, [&](std::ptrdiff_t row, std::ptrdiff_t, std::ptrdiff_t n) {
      Isa::row(a.src[0].as<const float>() + row * a.src[0].stride, a.dst->as<float>() + row * a.dst->stride, n);
    });
  }

 private:
  static row_grid grid(const arguments& a) noexcept { return make_row_grid(a.dst->extents, 2 * sizeof(float), false); }
};

/// `columns` numbers of each of `count` rows, `x_step` and `y_step` elements apart.
struct softmax_columns {
  const float* x = nullptr;
  float* y = nullptr;
  std::ptrdiff_t x_step = 0, y_step = 0, columns = 0;
  int count = 0;
};
using softmax_function = void (*)(const softmax_columns&) noexcept;

/// A prepared softmax along another axis.
class softmax_along final : public executable {
 public:
  softmax_along(int axis, softmax_function function) : axis_(axis), function_(function) {}

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    const operand &x = a.src[0], &y = *a.dst;
    const axis_numbers fixed{axis_, x.extents.rank - 1};
    const op::element_walk x_lines(x, fixed, false), y_lines(y, fixed, false);
    softmax_columns c;
    c.count = x.extents[axis_];
    if (c.count > 1)
      c.x_step = op::element_walk(x, {axis_}, true).at(1), c.y_step = op::element_walk(y, {axis_}, true).at(1);
    const row_grid g = grid(a);
    for (std::ptrdiff_t t = begin; t < end; ++t) {
      const std::ptrdiff_t first = t / g.slices() * g.rows_per_task, column = t % g.slices() * g.columns_per_task;
      c.columns = std::min(g.columns_per_task, g.columns - column);
      for (std::ptrdiff_t i = first; i < std::min(first + g.rows_per_task, g.rows); ++i) {
        c.x = x.as<const float>() + x_lines.at(static_cast<std::size_t>(i)) + column;
        c.y = y.as<float>() + y_lines.at(static_cast<std::size_t>(i)) + column;
        function_(c);
      }
    }
  }

 private:
  row_grid grid(const arguments& a) const noexcept {
    const dims& e = a.dst->extents;
    const auto lines = static_cast<std::ptrdiff_t>(e.rows()) / e[axis_];
    return make_row_grid(lines, e.back(), e[axis_] * std::ptrdiff_t{2 * sizeof(float)});
  }

  int axis_;
  softmax_function function_;
};

/// The axis of `p` where it is an Operator from f32 to f32, else none.
template <class Operator>
std::optional<int> axis_of(const problem& p) {
  const auto* s = p.op.as<Operator>();
  if (!s || p.src[0].type != element::f32 || p.dst->type != element::f32) return {};
  return s->axis;
}

/// The kernel `name` for Operator along the innermost axis, by Isa.
template <class Operator, class Isa>
constexpr kernel softmax_kernel(std::string_view name, isa needs) {
  return {name, needs, [](const problem& p) { return axis_of<Operator>(p) == -1; }, make_executable<softmax<Isa>>};
}

/// The kernel `name` for Operator along other axes.
template <class Operator, softmax_function Function>
constexpr kernel softmax_along_kernel(std::string_view name, isa needs) {
  return {name, needs, [](const problem& p) { return axis_of<Operator>(p).value_or(-1) >= 0; },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<softmax_along>(*axis_of<Operator>(p), Function);
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
