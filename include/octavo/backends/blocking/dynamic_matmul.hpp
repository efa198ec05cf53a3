// Matrix products of two activations on the tiles of direct_microkernel.hpp: a's rows are pixels, read where they lie;
// b's columns are output channels, packed at each run, a few at a time, into scratch.
//
// A tile multiplies u8 by s8, so b is packed as w = q_b - 128. What that and the zero points change is linear in sums:
//   sum (q_a - zp_a)(q_b - zp_b) = sum q_a w + (128 - zp_b) sum q_a - zp_a sum (q_b - zp_b)
//                                              row_start(m)           start(n)
// A task takes some rows and some columns of one batch slice; where all slices have the same b, they are one, of more
// rows. No column is packed twice, save where a slice has so few columns that its rows are shared out too. Rows of a
// transposed a are copied.
#pragma once

#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/blocking/direct_microkernel.hpp"
#include "octavo/backends/blocking/task_pieces.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// Up to `width` columns of b to be packed to (groups of depth, width, 4 bytes): f32 as it is, u8 as q - 128. What lies
/// beyond the depth becomes zero; columns beyond `columns` may become anything.
struct column_pack {
  const std::byte* src;   ///< the first column's first value
  std::ptrdiff_t stride;  ///< bytes from one row of b to the next
  bool transposed;        ///< a row of b is a column of the product
  int depth;              ///< values
  int columns, width;     ///< width: whole vectors
  std::byte* to;
  std::int32_t* sums;         ///< u8: (width) sum of w
  std::int32_t* corrections;  ///< u8, for tiles that sum pairs: (width) what makes up for them, see direct_tile::order
};

/// What an instruction set offers for a pair of types, besides tiles.
struct matmul_packing {
  int vector;       ///< columns in one vector
  int vectors;      ///< in a block of columns: 1 or 2
  int step_groups;  ///< a depth beyond so many groups is padded to a multiple of them
  int copied_rows;  ///< of a, the most that a tile needs copied
  void (*pack)(const column_pack&) noexcept;
  std::int32_t (*sum_row)(const std::byte* row, int n) noexcept;  ///< of n u8 values
};

/// Bytes of packed columns that the rows of a pass by.
inline constexpr int matmul_column_budget = 64 * 1024;

/// A matrix product: everything but its tiles.
class dynamic_matmul : public executable {
 public:
  dynamic_matmul(const matmul_packing& packing, const problem& p)
      : packing_(packing),
        a_transposed_(p.op.as<op::matmul>()->transpose_a),
        b_transposed_(p.op.as<op::matmul>()->transpose_b),
        one_slice_(!a_transposed_ && op::batch_of(p.src[1].extents).count() == 1),
        value_bytes_(static_cast<int>(size_of(p.src[0].type))),
        dst_bytes_(static_cast<int>(size_of(p.dst->type))),
        depth_(p.src[0].extents[p.op.as<op::matmul>()->k_axis_of_a(p.src[0].extents)]),
        groups_(padded(ceil_div(depth_ * value_bytes_, group_bytes), packing.step_groups)),
        block_(packing.vector * packing.vectors),
        columns_(ceil_div(p.dst->extents.back(), block_)),
        together_(std::clamp(matmul_column_budget / (groups_ * block_ * group_bytes), 1, columns_)),
        whole_rows_(!a_transposed_ && depth_ * value_bytes_ == row_bytes()) {
    const op::matmul& f = *p.op.as<op::matmul>();
    const float m = op::multiplier_of(f, p);
    std::ranges::fill(multiplier_, m);
    epilogue_ = native::make_epilogue(*p.dst, f.act, 255.0 * 255.0 * depth_ * std::fabs(static_cast<double>(m)));
    if (value_bytes_ == 1) a_zero_ = p.src[0].q.zero_point, b_zero_ = p.src[1].q.zero_point;
    const auto rows = static_cast<std::size_t>(rows_of(p.dst->extents));
    row_starts_bytes_ = b_zero_ == w_zero ? 0 : round_up(rows * sizeof(std::int32_t), cache_line);
    copy_bytes_ = round_up(static_cast<std::size_t>(packing.copied_rows * row_bytes()), cache_line);
  }

