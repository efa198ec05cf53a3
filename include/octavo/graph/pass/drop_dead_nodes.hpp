// Nodes none of whose outputs anybody reads are dropped, until none is left. Inputs stay: they are the network's
// signature.
#pragma once

#include "octavo/graph/graph_index.hpp"

namespace octavo::pass {

/// The pass.
inline graph drop_dead_nodes(graph g) {
  std::vector<int> uses = graph_index(g).uses;
  const auto is_dead = [&](const node& n) {
    return !n.as<op::input>() &&
           std::all_of(n.dst.begin(), n.dst.end(), [&](int v) { return uses[static_cast<std::size_t>(v)] == 0; });
  };
  for (auto n = g.nodes.rbegin(); n != g.nodes.rend(); ++n)
    if (is_dead(*n))
      for (int v : n->src)
        if (v >= 0) --uses[static_cast<std::size_t>(v)];
  std::erase_if(g.nodes, is_dead);
  return g;
}

}  // namespace octavo::pass
