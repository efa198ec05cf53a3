// 3-d convolution, grouped and depthwise included, on volumes or videos of (N, D, H, W, C).
//
//   y(n, od, oh, ow, oc) = act( sum over kd, kh, kw, i of
//       x(n, od*sd - front + kd*dd, oh*sh - top + kh*dh, ow*sw - left + kw*dw, g*icg + i) * w(oc, i, kd, kh, kw)
//       + bias(oc) [+ residual(n, od, oh, ow, oc)] ),   g = oc / (oc_total / groups)
//
// x: (N, D, H, W, IC) f32 or u8; w: (OC, IC/groups, KD, KH, KW) f32, or s8 with a scale per OC; bias: (OC) f32;
// residual and y: (N, OD, OH, OW, OC). Padding is real 0, that is x's zero point.
// f32 sums are one chain of fma from 0 over (kd, kh, kw, i), then + bias [+ residual].
// Constants: [0] weights, [1] bias or null, [2] weight scales (OC), with s8 weights only.
#pragma once

#include "octavo/op/conv2d.hpp"

namespace octavo {

/// A triple (depth, height, width); {3} or 3 means all.
struct dhw {
  int d = 1, h = 1, w = 1;
  constexpr dhw() = default;
  constexpr dhw(int all) : d(all), h(all), w(all) {}
  constexpr dhw(int depth, int height, int width) : d(depth), h(height), w(width) {}
  constexpr hw plane() const { return {h, w}; }
  friend constexpr bool operator==(const dhw&, const dhw&) = default;
  friend std::ostream& operator<<(std::ostream& out, const dhw& a) { return out << a.d << "x" << a.h << "x" << a.w; }
};

/// As an attribute: depth, height, width.
inline attribute to_attribute(const dhw& a) { return std::vector<std::int64_t>{a.d, a.h, a.w}; }
inline void from_attribute(const attribute& from, dhw& a) {
  const auto& v = detail::attribute_as<std::vector<std::int64_t>>(from, "a list of depth, height and width");
  require(v.size() == 3, "expected depth, height and width, found ", v.size(), " numbers");
  a = {detail::attribute_as_int(v[0]), detail::attribute_as_int(v[1]), detail::attribute_as_int(v[2])};
}

/// Padding of a window over three axes.
struct padding3 {
  int front = 0, top = 0, left = 0, back = 0, bottom = 0, right = 0;
  constexpr padding3() = default;
  constexpr padding3(int all) : padding3(all, all, all) {}
  constexpr padding3(int depth, int height, int width) : padding3(depth, height, width, depth, height, width) {}
  constexpr padding3(int f, int t, int l, int k, int b, int r)
      : front(f), top(t), left(l), back(k), bottom(b), right(r) {}
  constexpr padding plane() const { return {top, left, bottom, right}; }
  friend constexpr bool operator==(const padding3&, const padding3&) = default;
  friend std::ostream& operator<<(std::ostream& out, const padding3& p) {
    return out << p.front << "," << p.top << "," << p.left << "," << p.back << "," << p.bottom << "," << p.right;
  }
};

/// As an attribute: front, top, left, back, bottom, right.
inline attribute to_attribute(const padding3& p) {
  return std::vector<std::int64_t>{p.front, p.top, p.left, p.back, p.bottom, p.right};
}
inline void from_attribute(const attribute& from, padding3& p) {
  const auto& v = detail::attribute_as<std::vector<std::int64_t>>(from, "a list of padding before and after each axis");
  require(v.size() == 6, "expected front, top, left, back, bottom and right, found ", v.size(), " numbers");
  const auto at = [&](std::size_t i) { return detail::attribute_as_int(v[i]); };
  p = {at(0), at(1), at(2), at(3), at(4), at(5)};
}

/// How a 3-d convolution is done. `out` is the number of output channels.
struct conv3 {
  int out = 0;
  dhw kernel = 1;
  dhw stride = 1;
  padding3 pad{};
  dhw dilation = 1;
  int groups = 1;
  friend constexpr bool operator==(const conv3&, const conv3&) = default;
};

/// Whether the numbers of a window over three axes are in their ranges: see the window over two.
constexpr bool is_window(const dhw& kernel, const dhw& stride, const dhw& dilation, const padding3& p) {
  return is_window(kernel.plane(), stride.plane(), dilation.plane(), p.plane()) &&
         is_window(kernel.d, stride.d, dilation.d, {p.front, 0, p.back, 0});
}

namespace op {

/// A 3-d convolution in a graph.
struct conv3d : conv3 {
  static constexpr std::string_view name = "conv3d";
  static constexpr port inputs[] = {{"x"}, {"residual", port_rule::as_output, port_count::optional}};
  static constexpr std::string_view constants[] = {"weights", "bias", "scales"};
  static constexpr bool sums_products = true;
  static constexpr std::size_t weights = 0, bias = 1, scales = 2;  // places of the constants

  activation act{};
  bool residual = false;  ///< src[1] is added before the activation

