// matmul, softmax and matmul of each head become one attention, whose scores need no memory. After fold_movement() the
// heads of q, k and v (N, T, H D), which lie as (N, T, H, D), are interleaved matrices, and after fold_alpha() a factor
// is alpha:
//   reshape(matmul(softmax(matmul(reshape(q), reshape(k)) [+ mask] [, lengths]), reshape(v))) -> attention(q, k, v, ..)
//   matmul(softmax(matmul(q, k) [+ mask] [, lengths]), v) -> attention of one head, for q, k and v of (N, T, D)
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {
namespace detail {

/// Whether `n` is a product of matrices whose rows take turns with those of other heads, or not, and nothing else.
inline bool is_product_of_heads(const node& n, bool transpose_b, bool interleaved, bool interleaved_y) {
  const op::matmul* m = n.as<op::matmul>();
  return m && is_bare(n) && !m->transpose_a && m->transpose_b == transpose_b && m->interleave_b == interleaved &&
         m->interleave_a == (interleaved && transpose_b) && m->interleave_y == interleaved_y;
}

/// The nodes that become an attention, from the last on; `mask` is the value that is added to scores, or -1.
struct attention_nodes {
  node *values = nullptr, *softmax = nullptr, *add = nullptr, *scores = nullptr;
  int mask = -1;

  /// Those that end with the product `last`.
  static std::optional<attention_nodes> find(folding& f, node* last, bool heads) {
    attention_nodes a;
    a.values = last;
    if (!last || !is_product_of_heads(*last, false, heads, heads) || last->as<op::matmul>()->alpha != 1.0f) return {};
    a.softmax = f.sole_producer(last->src[0]);
    const op::softmax* s = a.softmax ? a.softmax->as<op::softmax>() : nullptr;
    if (!s || s->axis != -1) return {};
    a.scores = f.sole_producer(a.softmax->src[0]);
    if (const op::add* sum = a.scores ? a.scores->as<op::add>() : nullptr; sum && sum->act.is_none()) {
      a.add = a.scores;
      for (std::size_t k = 0; k < 2 && a.mask < 0; ++k) {
        a.scores = f.sole_producer(a.add->src[k]);
        if (a.scores && is_product_of_heads(*a.scores, true, heads, false)) a.mask = a.add->src[1 - k];
      }
      if (a.mask < 0) return {};
    }
    if (!a.scores || !is_product_of_heads(*a.scores, true, heads, false)) return {};
    return a;
  }

  /// What of (N, H, T, S) the mask must be: one of (N, T, S) has no place for the head.
  bool mask_fits(folding& f, bool heads) const {
    if (mask < 0) return true;
    const dims& m = f.type(mask).extents;
    return f.type(mask).type == element::f32 && m.back() == f.type(*scores->dst).extents.back() &&
           (heads || m.rank < 3 || m.encoded(0) == 1);
  }
};

/// The heads of `value` if it is a reshape of (N, T, H D) to (N, T, H, D), else 0.
inline int heads_of(folding& f, int value) {
  const node& n = f.producer(value);
  if (!n.as<op::reshape>()) return 0;
  const dims &x = f.type(n.src[0]).extents, &y = f.type(value).extents;
  if (x.rank != 3 || y.rank != 4 || x.encoded(0) != y.encoded(0) || x.encoded(1) != y.encoded(1)) return 0;
  return innermost_bounded(x) || y.is_bounded(2) || y.is_bounded(3) ? 0 : y[2];
}

/// Makes node `i`, the last of these, read q, k and v as they lie, and more.
inline void become_attention(folding& f, std::size_t i, const attention_nodes& a, const op::attention& o) {
  std::vector<int> src{a.scores->src[0], a.scores->src[1], a.values->src[1], a.mask, -1};
  if (a.softmax->src.size() > 1) src[4] = a.softmax->src[1];
  while (src.back() < 0) src.pop_back();
  for (node* part : {a.values, a.softmax, a.add, a.scores})
    if (part && part != &f.at(i)) f.absorb(*part, i);
  node& n = f.at(i);
  const bool heads = n.as<op::matmul>()->interleave_a;
  n.op = o;
  f.set_sources(n, std::move(src));
  for (std::size_t k = 0; heads && k < 3; ++k) f.read_through(n, k);
}

}  // namespace detail

/// The pass.
inline graph fuse_attention(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    node& n = f.at(i);
    const bool heads = n.as<op::reshape>();
    const auto a = detail::attention_nodes::find(f, heads ? f.sole_producer(n.src[0]) : &n, heads);
    if (!a || !a->mask_fits(f, heads)) return false;
    op::attention o{1, a->scores->as<op::matmul>()->alpha};
    if (heads) o.heads = detail::heads_of(f, a->values->src[1]);
    dims src[3];
    for (std::size_t k = 0; k < 3; ++k) {
      const int part = k < 2 ? a->scores->src[k] : a->values->src[1];
      if (heads && (o.heads == 0 || detail::heads_of(f, part) != o.heads)) return false;
      src[k] = f.type(heads ? f.producer(part).src[0] : part).extents;
    }
    if (!op::fits(o, src[0], src[1], src[2]) || op::infer(o, src) != f.type(*n.dst).extents) return false;
    detail::become_attention(f, i, *a, o);
    return true;
  });
}

}  // namespace octavo::pass
