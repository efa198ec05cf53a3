// Weights: s8 in [-127, 127], symmetric, one scale per output channel.
//   scale[c] = max |w[c]| / 127,   q = rne(w / scale[c])
#pragma once

#include "octavo/quant/affine.hpp"
#include "octavo/tensor/tensor.hpp"

namespace octavo {

/// How the weights (OC, IC/groups, ...) of a layer whose input has `inputs` channels lie: rows of `depth`.
struct weight_layout {
  std::size_t rows, depth;

  weight_layout(const dims& e, std::size_t inputs)
      : rows(static_cast<std::size_t>(e[0])),
        depth(e.count() / rows),
        columns_(static_cast<std::size_t>(e[1])),
        group_rows_(rows / (inputs / columns_)) {}

  /// The input channel that weight `i` of row `r` meets.
  std::size_t input_of(std::size_t r, std::size_t i) const {
    return r / group_rows_ * columns_ + i / (depth / columns_);
  }

 private:
  std::size_t columns_, group_rows_;
};

/// Weights on their grid.
struct quantized_weights {
  tensor values;  // s8, extents as the FP32 weights'
  tensor scales;  // f32 (OC)
};

/// Quantizes FP32 weights whose outermost axis is the output channel. A channel of zeros gets scale 1. Throws
/// octavo::error, beginning with `what`, when a weight is not finite.
inline quantized_weights quantize_weights(const tensor& weights, std::string_view what) {
  const dims& extents = weights.extents();
  require(extents.rank >= 1 && !weights.bytes().empty(), what, ": weights must have output channels, found ", extents);
  const auto channels = static_cast<std::size_t>(extents[0]), depth = extents.count() / channels;
  quantized_weights q{tensor(element::s8, extents), tensor(element::f32, {extents[0]})};
  const std::span<const float> w = weights.as<float>();
  const std::span<std::int8_t> values = q.values.as<std::int8_t>();
  for (std::size_t c = 0; c < channels; ++c) {
    float largest = 0.0f;
    for (float v : w.subspan(c * depth, depth)) {
      require(std::isfinite(v), what, ": a weight of output channel ", c, " is not finite");
      largest = std::max(largest, std::fabs(v));
    }
    const float scale = largest > 0.0f ? std::max(largest / 127.0f, smallest_scale) : 1.0f;
    q.scales.as<float>()[c] = scale;
    constexpr float shift = 0x1.8p23f;  // its sum with a small number is rounded to an integer, as nearbyint() does
    for (std::size_t i = c * depth; i < (c + 1) * depth; ++i)
      values[i] = static_cast<std::int8_t>(std::clamp(w[i] / scale + shift - shift, -127.0f, 127.0f));
  }
  return q;
}

}  // namespace octavo
