// 2-d transposed convolution, grouped too, on NHWC images: what a convolution of the same numbers does backwards.
//
//   y(n, oh, ow, oc) = act( sum over kh, kw, i of x(n, (oh + top - kh*dh) / sh, (ow + left - kw*dw) / sw, g*icg + i)
//                           * w(oc, i, kh, kw) + bias(oc) [+ residual(n, oh, ow, oc)] ),   g = oc / (oc_total / groups)
//
//   OH = (H - 1) * sh - top - bottom + (KH - 1) * dh + 1 + output_padding.h, OW likewise
//
// The sum has the taps for which both divisions leave no rest. Which these are depends on oh mod sh and ow mod sw
// alone, the phase of an output, and each phase is a convolution of stride 1: pixels outside the image are real 0, that
// is x's zero point, as there; an INT8 offset has the zero point's share of the weights of its phase. f32 sums are one
// chain of fma from 0 over the taps that are there, in the order of (kh, kw, i), then + bias [+ residual].
//
// x: (N, H, W, IC) f32 or u8; w: (OC, IC/groups, KH, KW) f32, or s8 with a scale per OC: weights_by_output() makes it
// of PyTorch's and ONNX's (IC, OC/groups, KH, KW); bias: (OC) f32; residual and y: (N, OH, OW, OC).
// Constants: [0] weights, [1] bias or null, [2] weight scales (OC), with s8 weights only.
#pragma once

#include "octavo/op/conv2d.hpp"

namespace octavo {

/// How a transposed convolution is done. `out` is the number of output channels.
struct conv_transpose {
  int out = 0;
  hw kernel = 1;
  hw stride = 1;
  padding pad{};          ///< lines and columns that the output lacks
  hw output_padding = 0;  ///< lines and columns that it has at its end beyond that: less than stride or dilation
  hw dilation = 1;
  int groups = 1;
  friend constexpr bool operator==(const conv_transpose&, const conv_transpose&) = default;
};

/// Weights (IC, OC/groups, KH, KW), as PyTorch and ONNX have those of transposed convolutions, as (OC, IC/groups, KH,
/// KW). Throws octavo::error where the groups do not divide the input channels.
inline tensor weights_by_output(const tensor& w, int groups) {
  const dims& e = w.extents();
  require(e.rank == 4 && groups > 0 && e[0] % groups == 0, "conv_transpose2d: ", groups,
          " groups do not divide the input channels of weights ", e, ", expected (IC, OC/groups, KH, KW)");
  const int inputs = e[0] / groups, outputs = e[1];
  tensor y(w.type(), {groups * outputs, inputs, e[2], e[3]});
  const std::size_t kernel = static_cast<std::size_t>(e[2] * e[3]) * size_of(w.type());
  for (int ic = 0; ic < e[0]; ++ic)
    for (int o = 0; o < outputs; ++o) {
      const int to = (ic / inputs * outputs + o) * inputs + ic % inputs;
      std::memcpy(y.bytes().data() + static_cast<std::size_t>(to) * kernel,
                  w.bytes().data() + static_cast<std::size_t>(ic * outputs + o) * kernel, kernel);
    }
  return y;
}

namespace op {

/// A transposed convolution in a graph.
struct conv_transpose2d : conv_transpose {
  static constexpr std::string_view name = "conv_transpose2d";
  static constexpr port inputs[] = {{"x"}, {"residual", port_rule::as_output, port_count::optional}};
  static constexpr std::string_view constants[] = {"weights", "bias", "scales"};
  static constexpr bool sums_products = true;
  static constexpr std::size_t weights = 0, bias = 1, scales = 2;  // places of the constants

  activation act{};
  bool residual = false;  ///< src[1] is added before the activation