  int tasks(const arguments& a) const noexcept override {
    const call c(*this, a);
    return c.slices * c.row_parts * c.column_parts;
  }

  std::size_t scratch_bytes() const noexcept override {
    return row_starts_bytes_ + copy_bytes_ +
           static_cast<std::size_t>(together_) * (static_cast<std::size_t>(column_bytes()) + sizeof(column_starts));
  }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const call c(*this, a);
    while (begin < end) {
      const int block = begin / c.column_parts, part = begin % c.column_parts;
      const int parts = std::min(c.column_parts - part, end - begin);  // of the same rows: one piece of work
      const int slice = block / c.row_parts, row_part = block % c.row_parts;
      run_block(c, batch_slice(c, slice), cut(c.rows, row_part, c.row_parts), cut(c.rows, row_part + 1, c.row_parts),
                cut(columns_, part, c.column_parts), cut(columns_, part + parts, c.column_parts), scratch);
      begin += parts;
    }
  }

 protected:
  static constexpr int widest = 32;  // columns in a block

  /// What the sums of packed columns begin with; zeros for f32.
  struct alignas(cache_line) column_starts {
    std::int32_t start[widest];
  };

  struct call {
    const operand &a, &b, &dst;
    int rows;  ///< of a slice
    int slices, row_parts, column_parts;

    call(const dynamic_matmul& k, const arguments& args)
        : a(args.src[0]), b(args.src[1]), dst(*args.dst), rows(k.rows_of(dst.extents)) {
      slices = static_cast<int>(dst.extents.rows()) / rows;
      // No task has so few rows that packing shows.
      const double products = static_cast<double>(dst.extents.count()) * k.depth_;
      const int wanted = native::task_count({.multiply_adds = products});
      column_parts = std::min(k.columns_, ceil_div(wanted, slices));
      row_parts = std::clamp(ceil_div(wanted, slices * column_parts), 1, std::max(1, rows / 64));
    }
  };

  /// A matrix of the product, and the matrices of a and b that it is made of.
  struct batch_slice {
    int y, a, b;

    batch_slice(const call& c, int i)
        : y(i), a(op::matrix_of(c.a.extents, c.dst.extents, i)), b(op::matrix_of(c.b.extents, c.dst.extents, i)) {}
  };

  /// What a block of rows works with.
  struct workspace {
    const std::int32_t* row_starts;  // (rows of the slice), or null
    const column_starts* starts;     // of each block of columns
    const std::byte* packed;
    std::byte* copy;  // (copied_rows, row_bytes())
  };

  /// Runs rows [first, last) of a slice against packed blocks of columns [from, to).
  virtual void run_rows(const call& c, const batch_slice& slice, int first, int last, int from, int to,
                        const workspace& w) const noexcept = 0;

  /// The rows of a slice of a product of extents `y`.
  int rows_of(const dims& y) const { return one_slice_ ? static_cast<int>(y.rows()) : y[y.rank - 2]; }
  int row_bytes() const { return groups_ * group_bytes; }
  std::ptrdiff_t column_bytes() const { return static_cast<std::ptrdiff_t>(groups_) * block_ * group_bytes; }

  const std::byte* row_of_a(const call& c, const batch_slice& slice, int row) const {
    const auto first = static_cast<std::ptrdiff_t>(slice.a) * (a_transposed_ ? depth_ : c.rows);
    const std::ptrdiff_t at = a_transposed_ ? first * c.a.stride + row : (first + row) * c.a.stride;
    return c.a.as<const std::byte>() + at * value_bytes_;
  }
  std::byte* row_of_y(const call& c, const batch_slice& slice, int row, int column) const {
    const std::ptrdiff_t index = static_cast<std::ptrdiff_t>(slice.y) * c.rows + row;
    return c.dst.as<std::byte>() + (index * c.dst.stride + column * block_) * dst_bytes_;
  }
  /// How many columns there are in a block.
  int columns_in(const call& c, int column) const { return std::min(block_, c.dst.extents.back() - column * block_); }

  /// Copies rows so that a tile reads nothing beyond them. What follows the depth meets zeros.
  const std::byte* copy_rows(const std::byte* from, const call& c, int count, std::byte* to) const noexcept {
    const std::ptrdiff_t stride = c.a.stride * value_bytes_;
    const auto value = static_cast<std::size_t>(value_bytes_);
    for (int i = 0; i < count && !a_transposed_; ++i)
      copy_run(to + i * row_bytes(), from + i * stride, static_cast<std::size_t>(depth_) * value);
    for (int k = 0; k < depth_ && a_transposed_; ++k)
      for (int i = 0; i < count; ++i)
        copy_run(to + i * row_bytes() + k * value_bytes_, from + k * stride + i * value_bytes_, value);
    return to;
  }

  matmul_packing packing_;
  bool a_transposed_, b_transposed_, one_slice_;
  int value_bytes_, dst_bytes_;
  int depth_, groups_;
  int block_, columns_;  ///< columns of b in a block, and such blocks, which are called columns elsewhere
  int together_;         ///< that are packed at a time
  bool whole_rows_;      ///< rows of a can be read where they lie
  native::epilogue epilogue_;
  alignas(cache_line) float multiplier_[widest] = {}, offset_[widest] = {};

 private:
  static constexpr std::int32_t w_zero = 128;

  static int padded(int groups, int step) { return groups <= step ? groups : ceil_div(groups, step) * step; }

  /// Rows [first, last) of a slice by columns [from, to).
  void run_block(const call& c, const batch_slice& slice, int first, int last, int from, int to,
                 std::byte* scratch) const noexcept {
    auto* row_starts = reinterpret_cast<std::int32_t*>(scratch);
    std::byte* copy = scratch + row_starts_bytes_;
    auto* starts = reinterpret_cast<column_starts*>(copy + copy_bytes_);
    auto* packed = reinterpret_cast<std::byte*>(starts + together_);
    if (row_starts_bytes_ == 0) row_starts = nullptr;
    for (int row = first; row_starts && row < last; ++row)
      row_starts[row] = (w_zero - b_zero_) * sum_row(c, row_of_a(c, slice, row));
    for (int column = from; column < to; column += together_) {
      const int stop = std::min(to, column + together_);
      for (int i = column; i < stop; ++i)
        pack_column(c, slice, i, packed + (i - column) * column_bytes(), starts[i - column]);
      run_rows(c, slice, first, last, column, stop, {row_starts, starts, packed, copy});
    }
  }

  /// The sum of a row of u8.
  std::int32_t sum_row(const call& c, const std::byte* row) const noexcept {
    if (!a_transposed_) return packing_.sum_row(row, depth_);
    std::int32_t sum = 0;
    for (int k = 0; k < depth_; ++k, row += c.a.stride) sum += std::to_integer<std::int32_t>(*row);
    return sum;
  }

  void pack_column(const call& c, const batch_slice& slice, int column, std::byte* to,
                   column_starts& starts) const noexcept {
    const int n = c.dst.extents.back(), first = column * block_;
    const std::ptrdiff_t stride = c.b.stride * value_bytes_;
    column_pack p{};
    p.src = c.b.as<const std::byte>();
    p.src += b_transposed_ ? (static_cast<std::ptrdiff_t>(slice.b) * n + first) * stride
                           : static_cast<std::ptrdiff_t>(slice.b) * depth_ * stride + first * value_bytes_;
    p.stride = stride;
    p.transposed = b_transposed_;
    p.depth = depth_;
    p.columns = columns_in(c, column);
    p.width = ceil_div(p.columns, packing_.vector) * packing_.vector;
    p.to = to;
    std::int32_t sums[widest] = {}, corrections[widest] = {};
    p.sums = sums, p.corrections = corrections;
    packing_.pack(p);
    const int packed = ceil_div(depth_ * value_bytes_, group_bytes), group = p.width * group_bytes;
    std::memset(to + packed * group, 0, static_cast<std::size_t>((groups_ - packed) * group));
    // Sums may pass the ends of s32 on their way to a result within them: they wrap.
    const auto a_zero = static_cast<std::uint32_t>(a_zero_),
               shift = static_cast<std::uint32_t>(depth_ * (w_zero - b_zero_));
    for (int i = 0; i < p.width; ++i)
      starts.start[i] = value_bytes_ != 1
                            ? 0
                            : static_cast<std::int32_t>(static_cast<std::uint32_t>(corrections[i]) -
                                                        a_zero * (static_cast<std::uint32_t>(sums[i]) + shift));
  }

  std::int32_t a_zero_ = 0, b_zero_ = w_zero;
  std::size_t row_starts_bytes_ = 0, copy_bytes_ = 0;
};

