// Matrix products of two activations on the tiles of direct_microkernel.hpp: a's rows are pixels, read where they lie;
// b's columns are output channels, packed at each run, a few at a time, into scratch.
//
// A tile multiplies u8 by s8, so b is packed as w = q_b - 128. What that and the zero points change is linear in sums:
//   sum (q_a - zp_a)(q_b - zp_b) = sum q_a w + (128 - zp_b) sum q_a - zp_a sum (q_b - zp_b)
//                                              row_start(m)           start(n)
// A task takes some rows and some columns of one matrix. No column is packed twice, save where a matrix has so few
// columns that its rows are shared out too. Rows of a transposed a are copied. A matrix of one row packs nothing: b is
// read once, as it lies.
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
  /// u8: (width) what the sums of columns begin with, -a_zero (sum of w + shift), and beyond that, for tiles that sum
  /// pairs, what makes up for them: see direct_tile::order. Sums may pass the ends of s32 on their way: they wrap.
  std::int32_t* starts;
  std::int32_t a_zero, shift;
};

/// One row times `columns` of b as they lie, summed from 0: s32 for u8, f32 in one chain over the depth.
struct row_product {
  const std::byte* x;  ///< u8: s16, less the zero point, and a 0 behind an odd depth; f32: as it is
  const std::byte* b;
  std::ptrdiff_t stride;  ///< bytes from one row of b to the next
  bool transposed;        ///< a row of b is a column of the product
  int depth, columns;
  std::byte* sums;  ///< (columns, rounded up to columns_at_once) of 4 bytes

  static constexpr int columns_at_once = 32;
};

/// What an instruction set offers for a pair of types besides tiles.
struct matmul_functions {
  void (*pack)(const column_pack&) noexcept;
  /// u8: sums[i] = factor times the sum of the n values of row i; rows are `stride` bytes apart.
  void (*sum_rows)(const std::byte* rows, std::ptrdiff_t stride, int count, int n, std::int32_t factor,
                   std::int32_t* sums) noexcept;
  void (*multiply_row)(const row_product&) noexcept;
};

/// How a product is cut into tiles.
struct matmul_tiling {
  int vector;       ///< columns in one vector
  int vectors;      ///< in a block of columns: 1 or 2
  int step_groups;  ///< a depth beyond so many groups is padded to a multiple of them
  int copied_rows;  ///< of a, the most that a tile needs copied
  /// Tiles of one row and one vector or two, which end the sums of rows.
  const direct_function (&row_tiles)[2];
};

/// Bytes of packed columns that the rows of a pass by: they stay in the second cache, and a is read less often the more
/// there are.
inline constexpr int matmul_column_budget = 256 * 1024;

/// Columns that a single row is multiplied by at a time: their sums stay in the first cache.
inline constexpr int row_columns = 2048;
static_assert(row_columns % row_product::columns_at_once == 0);

/// A matrix product: everything but its tiles.
class dynamic_matmul : public executable {
 public:
  dynamic_matmul(const matmul_tiling& tiling, const matmul_functions& functions, const problem& p)
      : tiling_(tiling),
        functions_(functions),
        f_(*p.op.as<op::matmul>()),
        one_product_(op::is_one_product(f_, p.src[1].extents)),
        value_bytes_(static_cast<int>(size_of(p.src[0].type))),
        dst_bytes_(static_cast<int>(size_of(p.dst->type))),
        depth_(op::depth_of(f_, p.src[0].extents)),
        groups_(padded(ceil_div(depth_ * value_bytes_, group_bytes), tiling.step_groups)),
        block_(tiling.vector * tiling.vectors),
        columns_(ceil_div(p.dst->extents.back(), block_)),
        together_(std::clamp(matmul_column_budget / (groups_ * block_ * group_bytes), 1, columns_)),
        whole_rows_(!f_.transpose_a && depth_ * value_bytes_ == row_bytes()) {
    const float m = op::multiplier_of(f_, p);
    std::ranges::fill(multiplier_, m);
    epilogue_ =
        native::make_epilogue(p, f_.act, f_.residual, 255.0 * 255.0 * depth_ * std::fabs(static_cast<double>(m)));
    if (is_u8()) a_zero_ = p.src[0].q.zero_point, b_zero_ = p.src[1].q.zero_point;
    const dims y = op::matrices_of(p.dst->extents, f_.interleave_y);
    const std::size_t rows = one_product_ ? y.rows() : static_cast<std::size_t>(y[y.rank - 2]);
    row_starts_bytes_ = b_zero_ == w_zero ? 0 : round_up(rows * sizeof(std::int32_t), cache_line);
    copy_bytes_ = round_up(static_cast<std::size_t>(tiling.copied_rows * copy_stride()), cache_line);
  }

