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
  static constexpr octavo::traits traits{.linear = true};
  static constexpr std::size_t weights = 0, bias = 1, scales = 2;  // places of the constants

  int out = 0;
  activation act{};
  bool residual = false;  ///< src[1] is added before the activation

  friend std::ostream& operator<<(std::ostream& os, const fc& f) {
    os << "fc out " << f.out;
    if (f.residual) os << " + residual";
    if (!f.act.is_none()) os << " " << f.act;
    return os;
  }
};

/// Extents of the output: the innermost axis becomes `out`.
constexpr dims infer(const fc& f, const dims& x) {
  dims y = x;
  y[x.rank - 1] = f.out;
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

/// `x` as (rows, 1, 1, innermost).
inline dims as_pixels(const dims& x) { return {static_cast<int>(x.rows()), 1, 1, x.back()}; }

/// `o` with its extents as pixels.
inline operand as_pixels(const operand& o) { return {o.data, as_pixels(o.extents), o.stride}; }

/// The signature of as_convolution(f).
inline signature as_convolution(const fc& f, const signature& s) {
  signature c = s;
  for (tensor_type& t : c.src) t.extents = as_pixels(t.extents);
  c.dst.extents = as_pixels(c.dst.extents);
  const tensor* w = s.at(fc::weights);
  require(w && w->extents() == dims{f.out, s.src.at(0).extents.back()}, "fc: weights must be [", f.out, "x",
          s.src[0].extents.back(), "]", w ? text(", found [", w->extents(), "]") : ", found none");
  c.constants[fc::weights] = std::make_shared<const tensor>(w->reshaped({f.out, s.src[0].extents.back(), 1, 1}));
  return c;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a layer that can be run.
inline void check(const fc& f, const signature& s) {
  require(!s.src.empty(), "fc: expected an input, found none");
  check_channels(s.src[0], fc::name);
  require(s.dst.extents == infer(f, s.src[0].extents), "fc: output must be ", infer(f, s.src[0].extents), ", found ",
          s.dst.extents);
  check(as_convolution(f), as_convolution(f, s));
}

/// Reference evaluation: a 1x1 convolution.
inline void evaluate(const fc& f, const signature& s, const arguments& a) {
  std::vector<operand> src;
  for (const operand& o : a.src) src.push_back(as_pixels(o));
  evaluate(as_convolution(f), as_convolution(f, s), {src, as_pixels(a.dst)});
}

}  // namespace octavo::op
