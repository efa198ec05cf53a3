// Any operator of one input that works element by element, from u8: what its reference makes of each of the 256 values
// is a table. So an operator needs no kernel of its own to run in INT8.
#pragma once

#include <array>
#include <numeric>

#include "octavo/backends/native/elementwise.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// y = table[x] of n numbers.
template <class Y>
using lookup_function = void (*)(const Y* table, const std::uint8_t* x, Y* y, std::ptrdiff_t n) noexcept;

/// The same without vectors.
template <class Y>
void look_up(const Y* table, const std::uint8_t* x, Y* y, std::ptrdiff_t n) noexcept {
  for (std::ptrdiff_t i = 0; i < n; ++i) y[i] = table[x[i]];
}

/// A prepared table.
template <class Y>
class table_map final : public executable {
 public:
  table_map(const problem& p, lookup_function<Y> look_up) : look_up_(look_up) {
    std::array<std::uint8_t, 256> x;
    std::iota(x.begin(), x.end(), std::uint8_t{0});
    const operand src[] = {{x.data(), {1, 256}, 256}}, dst{table_.data(), {1, 256}, 256};
    problem all = p;
    all.src[0].extents = all.dst->extents = {1, 256};
    evaluate(all.op, all, {src, dst});
  }

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }
  std::size_t packed_bytes() const noexcept override { return sizeof table_; }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    for_each_piece(grid(a), begin, end, [&](std::ptrdiff_t row, std::ptrdiff_t column, std::ptrdiff_t n) {
      look_up_(table_.data(), a.src[0].as<const std::uint8_t>() + row * a.src[0].stride + column,
               a.dst->as<Y>() + row * a.dst->stride + column, n);
    });
  }

 private:
  static row_grid grid(const arguments& a) noexcept {
    return make_row_grid(a.dst->extents, 1 + sizeof(Y), is_dense(a.src[0]) && is_dense(*a.dst));
  }

  lookup_function<Y> look_up_;
  alignas(64) std::array<Y, 256> table_;
};

/// Whether `p` can be a table of Y.
template <class Y>
bool is_table(const problem& p) {
  return p.op.facts().elementwise && p.src[0].is_u8() && p.dst->type == element_of<Y>;
}

/// The table_map of Y that `look_up` reads.
template <class Y, lookup_function<Y> LookUp>
std::unique_ptr<const executable> make_table(const problem& p) {
  return std::make_unique<table_map<Y>>(p, LookUp);
}

/// Kernels for all such operators.
inline constexpr kernel table_kernels[] = {
    {"table_u8", isa::portable, is_table<std::uint8_t>, make_table<std::uint8_t, look_up<std::uint8_t>>},
    {"table_u8f32", isa::portable, is_table<float>, make_table<float, look_up<float>>},
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