  int tasks(const arguments& a) const noexcept override {
    const call c(*this, a);
    return c.product.count() * c.row_parts * c.column_parts;
  }

  std::size_t scratch_bytes() const noexcept override {
    const auto columns =
        static_cast<std::size_t>(together_) * (static_cast<std::size_t>(column_bytes()) + sizeof(column_starts));
    return std::max(row_starts_bytes_ + copy_bytes_ + columns, row_bytes_alone() + row_columns * sizeof(float));
  }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const call c(*this, a);
    while (begin < end) {
      const int block = begin / c.column_parts, part = begin % c.column_parts;
      const int parts = std::min(c.column_parts - part, end - begin);  // of the same rows: one piece of work
      const int row_part = block % c.row_parts;
      const matrix x(*this, c, block / c.row_parts);
      const int from = cut(columns_, part, c.column_parts), to = cut(columns_, part + parts, c.column_parts);
      if (x.rows == 1)
        run_row(x, from, to, scratch);
      else
        run_block(x, cut(x.rows, row_part, c.row_parts), cut(x.rows, row_part + 1, c.row_parts), from, to, scratch);
      begin += parts;
    }
  }

 protected:
  static constexpr int widest = 32;  // columns in a block
  static constexpr int page = 4096;

  /// What the sums of packed columns begin with; zeros for f32.
  struct alignas(cache_line) column_starts {
    std::int32_t start[widest];
  };

  struct call {
    const arguments& args;
    op::matrix_product product;
    int row_parts, column_parts;

    call(const dynamic_matmul& k, const arguments& a) : args(a), product(k.f_, a, k.one_product_) {
      // No task has so few rows that packing shows.
      const double products = static_cast<double>(a.dst->extents.count()) * k.depth_;
      const int wanted = native::task_count({.multiply_adds = products}), matrices = product.count();
      column_parts = std::min(k.columns_, ceil_div(wanted, matrices));
      row_parts = std::clamp(ceil_div(wanted, matrices * column_parts), 1, std::max(1, product.m() / 64));
    }
  };

  /// A matrix of the product, and where its rows and those of a and b are: strides are in bytes.
  struct matrix {
    int rows, columns;
    const std::byte *a, *b, *residual = nullptr;
    std::byte* y;
    std::ptrdiff_t a_stride, b_stride, y_stride, residual_stride = 0;

    matrix(const dynamic_matmul& k, const call& c, int i) : rows(c.product.m()), columns(c.product.n()) {
      const op::matrix_product::rows_of at = c.product.matrix(i);
      const auto stride_of = [](const operand& o, int bytes) { return o.stride * bytes; };
      a_stride = stride_of(c.args.src[0], k.value_bytes_), b_stride = stride_of(c.args.src[1], k.value_bytes_);
      y_stride = stride_of(*c.args.dst, k.dst_bytes_);
      a = c.args.src[0].as<const std::byte>() + at.a.first * a_stride;
      b = c.args.src[1].as<const std::byte>() + at.b.first * b_stride;
      y = c.args.dst->as<std::byte>() + at.y.first * y_stride;
      if (k.f_.residual) {
        residual_stride = stride_of(c.args.src[2], k.dst_bytes_);
        residual = c.args.src[2].as<const std::byte>() + at.y.first * residual_stride;
        residual_stride *= at.y.step;
      }
      a_stride *= at.a.step, b_stride *= at.b.step, y_stride *= at.y.step;
    }
  };

  /// What a block of rows works with.
  struct workspace {
    const std::int32_t* row_starts;  // (rows of the matrix), or null
    const column_starts* starts;     // of each block of columns
    const std::byte* packed;
    std::byte* copy;  // (copied_rows), copy_stride() apart
  };

  /// Runs rows [first, last) of a matrix against packed blocks of columns [from, to).
  virtual void run_rows(const matrix& x, int first, int last, int from, int to, const workspace& w) const noexcept = 0;

  bool is_u8() const { return value_bytes_ == 1; }
  int row_bytes() const { return groups_ * group_bytes; }
  /// From one copied row to the next: not a page, whose lines all share one set of the first cache.
  int copy_stride() const { return row_bytes() + (row_bytes() % page == 0 ? static_cast<int>(cache_line) : 0); }
  /// Whether tiles can read rows of a where they lie, and quickly.
  bool reads_in_place(const matrix& x) const { return whole_rows_ && x.a_stride % page != 0; }
  std::ptrdiff_t column_bytes() const { return static_cast<std::ptrdiff_t>(groups_) * block_ * group_bytes; }

  const std::byte* row_of_a(const matrix& x, int row) const {
    return x.a + row * (f_.transpose_a ? value_bytes_ : x.a_stride);
  }
  std::byte* row_of_y(const matrix& x, int row, int column) const {
    return x.y + row * x.y_stride + static_cast<std::ptrdiff_t>(column) * block_ * dst_bytes_;
  }
  /// What is added to that, or null.
  const std::byte* row_of_residual(const matrix& x, int row, int column) const {
    if (!x.residual) return nullptr;
    return x.residual + row * x.residual_stride + static_cast<std::ptrdiff_t>(column) * block_ * dst_bytes_;
  }
  /// How many columns there are in a block.
  int columns_in(const matrix& x, int column) const { return std::min(block_, x.columns - column * block_); }

  /// Copies rows so that a tile reads nothing beyond them. What follows the depth meets zeros.
  const std::byte* copy_rows(const std::byte* from, const matrix& x, int count, std::byte* to) const noexcept {
    const auto value = static_cast<std::size_t>(value_bytes_);
    for (int i = 0; i < count && !f_.transpose_a; ++i)
      copy_run(to + i * copy_stride(), from + i * x.a_stride, static_cast<std::size_t>(depth_) * value);
    for (int k = 0; k < depth_ && f_.transpose_a; ++k)
      for (int i = 0; i < count; ++i)
        copy_run(to + i * copy_stride() + k * value_bytes_, from + k * x.a_stride + i * value_bytes_, value);
    return to;
  }

  /// A tile that ends rows of y.
  direct_tile make_tile() const {
    static constexpr std::ptrdiff_t run = 0;
    static constexpr std::int32_t exact = 0;
    direct_tile t{};
    t.runs = &run, t.run_count = 1, t.run_groups = groups_;
    t.exact = &exact;
    t.multiplier = multiplier_, t.offset = offset_;
    t.epilogue = &epilogue_;
    return t;
  }

  matmul_tiling tiling_;
  matmul_functions functions_;
  op::matmul f_;
  bool one_product_;  ///< see op::is_one_product()
  int value_bytes_, dst_bytes_;
  int depth_, groups_;
  int block_, columns_;  ///< columns of b in a block, and such blocks, which are called columns elsewhere
  int together_;         ///< that are packed at a time
  bool whole_rows_;      ///< tiles read nothing beyond the rows of a
  native::epilogue epilogue_;
  alignas(cache_line) float multiplier_[widest] = {}, offset_[widest] = {};

 private:
  static constexpr std::int32_t w_zero = 128;

  static int padded(int groups, int step) { return groups <= step ? groups : ceil_div(groups, step) * step; }

  /// Of a single row as row_product has it.
  std::size_t row_bytes_alone() const {
    const auto depth = static_cast<std::size_t>(depth_);
    return round_up(is_u8() ? round_up(depth, 2) * sizeof(std::int16_t) : depth * sizeof(float), cache_line);
  }

  /// Rows [first, last) of a matrix by columns [from, to).
  void run_block(const matrix& x, int first, int last, int from, int to, std::byte* scratch) const noexcept {
    auto* row_starts = reinterpret_cast<std::int32_t*>(scratch);
    std::byte* copy = scratch + row_starts_bytes_;
    auto* starts = reinterpret_cast<column_starts*>(copy + copy_bytes_);
    auto* packed = reinterpret_cast<std::byte*>(starts + together_);
    if (row_starts_bytes_ == 0)
      row_starts = nullptr;
    else
      sum_rows(x, first, last, row_starts + first);
    for (int column = from; column < to; column += together_) {
      const int stop = std::min(to, column + together_);
      for (int i = column; i < stop; ++i) pack_column(x, i, packed + (i - column) * column_bytes(), starts[i - column]);
      run_rows(x, first, last, column, stop, {row_starts, starts, packed, copy});
    }
  }

  /// What the sums of rows [first, last) begin with.
  void sum_rows(const matrix& x, int first, int last, std::int32_t* sums) const noexcept {
    const std::int32_t factor = w_zero - b_zero_;
    if (!f_.transpose_a) return functions_.sum_rows(row_of_a(x, first), x.a_stride, last - first, depth_, factor, sums);
    std::fill_n(sums, last - first, 0);
    for (int k = 0; k < depth_; ++k)
      for (int i = 0; i < last - first; ++i)
        sums[i] += factor * std::to_integer<std::int32_t>(x.a[k * x.a_stride + first + i]);
  }

  void pack_column(const matrix& x, int column, std::byte* to, column_starts& starts) const noexcept {
    const int first = column * block_;
    column_pack p{};
    p.src = x.b + (f_.transpose_b ? first * x.b_stride : static_cast<std::ptrdiff_t>(first) * value_bytes_);
    p.stride = x.b_stride;
    p.transposed = f_.transpose_b;
    p.depth = depth_;
    p.columns = columns_in(x, column);
    p.width = ceil_div(p.columns, tiling_.vector) * tiling_.vector;
    p.to = to;
    p.starts = starts.start, p.a_zero = a_zero_, p.shift = depth_ * (w_zero - b_zero_);
    if (!is_u8()) starts = {};
    functions_.pack(p);
    const int packed = ceil_div(depth_ * value_bytes_, group_bytes), group = p.width * group_bytes;
    std::memset(to + packed * group, 0, static_cast<std::size_t>((groups_ - packed) * group));
  }

  /// The row of a matrix that has no other, by columns [from, to).
  void run_row(const matrix& x, int from, int to, std::byte* scratch) const noexcept {
    std::byte* sums = scratch + row_bytes_alone();
    row_product r{};
    r.x = scratch, r.stride = x.b_stride, r.transposed = f_.transpose_b, r.depth = depth_, r.sums = sums;
    const std::int32_t total = is_u8() ? widen_row(x, reinterpret_cast<std::int16_t*>(scratch)) : 0;
    if (!is_u8()) r.x = f_.transpose_a ? copy_rows(x.a, x, 1, scratch) : x.a;
    direct_tile t = make_tile();
    t.run_count = 0;
    const std::int32_t row_start = -b_zero_ * total;
    if (is_u8()) t.row_start[0] = &row_start;
    const int end = std::min(x.columns, to * block_);
    for (int first = from * block_; first < end; first += row_columns) {
      r.columns = std::min(row_columns, end - first);
      r.b = x.b + (f_.transpose_b ? first * x.b_stride : static_cast<std::ptrdiff_t>(first) * value_bytes_);
      functions_.multiply_row(r);
      for (int i = 0; i < r.columns; i += block_) {
        t.start = reinterpret_cast<const std::int32_t*>(sums) + i;
        t.channels = std::min(block_, r.columns - i);
        const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(first + i) * dst_bytes_;
        t.dst[0] = x.y + at;
        if (x.residual) t.residual[0] = x.residual + at;
        tiling_.row_tiles[t.channels > tiling_.vector](t);
      }
    }
  }

  /// A row of u8 less the zero point; returns the sum.
  std::int32_t widen_row(const matrix& x, std::int16_t* to) const noexcept {
    const std::ptrdiff_t step = f_.transpose_a ? x.a_stride : 1;
    std::int32_t sum = 0;
    for (int k = 0; k < depth_; ++k) {
      to[k] = static_cast<std::int16_t>(std::to_integer<int>(x.a[k * step]) - a_zero_);
      sum += to[k];
    }
    if (depth_ % 2 != 0) to[depth_] = 0;
    return sum;
  }

  std::int32_t a_zero_ = 0, b_zero_ = w_zero;
  std::size_t row_starts_bytes_ = 0, copy_bytes_ = 0;
};

