// Layer normalisation along the innermost axis.
//   y(..., c) = (x(..., c) - mean) / sqrt(variance + eps) * weight(c) + bias(c), mean and variance over c of x(..., c)
// x, y: (..., C) f32 or u8, in any combination; constants: [0] weight or null (1), [1] bias or null (0), each f32 (C).
// Source: Ba, Kiros and Hinton, arXiv 1607.06450.
//
// Computed as fma((x - mean) * inverse, weight / s_y, bias / s_y), rounded to u8 as everywhere. Of f32 the mean is the
// sum, in the order of sum_f32(), divided by C; another such sum is that of the squares of x - mean. On u8 both
// sums are exact integers of the bytes themselves: neither zero point nor scale changes y, but for eps / s_x^2. There a
// row of more than 33 025 elements, whose squares could leave s32, is refused.
//
// Quantization makes x u8, so that residual sums are bytes too: a quarter of the traffic. Where few channels are much
// larger than the others that is coarse; keep_fp32 with the names of layer normalisations keeps their sums in f32.
#pragma once

#include "octavo/base/math.hpp"
#include "octavo/op/elementwise.hpp"

namespace octavo::op {

/// Layer normalisation in a graph.
struct layer_norm {
  static constexpr std::string_view name = "layer_norm";
  static constexpr port inputs[] = {{"x"}};
  static constexpr std::string_view constants[] = {"weight", "bias"};

  float eps = 1e-5f;

  static constexpr auto fields = std::tuple{field{"eps", &layer_norm::eps}};
};

/// weight and bias of channel `c` in units of the output. Throws octavo::error when either is out of range.
inline channel_scale scale_of(const layer_norm&, const signature& s, std::size_t c) {
  const double y = s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0;
  const auto value = [&](std::size_t i, double otherwise) {
    return s.at(i) ? static_cast<double>(s.at(i)->as<float>()[c]) : otherwise;
  };
  return {checked_ratio(value(0, 1.0), y, layer_norm::name), checked_ratio(value(1, 0.0), y, layer_norm::name)};
}

/// What a row is normalised by, in the units of its elements, zero point included.
struct row_moments {
  float mean, inverse;  ///< inverse = 1 / sqrt(variance + eps)
};

/// eps in those units.
inline double eps_of(const layer_norm& o, const tensor_type& x) {
  const double scale = x.is_u8() ? static_cast<double>(x.q.scale) : 1.0;
  return static_cast<double>(o.eps) / (scale * scale);
}

/// A quotient: of a product and the difference from it compilers may make a fused multiply-add.
inline float mean_of_row(float sum, std::ptrdiff_t n) { return sum / static_cast<float>(n); }

/// Of n f32, from their mean and the sum of the squares of their distances from it.
inline row_moments moments_of_row(float mean, float squares, std::ptrdiff_t n, double eps) {
  return {mean, 1.0f / std::sqrt(std::fma(squares, 1.0f / static_cast<float>(n), static_cast<float>(eps)))};
}

/// Of n u8, from the sums of them and of their squares.
inline row_moments moments_of_row(std::int32_t sum, std::int32_t squares, std::ptrdiff_t n, double eps) {
  const std::int64_t distances = std::int64_t{n} * squares - std::int64_t{sum} * sum;  // n^2 times the variance
  const double count = static_cast<double>(n), variance = static_cast<double>(distances) / (count * count);
  return {static_cast<float>(sum / count), static_cast<float>(1.0 / std::sqrt(variance + eps))};
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a layer normalisation that can be run.
inline void check(const layer_norm& o, const signature& s) {
  detail::check_elementwise(s, 1, layer_norm::name);
  check_channels(s.src[0], layer_norm::name);
  require(std::isfinite(o.eps) && o.eps > 0, "layer_norm: eps must be positive and finite, found ", o.eps);
  const int channels = s.src[0].extents.back();
  constexpr int most = std::numeric_limits<std::int32_t>::max() / (255 * 255);
  require(!s.src[0].is_u8() || channels <= most, "layer_norm: the squares of ", channels,
          " u8 could overflow a 32-bit sum, expected at most ", most);
  for (std::size_t i = 0; i < 2; ++i)
    require(!s.at(i) || (s.at(i)->type() == element::f32 && s.at(i)->extents() == dims{channels}),
            "layer_norm: ", layer_norm::constants[i], " must be f32[", channels, "]");
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) scale_of(o, s, c);
}

namespace detail {

inline row_moments moments_of(const layer_norm& o, const signature& s, const operand& x, std::size_t row) {
  const int n = x.extents.back();
  const double eps = eps_of(o, s.src[0]);
  if (!s.src[0].is_u8()) {
    const float* at = x.row<const float>(row);
    const float mean = mean_of_row(sum_f32(n, [&](int c) { return at[c]; }), n);
    return moments_of_row(mean, sum_squares_f32(n, [&](int c) { return at[c] - mean; }), n, eps);
  }
  std::int32_t sum = 0, squares = 0;
  for (int c = 0; c < n; ++c) {
    const std::int32_t q = x.row<const std::uint8_t>(row)[c];
    sum += q, squares += q * q;
  }
  return moments_of_row(sum, squares, n, eps);
}

}  // namespace detail

/// Reference evaluation.
inline void evaluate(const layer_norm& o, const signature& s, const arguments& a) {
  tensor_type bytes = s.src[0];
  bytes.q.zero_point = 0;  // which changes no distance from the mean
  row_moments m{};
  detail::for_each_output(s, no_activation, a, [&](std::size_t r, std::size_t c) {
    if (c == 0) m = detail::moments_of(o, s, a.src[0], r);
    const channel_scale scale = scale_of(o, s, c);
    return std::fma((detail::load(bytes, a.src[0], r, c) - m.mean) * m.inverse, scale.multiplier, scale.offset);
  });
}

}  // namespace octavo::op
