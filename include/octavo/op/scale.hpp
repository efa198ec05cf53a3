// A straight line for each channel, or one for all; and the line with a bend at 0:
//   scale:  y(..., c) = act(x(..., c) alpha weight(c) + beta + bias(c))
//   prelu:  y(..., c) = x(..., c) where it is not below 0, else x(..., c) slope(c)
// x, y: (..., C) f32 or u8. On u8 scale is q = clamp(rne(fma(q_x - zp_x, m(c), b(c))) + zp_y), with
// m(c) = alpha weight(c) s_x / s_y and b(c) = (beta + bias(c)) / s_y; prelu is q = clamp(rne((q_x - zp_x) m) + zp_y)
// with m = s_x / s_y, below 0 m(c) = slope(c) s_x / s_y. Source of prelu: He et al., arXiv 1502.01852.
#pragma once

#include "octavo/op/elementwise.hpp"

namespace octavo::op {

/// y = act(x alpha weight(c) + beta + bias(c)). Constants, each f32 (C) or left out: [0] weight, [1] bias.
struct scale {
  static constexpr std::string_view name = "scale";
  static constexpr port inputs[] = {{"x"}};
  static constexpr std::string_view constants[] = {"weight", "bias"};
  float alpha = 1.0f;
  float beta = 0.0f;
  activation act{};

  static constexpr auto fields =
      std::tuple{field{"alpha", &scale::alpha}, field{"beta", &scale::beta}, field{"act", &scale::act}};
};

/// y = x, below 0 x slope(c). Constants: [0] slope, f32 (C), or (1) for all channels.
struct prelu {
  static constexpr std::string_view name = "prelu";
  static constexpr port inputs[] = {{"x"}};
  static constexpr std::string_view constants[] = {"slope"};

  static constexpr auto fields = std::tuple{};
};

/// The line that a scale with these constants is in channel `c`: gain and shift, in double.
inline std::pair<double, double> as_affine(const scale& o, std::span<const octavo::constant> constants, std::size_t c) {
  const auto value = [&](std::size_t i, double otherwise) {
    return i < constants.size() && constants[i] ? static_cast<double>(constants[i]->as<float>()[c]) : otherwise;
  };
  // -0.0 is no addend at all: x m + (-0.0) has the bits of x m, zeros included.
  return {static_cast<double>(o.alpha) * value(0, 1.0),
          (o.beta == 0.0f ? -0.0 : static_cast<double>(o.beta)) + value(1, -0.0)};
}

/// y = fma(x, multiplier, offset) in channel `c`, from the units of the input, zero point removed, to those of the
/// output. Throws octavo::error when either is out of range.
inline channel_scale scale_of(const scale& o, const signature& s, std::size_t c) {
  const auto [gain, shift] = as_affine(o, s.constants, c);
  const double x = s.src[0].is_u8() ? static_cast<double>(s.src[0].q.scale) : 1.0;
  const double y = s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0;
  return {checked_ratio(gain * x, y, scale::name), checked_ratio(shift, y, scale::name)};
}

/// The multiplier of numbers below 0 in channel `c`. Throws octavo::error when it is out of range.
inline float negative_multiplier(const prelu&, const signature& s, std::size_t c) {
  const std::span<const float> slope = s.at(0)->as<float>();
  const double x = s.src[0].is_u8() ? static_cast<double>(s.src[0].q.scale) : 1.0;
  return checked_ratio(static_cast<double>(slope[slope.size() == 1 ? 0 : c]) * x,
                       s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0, prelu::name);
}

/// Throw octavo::error, naming what is wrong, unless the operator can be run.
inline void check(const scale& o, const signature& s) {
  detail::check_elementwise(s, 1, scale::name);
  const bool per_channel = s.at(0) || s.at(1);
  if (per_channel) check_channels(s.src[0], scale::name);
  for (std::size_t i = 0; i < 2; ++i)
    require(!s.at(i) || (s.at(i)->type() == element::f32 && s.at(i)->extents() == dims{s.dst->extents.back()}),
            "scale: ", scale::constants[i], " must be f32[", s.dst->extents.back(), "]");
  for (int c = 0; c < (per_channel ? s.dst->extents.back() : 1); ++c) scale_of(o, s, static_cast<std::size_t>(c));
}
inline void check(const prelu& o, const signature& s) {
  detail::check_elementwise(s, 1, prelu::name);
  require(s.at(0) && s.at(0)->type() == element::f32 && s.at(0)->extents().rank == 1, "prelu: slope must be f32[",
          s.dst->extents.back(), "] or f32[1]");
  const int channels = s.at(0)->extents()[0];
  if (channels != 1) check_channels(s.src[0], prelu::name);
  require(channels == 1 || channels == s.dst->extents.back(), "prelu: slope must be f32[", s.dst->extents.back(),
          "] or f32[1], found f32[", channels, "]");
  for (int c = 0; c < channels; ++c) negative_multiplier(o, s, static_cast<std::size_t>(c));
}

/// Reference evaluations.
inline void evaluate(const scale& o, const signature& s, const arguments& a) {
  detail::for_each_output(s, o.act, a, [&](std::size_t r, std::size_t c) {
    const channel_scale scale = scale_of(o, s, c);
    return std::fma(detail::load(s.src[0], a.src[0], r, c), scale.multiplier, scale.offset);
  });
}
inline void evaluate(const prelu& o, const signature& s, const arguments& a) {
  const float positive = detail::rescale(s.src[0], *s.dst, prelu::name);
  detail::for_each_output(s, no_activation, a, [&](std::size_t r, std::size_t c) {
    const float x = detail::load(s.src[0], a.src[0], r, c);
    return x * (x < 0.0f ? negative_multiplier(o, s, c) : positive);
  });
}

}  // namespace octavo::op
