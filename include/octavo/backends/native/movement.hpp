// Operators that only move elements, as copies: one executable for all of them, on all instruction sets, since memory
// is what they wait for.
//
// Each operator has a function copies(operator, signature, arguments, use), which calls use(strided_copy) for each of
// its copies. They write disjoint elements, and together all of the output.
#pragma once

#include <numeric>

#include "octavo/backends/native/strided_copy.hpp"
#include "octavo/backends/native/task_count.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// The element of an operand that is so many elements from its first.
inline std::byte* at_offset(const operand& o, std::ptrdiff_t elements, std::size_t bytes) {
  return o.as<std::byte>() + elements * static_cast<std::ptrdiff_t>(bytes);
}

template <class Use>
void copies(const op::slice& o, const signature& s, const arguments& a, const Use& use) {
  const operand &x = a.src[0], &y = *a.dst;
  const auto from = steps_of(x), to = steps_of(y);
  const std::size_t bytes = size_of(s.dst->type);
  std::ptrdiff_t first = 0;
  std::array<std::ptrdiff_t, max_rank> step{};
  for (int i = 0; i < x.extents.rank; ++i) {
    const auto k = static_cast<std::size_t>(i);
    const op::axis_range r = op::range_on_axis(o, i, x.extents.rank, x.extents[i]);
    first += r.start * from[k];
    step[k] = r.step * from[k];
  }
  strided_copy c(y.as<std::byte>(), at_offset(x, first, bytes), bytes);
  for (std::size_t k = 0; k < static_cast<std::size_t>(x.extents.rank); ++k)
    c.add(y.extents[static_cast<int>(k)], to[k], step[k]);
  use(c);
}

template <class Use>
void copies(const op::transpose& o, const signature& s, const arguments& a, const Use& use) {
  const operand &x = a.src[0], &y = *a.dst;
  const auto from = steps_of(x), to = steps_of(y);
  strided_copy c(y.as<std::byte>(), x.as<std::byte>(), size_of(s.dst->type));
  for (int i = 0; i < y.extents.rank; ++i)
    c.add(y.extents[i], to[static_cast<std::size_t>(i)],
          from[static_cast<std::size_t>(op::source_axis(o, i, y.extents.rank))]);
  use(c);
}

template <class Use>
void copies(const op::expand&, const signature& s, const arguments& a, const Use& use) {
  const operand &x = a.src[0], &y = *a.dst;
  const auto from = steps_of(x), to = steps_of(y);
  const int more = y.extents.rank - x.extents.rank;
  strided_copy c(y.as<std::byte>(), x.as<std::byte>(), size_of(s.dst->type));
  for (int i = 0; i < y.extents.rank; ++i)
    c.add(y.extents[i], to[static_cast<std::size_t>(i)],
          i < more || x.extents[i - more] == 1 ? 0 : from[static_cast<std::size_t>(i - more)]);
  use(c);
}

template <class Use>
void copies(const op::tile& o, const signature& s, const arguments& a, const Use& use) {
  const operand &x = a.src[0], &y = *a.dst;
  const auto from = steps_of(x), to = steps_of(y);
  strided_copy c(y.as<std::byte>(), x.as<std::byte>(), size_of(s.dst->type));
  for (int i = 0; i < y.extents.rank; ++i) {
    const auto k = static_cast<std::size_t>(i);
    c.add(o.repeats[i], to[k] * x.extents[i], 0);
    c.add(x.extents[i], to[k], from[k]);
  }
  use(c);
}

template <class Use>
void copies(const op::shuffle_channel& o, const signature& s, const arguments& a, const Use& use) {
  const operand &x = a.src[0], &y = *a.dst;
  const std::ptrdiff_t per_group = y.extents.back() / o.groups;
  strided_copy c(y.as<std::byte>(), x.as<std::byte>(), size_of(s.dst->type));
  c.add(static_cast<std::ptrdiff_t>(y.extents.rows()), y.stride, x.stride);
  c.add(per_group, o.groups, 1);
  c.add(o.groups, 1, per_group);
  use(c);
}

