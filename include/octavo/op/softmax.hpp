// Softmax along the innermost axis.
//   y(..., c) = exp(x(..., c) - max) / sum over c of the same
// x, y: (..., C) f32 or u8. The sum runs in the fixed order of sum_f32, exp is exp_f32, so all kernels agree.
#pragma once

#include "octavo/base/math.hpp"
#include "octavo/op/elementwise.hpp"

namespace octavo::op {

/// Softmax in a graph.
struct softmax {
  static constexpr std::string_view name = "softmax";
  static constexpr port inputs[] = {{"x", port_rule::f32}};

  static constexpr auto fields = std::tuple{};
};

/// Throws octavo::error, naming what is wrong, unless `s` describes a softmax that can be run.
inline void check(const softmax&, const signature& s) {
  detail::check_elementwise(s, 1, softmax::name);
  check_channels(s.src[0], softmax::name);
}

/// Reference evaluation.
inline void evaluate(const softmax&, const signature& s, const arguments& a) {
  const int columns = a.dst->extents.back();
  const float scale = s.src[0].is_u8() ? s.src[0].q.scale : 1.0f;
  for (std::size_t r = 0; r < a.dst->extents.rows(); ++r) {
    const auto x = [&](int c) { return detail::load(s.src[0], a.src[0], r, static_cast<std::size_t>(c)); };
    float largest = x(0);
    for (int c = 1; c < columns; ++c) largest = std::max(largest, x(c));
    const auto power = [&](int c) { return exp_f32((x(c) - largest) * scale); };
    const float inverse = 1.0f / sum_f32(columns, power);
    for (int c = 0; c < columns; ++c) {
      const float y = power(c) * inverse;
      if (s.dst->is_u8())
        a.dst->row<std::uint8_t>(r)[c] = quantize_u8(y, s.dst->q);
      else
        a.dst->row<float>(r)[c] = y;
    }
  }
}

}  // namespace octavo::op
