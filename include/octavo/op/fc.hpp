// Fully connected layer on the innermost axis.
//
//   y(..., o) = act( sum over i of x(..., i) * w(o, i) + bias(o) [+ residual(..., o)] )
//
// x: (..., I) f32 or u8; w: (O, I) f32, or s8 with a scale per output; bias: (O) f32; residual and y: (..., O).
// Constants: [0] weights, [1] bias or null, [2] weight scales (O), with s8 weights only.
#pragma once

#include "octavo/op/conv2d.hpp"

namespace octavo::op {

/// A fully connected layer in a graph.
struct fc {
  static constexpr std::string_view name = "fc";
  static constexpr port inputs[] = {{"x"}, {"residual", port_rule::as_output, port_count::optional}};
  static constexpr std::string_view constants[] = {"weights", "bias", "scales"};
  static constexpr bool sums_products = true;
  static constexpr std::size_t weights = 0, bias = 1, scales = 2;  // places of the constants

  int out = 0;
  activation act{};
  bool residual = false;  ///< src[1] is added before the activation

  static constexpr auto fields =
      std::tuple{field{"out", &fc::out}, field{"residual", &fc::residual}, field{"act", &fc::act}};
};

/// Extents of the output: the innermost axis becomes `out`.
constexpr dims infer(const fc& f, const dims& x) {
  dims y = x;
  if (x.rank > 0) y[x.rank - 1] = f.out;
  return y;
}

/// The 1x1 convolution over (rows, 1, 1, I) that a fully connected layer is.
inline conv2d as_convolution(const fc& f) {
  conv2d c;
  c.out = f.out;
  c.act = f.act;
  c.residual = f.residual;
  return c;
}

/// `o` with its extents as (rows, 1, 1, innermost).
inline operand as_pixels(const operand& o) {
  return {o.data, {static_cast<int>(o.extents.rows()), 1, 1, o.extents.back()}, o.stride};
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a layer that can be run.
inline void check(const fc& f, const signature& s) {
  require(!s.src.empty(), "fc: expected an input, found none");
  check_channels(s.src[0], fc::name);
  require(f.out > 0, "fc: needs at least one output, found ", f.out);
  const dims& x = s.src[0].extents;
  check_sum_of_products(s, infer(f, x), {f.out, x.back()}, f.residual, fc::name);
}

/// Reference evaluation: a 1x1 convolution.
inline void evaluate(const fc& f, const signature& s, const arguments& a) {
  const operand src[] = {as_pixels(a.src[0]), as_pixels(a.src[f.residual ? 1 : 0])};
  const operand dst = as_pixels(*a.dst);
  evaluate(as_convolution(f), s, {src, dst});
}

}  // namespace octavo::op
