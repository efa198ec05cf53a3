// 2-d convolution, grouped and depthwise included, on NHWC images.
//
//   y(n, oh, ow, oc) = act( sum over kh, kw, i of x(n, oh*sh - top + kh*dh, ow*sw - left + kw*dw, g*icg + i)
//                           * w(oc, i, kh, kw) + bias(oc) [+ residual(n, oh, ow, oc)] ),   g = oc / (oc_total / groups)
//
// x: (N, H, W, IC) f32 or u8; w: (OC, IC/groups, KH, KW) f32, or s8 with a scale per OC; bias: (OC) f32;
// residual: (N, OH, OW, OC), of y's type; y: (N, OH, OW, OC) f32 or u8. Padding is real 0, that is x's zero point.
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

/// The folded scales of an INT8 convolution or fully connected layer: constants are weights, bias, weight scales.
inline output_scales fold_output_scales(const signature& s, bool residual, std::string_view what) {
  const tensor* bias = s.at(1);
  return fold_output_scales(s.at(0)->as<std::int8_t>(), s.at(2)->as<float>(),
                            bias ? bias->as<float>() : std::span<const float>{}, s.src[0].q,
                            s.dst.is_u8() ? s.dst.q.scale : 1.0f,
                            !residual          ? 0.0f
                            : s.src[1].is_u8() ? s.src[1].q.scale
                                               : 1.0f,
                            what);
}

namespace op {

/// A convolution in a graph; its padding is explicit.
struct conv2d : conv {
  static constexpr std::string_view name = "conv2d";
  static constexpr octavo::traits traits{.linear = true};
  static constexpr std::size_t weights = 0, bias = 1, scales = 2;  // places of the constants

  activation act{};
  bool residual = false;  ///< src[1] is added before the activation

  /// Each input channel has filters of its own.
  bool is_depthwise(int ic) const { return groups == ic && groups > 1; }

  friend std::ostream& operator<<(std::ostream& os, const conv2d& c) {
    os << "conv2d " << c.kernel << " out " << c.out;
    if (c.stride != hw(1)) os << " stride " << c.stride;
    if (c.pad != padding{}) os << " pad " << c.pad;
    if (c.dilation != hw(1)) os << " dilation " << c.dilation;
    if (c.groups != 1) os << " groups " << c.groups;
    if (c.residual) os << " + residual";
    if (!c.act.is_none()) os << " " << c.act;
    return os;
  }
};

/// Extents of a convolution's output for an input of (N, H, W, IC). An extent below 1 means that it does not fit.
constexpr dims infer(const conv& c, const dims& x) {
  const padding p = resolve(c.pad, x[1], x[2], c.kernel, c.stride, c.dilation);
  dims y = x;
  y[1] = window_count(x[1], p.top, p.bottom, c.kernel.h, c.stride.h, c.dilation.h);
  y[2] = window_count(x[2], p.left, p.right, c.kernel.w, c.stride.w, c.dilation.w);
  y[3] = c.out;
  return y;
}

/// Extents of the weights: (OC, IC/groups, KH, KW).
constexpr dims weight_extents(const conv& c, const dims& x) { return {c.out, x[3] / c.groups, c.kernel.h, c.kernel.w}; }

/// Throws octavo::error, naming what is wrong, unless `s` describes a convolution that can be run.
inline void check(const conv2d& c, const signature& s) {
  require(!s.src.empty() && s.src[0].is_number(), "conv2d: input must be f32 or u8");
  const dims& x = s.src[0].extents;
  require(x.rank == 4, "conv2d: input must be (N, H, W, C), found ", x);
  require(only_batch_bounded(x), "conv2d: only the batch may be bounded, found ", x);
  require(c.out > 0 && c.groups > 0, "conv2d: output channels and groups must be at least 1, found ", c.out, " and ",
          c.groups);
  require(std::min({c.pad.top, c.pad.left, c.pad.bottom, c.pad.right}) >= 0 && c.pad.rule == padding::explicit_,
          "conv2d: padding must be explicit and not negative, found ", c.pad);
  require(is_window(c.kernel, c.stride, c.dilation, c.pad), "conv2d: kernel ", c.kernel, ", stride ", c.stride,
          " and dilation ", c.dilation, " must be at least 1, and these and padding ", c.pad, " at most 32768");
  require(x[3] % c.groups == 0 && c.out % c.groups == 0, "conv2d: ", c.groups, " groups do not divide ", x[3],
          " input and ", c.out, " output channels");
  const dims y = infer(c, x);
  require(y[1] > 0 && y[2] > 0, "conv2d: kernel ", c.kernel, " does not fit input ", x, " with padding ", c.pad);
  require(s.dst.extents == y, "conv2d: output must be ", y, ", found ", s.dst.extents);
  require(s.src.size() == (c.residual ? 2u : 1u), "conv2d: expected ", c.residual ? 2 : 1, " inputs, found ",
          s.src.size());
  if (c.residual)
    require(s.src[1].extents == y && s.src[1].type == s.dst.type, "conv2d: residual must be ", name_of(s.dst.type), "[",
            y, "], found ", s.src[1]);
  const tensor* w = s.at(conv2d::weights);
  const tensor* b = s.at(conv2d::bias);
  const tensor* scales = s.at(conv2d::scales);
  const element wanted = s.src[0].is_u8() ? element::s8 : element::f32;
  require(w && w->type() == wanted && w->extents() == weight_extents(c, x), "conv2d: weights must be ", name_of(wanted),
          "[", weight_extents(c, x), "]",
          w ? text(", found ", name_of(w->type()), "[", w->extents(), "]") : ", found none");
  if (b) require(b->type() == element::f32 && b->extents() == dims{c.out}, "conv2d: bias must be f32[", c.out, "]");
  require(s.dst.is_number(), "conv2d: output must be f32 or u8");
  if (wanted == element::s8) {
    require(scales && scales->type() == element::f32 && scales->extents() == dims{c.out},
            "conv2d: s8 weights need f32[", c.out, "] scales");
    fold_output_scales(s, c.residual, conv2d::name);  // refuses sums that could overflow
  } else {
    require(!s.dst.is_u8(), "conv2d: f32 input needs f32 output");
  }
}

}  // namespace op

