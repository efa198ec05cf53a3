// Softmax along any axis, and its logarithm: everything but the arithmetic, for all native instruction sets.
//
// Along the innermost axis, of f32, an instruction set is a class with row(x, y, n): one row, in the order of
// op::softmax. x may be y. Along another one it is a function for some columns of a line of rows, of f32 too: u8 become
// f32 in memory of the task's own, where also rows go that lie far apart. A class `elementwise` does it, see
// elementwise.hpp.
#pragma once

#include <array>

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

/// `columns` numbers of each of `count` rows, `x_step` and `y_step` elements apart; differences of two are times
/// `scale`. x may be y.
struct softmax_columns {
  const float* x = nullptr;
  float* y = nullptr;
  std::ptrdiff_t x_step = 0, y_step = 0, columns = 0;
  int count = 0;
  float scale = 1.0f;
};
using softmax_function = void (*)(const softmax_columns&) noexcept;

/// A prepared softmax along another axis. `widen` turns numbers as they are into f32, and `narrow` f32 into outputs.
class softmax_along final : public executable {
 public:
  softmax_along(const problem& p, int axis, softmax_function function, affine_function widen, affine_function narrow)
      : axis_(axis),
        count_(p.src[0].extents[axis]),
        function_(function),
        x_(p.src[0].type),
        y_(p.dst->type),
        scale_(p.src[0].is_u8() ? p.src[0].q.scale : 1.0f),
        widen_(widen),
        narrow_(narrow) {
    offset_.fill(-0.0f), one_.fill(1.0f);
    inverse_scale_.fill(p.dst->is_u8() ? 1.0f / p.dst->q.scale : 1.0f);
    widened_ = {nullptr, nullptr, one_.data(), offset_.data(), false, 0, make_epilogue({}, no_activation)};
    ended_ = {nullptr, nullptr, inverse_scale_.data(), offset_.data(), false, 0, make_epilogue(*p.dst, no_activation)};
  }

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }
  std::size_t scratch_bytes() const noexcept override {
    return static_cast<std::size_t>(count_) * most_columns * sizeof(float);
  }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const operand &x = a.src[0], &y = *a.dst;
    const axis_numbers fixed{axis_, x.extents.rank - 1};
    const op::element_walk x_lines(x, fixed, false), y_lines(y, fixed, false);
    softmax_columns c;
    c.count = count_, c.scale = scale_;
    if (c.count > 1)
      c.x_step = op::element_walk(x, {axis_}, true).at(1), c.y_step = op::element_walk(y, {axis_}, true).at(1);
    // Rows a page apart meet in the same few sets of a cache.
    const bool copied = x_ != element::f32 || y_ != element::f32 || std::max(c.x_step, c.y_step) >= 1024;
    const row_grid g = grid(a);
    for (std::ptrdiff_t t = begin; t < end; ++t) {
      const std::ptrdiff_t first = t / g.slices() * g.rows_per_task, column = t % g.slices() * g.columns_per_task;
      c.columns = std::min(g.columns_per_task, g.columns - column);
      for (std::ptrdiff_t i = first; i < std::min(first + g.rows_per_task, g.rows); ++i) {
        const auto line = static_cast<std::size_t>(i);
        const std::byte* from = element_at(x, x_, 0, x_lines.at(line) + column);
        std::byte* to = element_at(y, y_, 0, y_lines.at(line) + column);
        if (copied) {
          run_copied(c, from, to, reinterpret_cast<float*>(scratch));
        } else {
          c.x = reinterpret_cast<const float*>(from), c.y = reinterpret_cast<float*>(to);
          function_(c);
        }
      }
    }
  }

 private:
  static constexpr std::ptrdiff_t most_columns = 64;  // copied at a time

  row_grid grid(const arguments& a) const noexcept {
    const dims& e = a.dst->extents;
    const auto lines = static_cast<std::ptrdiff_t>(e.rows()) / e[axis_];
    return make_row_grid(lines, e.back(), e[axis_] * static_cast<std::ptrdiff_t>(size_of(x_) + size_of(y_)));
  }

  void run_copied(softmax_columns c, const std::byte* from, std::byte* to, float* some) const noexcept {
    const auto x_size = static_cast<std::ptrdiff_t>(size_of(x_)), y_size = static_cast<std::ptrdiff_t>(size_of(y_));
    const std::ptrdiff_t x_step = c.x_step * x_size, y_step = c.y_step * y_size, columns = c.columns;
    c.x = c.y = some, c.x_step = c.y_step = most_columns;
    affine_run in = widened_, out = ended_;
    for (std::ptrdiff_t column = 0; column < columns; column += most_columns) {
      c.columns = std::min(most_columns, columns - column);
      for (std::ptrdiff_t k = 0; k < c.count; ++k) {
        in.x = from + k * x_step + column * x_size, in.y = some + k * most_columns;
        widen_(in, c.columns);
      }
      function_(c);
      for (std::ptrdiff_t k = 0; k < c.count; ++k) {
        out.x = some + k * most_columns, out.y = to + k * y_step + column * y_size;
        narrow_(out, c.columns);
      }
    }
  }

  int axis_, count_;
  softmax_function function_;
  element x_, y_;
  float scale_;
  affine_function widen_, narrow_;
  alignas(64) std::array<float, 64> one_, inverse_scale_, offset_;
  affine_run widened_, ended_;
};

/// Whether `p` is an Operator along the innermost axis, from f32 to f32.
template <class Operator>
bool is_along_rows(const problem& p) {
  const auto* s = p.op.as<Operator>();
  return s && s->axis == -1 && p.src[0].type == element::f32 && p.dst->type == element::f32;
}

/// The kernel `name` for Operator along the innermost axis, by Isa.
template <class Operator, class Isa>
constexpr kernel softmax_kernel(std::string_view name, isa needs) {
  return {name, needs, is_along_rows<Operator>, make_executable<softmax<Isa>>};
}

/// The kernel `name` for Operator along other axes, from f32 or u8 to f32 or u8.
template <class Operator, softmax_function Function, class Elementwise>
constexpr kernel softmax_along_kernel(std::string_view name, isa needs) {
  return {name, needs,
          [](const problem& p) {
            const auto* s = p.op.as<Operator>();
            return s && s->axis >= 0 && p.src[0].is_number() && p.dst->is_number();
          },
          [](const problem& p) -> std::unique_ptr<const executable> {
            const affine_function widen = p.src[0].is_u8() ? Elementwise::template affine<std::uint8_t, float>
                                                           : Elementwise::template affine<float, float>;
            const affine_function narrow = p.dst->is_u8() ? Elementwise::template affine<float, std::uint8_t>
                                                          : Elementwise::template affine<float, float>;
            return std::make_unique<softmax_along>(p, p.op.as<Operator>()->axis, Function, widen, narrow);
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