  using self = conv_transpose2d;
  static constexpr auto fields = std::tuple{field{"kernel", &self::kernel},
                                            field{"out", &self::out},
                                            field{"stride", &self::stride},
                                            field{"pad", &self::pad},
                                            field{"output_padding", &self::output_padding},
                                            field{"dilation", &self::dilation},
                                            field{"groups", &self::groups},
                                            field{"residual", &self::residual},
                                            field{"act", &self::act}};
};

/// Whether the numbers of a transposed convolution are in their ranges: see is_window(); padding is explicit.
constexpr bool is_transposable(const conv_transpose& c) {
  const hw o = c.output_padding;
  return is_window(c.kernel, c.stride, c.dilation, c.pad) && c.pad.rule == padding::explicit_ && o.h >= 0 && o.w >= 0 &&
         o.h < std::max(c.stride.h, c.dilation.h) && o.w < std::max(c.stride.w, c.dilation.w);
}

/// Extents of the output for an input of (N, H, W, IC). An extent below 1 means that padding leaves nothing of it, or
/// that it is too large.
constexpr dims infer(const conv_transpose& c, const dims& x) {
  if (x.rank != 4 || !is_transposable(c)) return x;  // which check() refuses
  const auto extent = [](int in, int before, int after, int k, int stride, int dilation, int more) {
    const std::int64_t n = (std::int64_t{in} - 1) * stride - before - after + std::int64_t{k - 1} * dilation + 1 + more;
    return n <= std::numeric_limits<int>::max() - (1 << 16) ? static_cast<int>(n) : 0;
  };
  dims y = x;
  y[1] = extent(x[1], c.pad.top, c.pad.bottom, c.kernel.h, c.stride.h, c.dilation.h, c.output_padding.h);
  y[2] = extent(x[2], c.pad.left, c.pad.right, c.kernel.w, c.stride.w, c.dilation.w, c.output_padding.w);
  y[3] = c.out;
  return y;
}

/// Extents of the weights: (OC, IC/groups, KH, KW).
constexpr dims weight_extents(const conv_transpose& c, const dims& x) {
  return {c.out, x[3] / c.groups, c.kernel.h, c.kernel.w};
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a transposed convolution that can be run.
inline void check(const conv_transpose2d& c, const signature& s) {
  check_convolution_channels(s, 4, "(N, H, W, C)", c.out, c.groups, conv_transpose2d::name);
  const dims& x = s.src[0].extents;
  require(only_batch_bounded(x), "conv_transpose2d: only the batch may be bounded, found ", x);
  require(is_transposable(c), "conv_transpose2d: kernel ", c.kernel, ", stride ", c.stride, " and dilation ",
          c.dilation, " must be from 1, padding ", c.pad,
          " explicit and from 0, all at most 32768, and output padding ", c.output_padding,
          " from 0 and less than stride or dilation");
  const dims y = infer(c, x), weights = weight_extents(c, x);
  require(y[1] > 0 && y[2] > 0, "conv_transpose2d: padding ", c.pad,
          " leaves nothing of the output, or it is too large: ", "input ", x, ", kernel ", c.kernel, ", stride ",
          c.stride);
  check_sum_of_products(s, y, weights, c.residual, conv_transpose2d::name);
  if (!s.src[0].is_u8()) return;
  // No phase has a share of the zero point beyond these.
  const std::int64_t most = std::int64_t{127} * weights[1] * weights[2] * weights[3];
  for (int oc = 0; oc < c.out; ++oc)
    for (const std::int64_t sum : {most, -most})
      fold_sum(sum, s.at(2)->as<float>()[static_cast<std::size_t>(oc)], bias_at(s.at(1), static_cast<std::size_t>(oc)),
               s.src[0].q, s.dst->is_u8() ? s.dst->q.scale : 1.0f, conv_transpose2d::name);
}

namespace detail {

/// Reference evaluation; the specification of every kernel for transposed convolutions. See evaluate_conv2d.
template <class X, class W, class Acc>
void evaluate_conv_transpose2d(const conv_transpose2d& c, const signature& s, const arguments& a) {
  const dims &x = a.src[0].extents, &y = a.dst->extents;
  const int icg = x[3] / c.groups, ocg = c.out / c.groups, taps = c.kernel.h * c.kernel.w;
  const auto depth = static_cast<std::size_t>(icg * taps);
  const Acc zero_point = s.src[0].is_u8() ? static_cast<Acc>(s.src[0].q.zero_point) : Acc{0};
  for (int oc = 0; oc < c.out; ++oc) {
    const auto channel = static_cast<std::size_t>(oc);
    const std::span<const W> w = s.at(conv_transpose2d::weights)->as<W>().subspan(channel * depth, depth);
    const float bias = bias_at(s.at(conv_transpose2d::bias), channel);
    const int pixels = static_cast<int>(y.rows());
    for (int pixel = 0; pixel < pixels; ++pixel) {
      const int ow = pixel % y[2], oh = pixel / y[2] % y[1], n = pixel / y[2] / y[1];
      Acc acc = 0, weights = 0;
      for (int tap = 0; tap < taps; ++tap) {
        const int th = oh + c.pad.top - tap / c.kernel.w * c.dilation.h;
        const int tw = ow + c.pad.left - tap % c.kernel.w * c.dilation.w;
        if (th % c.stride.h != 0 || tw % c.stride.w != 0) continue;
        const int ih = th / c.stride.h, iw = tw / c.stride.w;
        const bool inside = ih >= 0 && ih < x[1] && iw >= 0 && iw < x[2];
        const auto row = static_cast<std::size_t>((n * x[1] + ih) * x[2] + iw);
        const X* from = inside ? a.src[0].row<X>(row) + oc / ocg * icg : nullptr;
        for (int i = 0; i < icg; ++i) {
          const auto weight = static_cast<Acc>(w[static_cast<std::size_t>(i * taps + tap)]);
          acc = multiply_add(inside ? static_cast<Acc>(from[i]) : zero_point, weight, acc);
          weights += weight;
        }
      }
      channel_scale scale{1.0f, bias};
      if constexpr (std::is_same_v<W, std::int8_t>)
        scale = fold_sum(weights, s.at(conv_transpose2d::scales)->as<float>()[channel], bias, s.src[0].q,
                         s.dst->is_u8() ? s.dst->q.scale : 1.0f, conv_transpose2d::name);
      store_output(s, c.act, scale, static_cast<float>(acc), a, c.residual, static_cast<std::size_t>(pixel), channel);
    }
  }
}

}  // namespace detail

/// Runs the reference evaluation for the types in `s`.
inline void evaluate(const conv_transpose2d& c, const signature& s, const arguments& a) {
  if (s.src[0].is_u8())
    detail::evaluate_conv_transpose2d<std::uint8_t, std::int8_t, std::int32_t>(c, s, a);
  else
    detail::evaluate_conv_transpose2d<float, float, float>(c, s, a);
}

}  // namespace op
}  // namespace octavo
