// One operator without a graph: prepared once (kernel chosen, weights packed), then run on views.
//
//   auto conv = octavo::prepare(op::conv2d{{.out = 64, .kernel = 3}}, {{x_type}, y_type, {weights, bias, scales}},
//   kernels); conv(x, y).or_throw();
#pragma once

#include "octavo/exec/session.hpp"
#include "octavo/plan/compile.hpp"

namespace octavo {

/// A session of a network that is that one operator. Its arguments are the operator's inputs, those that are there,
/// then its outputs. Throws octavo::error when the operator cannot be run with that signature.
inline session prepare_operator(const operation& o, const signature& s, std::span<const kernel> kernels,
                                parallel_for& threads = serial()) {
  graph g;
  std::vector<int> src;
  for (const tensor_type& t : s.src)
    src.push_back(t.type == element::none ? -1 : *g.append(op::input{}, text("x", src.size()), {}, t));
  for (int v : g.append(o, std::string(name_of(o)), src, s.dst, s.constants))
    g.outputs.push_back({v, g.outputs.empty() ? "y" : text("y", g.outputs.size())});
  return session(plan_graph(g, kernels), threads);
}

}  // namespace octavo
