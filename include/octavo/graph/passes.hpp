// The passes in their order. Each is a function from a graph to a graph and can be printed, tested and used alone.
#pragma once

#include "octavo/base/compiled.hpp"
#include "octavo/graph/graph.hpp"
#include "octavo/quant/options.hpp"

namespace octavo {

/// The graph after all folding passes, which run until they find nothing more to fold: a batch norm behind a bias, say,
/// can go into the weights only after the bias did.
OCTAVO_COMPILED_ONCE graph fold(graph g);

/// Folds `g` and rewrites it to INT8 by what calibrate() found out about the folded graph.
OCTAVO_COMPILED_ONCE graph quantize_graph(const graph& g, const calibration& c, const quantize_options& options = {});

}  // namespace octavo

#if OCTAVO_BODIES

#include "octavo/base/float_environment.hpp"
#include "octavo/graph/pass/absorb_fake_quantize.hpp"
#include "octavo/graph/pass/annotate.hpp"
#include "octavo/graph/pass/correct_bias.hpp"
#include "octavo/graph/pass/drop_dead_nodes.hpp"
#include "octavo/graph/pass/fold_affine.hpp"
#include "octavo/graph/pass/fold_alpha.hpp"
#include "octavo/graph/pass/fold_conversions.hpp"
#include "octavo/graph/pass/fold_movement.hpp"
#include "octavo/graph/pass/fold_normalization.hpp"
#include "octavo/graph/pass/fuse_activation.hpp"
#include "octavo/graph/pass/fuse_attention.hpp"
#include "octavo/graph/pass/fuse_gelu.hpp"
#include "octavo/graph/pass/fuse_layer_norm.hpp"
#include "octavo/graph/pass/fuse_residual_add.hpp"
#include "octavo/graph/pass/merge_directions.hpp"
#include "octavo/graph/pass/push_activation.hpp"
#include "octavo/graph/pass/quantize.hpp"
#include "octavo/graph/pass/replace_matmul.hpp"
#include "octavo/graph/pass/round_weights.hpp"

namespace octavo {

// What only moves elements goes first, since it stands between what folds. Matrix products become layers, and what is
// spelled out in many nodes one, before lines go into weights; and lines do so before a layer takes over sums and
// activations, after which it cannot take them.
OCTAVO_COMPILED_ONCE graph fold(graph g) {
  constexpr graph (*passes[])(graph) = {pass::fold_movement,    pass::replace_matmul,  pass::fuse_layer_norm,
                                        pass::fuse_gelu,        pass::fold_affine,     pass::fold_normalization,
                                        pass::fold_alpha,       pass::fuse_attention,  pass::fuse_residual_add,
                                        pass::push_activation,  pass::fuse_activation, pass::fold_conversions,
                                        pass::merge_directions, pass::drop_dead_nodes};
  const float_environment exact;
  for (std::size_t before = 0; before != g.nodes.size();) {
    before = g.nodes.size();
    for (const auto rewrite : passes) g = rewrite(std::move(g));
  }
  return g;
}

// What wants to change weights or maps, a pass of its own, takes its place among these lines.
OCTAVO_COMPILED_ONCE graph quantize_graph(const graph& g, const calibration& c, const quantize_options& options) {
  const float_environment exact;
  graph maps_on_values = fold(pass::absorb_fake_quantize(g, !c.ranges.empty()));
  graph ready = pass::round_weights(pass::annotate(std::move(maps_on_values), c.ranges), options.keep_fp32);
  if (options.correct_bias) ready = pass::correct_bias(std::move(ready), c.means);
  return fold(pass::quantize(ready, options));
}

}  // namespace octavo

#endif
