// The passes in their order. Each is a function from a graph to a graph and can be printed, tested and used alone.
#pragma once

#include "octavo/graph/pass/drop_dead_nodes.hpp"
#include "octavo/graph/pass/fold_batch_norm.hpp"
#include "octavo/graph/pass/fold_conversions.hpp"
#include "octavo/graph/pass/fuse_activation.hpp"
#include "octavo/graph/pass/fuse_bias.hpp"
#include "octavo/graph/pass/fuse_residual_add.hpp"
#include "octavo/graph/pass/limit_batch.hpp"
#include "octavo/graph/pass/quantize.hpp"

namespace octavo {

/// A rewriting of graphs.
struct graph_pass {
  std::string_view name;
  graph (*rewrite)(graph);
};

/// Run on every graph before it is calibrated, quantized or planned. Batch norms and biases go into the weights first,
/// since a convolution can take them only while nothing else was fused into it.
inline constexpr graph_pass folding_passes[] = {
    {"drop_dead_nodes", pass::drop_dead_nodes},     {"fold_batch_norm", pass::fold_batch_norm},
    {"fuse_bias", pass::fuse_bias},                 {"fuse_residual_add", pass::fuse_residual_add},
    {"fuse_activation", pass::fuse_activation},     {"fold_conversions", pass::fold_conversions},
};

/// The graph after all folding passes. Running them again changes nothing.
inline graph fold(graph g) {
  for (const graph_pass& p : folding_passes) g = p.rewrite(std::move(g));
  return g;
}

}  // namespace octavo
