// bias_add(conv2d(x)) -> conv2d'(x), and the same for fc: b' = b + bias
#pragma once

#include "octavo/graph/pass/fold_batch_norm.hpp"

namespace octavo::pass {

/// The pass.
inline graph fuse_bias(graph g) {
  return fold_all(std::move(g), [](graph& h, std::size_t i) {
    const op::bias_add* add = h.nodes[i].as<op::bias_add>();
    if (!add || h.type(h.nodes[i].dst).is_u8()) return false;
    node* producer = sole_producer(h, h.nodes[i].src[0]);
    if (!producer || !has_f32_weights(*producer) || !is_bare(*producer)) return false;
    const std::span<const float> bias = h.nodes[i].constants[0]->as<float>();
    const std::vector<double> gain(bias.size(), 1.0), shift(bias.begin(), bias.end());
    scale_outputs(*producer, gain, shift);
    *fused_activation(producer->op) = add->act;
    absorb(h, *producer, i);
    return true;
  });
}

}  // namespace octavo::pass
