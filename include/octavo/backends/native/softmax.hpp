// Softmax of f32 rows: everything but the arithmetic, for all native instruction sets.
//
// An instruction set is a class with row(x, y, n): one row, in the order of op::softmax. x may be y.
#pragma once

#include "octavo/backends/native/elementwise.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// A prepared softmax.
template <class Isa>
class softmax final : public executable {
 public:
  explicit softmax(const problem&) {}

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    for_each_piece(grid(a), begin, end, [&](std::ptrdiff_t row, std::ptrdiff_t, std::ptrdiff_t n) {
      Isa::row(a.src[0].as<const float>() + row * a.src[0].stride, a.dst->as<float>() + row * a.dst->stride, n);
    });
  }

 private:
  static row_grid grid(const arguments& a) noexcept { return make_row_grid(a.dst->extents, 2 * sizeof(float), false); }
};

/// Whether `p` is a softmax from f32 to f32.
inline bool is_softmax(const problem& p) {
  return p.op.is<op::softmax>() && p.src[0].type == element::f32 && p.dst->type == element::f32;
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
