// Any operator of one input that works element by element, from u8 to u8: what its reference makes of each of the 256
// values is a table. So an operator needs no kernel of its own to run in INT8.
#pragma once

#include <array>
#include <numeric>

#include "octavo/backends/native/elementwise.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// A prepared table.
class table_map final : public executable {
 public:
  explicit table_map(const problem& p) {
    std::array<std::uint8_t, 256> x;
    std::iota(x.begin(), x.end(), std::uint8_t{0});
    const operand src[] = {{x.data(), {1, 256}, 256}}, dst{table_.data(), {1, 256}, 256};
    problem all = p;
    all.src[0].extents = all.dst->extents = {1, 256};
    evaluate(all.op, all, {src, dst});
  }

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }
  std::size_t packed_bytes() const noexcept override { return table_.size(); }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    for_each_piece(grid(a), begin, end, [&](std::ptrdiff_t row, std::ptrdiff_t column, std::ptrdiff_t n) {
      const auto* x = a.src[0].as<const std::uint8_t>() + row * a.src[0].stride + column;
      auto* y = a.dst->as<std::uint8_t>() + row * a.dst->stride + column;
      for (std::ptrdiff_t i = 0; i < n; ++i) y[i] = table_[x[i]];
    });
  }

 private:
  static row_grid grid(const arguments& a) noexcept {
    return make_row_grid(a.dst->extents, 2, is_dense(a.src[0]) && is_dense(*a.dst));
  }

  std::array<std::uint8_t, 256> table_;
};

/// Kernels for all such operators.
inline constexpr kernel table_kernels[] = {
    {"table_u8", isa::portable,
     [](const problem& p) { return p.op.facts().elementwise && p.src[0].is_u8() && p.dst->is_u8(); },
     [](const problem& p) -> std::unique_ptr<const executable> { return std::make_unique<table_map>(p); }},
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
