// Batch normalisation at inference, per channel of the innermost axis.
//   y(..., c) = act( (x(..., c) - mean(c)) / sqrt(var(c) + eps) * weight(c) + bias(c) )
// x, y: (..., C) f32 or u8; constants: [0] weight, [1] bias, [2] running mean, [3] running variance, each f32 (C).
// Source: Ioffe and Szegedy, arXiv 1502.03167.
#pragma once

#include "octavo/op/activation.hpp"
#include "octavo/op/signature.hpp"
#include "octavo/quant/fold.hpp"

namespace octavo::op {

/// Batch normalisation in a graph.
struct batch_norm {
  static constexpr std::string_view name = "batch_norm";
  static constexpr port inputs[] = {{"x"}};
  static constexpr std::string_view constants[] = {"weight", "bias", "running_mean", "running_var"};

  float eps = 1e-5f;
  activation act{};

  static constexpr auto fields = std::tuple{field{"eps", &batch_norm::eps}, field{"act", &batch_norm::act}};
};

/// The affine map that a batch norm with these constants is in channel `c`: gain and shift, in double.
inline std::pair<double, double> as_affine(const batch_norm& b, std::span<const octavo::constant> constants,
                                           std::size_t c) {
  const auto value = [&](std::size_t i) { return static_cast<double>(constants[i]->as<float>()[c]); };
  const double gain = value(0) / std::sqrt(value(3) + static_cast<double>(b.eps));
  return {gain, std::fma(-value(2), gain, value(1))};
}

/// y = fma(x, multiplier, offset) in channel `c`, from the units of the input, zero point removed, to those of the
/// output. Throws octavo::error when either is out of range.
inline channel_scale scale_of(const batch_norm& b, const signature& s, std::size_t c) {
  const auto [gain, shift] = as_affine(b, s.constants, c);
  const double s_x = s.src[0].is_u8() ? static_cast<double>(s.src[0].q.scale) : 1.0;
  const double s_y = s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0;
  return {checked_ratio(gain * s_x, s_y, batch_norm::name), checked_ratio(shift, s_y, batch_norm::name)};
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a batch norm that can be run.
inline void check(const batch_norm& b, const signature& s) {
  require(s.src.size() == 1 && s.dst->extents == s.src[0].extents, "batch_norm: output must have the input's extents");
  check_channels(s.src[0], batch_norm::name);
  require(std::isfinite(b.eps) && b.eps >= 0, "batch_norm: eps must be finite and not negative, found ", b.eps);
  for (std::size_t i = 0; i < 4; ++i)
    require(s.at(i) && s.at(i)->type() == element::f32 && s.at(i)->extents() == dims{s.src[0].extents.back()},
            "batch_norm: constant ", i, " must be f32[", s.src[0].extents.back(), "]");
  require(s.src[0].is_number() && s.dst->is_number(), "batch_norm: input and output must be f32 or u8");
  for (std::size_t c = 0; c < s.at(0)->extents().count(); ++c) scale_of(b, s, c);
}

/// Reference evaluation. On u8: q = clamp(rne(fma(q_x - zp_x, m[c], b[c])) + zp_y).
inline void evaluate(const batch_norm& b, const signature& s, const arguments& a) {
  const std::size_t rows = a.src[0].extents.rows();
  const saturation limits = saturation_of(b.act, s.dst->q);
  for (std::size_t c = 0; c < s.at(0)->extents().count(); ++c) {
    const channel_scale scale = scale_of(b, s, c);
    for (std::size_t r = 0; r < rows; ++r) {
      const float x = s.src[0].is_u8() ? static_cast<float>(a.src[0].row<std::uint8_t>(r)[c] - s.src[0].q.zero_point)
                                       : a.src[0].row<float>(r)[c];
      const float y = std::fma(x, scale.multiplier, scale.offset);
      if (s.dst->is_u8())
        a.dst->row<std::uint8_t>(r)[c] = saturate_u8(y, limits);
      else
        a.dst->row<float>(r)[c] = b.act(y);
    }
  }
}

}  // namespace octavo::op
