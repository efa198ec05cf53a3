// Layer normalisation that is spelled out, as files of other frameworks have it, becomes one node:
//   d = x - mean(x),  y = d / sqrt(mean(d d) + eps), or d times the reciprocal of that root  ->  y = layer_norm(x)
// with means along the innermost axis; and the line behind it becomes its weight and bias (lines: fold_affine.hpp).
#pragma once

#include "octavo/graph/pass/fold_affine.hpp"

namespace octavo::pass {
namespace detail {

/// The nodes that are one layer normalisation but for the last, a quotient or a product, from there backwards.
struct layer_norm_nodes {
  std::vector<node*> others;
  int x = -1;
  float eps = 0;

  static std::optional<layer_norm_nodes> find(folding& f, node& last) {
    const bool divides = last.as<op::div>();
    if (divides ? !last.as<op::div>()->act.is_none() : !last.as<op::mul>() || !last.as<op::mul>()->act.is_none())
      return {};
    for (std::size_t k = divides ? 1 : 0; k < 2; ++k) {
      layer_norm_nodes found;
      if (found.follow(f, last.src[1 - k], last.src[k], divides)) return found;
    }
    return {};
  }

 private:
  /// The node that writes `value`, if it is a T that nobody else reads.
  template <class T>
  const T* take(folding& f, int value) {
    node* n = f.sole_producer(value);
    const T* o = n ? n->as<T>() : nullptr;
    if (o) others.push_back(n);
    return o;
  }
  /// The value of which `value` is the mean along the innermost axis; -1 where it is none.
  int mean_of(folding& f, int value) {
    const op::reduce* r = take<op::reduce>(f, value);
    if (!r || r->kind != op::reduce::mean || !r->keep_dims) return -1;
    const int from = others.back()->src[0];
    return r->axes == axis_numbers{f.type(from).extents.rank - 1} ? from : -1;
  }

  bool follow(folding& f, int centred, int root, bool divides) {
    if (!divides) {
      if (!take<op::reciprocal>(f, root)) return false;
      root = others.back()->src[0];
    }
    if (!take<op::sqrt>(f, root)) return false;
    node* sum = f.sole_producer(others.back()->src[0]);
    const std::optional<channel_line> line = sum ? bare_line_of(f, *sum) : std::nullopt;
    if (!line || line->gain != std::vector{1.0} || !(line->shift[0] >= 0)) return false;
    others.push_back(sum);
    eps = static_cast<float>(line->shift[0]);
    const int squares = mean_of(f, sum->src[line->input]);
    if (squares < 0) return false;
    const bool square = take<op::square>(f, squares), product = !square && take<op::mul>(f, squares);
    if (!square && (!product || !others.back()->as<op::mul>()->act.is_none())) return false;
    for (int v : others.back()->src)
      if (v != centred) return false;
    node& difference = f.producer(centred);
    const op::sub* s = difference.as<op::sub>();
    if (!s || !s->act.is_none() || f.uses(centred) != (square ? 2 : 3)) return false;
    x = difference.src[0];
    others.push_back(&difference);
    return mean_of(f, difference.src[1]) == x && f.type(x).type == element::f32 &&
           !innermost_bounded(f.type(x).extents);
  }
};

/// Whether node `i`, a line, went into the layer normalisation before it, which was spelled out. That of a user's own
/// keeps its rounding.
inline bool absorb_line(folding& f, std::size_t i) {
  const std::optional<channel_line> line = bare_line_of(f, f.at(i));
  node* norm = line ? f.sole_producer(f.at(i).src[line->input]) : nullptr;
  if (!norm || !norm->as<op::layer_norm>() || norm->fused.empty()) return false;
  const int channels = static_cast<int>(line->gain.size());
  norm->constants.resize(2);
  const auto before = [&](std::size_t k, std::size_t c, double otherwise) {
    return norm->constants[k] ? static_cast<double>(norm->constants[k]->as<float>()[c]) : otherwise;
  };
  tensor weight(element::f32, {channels}), bias(element::f32, {channels});
  for (std::size_t c = 0; c < line->gain.size(); ++c) {
    weight.as<float>()[c] = static_cast<float>(before(0, c, 1) * line->gain[c]);
    bias.as<float>()[c] = static_cast<float>(std::fma(before(1, c, 0), line->gain[c], line->shift[c]));
  }
  norm->constants = {make_constant(std::move(weight)), make_constant(std::move(bias))};
  f.absorb(*norm, i);
  return true;
}

}  // namespace detail

/// The pass.
inline graph fuse_layer_norm(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    if (detail::absorb_line(f, i)) return true;
    node& n = f.at(i);
    const auto found = detail::layer_norm_nodes::find(f, n);
    if (!found) return false;
    n.op = op::layer_norm{.eps = found->eps};
    n.constants = {nullptr, nullptr};
    f.set_sources(n, {found->x});
    for (node* other : found->others) f.take_over(n, *other);
    return true;
  });
}

}  // namespace octavo::pass
