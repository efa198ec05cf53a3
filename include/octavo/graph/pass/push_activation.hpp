// relu(concat(f(x), g(y))) -> concat(f'(x), g'(y)), where every input of the concat can end with the clamp: it then
// costs nothing.
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {

/// The pass.
inline graph push_activation(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    const op::activate* act = f.at(i).as<op::activate>();
    if (!act) return false;
    const int joined = f.at(i).src[0], y = *f.at(i).dst;
    node* concat = f.sole_producer(joined);
    if (!concat || !concat->as<op::concat>() || f.type(joined) != f.type(y)) return false;
    const auto can_take = [&](int x) {
      const node* producer = f.sole_writer(x);
      return producer && fused_activation(producer->op);
    };
    if (!std::all_of(concat->src.begin(), concat->src.end(), can_take)) return false;
    for (int x : concat->src) {
      activation& earlier = *fused_activation(f.producer(x).op);
      earlier = act->act.after(earlier);
      f.quant(x) = f.quant(y);
    }
    f.absorb(*concat, i);
    return true;
  });
}

}  // namespace octavo::pass
