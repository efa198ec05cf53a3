// Scales and zero points that meet are folded:
//   convert(convert(x)) -> convert(x), or x where type and scale come out as they went in (dequantize -> quantize)
//   convert(f(x)) -> f(x) with the converted type, for every f that requantizes its sums anyway
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {

/// Whether the node's output may take any u8 scale, or f32, at no cost: it ends with the requantization rule.
inline bool chooses_output_type(const folding& f, const node& n) {
  if (!fused_activation(n.op)) return false;
  const bool* residual = fused_residual(n.op);
  if (residual && *residual) return false;  // the residual has the output's type
  return f.type(n.src[0]).is_u8();
}

/// The pass.
inline graph fold_conversions(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    if (!f.at(i).as<op::convert>()) return false;
    const int src = f.at(i).src[0], dst = *f.at(i).dst;
    if (f.type(src) == f.type(dst) && !f.is_output(dst)) {
      f.bypass(i);
      return true;
    }
    node& producer = f.producer(src);
    // f32 -> u8 -> anything rounds on purpose, and stays; u8 -> f32 -> u8 is one step.
    if (producer.as<op::convert>() && !f.type(src).is_u8()) {
      f.read_through(f.at(i));
      return true;
    }
    if (f.uses(src) == 1 && !f.type(src).is_u8() && chooses_output_type(f, producer)) {
      f.absorb(producer, i);
      return true;
    }
    return false;
  });
}

}  // namespace octavo::pass
