// Matrix products of two activations on whatever vectors xsimd finds: the innermost loops of convolution.hpp, both
// operands packed at each run, a few rows and columns at a time, into scratch.
//
// INT8: zero points are taken off while packing. Numbers of at most 255 become f32, whose products and sums are exact
// integers below 2^24; after 256 products, at most 256 * 255^2 = 16 646 400, the sums move to s32.
#pragma once

#include "octavo/backends/portable/convolution.hpp"
#include "octavo/backends/portable/lanes.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// A matrix product of T, u8 or f32.
template <class T>
class matrix_product final : public executable {
 public:
  explicit matrix_product(const problem& p)
      : f_(*p.op.as<op::matmul>()),
        one_slice_(op::is_one_product(f_, p.src[1].extents)),
        depth_(op::depth_of(f_, p.src[0].extents)),
        steps_(ceil_div(depth_, 4)),
        a_zero_(p.src[0].is_u8() ? p.src[0].q.zero_point : 0),
        b_zero_(p.src[1].is_u8() ? p.src[1].q.zero_point : 0),
        multiplier_(op::multiplier_of(f_, p)),
        epilogue_(native::make_epilogue(p, f_.act, f_.residual)) {}

  /// Each some blocks of columns of the batch slices.
  int tasks(const arguments& a) const noexcept override {
    return std::min(blocks_of(a),
                    native::task_count({.multiply_adds = static_cast<double>(a.dst->extents.count()) * depth_}));
  }
  std::size_t scratch_bytes() const noexcept override {
    return static_cast<std::size_t>(steps_ * 4 * width + ceil_div(steps_, 4) * 16 * height) * sizeof(float);
  }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    auto* columns = reinterpret_cast<float*>(scratch);
    float* panel = columns + steps_ * 4 * width;
    const op::matrix_product c(f_, a, one_slice_);
    const int blocks = ceil_div(c.n(), width), all = blocks_of(a), parts = tasks(a);
    for (int i = blocking::cut(all, begin, parts); i < blocking::cut(all, end, parts); ++i) {
      const int column = i % blocks * width;
      const op::matrix_product::rows_of rows = c.matrix(i / blocks);
      pack_columns(a.src[1], rows.b, column, std::min(width, c.n() - column), columns);
      for (int row = 0; row < c.m(); row += height) {
        const int count = std::min(height, c.m() - row);
        pack_rows(a.src[0], rows.a, row, count, panel);
        run_tile(a, rows.y, row, count, column, panel, columns);
      }
    }
  }

 private:
  static constexpr int height = 6, width = 2 * lanes;  // of a tile
  static constexpr int exact = 256 / 4;                // steps that f32 sums exactly

  /// Blocks of columns of all batch slices.
  int blocks_of(const arguments& a) const {
    const op::matrix_product c(f_, a, one_slice_);
    return c.count() * ceil_div(c.n(), width);
  }

  /// `count` columns from `first` on to (depth, width); zeros beyond the depth.
  void pack_columns(const operand& b, const op::matrix_rows& rows, int first, int count, float* to) const noexcept {
    std::fill_n(to, steps_ * 4 * width, 0.0f);
    if (f_.transpose_b) {
      for (int c = 0; c < count; ++c) {
        const T* from = b.row<const T>(static_cast<std::size_t>(rows[first + c]));
        for (int k = 0; k < depth_; ++k) to[k * width + c] = number(from[k], b_zero_);
      }
      return;
    }
    for (int k = 0; k < depth_; ++k, to += width) {
      const T* from = b.row<const T>(static_cast<std::size_t>(rows[k])) + first;
      for (int c = 0; c < count; ++c) to[c] = number(from[c], b_zero_);
    }
  }

  /// Rows `row` and on of a matrix of a, to (depth/16, height, 16); zeros beyond the depth. The last of `count` rows
  /// stands for those that do not exist.
  void pack_rows(const operand& a, const op::matrix_rows& rows, int row, int count, float* to) const noexcept {
    const std::ptrdiff_t step = rows.step * a.stride, across = f_.transpose_a ? 1 : step,
                         along = f_.transpose_a ? step : 1;
    const T* first = a.row<const T>(static_cast<std::size_t>(rows.first));
    for (int m = 0; m < height; ++m) {
      const T* from = first + (row + std::min(m, count - 1)) * across;
      for (int k = 0; k < steps_ * 4; ++k)
        to[(k / 16 * height + m) * 16 + k % 16] = k < depth_ ? number(from[k * along], a_zero_) : 0.0f;
    }
  }

  static float number(T value, std::int32_t zero) {
    if constexpr (std::is_same_v<T, float>)
      return value;
    else
      return static_cast<float>(value - zero);
  }

  void run_tile(const arguments& a, const op::matrix_rows& rows_of_y, int row, int rows, int column, const float* panel,
                const float* columns) const noexcept {
    alignas(cache_line) float x[height * width];
    const auto *from = reinterpret_cast<const std::byte*>(panel), *w = reinterpret_cast<const std::byte*>(columns);
    if constexpr (std::is_same_v<T, float>) {
      multiply<false, height, 2>(from, w, steps_, x);
      for (float& v : x) v = fused_multiply_add(v, multiplier_, 0.0f);
    } else {
      alignas(cache_line) std::int32_t acc[height * width] = {};
      for (int left = steps_; left > 0; left -= exact) {
        multiply<true, height, 2>(from, w, std::min(left, exact), x);
        for (int i = 0; i < height * width; ++i) acc[i] += static_cast<std::int32_t>(x[i]);
      }
      for (int i = 0; i < height * width; ++i) x[i] = fused_multiply_add(static_cast<float>(acc[i]), multiplier_, 0.0f);
    }
    const int count = std::min(width, a.dst->extents.back() - column);
    for (int m = 0; m < rows; ++m) {
      const auto at = static_cast<std::size_t>(rows_of_y[row + m]);
      float* numbers = x + m * width;
      if (epilogue_.type == element::u8) {
        if (f_.residual) add_residual(a.src[2].row<const std::uint8_t>(at) + column, numbers, count);
        store(a.dst->row<std::uint8_t>(at) + column, numbers, count);
      } else {
        if (f_.residual) add_residual(a.src[2].row<const float>(at) + column, numbers, count);
        store(a.dst->row<float>(at) + column, numbers, count);
      }
    }
  }

  void add_residual(const std::uint8_t* r, float* x, int count) const noexcept {
    for (int i = 0; i < count; ++i)
      x[i] = fused_multiply_add(static_cast<float>(r[i] - epilogue_.residual_zero_point), epilogue_.residual_multiplier,
                                x[i]);
  }
  void add_residual(const float* r, float* x, int count) const noexcept {
    for (int i = 0; i < count; ++i) x[i] += r[i];
  }

  /// Ends a row by the epilogue.
  template <class Y>
  void store(Y* to, const float* x, int count) const noexcept {
    numbers v{};
    Y y[block];
    for (int c = 0; c < count; c += block) {
      std::copy_n(x + c, std::min(block, width), v.at);
      end(y, v, epilogue_);
      std::copy_n(y, std::min(block, count - c), to + c);
    }
  }

  op::matmul f_;
  bool one_slice_;  ///< see op::is_one_product()
  int depth_, steps_;
  std::int32_t a_zero_, b_zero_;
  float multiplier_;
  native::epilogue epilogue_;
};

/// matmul of T.
template <class T>
constexpr kernel matmul_kernel(std::string_view name) {
  return {name, isa::portable, [](const problem& p) { return p.op.is<op::matmul>() && p.src[0].type == element_of<T>; },
          [](const problem& p) -> std::unique_ptr<const executable> { return std::make_unique<matrix_product<T>>(p); }};
}

/// Kernels for matmul.
inline constexpr kernel matmul_kernels[] = {
    matmul_kernel<std::uint8_t>("matmul_u8s32_portable"),
    matmul_kernel<float>("matmul_f32_portable"),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
