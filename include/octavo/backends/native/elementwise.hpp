// Elementwise operators of one input: everything but the arithmetic, for all native instruction sets.
//   affine:  y(..., c) = act(fma(x(..., c) - zp, m(c), b(c)))      activate, convert, bias_add, batch_norm, scale
//   prelu:   y(..., c) = v m(c) for v = x(..., c) - zp, but v b(c) where v < 0
// activate and convert have no addend, so b = -0.0: x m + (-0.0) has the bits of x m, zeros included. They are those
// whose table is not per channel, and scale without constants.
//
// An instruction set is a class with
//   channel_block              numbers at a time; per-channel tables are filled up to a multiple of it
//   affine<X, Y>(affine_run, n)  n numbers of one row
//   prelu<X, Y>(affine_run, n)   the same
//   normalized<X, Y>(normalized_run, n)
#pragma once

#include "octavo/backends/native/depthwise.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// Consecutive numbers of an affine operator.
struct affine_run {
  const void* x = nullptr;
  void* y = nullptr;
  const float* multiplier = nullptr;  ///< one block of them where they are the same for all channels
  const float* offset = nullptr;
  bool per_channel = false;
  std::int32_t zero_point = 0;
  native::epilogue epilogue;
};
using affine_function = void (*)(const affine_run&, std::ptrdiff_t n) noexcept;

/// The same of what is normalised first: y(c) = fma((x(c) - mean) * inverse, m(c), b(c)).
struct normalized_run : affine_run {
  float mean = 0.0f, inverse = 1.0f;
};
using normalized_function = void (*)(const normalized_run&, std::ptrdiff_t n) noexcept;

/// Rows of numbers, cut into groups of rows or into slices of columns, which are numbered innermost.
struct row_grid {
  std::ptrdiff_t rows, columns, rows_per_task, columns_per_task;
  std::ptrdiff_t slices() const { return (columns + columns_per_task - 1) / columns_per_task; }
  int tasks() const { return static_cast<int>((rows + rows_per_task - 1) / rows_per_task * slices()); }
};

/// Groups of rows or, where there are fewer rows than tasks, slices of them: multiples of 64 columns, whole blocks.
inline row_grid make_row_grid(std::ptrdiff_t rows, std::ptrdiff_t columns, std::ptrdiff_t element_bytes) {
  const std::ptrdiff_t tasks = task_count({.bytes = static_cast<double>(rows * columns * element_bytes)});
  if (rows >= tasks) return {rows, columns, (rows + tasks - 1) / tasks, columns};
  return {rows, columns, 1, std::max<std::ptrdiff_t>((columns * rows / tasks + 63) / 64 * 64, 64)};
}

/// The same for tensors of extents `y`: one long row where `flat`; else whole rows.
inline row_grid make_row_grid(const dims& y, std::ptrdiff_t element_bytes, bool flat) {
  const auto rows = static_cast<std::ptrdiff_t>(y.rows()), columns = std::ptrdiff_t{y.back()};
  if (flat) return make_row_grid(1, rows * columns, element_bytes);
  const std::ptrdiff_t tasks = task_count({.bytes = static_cast<double>(rows * columns * element_bytes)});
  return {rows, columns, std::max<std::ptrdiff_t>((rows + tasks - 1) / tasks, 1), columns};
}

/// Calls body(first element's row, column, how many) for the pieces of tasks [begin, end).
template <class Body>
void for_each_piece(const row_grid& g, int begin, int end, const Body& body) {
  for (std::ptrdiff_t t = begin; t < end; ++t) {
    if (g.rows == 1 && g.columns_per_task < g.columns) {
      const std::ptrdiff_t first = t * g.columns_per_task;
      body(std::ptrdiff_t{0}, first, std::min(g.columns_per_task, g.columns - first));
      continue;
    }
    for (std::ptrdiff_t r = t * g.rows_per_task; r < std::min((t + 1) * g.rows_per_task, g.rows); ++r)
      body(r, std::ptrdiff_t{0}, g.columns);
  }
}

inline bool is_dense(const operand& o) { return o.stride == o.extents.back(); }

/// Multipliers and offsets of an affine operator, in the types of its signature.
struct affine_table {
  bool per_channel = false;
  std::vector<float> multiplier, offset;
  activation act;
};

