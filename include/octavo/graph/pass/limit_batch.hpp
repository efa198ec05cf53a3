// Lowers the bound of a bounded outermost axis: a graph composed for upto<64> images planned for 4 needs the memory of
// 4.
#pragma once

#include "octavo/graph/graph.hpp"

namespace octavo::pass {

/// `g` with every bounded outermost extent of an input lowered to `batch`, and with it what follows from its symbol.
/// Throws octavo::error when a bound is lower already.
inline graph limit_batch(graph g, int batch) {
  std::array<bool, symbol_count> is_batch{};
  for (int v : g.input_values())
    if (const dims& d = g.type(v).extents; d.is_bounded(0)) is_batch[d.form(0).symbol] = true;
  for (graph_value& v : g.values) {
    dims& d = v.type.extents;
    for (int i = 0; i < d.rank; ++i) {
      if (!d.is_bounded(i) || !is_batch[d.form(i).symbol]) continue;
      const std::int64_t limited = d.form(i).at(batch);
      require(batch >= 1 && limited >= 1 && limited <= d[i], "limit_batch: value '", v.name, "' has up to ", d[i],
              ", asked for ", limited);
      d[i] = static_cast<int>(limited);
    }
  }
  return g;
}

}  // namespace octavo::pass
