// What a detector predicts for each prior box, as the corners of a box. Along each of two axes, with centre c and size
// s of the prior and t, u the prediction's numbers for them:
//   centre = t v_c s + c,  size = exp(u v_s) s,  corners = centre -+ size / 2, clamped to [0, 1] with clip
// x: (..., B, 4) f32, t of both axes, then u of both; priors: (B, 4) f32, centres, then sizes, or with corners the
// smaller coordinates, then the larger ones; y: as x, smaller coordinates, then larger ones. Which axis is the first, y
// as in TensorFlow or x as in Caffe, is the same everywhere. exp is exp_f32.
#pragma once

#include <algorithm>
#include <cmath>

#include "octavo/base/math.hpp"
#include "octavo/op/signature.hpp"

namespace octavo::op {

/// Box decoding in a graph.
struct box_decode {
  static constexpr std::string_view name = "box_decode";
  static constexpr port inputs[] = {{"x", port_rule::f32}, {"priors", port_rule::f32}};
  float centre_variance = 0.1f;  ///< v_c
  float size_variance = 0.2f;    ///< v_s
  bool corners = false;          ///< the priors are corners
  bool clip = false;             ///< the result is clamped to [0, 1]

  static constexpr auto fields = std::tuple{field{"centre_variance", &box_decode::centre_variance},
                                            field{"size_variance", &box_decode::size_variance},
                                            field{"corners", &box_decode::corners}, field{"clip", &box_decode::clip}};
};

/// Extents of x.
constexpr dims infer(const box_decode&, const dims& x, const dims&) { return x; }

/// Throws octavo::error, naming what is wrong, unless `s` describes a decoding that can be run.
inline void check(const box_decode& d, const signature& s) {
  require(s.src.size() == 2, "box_decode: expected 2 inputs, found ", s.src.size());
  for (const tensor_type& t : {s.src[0], s.src[1], *s.dst})
    require(t.type == element::f32, "box_decode: expected f32, found ", t);
  const dims &x = s.src[0].extents, &priors = s.src[1].extents;
  require(priors.rank == 2 && priors[1] == 4 && priors.bounded == 0, "box_decode: expected priors of (B, 4), found ",
          priors);
  require(x.rank >= 2 && x[x.rank - 1] == 4 && x.encoded(x.rank - 2) == priors[0],
          "box_decode: expected predictions of (..., ", priors[0], ", 4), found ", x);
  require(s.dst->extents == x, "box_decode: output must be ", x, ", found ", s.dst->extents);
  for (float v : {d.centre_variance, d.size_variance})
    require(std::isfinite(v), "box_decode: variances must be finite, found ", v);
}

/// Reference evaluation.
inline void evaluate(const box_decode& d, const signature&, const arguments& a) {
  const auto boxes = static_cast<std::size_t>(a.src[1].extents[0]);
  const auto clipped = [&](float v) { return d.clip ? std::min(std::max(v, 0.0f), 1.0f) : v; };
  for (std::size_t r = 0; r < a.dst->extents.rows(); ++r) {
    const float *x = a.src[0].row<float>(r), *prior = a.src[1].row<float>(r % boxes);
    float* y = a.dst->row<float>(r);
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const float first = prior[axis], second = prior[axis + 2];
      const float size = d.corners ? second - first : second, centre = d.corners ? (first + second) / 2 : first;
      const float decoded = std::fma(x[axis] * d.centre_variance, size, centre);
      const float scale = exp_f32(x[axis + 2] * d.size_variance), half = size / 2;
      y[axis] = clipped(std::fma(-scale, half, decoded));
      y[axis + 2] = clipped(std::fma(scale, half, decoded));
    }
  }
}

}  // namespace octavo::op