/// Both directions: `image` has the pixels, `deep` the channels; `to_deep` tells which is the output.
template <class Use>
void copy_blocks(const operand& image, const operand& deep, std::ptrdiff_t block, bool channels_first, bool to_deep,
                 std::size_t bytes, const Use& use) {
  const auto pixel = steps_of(image), place = steps_of(deep);
  const std::ptrdiff_t channels = image.extents[3];
  const std::ptrdiff_t next_channel = channels_first ? block * block : 1, next_place = channels_first ? 1 : channels;
  strided_copy c((to_deep ? deep : image).as<std::byte>(), (to_deep ? image : deep).as<std::byte>(), bytes);
  const auto add = [&](std::ptrdiff_t count, std::ptrdiff_t in_image, std::ptrdiff_t in_deep) {
    to_deep ? c.add(count, in_deep, in_image) : c.add(count, in_image, in_deep);
  };
  const auto add_channels = [&] { add(channels, 1, next_channel); };
  add(image.extents[0], pixel[0], place[0]);
  add(deep.extents[1], pixel[1] * block, place[1]);
  if (!to_deep) add(block, pixel[1], next_place * block);
  add(deep.extents[2], pixel[2] * block, place[2]);
  if (to_deep && channels_first) add_channels();
  if (to_deep) add(block, pixel[1], next_place * block);
  add(block, pixel[2], next_place);
  if (!to_deep || !channels_first) add_channels();
  use(c);
}

template <class Use>
void copies(const op::space_to_depth& o, const signature& s, const arguments& a, const Use& use) {
  copy_blocks(a.src[0], *a.dst, o.block, o.channels_first, true, size_of(s.dst->type), use);
}
template <class Use>
void copies(const op::depth_to_space& o, const signature& s, const arguments& a, const Use& use) {
  copy_blocks(*a.dst, a.src[0], o.block, o.channels_first, false, size_of(s.dst->type), use);
}

template <class Use>
void copies(const op::concat& o, const signature& s, const arguments& a, const Use& use) {
  const operand& y = *a.dst;
  const auto to = steps_of(y);
  const std::size_t bytes = size_of(s.dst->type);
  std::ptrdiff_t first = 0;
  for (const operand& x : a.src) {
    const auto from = steps_of(x);
    strided_copy c(at_offset(y, first, bytes), x.as<std::byte>(), bytes);
    for (int i = 0; i < y.extents.rank; ++i)
      c.add(x.extents[i], to[static_cast<std::size_t>(i)], from[static_cast<std::size_t>(i)]);
    if (x.as<std::byte>() != at_offset(y, first, bytes)) use(c);  // what lives there already stays
    first += x.extents[o.axis] * to[static_cast<std::size_t>(o.axis)];
  }
}

/// Rows that are as long on both sides, or whole numbers of them in one row of the other side, are copied at once; else
/// pieces that fit into both.
template <class Use>
void copies(const op::reshape&, const signature& s, const arguments& a, const Use& use) {
  const operand &x = a.src[0], &y = *a.dst;
  const std::size_t bytes = size_of(s.dst->type);
  const std::ptrdiff_t x_row = x.extents.back(), y_row = y.extents.back(), piece = std::gcd(x_row, y_row);
  const std::ptrdiff_t x_pieces = x_row / piece, y_pieces = y_row / piece;
  const auto count = static_cast<std::ptrdiff_t>(y.extents.count());
  strided_copy c(y.as<std::byte>(), x.as<std::byte>(), bytes);
  if (x_pieces == 1) {
    c.add(count / y_row, y.stride, y_pieces * x.stride);
    c.add(y_pieces, x_row, x.stride);
    c.add(x_row, 1, 1);
  } else if (y_pieces == 1) {
    c.add(count / x_row, x_pieces * y.stride, x.stride);
    c.add(x_pieces, y.stride, y_row);
    c.add(y_row, 1, 1);
  } else if (x.stride == x_row || y.stride == y_row) {  // what is dense may be cut as the other side is
    const std::ptrdiff_t row = y.stride == y_row ? x_row : y_row;
    c.add(count / row, y.stride == y_row ? row : y.stride, y.stride == y_row ? x.stride : row);
    c.add(row, 1, 1);
  } else {
    for (std::ptrdiff_t i = 0; i < count / piece; ++i) {
      strided_copy one(at_offset(y, i / y_pieces * y.stride + i % y_pieces * piece, bytes),
                       at_offset(x, i / x_pieces * x.stride + i % x_pieces * piece, bytes), bytes);
      one.add(piece, 1, 1);
      use(one);
    }
    return;
  }
  use(c);
}

