// relu(f(x)) -> f(x) with relu, for every f that ends with an activation; clip after clip is one clip.
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {

/// The pass.
inline graph fuse_activation(graph g) {
  return fold_all(std::move(g), [](graph& h, std::size_t i) {
    const op::activate* act = h.nodes[i].as<op::activate>();
    if (!act) return false;
    node* producer = sole_producer(h, h.nodes[i].src[0]);
    if (!producer || !fused_activation(producer->op)) return false;
    activation& earlier = *fused_activation(producer->op);
    earlier = act->act.after(earlier);
    absorb(h, *producer, i);
    return true;
  });
}

}  // namespace octavo::pass
