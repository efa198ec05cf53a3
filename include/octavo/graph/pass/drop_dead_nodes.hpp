// Nodes whose output nobody reads are dropped, until none is left. Inputs stay: they are the network's signature.
#pragma once

#include "octavo/graph/graph.hpp"

namespace octavo::pass {

/// The pass.
inline graph drop_dead_nodes(graph g) {
  for (std::size_t i = g.nodes.size(); i-- > 0;)
    if (!g.nodes[i].as<op::input>() && g.uses(g.nodes[i].dst) == 0)
      g.nodes.erase(g.nodes.begin() + static_cast<std::ptrdiff_t>(i));
  return g;
}

}  // namespace octavo::pass