  static constexpr auto fields = std::tuple{field{"kernel", &conv3d::kernel},     field{"out", &conv3d::out},
                                            field{"stride", &conv3d::stride},     field{"pad", &conv3d::pad},
                                            field{"dilation", &conv3d::dilation}, field{"groups", &conv3d::groups},
                                            field{"residual", &conv3d::residual}, field{"act", &conv3d::act}};
};

/// Extents of the output for an input of (N, D, H, W, IC). An extent below 1 means that the kernel does not fit.
constexpr dims infer(const conv3& c, const dims& x) {
  if (x.rank != 5 || !is_window(c.kernel, c.stride, c.dilation, c.pad)) return x;  // which check() refuses
  dims y = slide_window(x, 1, c.pad.front, c.pad.back, c.kernel.d, c.stride.d, c.dilation.d);
  y = slide_window(y, 2, c.pad.top, c.pad.bottom, c.kernel.h, c.stride.h, c.dilation.h);
  y = slide_window(y, 3, c.pad.left, c.pad.right, c.kernel.w, c.stride.w, c.dilation.w);
  y[4] = c.out;
  return y;
}

/// Extents of the weights: (OC, IC/groups, KD, KH, KW).
constexpr dims weight_extents(const conv3& c, const dims& x) {
  return {c.out, x[4] / c.groups, c.kernel.d, c.kernel.h, c.kernel.w};
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a convolution that can be run.
inline void check(const conv3d& c, const signature& s) {
  check_convolution_channels(s, 5, "(N, D, H, W, C)", c.out, c.groups, conv3d::name);
  const dims& x = s.src[0].extents;
  require(is_window(c.kernel, c.stride, c.dilation, c.pad), "conv3d: kernel ", c.kernel, ", stride ", c.stride,
          " and dilation ", c.dilation, " must be from 1, padding ", c.pad, " from 0, all at most 32768");
  const dims y = infer(c, x);
  require(y[1] > 0 && y[2] > 0 && y[3] > 0, "conv3d: kernel ", c.kernel, " does not fit input ", x, " with padding ",
          c.pad);
  check_sum_of_products(s, y, weight_extents(c, x), c.residual, conv3d::name);
}

namespace detail {

/// Reference evaluation; the specification of every 3-d convolution kernel. See evaluate_conv2d.
template <class X, class W, class Acc>
void evaluate_conv3d(const conv3d& c, const signature& s, const arguments& a) {
  const dims &x = a.src[0].extents, &y = a.dst->extents;
  const int icg = x[4] / c.groups, ocg = c.out / c.groups, plane = c.kernel.h * c.kernel.w, taps = c.kernel.d * plane;
  const auto depth = static_cast<std::size_t>(icg * taps);
  const Acc zero_point = s.src[0].is_u8() ? static_cast<Acc>(s.src[0].q.zero_point) : Acc{0};
  for (int oc = 0; oc < c.out; ++oc) {
    const auto channel = static_cast<std::size_t>(oc);
    const std::span<const W> w = s.at(conv3d::weights)->as<W>().subspan(channel * depth, depth);  // (i, kd, kh, kw)
    const channel_scale scale = scale_of_channel(s, w, channel, conv3d::name);
    const int pixels = static_cast<int>(y.rows());
    for (int pixel = 0; pixel < pixels; ++pixel) {
      const int ow = pixel % y[3], oh = pixel / y[3] % y[2], od = pixel / y[3] / y[2] % y[1];
      const int n = pixel / y[3] / y[2] / y[1];
      Acc acc = 0;
      for (int tap = 0; tap < taps; ++tap) {
        const int id = od * c.stride.d - c.pad.front + tap / plane * c.dilation.d;
        const int ih = oh * c.stride.h - c.pad.top + tap % plane / c.kernel.w * c.dilation.h;
        const int iw = ow * c.stride.w - c.pad.left + tap % c.kernel.w * c.dilation.w;
        const bool inside = id >= 0 && id < x[1] && ih >= 0 && ih < x[2] && iw >= 0 && iw < x[3];
        const int row = ((n * x[1] + id) * x[2] + ih) * x[3] + iw;
        const X* from = inside ? a.src[0].row<X>(static_cast<std::size_t>(row)) + oc / ocg * icg : nullptr;
        for (int i = 0; i < icg; ++i)
          acc = multiply_add(inside ? static_cast<Acc>(from[i]) : zero_point,
                             static_cast<Acc>(w[static_cast<std::size_t>(i * taps + tap)]), acc);
      }
      store_output(s, c.act, scale, static_cast<float>(acc), a, c.residual, static_cast<std::size_t>(pixel), channel);
    }
  }
}

}  // namespace detail

/// Runs the reference evaluation for the types in `s`.
inline void evaluate(const conv3d& c, const signature& s, const arguments& a) {
  if (s.src[0].is_u8())
    detail::evaluate_conv3d<std::uint8_t, std::int8_t, std::int32_t>(c, s, a);
  else
    detail::evaluate_conv3d<float, float, float>(c, s, a);
}

}  // namespace op
}  // namespace octavo
