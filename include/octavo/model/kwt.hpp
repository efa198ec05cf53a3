// KWT-1, the smallest Keyword Transformer (Berg et al., arXiv 2104.00769): one attention head of 64, 12 layers.
// Parameter names: embeddings.projection, embeddings.cls_token, embeddings.position_embeddings.weight,
// encoder.layer.0.attention.query ... encoder.layer.0.output.layer_norm ... classifier.
#pragma once

#include "octavo/model/transformer_encoder.hpp"

namespace octavo::model {

namespace detail {

/// (1 + T, C): position embeddings, and the class token on the first. The sequence is padded with zeros there.
inline tensor positions_and_token(const params& w, int positions, int width) {
  const constant position = w.get("position_embeddings.weight", {positions, width}),
                 token = w.get("cls_token", {width});
  tensor sum = position->reshaped({positions, width});
  for (std::size_t c = 0; c < static_cast<std::size_t>(width); ++c) sum.as<float>()[c] += token->as<float>()[c];
  return sum;
}

}  // namespace detail

/// Speech features (N, T, F), 98 x 40 in the publication -> logits (N, Classes).
template <int Classes = 12, int Layers = 12>
auto kwt1(auto features, const params& w) {
  constexpr int width = 64, positions = features.extents[1] + 1;
  const tensor embeddings = detail::positions_and_token(w / "embeddings", positions, width);
  auto rows = fc<width>(features, w / "embeddings" / "projection");
  auto x = pad<axis_numbers{0, 1, 0}, axis_numbers{0, 0, 0}>(rows) +
           constant_value<float, shape<positions, width>>(features.owner("kwt1"), "embeddings.positions",
                                                          embeddings.as<float>());  // (N, 1 + T, 64)
  for (int i = 0; i < Layers; ++i) {
    const params l = w / "encoder" / "layer" / i, a = l / "attention";
    x = encoder_layer<1, 4 * width, feed_forward_activation::gelu_tanh>(
        x, {a / "query", a / "key", a / "value", a / "output", a / "layer_norm", l / "intermediate", l / "output",
            l / "output" / "layer_norm", 1e-6f});
  }
  return fc<Classes>(reshape<nc<x.extents.encoded(0), width>>(slice<1, 0, 1>(x)), w / "classifier");  // (N, Classes)
}

}  // namespace octavo::model
