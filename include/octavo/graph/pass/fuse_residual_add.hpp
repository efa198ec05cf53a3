// add(conv2d(x), r) -> conv2d(x) + r, and the same for fc and matmul. Of two candidates the later one takes the sum: it
// is the longer branch of a residual block, and the other operand is then ready when it runs.
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {

/// The pass.
inline graph fuse_residual_add(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    const op::add* add = f.at(i).as<op::add>();
    // A residual has the extents of the sum; what broadcasts stays an addition.
    if (!add || f.type(f.at(i).src[0]).extents != f.type(f.at(i).src[1]).extents) return false;
    node* chosen = nullptr;
    int other = -1;
    for (std::size_t k = 0; k < 2; ++k) {
      node* producer = f.sole_producer(f.at(i).src[k]);
      if (!producer || !fused_residual(producer->op) || !is_bare(*producer) || (chosen && producer < chosen)) continue;
      chosen = producer;
      other = f.at(i).src[1 - k];
    }
    if (!chosen) return false;
    *fused_residual(chosen->op) = true;
    *fused_activation(chosen->op) = add->act;
    f.add_source(*chosen, other);
    f.absorb(*chosen, i);
    return true;
  });
}

}  // namespace octavo::pass