/// Ends a sum of products by the one rule and stores it: y is u8 or f32 as `s.dst` says, `at` counts elements of
/// innermost row `row`. The specification of every kernel's epilogue.
inline void store_output(const signature& s, const activation& act, const output_scales& fold, float acc,
                         const arguments& a, bool residual, std::size_t row, std::size_t channel) {
  float x = std::fma(acc, fold.multiplier[channel], fold.offset[channel]);
  if (!s.dst.is_u8()) {
    if (residual) x += a.src[1].row<float>(row)[channel];
    a.dst.row<float>(row)[channel] = act(x);
    return;
  }
  if (residual) {
    const int r = a.src[1].row<std::uint8_t>(row)[channel] - s.src[1].q.zero_point;
    x = std::fma(static_cast<float>(r), fold.residual_multiplier, x);
  }
  a.dst.row<std::uint8_t>(row)[channel] = saturate_u8(x, saturation_of(act, s.dst.q));
}

namespace op {

/// Reference evaluation; the specification of every convolution kernel. f32 sums are taken in double.
template <class X, class W, class Acc>
void evaluate_conv2d(const conv2d& c, const signature& s, const arguments& a) {
  const dims &x = a.src[0].extents, &y = a.dst.extents;
  const int icg = x[3] / c.groups, ocg = c.out / c.groups;
  const std::span<const W> weights = s.at(conv2d::weights)->as<W>();
  const Acc zero = std::is_same_v<X, std::uint8_t> ? static_cast<Acc>(s.src[0].q.zero_point) : Acc{0};
  output_scales fold;
  if constexpr (std::is_same_v<X, std::uint8_t>) {
    fold = fold_output_scales(s, c.residual, conv2d::name);
  } else {
    const tensor* bias = s.at(conv2d::bias);
    fold.multiplier.assign(static_cast<std::size_t>(c.out), 1.0f);
    fold.offset.assign(static_cast<std::size_t>(c.out), 0.0f);
    if (bias) fold.offset.assign(bias->as<float>().begin(), bias->as<float>().end());
  }
  std::size_t row = 0;
  for (int n = 0; n < y[0]; ++n)
    for (int oh = 0; oh < y[1]; ++oh)
      for (int ow = 0; ow < y[2]; ++ow, ++row)
        for (int oc = 0; oc < c.out; ++oc) {
          Acc acc = 0;
          const W* w = weights.data() + static_cast<std::ptrdiff_t>(oc) * icg * c.kernel.h * c.kernel.w;
          for (int i = 0; i < icg; ++i)
            for (int kh = 0; kh < c.kernel.h; ++kh)
              for (int kw = 0; kw < c.kernel.w; ++kw, ++w) {
                const int ih = oh * c.stride.h - c.pad.top + kh * c.dilation.h;
                const int iw = ow * c.stride.w - c.pad.left + kw * c.dilation.w;
                const bool inside = ih >= 0 && ih < x[1] && iw >= 0 && iw < x[2];
                const auto from =
                    (static_cast<std::size_t>(n) * static_cast<std::size_t>(x[1]) + static_cast<std::size_t>(ih)) *
                        static_cast<std::size_t>(x[2]) +
                    static_cast<std::size_t>(iw);
                acc += (inside ? static_cast<Acc>(a.src[0].row<X>(from)[oc / ocg * icg + i]) : zero) *
                       static_cast<Acc>(*w);
              }
          store_output(s, c.act, fold, static_cast<float>(acc), a, c.residual, row, static_cast<std::size_t>(oc));
        }
}

/// Runs the reference evaluation for the types in `s`.
inline void evaluate(const conv2d& c, const signature& s, const arguments& a) {
  if (s.src[0].is_u8())
    evaluate_conv2d<std::uint8_t, std::int8_t, std::int32_t>(c, s, a);
  else
    evaluate_conv2d<float, float, double>(c, s, a);
}

}  // namespace op
}  // namespace octavo
