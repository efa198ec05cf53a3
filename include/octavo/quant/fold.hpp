// Folding at construction: everything that can be computed before the first run is computed here, in double, once,
// so that every kernel starts from the same binary32 numbers. Here as everywhere, a product that goes into a sum is an
// explicit std::fma unless it is exact: of a * b + c, each compiler and -m flag may make one rounding or two.
//
// With x = s_x (q_x - zp_x), w = s_w[c] q_w and y = s_y (q_y - zp_y), a sum of products becomes
//   q_y = clamp(rne(fma(acc, m[c], b[c]) [then fma(q_r - zp_r, m_r, .)]) + zp_y)
//   m[c] = s_x s_w[c] / s_y      b[c] = bias[c] / s_y - zp_x sum(q_w[c]) m[c]      m_r = s_r / s_y
// An f32 output is the same with s_y = 1 and neither rounding nor zero point.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "octavo/base/error.hpp"
#include "octavo/quant/affine.hpp"
#include "octavo/tensor/tensor.hpp"

namespace octavo {

/// m[c], b[c] and m_r above.
struct output_scales {
  std::vector<float> multiplier;  // (OC)
  std::vector<float> offset;      // (OC)
  float residual_multiplier = 0.0f;
};

/// Multipliers beyond this are refused: they would let infinities meet in the fused multiply-adds.
inline constexpr double largest_multiplier = 0x1p64;

/// float(numerator/denominator), checked to be finite and at most 2^64.
inline float checked_ratio(double numerator, double denominator, std::string_view what) {
  const double ratio = numerator / denominator;
  require(std::fabs(ratio) <= largest_multiplier, what, ": multiplier ", ratio, " is out of range (", numerator, " / ",
          denominator, ")");
  return static_cast<float>(ratio);
}

/// How the sum of one channel becomes a number: fma(acc, multiplier, offset).
struct channel_scale {
  float multiplier = 1.0f;
  float offset = 0.0f;
};

namespace detail {

/// Adds N weights, few enough for sums of 32 bits: compilers vectorise this loop, whose length they know.
template <std::size_t N>
void add_weights(row_sums& sums, const std::int8_t* w) {
  std::int32_t all = 0, positive = 0;
  std::int8_t least = 0;
  for (std::size_t i = 0; i < N; ++i) {
    all += w[i];
    positive += w[i] > 0 ? w[i] : 0;
    least = w[i] < least ? w[i] : least;
  }
  sums = {sums.all + all, sums.positive + positive, std::min<std::int64_t>(sums.least, least)};
}

inline row_sums sum_weights(std::span<const std::int8_t> weights) {
  row_sums sums;
  constexpr std::size_t block = 64;
  std::size_t i = 0;
  for (; i + block <= weights.size(); i += block) add_weights<block>(sums, weights.data() + i);
  for (; i < weights.size(); ++i) add_weights<1>(sums, weights.data() + i);
  return sums;
}

}  // namespace detail

/// What the s8 `weights` of each of so many channels add up to, a row after the other.
inline std::vector<row_sums> sums_of_rows(std::span<const std::int8_t> weights, std::size_t channels) {
  const std::size_t depth = weights.size() / channels;
  std::vector<row_sums> all;
  for (std::size_t c = 0; c < channels; ++c) all.push_back(detail::sum_weights(weights.subspan(c * depth, depth)));
  return all;
}

/// m[c] and b[c] above of a channel whose s8 weights add up to `sum`; `bias` in real units. `y_scale` is 1 for an f32
/// output. Throws octavo::error, beginning with `what`, when either is out of range.
inline channel_scale fold_sum(std::int64_t sum, float weight_scale, float bias, const affine& x, float y_scale,
                              std::string_view what) {
  const float m = checked_ratio(static_cast<double>(x.scale) * static_cast<double>(weight_scale), y_scale, what);
  const double shift = static_cast<double>(x.zero_point) * static_cast<double>(sum);
  const double b = static_cast<double>(bias) / static_cast<double>(y_scale);
  return {m, checked_ratio(std::fma(-shift, static_cast<double>(m), b), 1.0, what)};
}

/// m[c] and b[c] above of channel number `c`, whose `depth` s8 weights have these sums, and their scale; `bias` in real
/// units. `y_scale` is 1 for an f32 output. Throws octavo::error, beginning with `what`, when a weight is -128, the sum
/// could leave s32 or a multiplier is out of range.
inline channel_scale fold_channel(const row_sums& sums, std::size_t depth, float weight_scale, float bias,
                                  const affine& x, float y_scale, std::string_view what, std::size_t c) {
  const std::int64_t positive = sums.positive, negative = sums.all - sums.positive;
  require(sums.least > -128, what, ": a weight of channel ", c, " is -128, expected [-127, 127]");
  constexpr std::int64_t limit = std::numeric_limits<std::int32_t>::max();
  require(255 * positive <= limit && -255 * negative <= limit, what, ": channel ", c, " of depth ", depth,
          " could overflow its 32-bit sum (", 255 * std::max(positive, -negative), " > ", limit, ")");
  const channel_scale s = fold_sum(sums.all, weight_scale, bias, x, y_scale, what);
  require(is_scale(weight_scale), what, ": weight scale ", weight_scale, " of channel ", c,
          " is out of range: it must be positive");
  return s;
}

/// The same of a channel whose weights are given.
inline channel_scale fold_channel(std::span<const std::int8_t> weights, float weight_scale, float bias, const affine& x,
                                  float y_scale, std::string_view what, std::size_t c) {
  return fold_channel(detail::sum_weights(weights), weights.size(), weight_scale, bias, x, y_scale, what, c);
}

/// fold_channel() of all channels, whose rows of `depth` weights have these sums.
///
/// `weight_scales`: OC, `bias`: OC or empty. `residual_scale` is 0 where there is no residual. Throws as fold_channel()
/// does.
inline output_scales fold_output_scales(std::span<const row_sums> sums, std::size_t depth,
                                        std::span<const float> weight_scales, std::span<const float> bias,
                                        const affine& x, float y_scale, float residual_scale, std::string_view what) {
  check(x);
  output_scales out;
  out.residual_multiplier = checked_ratio(residual_scale, y_scale, what);
  require(is_scale(y_scale) && (residual_scale == 0 || is_scale(residual_scale)), what, ": scale ", y_scale,
          " of the output or ", residual_scale, " of the residual is out of range: it must be positive");
  for (std::size_t c = 0; c < sums.size(); ++c) {
    const channel_scale s =
        fold_channel(sums[c], depth, weight_scales[c], bias.empty() ? 0.0f : bias[c], x, y_scale, what, c);
    out.multiplier.push_back(s.multiplier);
    out.offset.push_back(s.offset);
  }
  return out;
}

/// The same of OC rows of `weights`.
inline output_scales fold_output_scales(std::span<const std::int8_t> weights, std::span<const float> weight_scales,
                                        std::span<const float> bias, const affine& x, float y_scale,
                                        float residual_scale, std::string_view what) {
  const std::size_t channels = weight_scales.size();
  require(channels > 0 && weights.size() % channels == 0 && (bias.empty() || bias.size() == channels), what, ": ",
          weights.size(), " weights and ", bias.size(), " biases do not go with ", channels, " weight scales");
  return fold_output_scales(sums_of_rows(weights, channels), weights.size() / channels, weight_scales, bias, x, y_scale,
                            residual_scale, what);
}

/// The same of the s8 `weights` of a layer, which need not be read where their sums are known; `bias` may be null.
inline output_scales fold_output_scales(const tensor& weights, const tensor& weight_scales, const tensor* bias,
                                        const affine& x, float y_scale, float residual_scale, std::string_view what) {
  const std::span<const float> scales = weight_scales.as<float>(),
                               biases = bias ? bias->as<float>() : std::span<const float>{};
  const element_facts* known = weights.facts();
  if (!known || known->rows.size() != scales.size())
    return fold_output_scales(weights.as<std::int8_t>(), scales, biases, x, y_scale, residual_scale, what);
  return fold_output_scales(known->rows, weights.extents().count() / scales.size(), scales, biases, x, y_scale,
                            residual_scale, what);
}

}  // namespace octavo
