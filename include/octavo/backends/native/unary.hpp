// Functions of one f32 number to f32 or u8: everything but the arithmetic, for all native instruction sets. From u8
// they are tables: see table.hpp.
//
// An instruction set is a class `functions` with
//   run<F>(f, x, y, n)         y = f(x) of n numbers, where F is one of op::unary_functions
// and a class `elementwise`, see elementwise.hpp, whose affine<float, u8> quantizes.
#pragma once

#include <array>

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/op/unary.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

using unary_function = void (*)(const void* f, const float* x, float* y, std::ptrdiff_t n) noexcept;

/// A prepared function.
class unary_map final : public executable {
 public:
  unary_map(const problem& p, unary_function function, affine_function quantize)
      : op_(p.op), function_(function), quantize_(quantize), y_(p.dst->type) {
    op::visit(op::unary_functions(), op_, [&](const auto& f) { attributes_ = &f; });
    offset_.fill(-0.0f);
    multiplier_.fill(p.dst->is_u8() ? 1.0f / p.dst->q.scale : 1.0f);
    end_ = {nullptr, nullptr, multiplier_.data(), offset_.data(), false, 0, make_epilogue(*p.dst, no_activation)};
  }

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    for_each_piece(grid(a), begin, end, [&](std::ptrdiff_t row, std::ptrdiff_t column, std::ptrdiff_t n) {
      const float* x = a.src[0].as<const float>() + row * a.src[0].stride + column;
      std::byte* y = element_at(*a.dst, y_, row, column);
      if (y_ == element::f32) return function_(attributes_, x, reinterpret_cast<float*>(y), n);
      alignas(64) float some[256];
      for (std::ptrdiff_t i = 0; i < n; i += std::ssize(some)) {
        const std::ptrdiff_t count = std::min<std::ptrdiff_t>(n - i, std::ssize(some));
        function_(attributes_, x + i, some, count);
        affine_run quantized = end_;
        quantized.x = some, quantized.y = y + i;
        quantize_(quantized, count);
      }
    });
  }

 private:
  row_grid grid(const arguments& a) const noexcept {
    return make_row_grid(a.dst->extents, static_cast<std::ptrdiff_t>(sizeof(float) + size_of(y_)),
                         is_dense(a.src[0]) && is_dense(*a.dst));
  }

  operation op_;
  unary_function function_;
  affine_function quantize_;
  element y_;
  const void* attributes_ = nullptr;  // of op_
  alignas(64) std::array<float, 64> multiplier_, offset_;
  affine_run end_;
};

/// The kernel `name` for functions from f32 to Y.
template <class Functions, class Elementwise, class Y>
constexpr kernel unary_kernel(std::string_view name, isa needs) {
  return {name, needs,
          [](const problem& p) {
            return p.src.size() == 1 && p.src[0].type == element::f32 && p.dst->type == element_of<Y> &&
                   op::visit(op::unary_functions(), p.op, [](const auto&) {});
          },
          [](const problem& p) -> std::unique_ptr<const executable> {
            unary_function function = nullptr;
            op::visit(op::unary_functions(), p.op, [&]<class F>(const F&) { function = Functions::template run<F>; });
            return std::make_unique<unary_map>(p, function, Elementwise::template affine<float, std::uint8_t>);
          }};
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
