// batch_norm(conv2d(x)) -> conv2d'(x), and the same for fc:
//   gain = weight / sqrt(var + eps);  W'[oc] = W[oc] * gain[oc];  b' = (b - mean) * gain + bias
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {

/// Scales the rows of a node's weights and moves its bias: y -> gain * y + shift.
inline void scale_outputs(node& n, std::span<const double> gain, std::span<const double> shift) {
  const tensor& old_weights = *n.constants[0];
  const tensor* old_bias = n.constants[1].get();
  tensor weights(element::f32, old_weights.extents()), bias(element::f32, {static_cast<int>(gain.size())});
  const std::size_t depth = old_weights.extents().count() / gain.size();
  const std::span<const float> from = old_weights.as<float>();
  const std::span<float> to = weights.as<float>();
  for (std::size_t c = 0; c < gain.size(); ++c) {
    for (std::size_t i = c * depth; i < (c + 1) * depth; ++i)
      to[i] = static_cast<float>(static_cast<double>(from[i]) * gain[c]);
    const double b = old_bias ? static_cast<double>(old_bias->as<float>()[c]) : 0.0;
    bias.as<float>()[c] = static_cast<float>(std::fma(b, gain[c], shift[c]));
  }
  n.constants[0] = make_constant(std::move(weights));
  n.constants[1] = make_constant(std::move(bias));
  n.rounded = nullptr;
}

/// Whether scale_outputs can scale the node: its weights are not quantized yet.
inline bool has_f32_weights(const node& n) { return has_weights(n.op) && n.constants[0]->type() == element::f32; }

/// The pass.
inline graph fold_batch_norm(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    const op::batch_norm* bn = f.at(i).as<op::batch_norm>();
    if (!bn || f.type(*f.at(i).dst).is_u8()) return false;
    node* producer = f.sole_producer(f.at(i).src[0]);
    if (!producer || !has_f32_weights(*producer) || !is_bare(*producer)) return false;
    const op::channel_affine map = op::as_affine(*bn, f.at(i).constants);
    scale_outputs(*producer, map.gain, map.shift);
    *fused_activation(producer->op) = bn->act;
    f.absorb(*producer, i);
    return true;
  });
}

}  // namespace octavo::pass
