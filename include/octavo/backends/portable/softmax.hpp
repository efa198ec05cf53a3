// Portable softmax of f32 or u8 rows, 16 numbers at a time: those are the 16 partial sums of the rule.
//   y(..., c) = exp(x(..., c) - max) / sum over c of the same
// The differences of two u8 are so few that their exponentials are a table.
#pragma once

#include "octavo/backends/native/softmax.hpp"
#include "octavo/backends/portable/elementwise.hpp"
#include "octavo/backends/portable/lanes.hpp"
#include "octavo/backends/portable/vector.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// A prepared softmax from X to Y.
template <class X, class Y>
class softmax final : public executable {
 public:
  explicit softmax(const problem& p)
      : columns_(p.src[0].extents.back()), epilogue_(native::make_epilogue(*p.dst, no_activation)) {
    if (p.dst->is_u8()) inverse_scale_ = 1.0f / p.dst->q.scale;
    if (p.src[0].is_u8())
      for (int i = 0; i < 256; ++i) powers_.push_back(octavo::exp_f32(static_cast<float>(-i) * p.src[0].q.scale));
  }

  int tasks(const arguments& a) const noexcept override { return grid(a).tasks(); }
  std::size_t scratch_bytes() const noexcept override {
    return round_up(static_cast<std::size_t>(columns_), block) * sizeof(float);
  }
  std::size_t packed_bytes() const noexcept override { return powers_.size() * sizeof(float); }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    native::for_each_piece(grid(a), begin, end, [&](std::ptrdiff_t row, std::ptrdiff_t, std::ptrdiff_t) {
      run_row(a.src[0].as<const X>() + row * a.src[0].stride, reinterpret_cast<float*>(scratch),
              a.dst->as<Y>() + row * a.dst->stride);
    });
  }

 private:
  static native::row_grid grid(const arguments& a) noexcept {
    return native::make_row_grid(a.dst->extents, sizeof(X) + sizeof(Y), false);
  }

  void run_row(const X* x, float* powers, Y* y) const noexcept {
    const X largest = *std::max_element(x, x + columns_);
    numbers sum = {};
    for (int c = 0; c < columns_; c += block) {
      numbers v;
      load_powers(v, x + c, std::min(block, columns_ - c), largest);
      for (int i = 0; i < block; ++i) sum.at[i] += v.at[i];
      std::memcpy(powers + c, v.at, sizeof v.at);
    }
    for (int distance = block / 2; distance > 0; distance /= 2)
      for (int i = 0; i < distance; ++i) sum.at[i] += sum.at[i + distance];
    const float inverse = 1.0f / sum.at[0];
    for (int c = 0; c < columns_; c += block) {
      numbers v;
      load(v, powers + c, 0);
      for (float& p : v.at) p = p * inverse * inverse_scale_;
      Y result[block];
      octavo::portable::end(result, v, epilogue_);
      std::memcpy(y + c, result, static_cast<std::size_t>(std::min(block, columns_ - c)) * sizeof(Y));
    }
  }

  // exp(x - largest); zeros, which change no sum, beyond the first n.
  void load_powers(numbers& v, const X* x, int n, X largest) const noexcept {
    if constexpr (std::is_same_v<X, std::uint8_t>) {
      v = {};
      for (int i = 0; i < n; ++i) v.at[i] = powers_[static_cast<std::size_t>(largest - x[i])];
    } else {
      for (float& some : v.at) some = -std::numeric_limits<float>::infinity();
      std::memcpy(v.at, x, static_cast<std::size_t>(n) * sizeof(float));
      for (int i = 0; i < block; i += lanes)
        exp_f32(batch::load_unaligned(v.at + i) - batch(largest)).store_unaligned(v.at + i);
    }
  }

  int columns_;
  native::epilogue epilogue_;
  float inverse_scale_ = 1.0f;
  std::vector<float> powers_;  // exp(-i scale) of a u8 source
};

/// The kernel `name` for softmax from X to Y.
template <class X, class Y>
constexpr kernel softmax_kernel(std::string_view name) {
  return {name, isa::portable,
          [](const problem& p) {
            const auto* s = p.op.as<op::softmax>();
            return s && s->axis == -1 && p.src[0].type == element_of<X> && p.dst->type == element_of<Y>;
          },
          [](const problem& p) -> std::unique_ptr<const executable> { return std::make_unique<softmax<X, Y>>(p); }};
}

#define OCTAVO_KERNEL_FUNCTION inline
#include "octavo/backends/native/softmax.inc"
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for softmax.
inline constexpr kernel softmax_kernels[] = {
    softmax_kernel<float, float>("softmax_f32_portable"),
    softmax_kernel<float, std::uint8_t>("softmax_f32u8_portable"),
    softmax_kernel<std::uint8_t, float>("softmax_u8f32_portable"),
    softmax_kernel<std::uint8_t, std::uint8_t>("softmax_u8_portable"),
    native::softmax_along_kernel<op::softmax, softmax_of_columns<false>, elementwise>("softmax_along_portable",
                                                                                      isa::portable),
    native::softmax_kernel<op::log_softmax, log_softmax_rows>("log_softmax_f32_portable", isa::portable),
    native::softmax_along_kernel<op::log_softmax, softmax_of_columns<true>, elementwise>("log_softmax_along_portable",
                                                                                         isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
