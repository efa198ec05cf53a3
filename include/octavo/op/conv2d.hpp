// 2-d convolution, grouped and depthwise included, on NHWC images.
//
//   y(n, oh, ow, oc) = act( sum over kh, kw, i of x(n, oh*sh - top + kh*dh, ow*sw - left + kw*dw, g*icg + i)
//                           * w(oc, i, kh, kw) + bias(oc) [+ residual(n, oh, ow, oc)] ),   g = oc / (oc_total / groups)
//
// x: (N, H, W, IC) f32 or u8; w: (OC, IC/groups, KH, KW) f32, or s8 with a scale per OC; bias: (OC) f32;
// residual: (N, OH, OW, OC), of y's type; y: (N, OH, OW, OC) f32 or u8. Padding is real 0, that is x's zero point.
// f32 sums are one chain of fma from 0 over (kh, kw, i), then + bias [+ residual]: the same bits on every CPU.
// Constants: [0] weights, [1] bias or null, [2] weight scales (OC), with s8 weights only.
#pragma once

#include "octavo/op/activation.hpp"
#include "octavo/op/signature.hpp"
#include "octavo/op/window.hpp"
#include "octavo/quant/fold.hpp"

namespace octavo {

/// How a convolution is done. `out` is the number of output channels.
struct conv {
  int out = 0;
  hw kernel = 1;
  hw stride = 1;
  padding pad{};
  hw dilation = 1;
  int groups = 1;
  friend constexpr bool operator==(const conv&, const conv&) = default;
};

/// Scale of the residual of a sum of products; 0 where there is none.
inline float residual_scale_of(const signature& s, bool residual) {
  if (!residual) return 0.0f;
  return s.src[1].is_u8() ? s.src[1].q.scale : 1.0f;
}

/// The folded scales of an INT8 convolution or fully connected layer: constants are weights, bias, weight scales.
inline output_scales fold_output_scales(const signature& s, bool residual, std::string_view what) {
  return fold_output_scales(*s.at(0), *s.at(2), s.at(1), s.src[0].q, s.dst->is_u8() ? s.dst->q.scale : 1.0f,
                            residual_scale_of(s, residual), what);
}

namespace op {

/// A convolution in a graph; its padding is explicit.
struct conv2d : conv {
  static constexpr std::string_view name = "conv2d";
  static constexpr port inputs[] = {{"x"}, {"residual", port_rule::as_output, port_count::optional}};
  static constexpr std::string_view constants[] = {"weights", "bias", "scales"};
  static constexpr bool sums_products = true;
  static constexpr std::size_t weights = 0, bias = 1, scales = 2;  // places of the constants

  activation act{};
  bool residual = false;  ///< src[1] is added before the activation

  /// Each input channel has filters of its own.
  bool is_depthwise(int ic) const { return groups == ic && groups > 1; }

