// Moves of elements that follow each other become one, or none:
//   transpose(transpose(x)) -> transpose'(x), or x                reshape(reshape(x)) -> reshape'(x), or x
//   transpose(x) that leaves the elements in their order -> reshape(x), which is free
//   reshape(transpose(reshape(x))) that makes of (.., g c) (.., g, c), (.., c, g), (.., c g) -> shuffle_channel(x)
//   matmul(transpose(a), b) -> matmul'(a, b), and the same for b, where a transposed or interleaved operand says it all
//   transpose(matmul(a, b)) that interleaves the rows of matrices -> matmul'(a, b)
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {
namespace detail {

/// Whether `t` swaps axis `axis` with the one inside of it, and no others.
inline bool swaps(const op::transpose& t, int axis, int rank) {
  for (int i = 0; i < rank; ++i)
    if (op::source_axis(t, i, rank) != (i == axis ? axis + 1 : i == axis + 1 ? axis : i)) return false;
  return axis >= 0;
}

/// Whether the elements of x lie in their order in its transpose: axes that are longer than 1 stay in theirs.
inline bool keeps_order(const op::transpose& t, const dims& x) {
  int last = -1;
  for (int i = 0; i < x.rank; ++i) {
    const int axis = op::source_axis(t, i, x.rank);
    if (x.encoded(axis) == 1) continue;
    if (axis < last) return false;
    last = axis;
  }
  return op::keeps_bounds(x, op::infer(t, x));
}

inline bool fold_transpose(folding& f, node& n) {
  op::transpose* t = n.as<op::transpose>();
  if (!t) return false;
  const int rank = f.type(*n.dst).extents.rank;
  if (const op::transpose* before = f.producer(n.src[0]).as<op::transpose>()) {
    axis_numbers perm;
    for (int i = 0; i < rank; ++i) perm.push_back(op::source_axis(*before, op::source_axis(*t, i, rank), rank));
    t->perm = perm;
    f.read_through(n);
    return true;
  }
  if (!keeps_order(*t, f.type(n.src[0]).extents)) return false;
  n.op = op::reshape{};
  return true;
}

/// reshape(transpose(reshape(x))) -> shuffle_channel(x).
inline bool fold_shuffle(folding& f, std::size_t i) {
  node* swap = f.sole_producer(f.at(i).src[0]);
  const op::transpose* t = swap ? swap->as<op::transpose>() : nullptr;
  node* split = t ? f.sole_producer(swap->src[0]) : nullptr;
  if (!split || !split->as<op::reshape>()) return false;
  const dims &x = f.type(split->src[0]).extents, &groups = f.type(swap->src[0]).extents;
  if (x != f.type(*f.at(i).dst).extents || !swaps(*t, groups.rank - 2, groups.rank)) return false;
  const op::shuffle_channel shuffle{groups[groups.rank - 2]};
  if (innermost_bounded(x) || groups.is_bounded(groups.rank - 2) || x.back() / shuffle.groups != groups.back() ||
      !op::fits(shuffle, x))
    return false;
  f.absorb(*swap, i);
  f.absorb(*split, i);
  f.at(i).op = shuffle;
  return true;
}

inline bool fold_reshape(folding& f, std::size_t i) {
  node& n = f.at(i);
  if (!n.as<op::reshape>()) return false;
  if (f.producer(n.src[0]).as<op::reshape>()) {
    n.op = op::reshape{};
    f.read_through(n);
    return true;
  }
  if (f.type(n.src[0]) == f.type(*n.dst) && !f.is_output(*n.dst)) {
    f.bypass(i);
    return true;
  }
  return fold_shuffle(f, i);
}

/// Which axes of an operand of that rank are (the innermost one of batches, m, k) of a product, or (.., n, k).
inline std::array<int, 3> product_axes(bool interleaved, bool transposed, int rank) {
  const int rows = rank - (interleaved ? 3 : 2), columns = rank - 1;
  return {rank - (interleaved ? 2 : 3), transposed ? columns : rows, transposed ? rows : columns};
}

/// matmul(transpose(a), b) -> matmul'(a, b), and the same for b.
inline bool fold_into_matmul(folding& f, node& n) {
  const op::matmul* m = n.as<op::matmul>();
  for (std::size_t k = 0; m && k < 2; ++k) {
    const node* before = f.sole_producer(n.src[k]);
    const op::transpose* t = before ? before->as<op::transpose>() : nullptr;
    if (!t) continue;
    const int rank = f.type(n.src[k]).extents.rank;
    bool batches_stay = true;
    for (int i = 0; i < rank - 3; ++i) batches_stay = batches_stay && op::source_axis(*t, i, rank) == i;
    op::matmul folded = *m;
    bool &transposed = k == 0 ? folded.transpose_a : folded.transpose_b,
         &interleaved = k == 0 ? folded.interleave_a : folded.interleave_b;
    std::array<int, 3> axes = product_axes(interleaved, transposed != (k == 1), rank);
    for (int& axis : axes) axis = axis < 0 ? axis : op::source_axis(*t, axis, rank);
    for (int form = 0; batches_stay && form < (rank > 2 ? 4 : 2); ++form) {
      interleaved = form / 2 != 0, transposed = form % 2 != 0;
      if (product_axes(interleaved, transposed != (k == 1), rank) != axes) continue;
      const int read[] = {k == 0 ? before->src[0] : n.src[0], k == 1 ? before->src[0] : n.src[1]};
      if (!op::fits(folded, f.type(read[0]).extents, f.type(read[1]).extents)) continue;
      n.op = folded;
      f.read_through(n, k);
      return true;
    }
  }
  return false;
}

/// transpose(matmul(a, b)) -> matmul'(a, b).
inline bool fold_after_matmul(folding& f, std::size_t i) {
  const op::transpose* t = f.at(i).as<op::transpose>();
  node* product = t ? f.sole_producer(f.at(i).src[0]) : nullptr;
  op::matmul* m = product ? product->as<op::matmul>() : nullptr;
  const int rank = f.type(*f.at(i).dst).extents.rank;
  if (!m || m->residual || !swaps(*t, rank - 3, rank)) return false;
  m->interleave_y = !m->interleave_y;
  f.absorb(*product, i);
  return true;
}

}  // namespace detail

/// The pass.
inline graph fold_movement(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    return detail::fold_transpose(f, f.at(i)) || detail::fold_reshape(f, i) || detail::fold_into_matmul(f, f.at(i)) ||
           detail::fold_after_matmul(f, i);
  });
}

}  // namespace octavo::pass
