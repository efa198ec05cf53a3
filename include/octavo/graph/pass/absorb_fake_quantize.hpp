// What rounds to a grid in FP32 says how its input is quantized, and goes away:
//   conv2d(fake_quantize(x)) -> conv2d(x), x with the grid's map
#pragma once

#include <numeric>

#include "octavo/graph/graph.hpp"

namespace octavo::pass {

/// The pass. A value gets the map of the first fake_quantize that reads it, unless it has one already; another grid of
/// the same value becomes a requantization. What rounds to the grid of its input's range goes only where `with_dynamic`
/// says that ranges are known otherwise.
inline graph absorb_fake_quantize(graph g, bool with_dynamic) {
  std::vector<int> same(g.values.size());  // the value that takes this one's place
  std::iota(same.begin(), same.end(), 0);
  const auto goes = [&](node& n) {
    if (n.as<op::dynamic_fake_quantize>()) return with_dynamic;
    const op::fake_quantize* f = n.as<op::fake_quantize>();
    if (!f) return false;
    const affine map = f->map;
    std::optional<affine>& known = g.values[static_cast<std::size_t>(n.src[0])].quant;
    if (!known) known = map;
    if (*known == map) return true;
    g.values[static_cast<std::size_t>(*n.dst)].quant = map;
    n.op = op::activate{};
    return false;
  };
  for (node& n : g.nodes) {
    for (int& v : n.src)
      if (v >= 0) v = same[static_cast<std::size_t>(v)];
    if (!goes(n)) continue;
    same[static_cast<std::size_t>(*n.dst)] = n.src[0];
    n.dst = {-1};
  }
  for (graph_output& o : g.outputs) o.value = same[static_cast<std::size_t>(o.value)];
  std::erase_if(g.nodes, [](const node& n) { return *n.dst < 0; });
  return g;
}

}  // namespace octavo::pass