  static constexpr auto fields = std::tuple{field{"kernel", &conv2d::kernel},     field{"out", &conv2d::out},
                                            field{"stride", &conv2d::stride},     field{"pad", &conv2d::pad},
                                            field{"dilation", &conv2d::dilation}, field{"groups", &conv2d::groups},
                                            field{"residual", &conv2d::residual}, field{"act", &conv2d::act}};
};

/// Whether a convolution's output for an input of (N, H, W, IC) can be told; check() refuses the others.
constexpr bool is_inferable(const conv& c, const dims& x) {
  return x.rank == 4 && is_window(c.kernel, c.stride, c.dilation, c.pad) &&
         has_fixed_padding(c.pad, x, c.kernel, c.stride);
}

/// `c` with its padding in numbers.
constexpr conv2d resolved(conv2d c, const dims& x) {
  if (!is_inferable(c, x)) return c;
  c.pad = resolve(c.pad, x[1], x[2], c.kernel, c.stride, c.dilation);
  return c;
}

/// Extents of a convolution's output for an input of (N, H, W, IC). An extent below 1 means that it does not fit.
constexpr dims infer(const conv& c, const dims& x) {
  if (!is_inferable(c, x)) return x;
  dims y = slide_windows(x, c.kernel, c.stride, c.dilation, resolve(c.pad, x[1], x[2], c.kernel, c.stride, c.dilation));
  y[3] = c.out;
  return y;
}

/// Extents of the weights: (OC, IC/groups, KH, KW).
constexpr dims weight_extents(const conv& c, const dims& x) { return {c.out, x[3] / c.groups, c.kernel.h, c.kernel.w}; }

/// Throws octavo::error, beginning with `what`, unless the last input can be the residual of a sum: it has the output's
/// type and extents, and a scale that is not too far from the output's.
inline void check_residual(const signature& s, std::string_view what) {
  const tensor_type& r = s.src.back();
  require(r.extents == s.dst->extents && r.type == s.dst->type, what, ": residual must be ", name_of(s.dst->type), "[",
          s.dst->extents, "], found ", r);
  if (r.is_u8()) checked_ratio(r.q.scale, s.dst->q.scale, what);
}

/// What conv2d and fc check alike: output of extents `y`, residual, and constants, the weights of extents `weights`.
inline void check_sum_of_products(const signature& s, const dims& y, const dims& weights, bool residual,
                                  std::string_view what) {
  require(s.dst->extents == y, what, ": output must be ", y, ", found ", s.dst->extents);
  require(s.src.size() == (residual ? 2u : 1u), what, ": expected ", residual ? 2 : 1, " inputs, found ", s.src.size());
  if (residual) check_residual(s, what);
  const tensor *w = s.at(conv2d::weights), *b = s.at(conv2d::bias), *scales = s.at(conv2d::scales);
  const dims channels{y.back()};
  const element wanted = s.src[0].is_u8() ? element::s8 : element::f32;
  require(w && w->type() == wanted && w->extents() == weights, what, ": weights must be ", name_of(wanted), "[",
          weights, "]", w ? text(", found ", name_of(w->type()), "[", w->extents(), "]") : ", found none");
  if (b) require(b->type() == element::f32 && b->extents() == channels, what, ": bias must be f32[", channels, "]");
  require(s.dst->is_number(), what, ": output must be f32 or u8");
  if (wanted == element::s8) {
    require(scales && scales->type() == element::f32 && scales->extents() == channels, what, ": s8 weights need f32[",
            channels, "] scales");
    fold_output_scales(s, residual, what);  // refuses sums that could overflow
  } else {
    require(!s.dst->is_u8(), what, ": f32 input needs f32 output");
  }
}

/// What all convolutions check alike: an input of `rank` axes, which `layout` names, and channels in groups.
inline void check_convolution_channels(const signature& s, int rank, std::string_view layout, int out, int groups,
                                       std::string_view what) {
  require(!s.src.empty() && s.src[0].is_number(), what, ": input must be f32 or u8");
  const dims& x = s.src[0].extents;
  require(x.rank == rank, what, ": input must be ", layout, ", found ", x);
  check_channels(s.src[0], what);
  require(out > 0 && groups > 0, what, ": output channels and groups must be at least 1, found ", out, " and ", groups);
  require(x.back() % groups == 0 && out % groups == 0, what, ": ", groups, " groups do not divide ", x.back(),
          " input and ", out, " output channels");
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a convolution that can be run.
inline void check(const conv2d& c, const signature& s) {
  check_convolution_channels(s, 4, "(N, H, W, C)", c.out, c.groups, conv2d::name);
  const dims& x = s.src[0].extents;
  require(has_fixed_padding(c.pad, x, c.kernel, c.stride), "conv2d: padding '", c.pad, "' with stride ", c.stride,
          " depends on the extents of ", x, ": give a bounded height or width padding in numbers");
  require(std::min({c.pad.top, c.pad.left, c.pad.bottom, c.pad.right}) >= 0 && c.pad.rule == padding::explicit_,
          "conv2d: padding must be explicit and not negative, found ", c.pad);
  require(is_window(c.kernel, c.stride, c.dilation, c.pad), "conv2d: kernel ", c.kernel, ", stride ", c.stride,
          " and dilation ", c.dilation, " must be at least 1, and these and padding ", c.pad, " at most 32768");
  const dims y = infer(c, x);
  require(y[1] > 0 && y[2] > 0, "conv2d: kernel ", c.kernel, " does not fit input ", x, " with padding ", c.pad);
  check_sum_of_products(s, y, weight_extents(c, x), c.residual, conv2d::name);
}

}  // namespace op

/// Ends the sum `acc` of a channel by the one rule and stores it: y is u8 or f32 as `s.dst` says, `channel` counts
/// elements of innermost row `row`; a residual is the last input. The specification of every kernel's epilogue.
inline void store_output(const signature& s, const activation& act, const channel_scale& scale, float acc,
                         const arguments& a, bool residual, std::size_t row, std::size_t channel) {
  float x = std::fma(acc, scale.multiplier, scale.offset);
  if (!s.dst->is_u8()) {
    if (residual) x += a.src.back().row<float>(row)[channel];
    a.dst->row<float>(row)[channel] = act(x);
    return;
  }
  if (residual) {
    const tensor_type& type = s.src.back();
    const int r = a.src.back().row<std::uint8_t>(row)[channel] - type.q.zero_point;
    x = std::fma(static_cast<float>(r), checked_ratio(type.q.scale, s.dst->q.scale, "residual"), x);
  }
  a.dst->row<std::uint8_t>(row)[channel] = saturate_u8(x, saturation_of(act, s.dst->q));
}

/// The bias of channel `c` as f32 sums take it: without one 0, and 0 for -0, so that no sum is -0.
inline float bias_at(const tensor* bias, std::size_t c) { return (bias ? bias->as<float>()[c] : 0.0f) + 0.0f; }

/// bias_at() of all channels of a convolution or fully connected layer.
inline std::vector<float> f32_biases(const signature& s, int channels) {
  std::vector<float> all;
  for (int c = 0; c < channels; ++c) all.push_back(bias_at(s.at(1), static_cast<std::size_t>(c)));
  return all;
}

/// How the sums of a channel with the weights `w`, f32 or s8, become numbers. Constants: weights, bias, weight scales.
template <class W>
channel_scale scale_of_channel(const signature& s, std::span<const W> w, std::size_t channel, std::string_view what) {
  const float bias = bias_at(s.at(1), channel);
  if constexpr (std::is_same_v<W, std::int8_t>)
    return fold_channel(w, s.at(2)->as<float>()[channel], bias, s.src[0].q, s.dst->is_u8() ? s.dst->q.scale : 1.0f,
                        what, channel);
  else
    return {1.0f, bias};
}

/// acc + x w: exact in s32, rounded once in binary32.
inline std::int32_t multiply_add(std::int32_t x, std::int32_t w, std::int32_t acc) { return acc + x * w; }
inline float multiply_add(float x, float w, float acc) { return std::fma(x, w, acc); }

namespace op {

/// Reference evaluation; the specification of every convolution kernel. X, W: what input and weights hold; sums are of
/// type Acc, over (kh, kw, i). `s` may also be that of a fully connected layer whose operands `a` are seen as pixels.
template <class X, class W, class Acc>
void evaluate_conv2d(const conv2d& c, const signature& s, const arguments& a) {
  const dims &x = a.src[0].extents, &y = a.dst->extents;
  const int icg = x[3] / c.groups, ocg = c.out / c.groups, taps = c.kernel.h * c.kernel.w;
  const auto depth = static_cast<std::size_t>(icg * taps);
  const Acc zero_point = s.src[0].is_u8() ? static_cast<Acc>(s.src[0].q.zero_point) : Acc{0};
  for (int oc = 0; oc < c.out; ++oc) {
    const auto channel = static_cast<std::size_t>(oc);
    const std::span<const W> w = s.at(conv2d::weights)->as<W>().subspan(channel * depth, depth);  // (i, kh, kw)
    const channel_scale scale = scale_of_channel(s, w, channel, conv2d::name);
    std::size_t row = 0;
    for (int n = 0; n < y[0]; ++n)
      for (int oh = 0; oh < y[1]; ++oh)
        for (int ow = 0; ow < y[2]; ++ow, ++row) {
          Acc acc = 0;
          for (int tap = 0; tap < taps; ++tap) {
            const int ih = oh * c.stride.h - c.pad.top + tap / c.kernel.w * c.dilation.h;
            const int iw = ow * c.stride.w - c.pad.left + tap % c.kernel.w * c.dilation.w;
            const bool inside = ih >= 0 && ih < x[1] && iw >= 0 && iw < x[2];
            const X* pixel = inside ? a.src[0].row<X>(static_cast<std::size_t>((n * x[1] + ih) * x[2] + iw)) : nullptr;
            for (int i = 0; i < icg; ++i)
              acc = multiply_add(inside ? static_cast<Acc>(pixel[oc / ocg * icg + i]) : zero_point,
                                 static_cast<Acc>(w[static_cast<std::size_t>(i * taps + tap)]), acc);
          }
          store_output(s, c.act, scale, static_cast<float>(acc), a, c.residual, row, channel);
        }
  }
}

/// Runs the reference evaluation for the types in `s`.
inline void evaluate(const conv2d& c, const signature& s, const arguments& a) {
  if (s.src[0].is_u8())
    evaluate_conv2d<std::uint8_t, std::int8_t, std::int32_t>(c, s, a);
  else
    evaluate_conv2d<float, float, float>(c, s, a);
}

}  // namespace op
}  // namespace octavo
