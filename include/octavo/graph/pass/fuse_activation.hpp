// relu(f(x)) -> f(x) with relu, for every f that ends with an activation; clip after clip is one clip.
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {

/// The pass.
inline graph fuse_activation(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    const op::activate* act = f.at(i).as<op::activate>();
    if (!act) return false;
    node* producer = f.sole_producer(f.at(i).src[0]);
    if (!producer || !fused_activation(producer->op)) return false;
    activation& earlier = *fused_activation(producer->op);
    earlier = act->act.after(earlier);
    f.absorb(*producer, i);
    return true;
  });
}

}  // namespace octavo::pass
