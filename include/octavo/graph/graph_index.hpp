// Who writes and who reads each value of a graph, found once: passes and the planner ask for every value.
#pragma once

#include "octavo/graph/graph.hpp"

namespace octavo {

/// One entry for each value.
struct graph_index {
  std::vector<int> producer;    ///< the node that writes it, -1 where none does
  std::vector<int> uses;        ///< how many times it is read; being an output counts once
  std::vector<char> is_output;  ///< whether the user receives it

  /// Throws octavo::error, naming node or output, where one reads a value that no earlier node writes, or two nodes
  /// write the same one.
  explicit graph_index(const graph& g)
      : producer(g.values.size(), -1), uses(g.values.size(), 0), is_output(g.values.size(), 0) {
    const auto is_value = [&](int v) { return v >= 0 && static_cast<std::size_t>(v) < producer.size(); };
    for (std::size_t i = 0; i < g.nodes.size(); ++i) {
      const node& n = g.nodes[i];
      for (int v : n.src) {
        if (v == -1) continue;
        require(is_value(v) && producer[static_cast<std::size_t>(v)] >= 0, "node '", n.name, "' reads value ", v,
                ", which no earlier node writes");
        ++uses[static_cast<std::size_t>(v)];
      }
      for (int v : n.dst) {
        require(is_value(v) && producer[static_cast<std::size_t>(v)] < 0, "node '", n.name, "' writes value ", v,
                ", expected one of the graph's ", producer.size(), " values that no other node writes");
        producer[static_cast<std::size_t>(v)] = static_cast<int>(i);
      }
    }
    for (const graph_output& o : g.outputs) {
      require(is_value(o.value) && producer[static_cast<std::size_t>(o.value)] >= 0, "output '", o.name, "' is value ",
              o.value, ", which no node writes");
      ++uses[static_cast<std::size_t>(o.value)];
      is_output[static_cast<std::size_t>(o.value)] = 1;
    }
  }
};

/// Throws octavo::error, naming what is wrong, unless every node reads what earlier ones write and can be run, and the
/// outputs are there.
inline void check(const graph& g) {
  const graph_index well_formed(g);
  for (const node& n : g.nodes) try {
      const signature s = g.signature_of(n);
      detail::check_inputs(n.op.facts(), s.src);
      check(n.op, s);
    } catch (const error& e) {
      fail("node '", n.name, "': ", e.what());
    }
}

}  // namespace octavo