/// What an instruction set offers for a pair of types.
struct matmul_microkernel {
  direct_microkernel tiles;
  matmul_functions functions;
};

/// A matrix product on direct tiles.
class direct_matmul final : public dynamic_matmul {
 public:
  direct_matmul(const matmul_microkernel& kernel, const problem& p)
      : dynamic_matmul({kernel.tiles.vector, kernel.tiles.vectors, 1, 2 * kernel.tiles.strip, kernel.tiles.tiles[0]},
                       kernel.functions, p),
        tiles_(kernel.tiles) {
    if (tiles_.pairs)
      for (int i = 0; i < groups_; ++i) order_.push_back(i * group_bytes);
  }

  std::size_t packed_bytes() const noexcept override { return order_.size() * sizeof order_[0]; }

 private:
  /// What whole strips leave of the rows is a strip too, which overlaps the one before, unless it is so little that
  /// single rows are quicker, or the sums may overwrite a residual, so that none may be computed twice.
  void run_rows(const matrix& x, int first, int last, int from, int to, const workspace& w) const noexcept override {
    const int strip = tiles_.strip, rows = last - first;
    direct_tile t = make_tile();
    const bool in_place = reads_in_place(x);
    t.src_stride = in_place ? x.a_stride : copy_stride();
    t.order = order_.data();
    t.dst_stride = x.y_stride, t.residual_stride = x.residual_stride;
    for (int done = 0; done < rows;) {
      const int left = rows - done;
      const bool single = left < strip && (left <= single_rows || rows < strip || x.residual);
      const int count = single || left <= strip + (x.residual ? strip - 1 : single_rows) ? 1 : 2;
      int row[2];
      for (int j = 0; j < count; ++j, done += single ? 1 : strip) {
        row[j] = first + (single ? done : std::min(done, rows - strip));
        t.src[j] = row_of_a(x, row[j]);
        if (!in_place) t.src[j] = copy_rows(t.src[j], x, single ? 1 : strip, w.copy + j * strip * copy_stride());
        if (w.row_starts) t.row_start[j] = w.row_starts + row[j];
      }
      for (int column = from; column < to; ++column) {
        for (int j = 0; j < count; ++j) {
          t.dst[j] = row_of_y(x, row[j], column);
          t.residual[j] = row_of_residual(x, row[j], column);
        }
        t.weights = w.packed + (column - from) * column_bytes();
        t.ahead = reinterpret_cast<std::uintptr_t>(t.weights);  // nothing new
        t.start = w.starts[column - from].start;
        t.channels = columns_in(x, column);
        tiles_.tiles[single ? 0 : count][t.channels > tiles_.vector](t);
      }
    }
  }

  static constexpr int single_rows = 3;

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