/// A box for each choice of before, inside and after on every axis.
template <class Use>
void copies(const op::pad& o, const signature& s, const arguments& a, const Use& use) {
  const operand &x = a.src[0], &y = *a.dst;
  const auto from = steps_of(x), to = steps_of(y);
  const std::size_t bytes = size_of(s.dst->type);
  const std::array<std::byte, 8> value = op::padding_element(o, *s.dst);
  const int rank = y.extents.rank;
  int boxes = 1;
  for (int i = 0; i < rank; ++i) boxes *= o.before[i] > 0 || o.after[i] > 0 ? 3 : 1;
  for (int box = 0; box < boxes; ++box) {
    std::ptrdiff_t y_first = 0, x_first = 0;
    std::array<std::ptrdiff_t, max_rank> count{}, step{};
    bool outside = false;
    for (int i = 0, rest = box; i < rank; ++i) {
      const auto k = static_cast<std::size_t>(i);
      const int before = std::max(o.before[i], 0), after = std::max(o.after[i], 0);
      const int inside = y.extents[i] - before - after;
      const bool grows = before > 0 || after > 0;
      const int part = grows ? rest % 3 : 1, begin = part == 0 ? 0 : part == 1 ? before : before + inside;
      rest /= grows ? 3 : 1;
      count[k] = part == 0 ? before : part == 1 ? inside : y.extents[i] - begin;
      outside = outside || part != 1;
      step[k] = part == 1 ? from[k] : o.mode == op::pad::reflect ? -from[k] : 0;
      const int at = begin - o.before[i];  // the index of x that the box begins with
      y_first += begin * to[k];
      x_first += (part == 1 ? at : op::reflected(o.mode, at, x.extents[i])) * from[k];
    }
    if (*std::min_element(count.begin(), count.begin() + rank) == 0) continue;
    const bool fills = outside && o.mode == op::pad::constant;
    strided_copy c(at_offset(y, y_first, bytes), fills ? value.data() : at_offset(x, x_first, bytes), bytes);
    for (std::size_t k = 0; k < static_cast<std::size_t>(rank); ++k) c.add(count[k], to[k], fills ? 0 : step[k]);
    use(c);
  }
}

/// Into how many tasks an output goes whose elements have so many bytes.
inline int tasks_for(const arguments& a, std::size_t bytes) noexcept {
  return std::min(task_count({.bytes = 2.0 * static_cast<double>(a.dst->extents.count() * bytes)}), 256);
}

/// A prepared operator of that type.
template <class Op>
class movement final : public executable {
 public:
  explicit movement(const problem& p) : op_(*p.op.as<Op>()), types_(p) {}

  int tasks(const arguments& a) const noexcept override { return tasks_for(a, size_of(types_.dst->type)); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    const int parts = tasks(a);
    copies(op_, types_, a, [&](const strided_copy& c) { strided_copy(c).run(begin, end, parts); });
  }

 private:
  Op op_;
  signature types_;
};

/// A prepared gather.
class gathering final : public executable {
 public:
  explicit gathering(const problem& p)
      : axis_(axis_of(p.op.as<op::gather>()->axis, p.src[0].extents.rank)),
        ids_(p.src[1].type),
        bytes_(size_of(p.dst->type)),
        zero_(p.dst->is_u8() ? p.dst->q.zero_point : 0) {}

