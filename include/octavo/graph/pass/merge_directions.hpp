// A forward and a reverse layer that read the same input, and whose outputs are put side by side, become one layer of
// both directions, and their input products one:
//   concat(gru(fc(x)), gru reverse(fc'(x))) -> gru both(fc''(x)), likewise lstm
// So the input is read once, and the directions can run on two threads.
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {
namespace detail {

/// The rows of `a`, then those of `b`; null where both are. Nothing where only one is there, unless zeros stand for the
/// other.
inline std::optional<constant> stack_constants(const constant& a, const constant& b, bool zeros = false) {
  if (!a && !b) return constant{};
  if ((!a || !b) && !zeros) return {};
  const tensor& some = a ? *a : *b;
  dims e = some.extents();
  e[0] *= 2;
  tensor both(some.type(), e);
  const auto half = static_cast<std::ptrdiff_t>(some.bytes().size());
  if (a) std::ranges::copy(a->bytes(), both.bytes().begin());
  if (b) std::ranges::copy(b->bytes(), both.bytes().begin() + half);
  return make_constant(std::move(both));
}

/// The constants of two nodes of the same operator, of which number 1 is a bias; nothing where they do not fit.
inline std::optional<std::vector<constant>> stack_constants(const node& a, const node& b) {
  std::vector<constant> all;
  for (std::size_t k = 0; k < std::max(a.constants.size(), b.constants.size()); ++k) {
    const auto at = [&](const node& n) { return k < n.constants.size() ? n.constants[k] : nullptr; };
    const std::optional<constant> both = stack_constants(at(a), at(b), k == 1);
    if (!both) return {};
    all.push_back(*both);
  }
  return all;
}

/// The recurrent layer T that writes `value` for the concat alone, and nothing that others read.
template <class T>
node* recurrent_of(folding& f, int value, octavo::direction d) {
  node& n = f.producer(value);
  const T* o = n.as<T>();
  if (!o || o->direction != d || n.dst[0] != value) return nullptr;
  for (std::size_t k = 0; k < n.dst.size(); ++k)
    if (f.uses(n.dst[k]) != (k == 0 ? 1 : 0)) return nullptr;
  for (std::size_t k = op::detail::recurrent::h0; k < n.src.size(); ++k)
    if (n.src[k] >= 0) return nullptr;  // an initial state
  return &n;
}

/// The fc that writes `value` for one reader.
inline node* bare_fc_of(folding& f, int value) {
  node* n = f.sole_producer(value);
  return n && n->as<op::fc>() && is_bare(*n) && n->src.size() == 1 ? n : nullptr;
}

/// Merges the layers T whose outputs node `i` concatenates. Whether there were such.
template <class T>
bool merge_directions_of(folding& f, std::size_t i) {
  const op::concat* c = f.at(i).as<op::concat>();
  if (!c || f.at(i).src.size() != 2 || c->axis != f.type(*f.at(i).dst).extents.rank - 1) return false;
  node *forward = recurrent_of<T>(f, f.at(i).src[0], direction::forward),
       *reverse = recurrent_of<T>(f, f.at(i).src[1], direction::reverse);
  if (!forward || !reverse) return false;
  T both = *forward->as<T>(), other = *reverse->as<T>();
  other.direction = both.direction;
  const auto lengths_of = [](const node& n) { return n.src.size() > 1 ? n.src[1] : -1; };
  const int lengths = lengths_of(*forward);
  if (operation(both) != operation(other) || lengths != lengths_of(*reverse)) return false;
  node *input = bare_fc_of(f, reverse->src[0]), *other_input = bare_fc_of(f, forward->src[0]);
  if (!input || !other_input || input->src[0] != other_input->src[0]) return false;
  const auto products = stack_constants(*other_input, *input), steps = stack_constants(*forward, *reverse);
  if (!products || !steps) return false;

  both.direction = direction::both;
  op::fc& product = *input->as<op::fc>();
  product.out *= 2;
  input->constants = *products, input->rounded = nullptr;
  const int x = *input->dst;
  f.type(x).extents[f.type(x).extents.rank - 1] = product.out;
  node layer{both, forward->name, {}, {}, *steps, {}, {}};
  layer.dst = reverse->dst;
  layer.dst[0] = *f.at(i).dst;
  for (std::size_t k = 1; k < layer.dst.size(); ++k) f.type(layer.dst[k]).extents[1] *= 2;
  for (const node* n : {forward, reverse, &f.at(i)}) {
    if (n != forward) layer.fused.push_back(n->name);
    layer.fused.insert(layer.fused.end(), n->fused.begin(), n->fused.end());
  }
  input->fused.push_back(other_input->name);
  for (node* n : {forward, reverse, other_input}) f.drop(*n);
  f.drop(f.at(i));
  f.at(i) = std::move(layer);
  f.add_source(f.at(i), x);
  if (lengths >= 0) f.add_source(f.at(i), lengths);
  return true;
}

}  // namespace detail

/// The pass.
inline graph merge_directions(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    return detail::merge_directions_of<op::gru>(f, i) || detail::merge_directions_of<op::lstm>(f, i);
  });
}

}  // namespace octavo::pass