/// What an instruction set offers for a pair of types.
struct matmul_microkernel {
  direct_microkernel tiles;
  void (*pack)(const column_pack&) noexcept;
  std::int32_t (*sum_row)(const std::byte* row, int n) noexcept;  ///< see matmul_packing
};

/// A matrix product on direct tiles.
class direct_matmul final : public dynamic_matmul {
 public:
  direct_matmul(const matmul_microkernel& kernel, const problem& p)
      : dynamic_matmul(
            {kernel.tiles.vector, kernel.tiles.vectors, 1, 2 * kernel.tiles.strip, kernel.pack, kernel.sum_row}, p),
        tiles_(kernel.tiles) {
    if (tiles_.pairs)
      for (int i = 0; i < groups_; ++i) order_.push_back(i * group_bytes);
  }

  std::size_t packed_bytes() const noexcept override { return order_.size() * sizeof order_[0]; }

 private:
  /// The last strip ends with the rows, and may overlap the one before.
  void run_rows(const call& c, const batch_slice& slice, int first, int last, int from, int to,
                const workspace& w) const noexcept override {
    const int strip = tiles_.strip, rows = last - first;
    const bool pixels = rows < strip;
    const int strips = pixels ? rows : ceil_div(rows, strip);
    const std::ptrdiff_t run = 0;
    const std::int32_t exact = 0;
    direct_tile t{};
    t.src_stride = whole_rows_ ? c.a.stride * value_bytes_ : row_bytes();
    t.runs = &run, t.run_count = 1, t.run_groups = groups_;
    t.order = order_.data(), t.exact = &exact;
    t.multiplier = multiplier_, t.offset = offset_;
    t.dst_stride = c.dst.stride * dst_bytes_;
    t.epilogue = &epilogue_;
    for (int i = 0; i < strips;) {
      const int count = pixels ? 1 : std::min(2, strips - i);
      int row[2];
      for (int j = 0; j < count; ++j, ++i) {
        row[j] = first + (pixels ? i : std::min(i * strip, rows - strip));
        t.src[j] = row_of_a(c, slice, row[j]);
        if (!whole_rows_) t.src[j] = copy_rows(t.src[j], c, pixels ? 1 : strip, w.copy + j * strip * row_bytes());
        if (w.row_starts) t.row_start[j] = w.row_starts + row[j];
      }
      for (int column = from; column < to; ++column) {
        for (int j = 0; j < count; ++j) t.dst[j] = row_of_y(c, slice, row[j], column);
        t.weights = w.packed + (column - from) * column_bytes();
        t.ahead = reinterpret_cast<std::uintptr_t>(t.weights);  // nothing new
        t.start = w.starts[column - from].start;
        t.channels = columns_in(c, column);
        tiles_.tiles[pixels ? 0 : count][ceil_div(t.channels, tiles_.vector) - 1](t);
      }
    }
  }

  direct_microkernel tiles_;
  std::vector<std::int32_t> order_;  ///< see direct_tile
};

/// Whether `p` is a matrix product whose inputs are of type Src.
template <element Src>
bool is_matmul_of(const problem& p) {
  return p.op.is<op::matmul>() && p.src[0].type == Src;
}

/// The kernel `name`: matmul, u8 x u8 to u8 or f32, or f32.
template <const matmul_microkernel& microkernel, element Src>
constexpr kernel matmul_kernel(std::string_view name, isa needs) {
  return {name, needs, is_matmul_of<Src>, [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<direct_matmul>(microkernel, p);
          }};
}

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