  int tasks(const arguments& a) const noexcept override { return tasks_for(a, bytes_); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    const operand &x = a.src[0], &ids = a.src[1], &y = *a.dst;
    const int rank = x.extents.rank, n = x.extents[axis_], tasks = tasks_for(a, bytes_);
    std::ptrdiff_t outer = 1, rows = 1;  // rows of one id
    for (int i = 0; i < axis_; ++i) outer *= x.extents[i];
    for (int i = axis_ + 1; i + 1 < rank; ++i) rows *= x.extents[i];
    const bool single = axis_ == rank - 1;  // one element of each row
    const auto numbers = static_cast<std::ptrdiff_t>(ids.extents.count()), total = outer * numbers;
    const std::ptrdiff_t columns = single ? 1 : x.extents.back(), y_row = y.extents.back();
    for (std::ptrdiff_t i = total * begin / tasks; i < total * end / tasks; ++i) {
      const std::ptrdiff_t id = op::id_at(ids_, ids, static_cast<std::size_t>(i % numbers), n);
      const std::ptrdiff_t at = i / numbers;
      std::byte* to = at_offset(y, single ? i / y_row * y.stride + i % y_row : i * rows * y.stride, bytes_);
      if (id < 0) {
        a.refuse();
        fill_rows(to, rows, columns, y.stride);
        continue;
      }
      strided_copy c(to, at_offset(x, single ? at * x.stride + id : (at * n + id) * rows * x.stride, bytes_), bytes_);
      c.add(rows, y.stride, x.stride);
      c.add(columns, 1, 1);
      c.run(0, 1, 1);
    }
  }

 private:
  void fill_rows(std::byte* to, std::ptrdiff_t rows, std::ptrdiff_t columns, std::ptrdiff_t stride) const noexcept {
    const auto size = static_cast<std::ptrdiff_t>(bytes_);
    for (std::ptrdiff_t r = 0; r < rows; ++r)
      std::memset(to + r * stride * size, zero_, static_cast<std::size_t>(columns * size));
  }

  int axis_;
  element ids_;
  std::size_t bytes_;
  int zero_;
};

/// A prepared embedding from s8 rows: some ids a task.
class row_lookup final : public executable {
 public:
  explicit row_lookup(const problem& p) : types_(p) {}

  int tasks(const arguments& a) const noexcept override { return tasks_for(a, sizeof(float)); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    const std::size_t ids = a.src[0].extents.count(), parts = static_cast<std::size_t>(tasks(a)),
                      last = ids * static_cast<std::size_t>(end) / parts;
    for (std::size_t i = ids * static_cast<std::size_t>(begin) / parts; i < last; ++i) op::look_up_row(types_, a, i);
  }

 private:
  signature types_;
};

/// The kernel `name` that runs the operator Op as an E.
template <class Op, class E = movement<Op>>
constexpr kernel movement_kernel(std::string_view name) {
  return {name, isa::portable, [](const problem& p) { return p.op.is<Op>(); },
          [](const problem& p) -> std::unique_ptr<const executable> { return std::make_unique<E>(p); }};
}

/// Kernels for all of them.
inline constexpr kernel movement_kernels[] = {
    movement_kernel<op::slice>("slice"),
    movement_kernel<op::transpose>("transpose"),
    movement_kernel<op::concat>("concat"),
    movement_kernel<op::reshape>("reshape"),
    movement_kernel<op::pad>("pad"),
    movement_kernel<op::expand>("expand"),
    movement_kernel<op::tile>("tile"),
    movement_kernel<op::shuffle_channel>("shuffle_channel"),
    movement_kernel<op::space_to_depth>("space_to_depth"),
    movement_kernel<op::depth_to_space>("depth_to_space"),
    movement_kernel<op::gather, gathering>("gather"),
    movement_kernel<op::embedding, row_lookup>("embedding"),
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
