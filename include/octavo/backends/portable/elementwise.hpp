// Portable elementwise operators, 16 numbers at a time.
#pragma once

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/backends/portable/lanes.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of elementwise operators.
struct elementwise {
  static constexpr int channel_block = block;

  template <class X, class Y>
  static void affine(const native::affine_run& r, std::ptrdiff_t n) noexcept {
    apply<line, X, Y>(r, n);
  }
  template <class X, class Y>
  static void prelu(const native::affine_run& r, std::ptrdiff_t n) noexcept {
    apply<bent_line, X, Y>(r, n);
  }
  template <class X, class Y>
  static void normalized(const native::normalized_run& r, std::ptrdiff_t n) noexcept {
    apply<line_of_normalized, X, Y>(r, n);
  }

 private:
  struct line {
    static void apply_to(numbers& v, const native::affine_run& r, std::ptrdiff_t channel) {
      if (r.per_channel) return multiply_add(v, r.multiplier + channel, r.offset + channel);
      for (int i = 0; i < block; ++i) v.at[i] *= r.multiplier[0];  // the addend is -0.0
    }
  };
  struct bent_line {
    static void apply_to(numbers& v, const native::affine_run& r, std::ptrdiff_t channel) {
      const float *m = r.multiplier + channel, *b = r.offset + channel;
      for (int i = 0; i < block; ++i) v.at[i] *= v.at[i] < 0.0f ? b[i] : m[i];
    }
  };

  struct line_of_normalized {
    static void apply_to(numbers& v, const native::normalized_run& r, std::ptrdiff_t channel) {
      for (int i = 0; i < block; ++i) v.at[i] = (v.at[i] - r.mean) * r.inverse;
      multiply_add(v, r.multiplier + channel, r.offset + channel);
    }
  };

  template <class Line, class X, class Y, class Run>
  static void apply(const Run& r, std::ptrdiff_t n) noexcept {
    const X* x = static_cast<const X*>(r.x);
    Y* y = static_cast<Y*>(r.y);
    std::ptrdiff_t i = 0;
    for (; i + block <= n; i += block) apply_to_block<Line>(r, x + i, y + i, r.per_channel ? i : 0);
    if (i == n) return;
    X last[block] = {};
    Y result[block];
    std::memcpy(last, x + i, static_cast<std::size_t>(n - i) * sizeof(X));
    apply_to_block<Line>(r, last, result, r.per_channel ? i : 0);
    std::memcpy(y + i, result, static_cast<std::size_t>(n - i) * sizeof(Y));
  }

  template <class Line, class X, class Y, class Run>
  static void apply_to_block(const Run& r, const X* x, Y* y, std::ptrdiff_t channel) {
    numbers v;
    load(v, x, r.zero_point);
    Line::apply_to(v, r, channel);
    end(y, v, r.epilogue);
  }
};

/// Kernels for elementwise operators. "affine" is activate, convert, bias_add, batch_norm and scale.
inline constexpr kernel elementwise_kernels[] = {
    native::affine_kernel<elementwise, std::uint8_t, std::uint8_t>("affine_u8_portable", isa::portable),
    native::affine_kernel<elementwise, float, std::uint8_t>("affine_f32u8_portable", isa::portable),
    native::affine_kernel<elementwise, std::uint8_t, float>("affine_u8f32_portable", isa::portable),
    native::affine_kernel<elementwise, float, float>("affine_f32_portable", isa::portable),
    native::prelu_kernel<elementwise, std::uint8_t, std::uint8_t>("prelu_u8_portable", isa::portable),
    native::prelu_kernel<elementwise, float, std::uint8_t>("prelu_f32u8_portable", isa::portable),
    native::prelu_kernel<elementwise, std::uint8_t, float>("prelu_u8f32_portable", isa::portable),
    native::prelu_kernel<elementwise, float, float>("prelu_f32_portable", isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