/// The table of one of those operators. Throws octavo::error as the reference evaluation does.
inline affine_table make_affine_table(const problem& p) {
  const auto channels = static_cast<std::size_t>(p.dst->extents.back());
  affine_table t;
  if (const auto* norm = p.op.as<op::batch_norm>()) {
    for (std::size_t c = 0; c < channels; ++c) {
      const channel_scale scale = op::scale_of(*norm, p, c);
      t.multiplier.push_back(scale.multiplier), t.offset.push_back(scale.offset);
    }
    t.per_channel = true, t.act = norm->act;
  } else if (const auto* line = p.op.as<op::scale>()) {
    for (std::size_t c = 0; c < channels; ++c) {
      const channel_scale scale = op::scale_of(*line, p, c);
      t.multiplier.push_back(scale.multiplier), t.offset.push_back(scale.offset);
    }
    t.per_channel = p.at(0) || p.at(1) || line->beta != 0.0f, t.act = line->act;
  } else {
    const float m = op::detail::rescale(p.src[0], *p.dst, name_of(p.op));
    t.multiplier.assign(channels, m), t.offset.assign(channels, -0.0f);
    if (const auto* activate = p.op.as<op::activate>()) t.act = activate->act;
    if (const auto* bias = p.op.as<op::bias_add>()) {
      for (std::size_t c = 0; c < channels; ++c) t.offset[c] = op::bias_at(*bias, p, c);
      t.per_channel = true, t.act = bias->act;
    }
    if (const auto* prelu = p.op.as<op::prelu>()) {
      for (std::size_t c = 0; c < channels; ++c) t.offset[c] = op::negative_multiplier(*prelu, p, c);
      t.per_channel = p.at(0)->extents()[0] != 1;
    }
  }
  return t;
}

/// The first of the numbers that piece (row, column) begins with.
inline std::byte* element_at(const operand& o, element type, std::ptrdiff_t row, std::ptrdiff_t column) {
  return o.as<std::byte>() + (row * o.stride + column) * static_cast<std::ptrdiff_t>(size_of(type));
}

/// A prepared affine operator.
class affine_map final : public executable {
 public:
  affine_map(const problem& p, std::size_t block, affine_function function)
      : function_(function), x_(p.src[0].type), y_(p.dst->type) {
    affine_table t = make_affine_table(p);
    const std::size_t padded = t.per_channel ? round_up(t.multiplier.size(), block) : block;
    t.multiplier.resize(padded, t.multiplier[0]), t.offset.resize(padded, t.offset[0]);
    table_ = aligned_memory(2 * padded * sizeof(float));
    auto* values = reinterpret_cast<float*>(table_.data());
    std::copy(t.multiplier.begin(), t.multiplier.end(), values);
    std::copy(t.offset.begin(), t.offset.end(), values + padded);
    shared_ = {nullptr,
               nullptr,
               values,
               values + padded,
               t.per_channel,
               p.src[0].is_u8() ? p.src[0].q.zero_point : 0,
               make_epilogue(*p.dst, t.act)};
  }

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }
  std::size_t packed_bytes() const noexcept override { return table_.size(); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    for_each_piece(grid(a), begin, end, [&](std::ptrdiff_t row, std::ptrdiff_t column, std::ptrdiff_t n) {
      affine_run r = shared_;
      r.x = element_at(a.src[0], x_, row, column);
      r.y = element_at(*a.dst, y_, row, column);
      function_(r, n);
    });
  }

 private:
  row_grid grid(const arguments& a) const noexcept {
    return make_row_grid(a.dst->extents, static_cast<std::ptrdiff_t>(size_of(x_) + size_of(y_)),
                         !shared_.per_channel && is_dense(a.src[0]) && is_dense(*a.dst));
  }

  affine_function function_;
  element x_, y_;
  aligned_memory table_;
  affine_run shared_;
};

/// Whether `p` is an affine operator from elements of type x to type y.
inline bool is_affine(const problem& p, element x, element y) {
  using operators = op::type_list<op::activate, op::convert, op::bias_add, op::batch_norm, op::scale>;
  const bool fits = op::visit(operators(), p.op, [](const auto&) {});
  return fits && p.src[0].type == x && p.dst->type == y;
}

/// The kernel `name` for affine operators from X to Y.
template <class Isa, class X, class Y>
constexpr kernel affine_kernel(std::string_view name, isa needs) {
  return {name, needs, [](const problem& p) { return is_affine(p, element_of<X>, element_of<Y>); },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<affine_map>(p, std::size_t{Isa::channel_block}, Isa::template affine<X, Y>);
          }};
}

/// The kernel `name` for prelu from X to Y.
template <class Isa, class X, class Y>
constexpr kernel prelu_kernel(std::string_view name, isa needs) {
  return {name, needs,
          [](const problem& p) {
            return p.op.is<op::prelu>() && p.src[0].type == element_of<X> && p.dst->type == element_of<Y>;
          },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<affine_map>(p, std::size_t{Isa::channel_block}, Isa::template prelu<X, Y>);
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
