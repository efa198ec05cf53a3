// Scales and zero points that meet are folded:
//   convert(convert(x)) -> convert(x), or x where type and scale come out as they went in (dequantize -> quantize)
//   convert(f(x)) -> f(x) with the converted type, for every f that requantizes its sums anyway
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {

/// Whether the node's output may take any u8 scale, or f32, at no cost: it ends with the requantization rule.
inline bool chooses_output_type(const graph& g, const node& n) {
  if (!fused_activation(n.op)) return false;
  const bool* residual = fused_residual(n.op);
  if (residual && *residual) return false;  // the residual has the output's type
  return g.type(n.src[0]).is_u8();
}

/// The pass.
inline graph fold_conversions(graph g) {
  return fold_all(std::move(g), [](graph& h, std::size_t i) {
    if (!h.nodes[i].as<op::convert>()) return false;
    const int src = h.nodes[i].src[0], dst = h.nodes[i].dst;
    if (h.type(src) == h.type(dst) && !h.is_output(dst)) {
      h.replace_uses(dst, src);
      h.nodes.erase(h.nodes.begin() + static_cast<std::ptrdiff_t>(i));
      return true;
    }
    node& producer = h.nodes[static_cast<std::size_t>(h.producer(src))];
    // f32 -> u8 -> anything rounds on purpose, and stays; u8 -> f32 -> u8 is one step.
    if (producer.as<op::convert>() && !h.type(src).is_u8()) {
      h.nodes[i].src[0] = producer.src[0];
      return true;
    }
    if (h.uses(src) == 1 && !h.type(src).is_u8() && chooses_output_type(h, producer)) {
      absorb(h, producer, i);
      return true;
    }
    return false;
  });
}

}  // namespace octavo::pass
