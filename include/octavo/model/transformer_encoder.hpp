// The encoder layer of transformers that normalise after each residual sum (Vaswani et al., arXiv 1706.03762), which
// BERT and the Keyword Transformer have under other names of parameters.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo::model {

/// The function between the two layers of a feed-forward block.
enum class feed_forward_activation : std::uint8_t { relu, gelu, gelu_tanh };

/// The parameters of a layer, and the eps of its normalisations.
struct encoder_layer_parameters {
  params query, key, value, attention_output, attention_norm, intermediate, output, output_norm;
  float eps = 1e-5f;
};

namespace detail {

template <feed_forward_activation Activation>
auto activated(const auto& x) {
  if constexpr (Activation == feed_forward_activation::relu)
    return relu(x);
  else if constexpr (Activation == feed_forward_activation::gelu)
    return gelu(x);
  else
    return gelu_tanh(x);
}

}  // namespace detail

/// Sequence (N, T, C) -> (N, T, C): attention of Heads heads and a feed-forward block of that width, each added to what
/// it reads and normalised. `lengths`: see attention().
template <int Heads, int FeedForward, feed_forward_activation Activation>
auto encoder_layer(auto x, const encoder_layer_parameters& w, const value_handle& lengths = {}) {
  constexpr int width = x.extents.back();
  auto seen = attention<Heads>(fc<width>(x, w.query), fc<width>(x, w.key), fc<width>(x, w.value), {.lengths = lengths});
  auto h = layer_norm(fc<width>(seen, w.attention_output) + x, w.attention_norm, w.eps);  // (N, T, C)
  auto wide = detail::activated<Activation>(fc<FeedForward>(h, w.intermediate));          // (N, T, FeedForward)
  return layer_norm(fc<width>(wide, w.output) + h, w.output_norm, w.eps);                 // (N, T, C)
}

}  // namespace octavo::model
