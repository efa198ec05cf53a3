// Pooling windows over NHWC images: everything but the arithmetic, for all native instruction sets.
//
// An instruction set is a class with channel_block and two functions that compute n channels of one output pixel:
//   maximum<T>(window, mean_rule, y, n)     the rule of op::pool2d: a NaN loses to any number; no use of mean_rule
//   mean<X, Y>(window, mean_rule, y, n)     binary32 sums in raster order
#pragma once

#include "octavo/backends/native/depthwise.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// The pixels that one output pixel is made of, at the first of the channels to compute.
struct window {
  const void* first = nullptr;
  std::ptrdiff_t row_step = 0, pixel_step = 0;  // elements
  int rows = 0, columns = 0;                    // at least 1

  /// Row h, from channel c on.
  template <class T>
  const T* row(int h, int c) const {
    return static_cast<const T*>(first) + h * row_step + c;
  }
};

/// y = (sum - zero_sum) * multiplier, ended by `end`. zero_sum is the zero points' share of an integer sum.
struct mean_rule {
  float multiplier = 1.0f;
  std::int32_t zero_sum = 0;
  native::epilogue epilogue;
};

using pool_function = void (*)(const window&, const mean_rule&, void* y, int n) noexcept;

/// A prepared pooling.
class pooling final : public executable {
 public:
  pooling(const problem& p, int channel_block, pool_function function)
      : op_(*p.op.as<op::pool2d>()),
        function_(function),
        channel_block_(channel_block),
        src_size_(static_cast<std::ptrdiff_t>(size_of(p.src[0].type))),
        dst_size_(static_cast<std::ptrdiff_t>(size_of(p.dst->type))),
        ratio_(static_cast<double>(p.src[0].is_u8() ? p.src[0].q.scale : 1.0f) /
               static_cast<double>(p.dst->is_u8() ? p.dst->q.scale : 1.0f)),
        zero_point_(p.src[0].is_u8() ? p.src[0].q.zero_point : 0),
        epilogue_(make_epilogue(*p.dst, no_activation)) {}

  int tasks(const arguments& a) const noexcept override { return grid(a).count(); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    const task_grid g = grid(a);
    for (int t = begin; t < end; ++t) {
      const task_grid::block b = g.at(t);
      for (int row = b.row_begin; row < b.row_end; ++row) run_row(a, row, b);
    }
  }

 private:
  task_grid grid(const arguments& a) const noexcept {
    const dims &x = a.src[0].extents, &y = a.dst->extents;
    const std::ptrdiff_t src_rows = std::min({op_.stride.h, op_.kernel.h, x[1]});
    const std::ptrdiff_t row_bytes = (src_rows * x[2] * src_size_ + y[2] * dst_size_) * y[3];
    return make_task_grid(y[0] * y[1], row_bytes, y[3], channel_block_);
  }

  void run_row(const arguments& a, int row, const task_grid::block& b) const noexcept {
    const operand& src = a.src[0];
    const dims &x = src.extents, &y = a.dst->extents;
    const int n = row / y[1], channels = b.channel_end - b.channel_begin;
    const op::window_span h = op::window_at(row % y[1], x[1], op_.pad.top, op_.pad.bottom, op_.kernel.h, op_.stride.h);
    std::byte* to = a.dst->as<std::byte>() + (std::ptrdiff_t{row} * y[2] * a.dst->stride + b.channel_begin) * dst_size_;
    window pixels{nullptr, x[2] * src.stride, src.stride, h.end - h.begin, 0};
    mean_rule mean{0.0f, 0, epilogue_};
    int counted = 0;  // pixels that `mean` holds for
    for (int ow = 0; ow < y[2]; ++ow, to += a.dst->stride * dst_size_) {
      const op::window_span w = op::window_at(ow, x[2], op_.pad.left, op_.pad.right, op_.kernel.w, op_.stride.w);
      const auto pixel = (std::ptrdiff_t{n} * x[1] + h.begin) * x[2] + w.begin;
      pixels.first = src.as<const std::byte>() + (pixel * src.stride + b.channel_begin) * src_size_;
      pixels.columns = w.end - w.begin;
      const int count = op_.count_padding ? h.padded * w.padded : pixels.rows * pixels.columns;
      if (count != counted) mean.multiplier = static_cast<float>(ratio_ / count), counted = count;
      mean.zero_sum = zero_point_ * pixels.rows * pixels.columns;
      function_(pixels, mean, to, channels);
    }
  }

  op::pool2d op_;
  pool_function function_;
  int channel_block_;
  std::ptrdiff_t src_size_, dst_size_;
  double ratio_;
  std::int32_t zero_point_;
  native::epilogue epilogue_;
};

/// Whether `p` is a pooling of that kind from elements of type x to type y.
inline bool is_pooling(const problem& p, op::pool2d::kind_type kind, element x, element y) {
  const op::pool2d* o = p.op.as<op::pool2d>();
  return o && o->kind == kind && p.src[0].type == x && p.dst->type == y;
}

/// The kernel `name` for max pooling of T.
template <class Isa, class T>
constexpr kernel max_pool_kernel(std::string_view name, isa needs) {
  return {name, needs, [](const problem& p) { return is_pooling(p, op::pool2d::max, element_of<T>, element_of<T>); },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<pooling>(p, Isa::channel_block, Isa::template maximum<T>);
          }};
}

/// The kernel `name` for average pooling from X to Y.
template <class Isa, class X, class Y>
constexpr kernel average_pool_kernel(std::string_view name, isa needs) {
  return {name, needs,
          [](const problem& p) { return is_pooling(p, op::pool2d::average, element_of<X>, element_of<Y>); },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<pooling>(p, Isa::channel_block, Isa::template mean<X, Y>);
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
