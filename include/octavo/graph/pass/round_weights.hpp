// Chooses the 8-bit grid of each layer's weights and their places on it: node::rounded. The weights themselves stay as
// they are, so that later passes see what the rounding changes.
#pragma once

#include "octavo/graph/graph.hpp"
#include "octavo/quant/options.hpp"
#include "octavo/quant/weights.hpp"

namespace octavo::pass {

/// The pass, to the nearest point of the grid of quantize_weights(). Layers that are rounded already and those that
/// stay FP32 are left alone. Throws octavo::error, naming the node, where a weight is not finite.
inline graph round_weights(graph g, const std::set<std::string>& keep_fp32 = {}) {
  for (node& n : g.nodes)
    if (has_weights(n.op) && !n.rounded && n.constants[0]->type() == element::f32 && !keep_fp32.contains(n.name))
      n.rounded = std::make_shared<const quantized_weights>(quantize_weights(*n.constants[0], n.name));
  return g;
}

}  // namespace octavo::pass
