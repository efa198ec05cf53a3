// What the fusing passes share: folding a node into the node that produces its input.
#pragma once

#include "octavo/graph/graph.hpp"

namespace octavo::pass {

/// The node that writes `value`, if `reader` is the only one who reads it, so that both can become one; else null.
inline node* sole_producer(graph& g, int value) {
  if (g.uses(value) != 1) return nullptr;
  node& n = g.nodes[static_cast<std::size_t>(g.producer(value))];
  return n.as<op::input>() ? nullptr : &n;
}

/// Node `index` disappears into `producer`: the producer takes over its place in the order, its output and its name
/// in the list of fused nodes.
inline void absorb(graph& g, node& producer, std::size_t index) {
  node merged = std::move(producer);
  node& consumer = g.nodes[index];
  merged.dst = consumer.dst;
  merged.fused.push_back(consumer.name);
  merged.fused.insert(merged.fused.end(), consumer.fused.begin(), consumer.fused.end());
  const std::ptrdiff_t old = &producer - g.nodes.data();
  consumer = std::move(merged);
  g.nodes.erase(g.nodes.begin() + old);
}

/// Whether the producer's output is still the bare sum of products: nothing was applied to it yet.
inline bool is_bare(const node& n) {
  const activation* act = fused_activation(n.op);
  const bool* residual = fused_residual(n.op);
  return act && act->is_none() && !(residual && *residual);
}

/// Calls `fold(graph, node index)` for each node in order; after a fold, which returns true, it goes on one node
/// earlier, where what was merged now is.
template <class Fold>
graph fold_all(graph g, Fold&& fold) {
  for (std::size_t i = 0; i < g.nodes.size();) i = !fold(g, i) ? i + 1 : i > 0 ? i - 1 : 0;
  return g;
}

}  // namespace octavo::pass
