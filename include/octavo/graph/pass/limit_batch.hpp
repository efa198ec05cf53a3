// Lowers the bound of a bounded outermost axis: a graph composed for upto<64> images planned for 4 needs the memory of
// 4.
#pragma once

#include "octavo/graph/graph.hpp"

namespace octavo::pass {

/// `g` with every bounded outermost extent lowered to `batch`. Throws octavo::error when a bound is lower already.
inline graph limit_batch(graph g, int batch) {
  for (graph_value& v : g.values) {
    dims& d = v.type.extents;
    if (d.rank == 0 || !d.is_bounded(0)) continue;
    require(batch >= 1 && batch <= d[0], "limit_batch: value '", v.name, "' has up to ", d[0], ", asked for ", batch);
    d[0] = batch;
  }
  return g;
}

}  // namespace octavo::pass
