// Softmax along any axis, and its logarithm: everything but the arithmetic, for all native instruction sets.
//
// An instruction set has functions (softmax.inc) for one row of f32, in the order of op::softmax, and for some columns
// of a line of rows. u8 become f32 in memory of the task's own, where also rows go that lie far apart; a class
// `elementwise` does it, see elementwise.hpp.
#pragma once

#include <array>

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/op/softmax.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// What softmax makes of a row: exp(x - largest) by their sum, the logarithms of that, or 255 of them rounded.
enum class softmax_form : std::uint8_t { quotients, logarithms, steps };

/// A row of n numbers; differences of two are times `scale`, but for steps. x may be y. Where there is a mask it is
/// added to x first, in y.
struct softmax_row {
  const float* x = nullptr;
  float* y = nullptr;
  std::ptrdiff_t n = 0;
  float scale = 1.0f;
  const float* mask = nullptr;
  std::uint8_t* steps = nullptr;
};
/// Returns the sum of the exponentials, or of the steps.
using softmax_row_function = float (*)(const softmax_row&) noexcept;

/// How f32 of a softmax become elements of y, and elements of x f32.
struct softmax_conversion {
  softmax_conversion(const problem& p, affine_function to_f32, affine_function from_f32)
      : widen_(to_f32), narrow_(from_f32) {
    offset_.fill(-0.0f), one_.fill(1.0f);
    inverse_scale_.fill(p.dst->is_u8() ? 1.0f / p.dst->q.scale : 1.0f);
    end_ = make_epilogue(*p.dst, no_activation);
  }

  void widen(const void* x, float* y, std::ptrdiff_t n) const noexcept {
    widen_({x, y, one_.data(), offset_.data(), false, 0, make_epilogue({}, no_activation)}, n);
  }
  void narrow(const float* x, void* y, std::ptrdiff_t n) const noexcept {
    narrow_({x, y, inverse_scale_.data(), offset_.data(), false, 0, end_}, n);
  }

 private:
  affine_function widen_, narrow_;
  alignas(64) std::array<float, 64> one_, inverse_scale_, offset_;
  epilogue end_;
};

/// softmax_conversion by an instruction set.
template <class Elementwise>
softmax_conversion make_softmax_conversion(const problem& p) {
  const bool from_u8 = p.src[0].is_u8(), to_u8 = p.dst->is_u8();
  return {p, from_u8 ? Elementwise::template affine<std::uint8_t, float> : Elementwise::template affine<float, float>,
          to_u8 ? Elementwise::template affine<float, std::uint8_t> : Elementwise::template affine<float, float>};
}

/// A prepared softmax along the innermost axis.
class softmax final : public executable {
 public:
  softmax(const problem& p, softmax_row_function function, const softmax_conversion& conversion)
      : columns_(p.src[0].extents.back()),
        function_(function),
        conversion_(conversion),
        x_(p.src[0].type),
        y_(p.dst->type),
        scale_(p.src[0].is_u8() ? p.src[0].q.scale : 1.0f),
        has_lengths_(p.has(1)) {}

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }
  std::size_t scratch_bytes() const noexcept override { return static_cast<std::size_t>(columns_) * sizeof(float); }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    auto* some = reinterpret_cast<float*>(scratch);
    const row_grid g = grid(a);
    const std::ptrdiff_t rows_of_one = has_lengths_ ? g.rows / a.src[1].extents[0] : 1;
    for_each_piece(g, begin, end, [&](std::ptrdiff_t row, std::ptrdiff_t, std::ptrdiff_t columns) {
      softmax_row r;
      r.n = columns, r.scale = scale_;
      if (has_lengths_)
        r.n = op::length_at(a, a.src[1], static_cast<std::size_t>(row / rows_of_one), static_cast<int>(columns));
      const std::byte* from = element_at(a.src[0], x_, row, 0);
      std::byte* to = element_at(*a.dst, y_, row, 0);
      r.x = x_ == element::f32 ? reinterpret_cast<const float*>(from) : some;
      r.y = y_ == element::f32 ? reinterpret_cast<float*>(to) : some;
      if (x_ != element::f32) conversion_.widen(from, some, r.n);
      function_(r);
      std::fill(r.y + r.n, r.y + columns, 0.0f);
      if (y_ != element::f32) conversion_.narrow(some, to, columns);
    });
  }

 private:
  row_grid grid(const arguments& a) const noexcept {
    return make_row_grid(a.dst->extents, static_cast<std::ptrdiff_t>(size_of(x_) + size_of(y_)), false);
  }

  int columns_;
  softmax_row_function function_;
  softmax_conversion conversion_;
  element x_, y_;
  float scale_;
  bool has_lengths_;
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

/// A prepared softmax along another axis.
class softmax_along final : public executable {
 public:
  softmax_along(const problem& p, int axis, softmax_function function, const softmax_conversion& conversion)
      : axis_(axis),
        count_(p.src[0].extents[axis]),
        function_(function),
        conversion_(conversion),
        x_(p.src[0].type),
        y_(p.dst->type),
        scale_(p.src[0].is_u8() ? p.src[0].q.scale : 1.0f) {}

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
    for (std::ptrdiff_t column = 0; column < columns; column += most_columns) {
      c.columns = std::min(most_columns, columns - column);
      for (std::ptrdiff_t k = 0; k < c.count; ++k)
        conversion_.widen(from + k * x_step + column * x_size, some + k * most_columns, c.columns);
      function_(c);
      for (std::ptrdiff_t k = 0; k < c.count; ++k)
        conversion_.narrow(some + k * most_columns, to + k * y_step + column * y_size, c.columns);
    }
  }

  int axis_, count_;
  softmax_function function_;
  softmax_conversion conversion_;
  element x_, y_;
  float scale_;
};

/// The kernel `name` for Operator along the innermost axis.
template <class Operator, softmax_row_function Function, class Elementwise>
constexpr kernel softmax_kernel(std::string_view name, isa needs) {
  return {name, needs,
          [](const problem& p) {
            const auto* s = p.op.as<Operator>();
            return s && s->axis == -1 && p.src[0].is_number() && p.dst->is_number();
          },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<softmax>(p, Function, make_softmax_conversion<Elementwise>(p));
          }};
}

/// The kernel `name` for Operator along other axes.
template <class Operator, softmax_function Function, class Elementwise>
constexpr kernel softmax_along_kernel(std::string_view name, isa needs) {
  return {name, needs,
          [](const problem& p) {
            const auto* s = p.op.as<Operator>();
            return s && s->axis >= 0 && p.src[0].is_number() && p.dst->is_number();
          },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<softmax_along>(p, p.op.as<Operator>()->axis, Function,
                                                   make_softmax_conversion<Elementwise>(p));
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
