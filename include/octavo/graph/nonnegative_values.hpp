// Which values of a graph can never be negative, whatever its inputs: those get all 256 steps above 0 where only the
// largest magnitude is known, as in a calibration table or a network trained with fake quantization.
#pragma once

#include <algorithm>

#include "octavo/graph/graph_index.hpp"

namespace octavo {

namespace detail {

/// Whether the operator's results lie at 0 or above for any input.
inline bool gives_no_negatives(const node& n, const tensor_type& y) {
  if (const activation* act = fused_activation(n.op); act && act->lower >= 0) return true;
  if (y.is_u8()) return y.q.zero_point == 0;
  if (n.as<op::constant>() && y.type == element::f32)
    return std::ranges::all_of(n.constants[0]->as<float>(), [](float v) { return v >= 0; });
  return n.as<op::softmax>() || n.as<op::sigmoid>() || n.as<op::hard_sigmoid>() || n.as<op::softplus>() ||
         n.as<op::exp>() || n.as<op::abs>() || n.as<op::square>() || n.as<op::sqrt>();
}

/// Whether the operator's results lie at 0 or above where its inputs do.
inline bool keeps_no_negatives(const node& n) {
  if (const activation* act = fused_activation(n.op); act && act->upper < 0) return false;
  if (const op::pad* p = n.as<op::pad>()) return p->value >= 0;
  const bool moves = !n.src.empty() && n.op.rule(0) == port_rule::moved;
  return moves || n.as<op::pool2d>() || n.as<op::reduce>() || n.as<op::sequence_pool>() || n.as<op::convert>() ||
         n.as<op::add>() || n.as<op::mul>() || n.as<op::min>() || n.as<op::max>();
}

}  // namespace detail

/// One entry for each value: whether no element can be negative, as far as the operators before it tell. Throws
/// octavo::error where the graph's nodes are out of order.
inline std::vector<char> nonnegative_values(const graph& g) {
  const graph_index well_formed(g);
  std::vector<char> known(g.values.size(), 0);
  for (const node& n : g.nodes) {
    if (n.dst.size() != 1) continue;
    const auto is_known = [&](std::size_t i) {
      const port_rule r = n.op.rule(i);  // what is no activation, numbers of elements or lengths, does not matter
      return n.src[i] < 0 || r == port_rule::untouched || known[static_cast<std::size_t>(n.src[i])];
    };
    bool stays = detail::keeps_no_negatives(n);
    for (std::size_t i = 0; i < n.src.size(); ++i) stays = stays && is_known(i);
    known[static_cast<std::size_t>(*n.dst)] = stays || detail::gives_no_negatives(n, g.type(n.dst));
  }
  return known;
}

}  // namespace octavo
