// Resizing of images: everything but the arithmetic, for all native instruction sets.
//
// An instruction set is a class with blend<T>(pixels, y, n): n channels of one output pixel, in the order of
// op::interp2d.
#pragma once

#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/native/epilogue.hpp"
#include "octavo/backends/native/task_count.hpp"
#include "octavo/op/kernel.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// The four pixels around an output pixel, and where it lies among them.
struct four_pixels {
  const void *x00 = nullptr, *x01 = nullptr, *x10 = nullptr, *x11 = nullptr;
  float across = 0, down = 0;
  const epilogue* end = nullptr;  ///< of integers whose map is the input's, or of f32
};

using blend_function = void (*)(const four_pixels&, void* y, std::ptrdiff_t n) noexcept;

/// A prepared resizing; without a function it takes the nearest pixel.
class resizing final : public executable {
 public:
  resizing(const problem& p, blend_function blend)
      : blend_(blend), bytes_(size_of(p.dst->type)), end_(make_epilogue({p.dst->type, {}, {}}, no_activation)) {
    const auto& o = *p.op.as<op::interp2d>();
    const dims &x = p.src[0].extents, &y = p.dst->extents;
    for (int i = 0; i < y[1]; ++i) rows_.push_back(op::sample_of(o, true, i, x[1], y[1]));
    for (int i = 0; i < y[2]; ++i) columns_.push_back(op::sample_of(o, false, i, x[2], y[2]));
  }

  int tasks(const arguments& a) const noexcept override {
    const dims& y = a.dst->extents;
    return std::min(task_count({.bytes = 2.0 * static_cast<double>(y.count() * bytes_)}), y[0] * y[1]);
  }

  std::size_t packed_bytes() const noexcept override {
    return (rows_.size() + columns_.size()) * sizeof(op::axis_sample);
  }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    const std::ptrdiff_t rows = std::ptrdiff_t{a.dst->extents[0]} * a.dst->extents[1], parts = tasks(a);
    for (std::ptrdiff_t row = rows * begin / parts; row < rows * end / parts; ++row) run_row(a, row);
  }

 private:
  void run_row(const arguments& a, std::ptrdiff_t row) const noexcept {
    const operand &x = a.src[0], &y = *a.dst;
    const std::ptrdiff_t height = x.extents[1], width = x.extents[2], channels = y.extents[3];
    const std::ptrdiff_t image = row / y.extents[1];
    const op::axis_sample& h = rows_[static_cast<std::size_t>(row % y.extents[1])];
    const auto pixel = [&](const operand& o, std::ptrdiff_t at) {
      return o.as<std::byte>() + at * o.stride * static_cast<std::ptrdiff_t>(bytes_);
    };
    const std::ptrdiff_t upper = (image * height + h.first) * width, lower = (image * height + h.second) * width;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const op::axis_sample& w = columns_[i];
      std::byte* to = pixel(y, row * y.extents[2] + static_cast<std::ptrdiff_t>(i));
      if (blend_)
        blend_({pixel(x, upper + w.first), pixel(x, upper + w.second), pixel(x, lower + w.first),
                pixel(x, lower + w.second), w.weight, h.weight, &end_},
               to, channels);
      else
        blocking::copy_run(to, pixel(x, upper + w.first), static_cast<std::size_t>(channels) * bytes_);
    }
  }

  blend_function blend_;
  std::size_t bytes_;
  epilogue end_;
  std::vector<op::axis_sample> rows_, columns_;
};

/// The kernel that takes the nearest pixel, of any type.
inline constexpr kernel nearest_kernels[] = {
    {"interp2d_nearest", isa::portable,
     [](const problem& p) {
       const auto* o = p.op.as<op::interp2d>();
       return o && o->mode == op::interp2d::nearest;
     },
     [](const problem& p) -> std::unique_ptr<const executable> { return std::make_unique<resizing>(p, nullptr); }},
};

/// The kernel `name` for bilinear resizing of T.
template <class Isa, class T>
constexpr kernel bilinear_kernel(std::string_view name, isa needs) {
  return {name, needs,
          [](const problem& p) {
            const auto* o = p.op.as<op::interp2d>();
            return o && o->mode == op::interp2d::bilinear && p.dst->type == element_of<T>;
          },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<resizing>(p, Isa::template blend<T>);
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
