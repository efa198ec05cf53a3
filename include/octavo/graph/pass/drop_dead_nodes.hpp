// Nodes whose output nobody reads are dropped, until none is left. Inputs stay: they are the network's signature.
#pragma once

#include "octavo/graph/graph_index.hpp"

namespace octavo::pass {

/// The pass.
inline graph drop_dead_nodes(graph g) {
  std::vector<int> uses = graph_index(g).uses;
  const auto is_dead = [&](const node& n) { return !n.as<op::input>() && uses[static_cast<std::size_t>(n.dst)] == 0; };
  for (auto n = g.nodes.rbegin(); n != g.nodes.rend(); ++n)
    if (is_dead(*n))
      for (int v : n->src) --uses[static_cast<std::size_t>(v)];
  std::erase_if(g.nodes, is_dead);
  return g;
}

}  // namespace octavo::pass
