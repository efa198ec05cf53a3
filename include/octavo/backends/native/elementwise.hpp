// Elementwise operators: everything but the arithmetic, for all native instruction sets.
//   affine:  y(..., c) = act(fma(x(..., c) - zp, m(c), b(c)))      activate, convert, bias_add, batch_norm
//   add:     y = act(fma(x1 - zp_1, m_1, (x0 - zp_0) * m_0))
// activate and convert have no addend, so b = -0.0: x m + (-0.0) has the bits of x m, zeros included. They are those
// whose table is not per channel.
//
// An instruction set is a class with
//   channel_block              numbers at a time; per-channel tables are filled up to a multiple of it
//   affine<X, Y>(affine_run, n)  n numbers of one row
//   add<T>(add_run, n)           the same
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

/// Consecutive numbers of an addition.
struct add_run {
  const void *x0 = nullptr, *x1 = nullptr;
  void* y = nullptr;
  float multiplier0 = 1.0f, multiplier1 = 1.0f;
  std::int32_t zero_point0 = 0, zero_point1 = 0;
  native::epilogue epilogue;
};
using add_function = void (*)(const add_run&, std::ptrdiff_t n) noexcept;

/// Rows of numbers: tasks over all of them as one row where nothing depends on the place in a row.
struct row_grid {
  std::ptrdiff_t rows, columns, rows_per_task, columns_per_task;
  int tasks() const {
    return static_cast<int>((rows + rows_per_task - 1) / rows_per_task *
                            ((columns + columns_per_task - 1) / columns_per_task));
  }
};

/// One long row where `flat`, cut into pieces of whole cache lines; else groups of rows.
inline row_grid make_row_grid(const dims& y, std::ptrdiff_t element_bytes, bool flat) {
  const auto rows = static_cast<std::ptrdiff_t>(y.rows()), columns = std::ptrdiff_t{y.back()};
  const std::ptrdiff_t count = rows * columns,
                       tasks = task_count({.bytes = static_cast<double>(count * element_bytes)});
  if (flat) return {1, count, 1, std::max<std::ptrdiff_t>((count / tasks + 63) / 64 * 64, 64)};  // 64: whole blocks
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

/// The table of activate, convert, bias_add or batch_norm. Throws octavo::error as the reference evaluation does.
inline affine_table make_affine_table(const problem& p) {
  const auto channels = static_cast<std::size_t>(p.dst->extents.back());
  affine_table t;
  if (const auto* norm = p.op.as<op::batch_norm>()) {
    for (std::size_t c = 0; c < channels; ++c) {
      const channel_scale scale = op::scale_of(*norm, p, c);
      t.multiplier.push_back(scale.multiplier), t.offset.push_back(scale.offset);
    }
    t.per_channel = true, t.act = norm->act;
  } else {
    const float m = op::detail::rescale(p.src[0], *p.dst, name_of(p.op));
    t.multiplier.assign(channels, m), t.offset.assign(channels, -0.0f);
    if (const auto* activate = p.op.as<op::activate>()) t.act = activate->act;
    if (const auto* bias = p.op.as<op::bias_add>()) {
      for (std::size_t c = 0; c < channels; ++c) t.offset[c] = op::bias_at(*bias, p, c);
      t.per_channel = true, t.act = bias->act;
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

/// A prepared addition of two tensors of one type.
class addition final : public executable {
 public:
  addition(const problem& p, add_function function) : function_(function), type_(p.dst->type) {
    shared_.multiplier0 = op::detail::rescale(p.src[0], *p.dst, op::add::name);
    shared_.multiplier1 = op::detail::rescale(p.src[1], *p.dst, op::add::name);
    shared_.zero_point0 = p.src[0].q.zero_point, shared_.zero_point1 = p.src[1].q.zero_point;
    shared_.epilogue = make_epilogue(*p.dst, p.op.as<op::add>()->act);
  }

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    for_each_piece(grid(a), begin, end, [&](std::ptrdiff_t row, std::ptrdiff_t column, std::ptrdiff_t n) {
      add_run r = shared_;
      r.x0 = element_at(a.src[0], type_, row, column);
      r.x1 = element_at(a.src[1], type_, row, column);
      r.y = element_at(*a.dst, type_, row, column);
      function_(r, n);
    });
  }

 private:
  row_grid grid(const arguments& a) const noexcept {
    return make_row_grid(a.dst->extents, static_cast<std::ptrdiff_t>(3 * size_of(type_)),
                         is_dense(a.src[0]) && is_dense(a.src[1]) && is_dense(*a.dst));
  }

  add_function function_;
  element type_;
  add_run shared_;
};

/// Whether `p` is an affine operator from elements of type x to type y.
inline bool is_affine(const problem& p, element x, element y) {
  const bool fits =
      p.op.is<op::activate>() || p.op.is<op::convert>() || p.op.is<op::bias_add>() || p.op.is<op::batch_norm>();
  return fits && p.src[0].type == x && p.dst->type == y;
}

/// Whether `p` adds two tensors of that type into a third.
inline bool is_addition(const problem& p, element type) {
  return p.op.is<op::add>() && p.src[0].type == type && p.src[1].type == type && p.dst->type == type;
}

/// The kernel `name` for affine operators from X to Y.
template <class Isa, class X, class Y>
constexpr kernel affine_kernel(std::string_view name, isa needs) {
  return {name, needs, [](const problem& p) { return is_affine(p, element_of<X>, element_of<Y>); },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<affine_map>(p, std::size_t{Isa::channel_block}, Isa::template affine<X, Y>);
          }};
}

/// The kernel `name` for additions of T.
template <class Isa, class T>
constexpr kernel add_kernel(std::string_view name, isa needs) {
  return {name, needs, [](const problem& p) { return is_addition(p, element_of<T>); },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<addition>(p, Isa::template add<T>);
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
