// 1-d convolution of sequences: conv2d of images of height 1.
//
//   y(n, ot, oc) = act( sum over k, i of x(n, ot*stride - before + k*dilation, g*icg + i) * w(oc, i, k) + bias(oc)
//                       [+ residual(n, ot, oc)] ),   g = oc / (oc_total / groups)
//
// x: (N, T, IC) f32 or u8; w: (OC, IC/groups, K) f32, or s8 with a scale per OC; bias: (OC) f32; residual and y:
// (N, OT, OC). Padding is real 0. f32 sums are one chain of fma from 0 over (k, i), then + bias [+ residual].
// Constants: [0] weights, [1] bias or null, [2] weight scales (OC), with s8 weights only.
#pragma once

#include "octavo/op/conv2d.hpp"

namespace octavo {

/// Padding of a window over one axis; {p} or p means both sides. {kernel - 1, 0} makes a convolution causal.
struct padding1 {
  int before = 0, after = 0;
  constexpr padding1() = default;
  constexpr padding1(int both) : before(both), after(both) {}
  constexpr padding1(int b, int a) : before(b), after(a) {}
  friend constexpr bool operator==(const padding1&, const padding1&) = default;
  friend std::ostream& operator<<(std::ostream& out, const padding1& p) { return out << p.before << "," << p.after; }
};

/// As an attribute: before, after.
inline attribute to_attribute(const padding1& p) { return std::vector<std::int64_t>{p.before, p.after}; }
inline void from_attribute(const attribute& from, padding1& p) {
  const auto& v = detail::attribute_as<std::vector<std::int64_t>>(from, "a list of padding before and after");
  require(v.size() == 2, "expected padding before and after, found ", v.size(), " numbers");
  p = {detail::attribute_as_int(v[0]), detail::attribute_as_int(v[1])};
}

/// How a 1-d convolution is done. `out` is the number of output channels.
struct conv1 {
  int out = 0;
  int kernel = 1;
  int stride = 1;
  padding1 pad{};
  int dilation = 1;
  int groups = 1;
  friend constexpr bool operator==(const conv1&, const conv1&) = default;
};

namespace op {

/// A 1-d convolution in a graph.
struct conv1d : conv1 {
  static constexpr std::string_view name = "conv1d";
  static constexpr port inputs[] = {{"x"}, {"residual", port_rule::as_output, port_count::optional}};
  static constexpr std::string_view constants[] = {"weights", "bias", "scales"};
  static constexpr bool sums_products = true;
  static constexpr std::size_t weights = 0, bias = 1, scales = 2;  // places of the constants

  activation act{};
  bool residual = false;  ///< src[1] is added before the activation

  static constexpr auto fields = std::tuple{field{"kernel", &conv1d::kernel},     field{"out", &conv1d::out},
                                            field{"stride", &conv1d::stride},     field{"pad", &conv1d::pad},
                                            field{"dilation", &conv1d::dilation}, field{"groups", &conv1d::groups},
                                            field{"residual", &conv1d::residual}, field{"act", &conv1d::act}};
};

/// The convolution of images of height 1 that it is.
constexpr conv as_convolution(const conv1& c) {
  return {.out = c.out,
          .kernel = {1, c.kernel},
          .stride = {1, c.stride},
          .pad = {0, c.pad.before, 0, c.pad.after},
          .dilation = {1, c.dilation},
          .groups = c.groups};
}
inline conv2d as_convolution(const conv1d& c) {
  return {as_convolution(static_cast<const conv1&>(c)), c.act, c.residual};
}

/// (N, T, C) as (N, 1, T, C).
constexpr dims as_image(const dims& x) { return {x.encoded(0), 1, x.encoded(1), x.encoded(2)}; }
inline operand as_image(const operand& o) { return {o.data, {o.extents[0], 1, o.extents[1], o.extents[2]}, o.stride}; }

/// Extents of the output for an input of (N, T, IC). An extent below 1 means that the kernel does not fit.
constexpr dims infer(const conv1& c, const dims& x) {
  const conv image = as_convolution(c);
  if (x.rank != 3 || !is_window(image.kernel, image.stride, image.dilation, image.pad)) return x;  // check() refuses
  dims y = slide_window(x, 1, c.pad.before, c.pad.after, c.kernel, c.stride, c.dilation);
  y[2] = c.out;
  return y;
}

/// Extents of the weights: (OC, IC/groups, K).
constexpr dims weight_extents(const conv1& c, const dims& x) { return {c.out, x[2] / c.groups, c.kernel}; }

/// Throws octavo::error, naming what is wrong, unless `s` describes a convolution that can be run.
inline void check(const conv1d& c, const signature& s) {
  check_convolution_channels(s, 3, "(N, T, C)", c.out, c.groups, conv1d::name);
  const dims& x = s.src[0].extents;
  const conv image = as_convolution(static_cast<const conv1&>(c));
  require(is_window(image.kernel, image.stride, image.dilation, image.pad), "conv1d: kernel ", c.kernel, ", stride ",
          c.stride, " and dilation ", c.dilation, " must be from 1, padding ", c.pad, " from 0, all at most 32768");
  const dims y = infer(c, x);
  require(y[1] > 0, "conv1d: kernel ", c.kernel, " does not fit input ", x, " with padding ", c.pad);
  check_sum_of_products(s, y, weight_extents(c, x), c.residual, conv1d::name);
}

/// Reference evaluation: that of images of height 1.
inline void evaluate(const conv1d& c, const signature& s, const arguments& a) {
  const operand src[] = {as_image(a.src[0]), as_image(a.src[c.residual ? 1 : 0])};
  const operand dst = as_image(*a.dst);
  evaluate(as_convolution(c), s, {src, dst});
}

}  // namespace op
}  // namespace octavo
