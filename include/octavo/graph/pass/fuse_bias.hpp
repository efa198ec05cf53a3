// bias_add(conv2d(x)) -> conv2d'(x), and the same for fc: b' = b + bias
#pragma once

#include "octavo/graph/pass/fold_batch_norm.hpp"

namespace octavo::pass {

/// The pass.
inline graph fuse_bias(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    const op::bias_add* add = f.at(i).as<op::bias_add>();
    if (!add || f.type(*f.at(i).dst).is_u8()) return false;
    node* producer = f.sole_producer(f.at(i).src[0]);
    if (!producer || !has_f32_weights(*producer) || !is_bare(*producer)) return false;
    const std::span<const float> bias = f.at(i).constants[0]->as<float>();
    const std::vector<double> gain(bias.size(), 1.0), shift(bias.begin(), bias.end());
    scale_outputs(*producer, gain, shift);
    *fused_activation(producer->op) = add->act;
    f.absorb(*producer, i);
    return true;
  });
}

}  // namespace octavo::pass
