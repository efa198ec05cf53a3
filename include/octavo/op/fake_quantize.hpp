// Rounding to a grid of 8 bits in FP32, as networks have it that were trained or exported with quantization. It runs
// for checking; quantize() gives its input the map and drops it.
//   fake_quantize          y = scale (clamp(round(x / scale) + zero point, lower, upper) - zero point)
//   dynamic_fake_quantize  the same with the map that the elements of x ask for: that of [min(x, 0), max(x, 0)]
// x, y: any extents, f32. Source: ONNX's QuantizeLinear and DynamicQuantizeLinear, which round to even; PaddlePaddle's
// fake_quantize operators, which round halves away from zero.
#pragma once

#include "octavo/op/elementwise.hpp"

namespace octavo::op {

/// Rounding to a given grid.
struct fake_quantize {
  static constexpr std::string_view name = "fake_quantize";
  static constexpr port inputs[] = {{"x", port_rule::f32}};
  affine map{};  ///< maps to s8 are written as those to u8, 128 higher
  int lower = 0, upper = 255;
  bool away_from_zero = false;  ///< how halves are rounded; else to even

  static constexpr auto fields =
      std::tuple{field{"map", &fake_quantize::map}, field{"lower", &fake_quantize::lower},
                 field{"upper", &fake_quantize::upper}, field{"away_from_zero", &fake_quantize::away_from_zero}};
};

/// Rounding to a grid over the range of the elements.
struct dynamic_fake_quantize {
  static constexpr std::string_view name = "dynamic_fake_quantize";
  static constexpr port inputs[] = {{"x", port_rule::f32}};
  static constexpr auto fields = std::tuple{};
};

namespace detail {

inline void check_rounded_f32(const signature& s, std::string_view name) {
  check_elementwise(s, 1, name);
  require(!s.src[0].is_u8() && !s.dst->is_u8(), name, ": input and output must be f32, found ", s.src[0], " and ",
          *s.dst);
}

/// y = f(x), row by row. The bounds are whole numbers: clamping first gives the same, and leaves what `nearest` can
/// round simply.
template <class Nearest>
void round_rows(const fake_quantize& f, const arguments& a, Nearest&& nearest) {
  const float scale = f.map.scale, zero = static_cast<float>(f.map.zero_point);
  const float lower = static_cast<float>(f.lower) - zero, upper = static_cast<float>(f.upper) - zero;
  const std::size_t rows = a.dst->extents.rows(), columns = static_cast<std::size_t>(a.dst->extents.back());
  for (std::size_t r = 0; r < rows; ++r) {
    const float* x = a.src[0].row<float>(r);
    float* y = a.dst->row<float>(r);
    for (std::size_t c = 0; c < columns; ++c) {
      const float steps = x[c] / scale, raised = steps > lower ? steps : lower;
      y[c] = scale * nearest(raised < upper ? raised : upper);
    }
  }
}

}  // namespace detail

/// Throws octavo::error, naming what is wrong, unless `s` can be run.
inline void check(const fake_quantize& f, const signature& s) {
  detail::check_rounded_f32(s, f.name);
  octavo::check(f.map);
  require(f.lower >= 0 && f.lower <= f.map.zero_point && f.map.zero_point <= f.upper && f.upper <= 255,
          "fake_quantize: bounds must be from 0 to 255 around the zero point ", f.map.zero_point, ", found ", f.lower,
          " and ", f.upper);
}
inline void check(const dynamic_fake_quantize& f, const signature& s) { detail::check_rounded_f32(s, f.name); }

/// Reference evaluations.
inline void evaluate(const fake_quantize& f, const signature&, const arguments& a) {
  constexpr float shift = 0x1.8p23f;  // its sum with a small number is rounded to an integer, as nearbyint() does
  if (f.away_from_zero)
    detail::round_rows(f, a, [](float v) {  // as round() does, without a call
      const float even = v + shift - shift, rest = v - even;
      return even + (v > 0 && rest >= 0.5f ? 1.0f : 0.0f) - (v < 0 && rest <= -0.5f ? 1.0f : 0.0f);
    });
  else
    detail::round_rows(f, a, [](float v) { return v + shift - shift; });
}
inline void evaluate(const dynamic_fake_quantize&, const signature& s, const arguments& a) {
  float lower = 0.0f, upper = 0.0f;
  for (std::size_t r = 0; r < a.src[0].extents.rows(); ++r)
    for (int c = 0; c < a.src[0].extents.back(); ++c) {
      const float x = a.src[0].row<float>(r)[c];
      lower = x < lower ? x : lower, upper = x > upper ? x : upper;
    }
  fake_quantize f;
  f.map.scale = (upper - lower) / 255.0f;
  if (!is_scale(f.map.scale)) f.map.scale = 1.0f;
  f.map.zero_point = static_cast<std::int32_t>(std::nearbyint(std::fmin(-lower / f.map.scale, 255.0f)));
  evaluate(f, s, a);
}

}  // namespace octavo::op
