// Where each value of a graph lives: in the user's memory, in a buffer of its own, or inside the buffer of another
// value. This is what makes a concat along channels free (its inputs are written into slices of its output) and a
// reshape too, and what lets a residual sum replace its residual.
#pragma once

#include <set>

#include "octavo/graph/graph_index.hpp"

namespace octavo {

/// Value `v` lies in the memory of value `root`, `offset` elements from its beginning, rows `stride` elements apart.
struct placement {
  int root = -1;
  std::ptrdiff_t offset = 0;
  std::ptrdiff_t stride = 0;
};

namespace detail {

/// Decides which values live inside which.
class placer {
 public:
  explicit placer(const graph& g) : g_(g), index_(g), places_(g.values.size()), last_reader_(g.values.size(), -1) {
    // Last concat first, so that a concat that feeds a concat already knows where its own output goes.
    for (auto n = g.nodes.rbegin(); n != g.nodes.rend(); ++n)
      if (n->as<op::concat>()) place_concat(*n);
    // First those into the user's memory, so that the others know what lies there.
    for (const bool external : {true, false})
      for (const node& n : g.nodes)
        if (n.as<op::reshape>() && is_external(*n.dst) == external) place_reshape(n);
    for (std::size_t n = 0; n < g.nodes.size(); ++n)
      for (int v : g.nodes[n].src)
        if (v >= 0) last_reader(resolve(v).root) = static_cast<int>(n);
    for (std::size_t n = 0; n < g.nodes.size(); ++n) place_sum(n);
  }

  placement resolve(int v) const {
    const place p = find(v);
    return {p.root, p.offset, p.stride != 0 ? p.stride : g_.type(p.root).extents.back()};
  }

 private:
  /// As placement; a stride of 0 is that of the root. A slice takes that; a reshape, which lives in dense memory, keeps
  /// rows of its own.
  struct place {
    int root = -1;  // -1: in memory of its own
    std::ptrdiff_t offset = 0;
    std::ptrdiff_t stride = 0;
  };

  int inside(int v) const { return places_[static_cast<std::size_t>(v)].root; }
  std::ptrdiff_t row(int v) const { return g_.type(v).extents.back(); }
  int& last_reader(int root) { return last_reader_[static_cast<std::size_t>(root)]; }
  const node& producer(int v) const {
    return g_.nodes[static_cast<std::size_t>(index_.producer[static_cast<std::size_t>(v)])];
  }
  bool is_external(int v) const {
    return index_.is_output[static_cast<std::size_t>(v)] != 0 || producer(v).as<op::input>();
  }

  /// The way up is short: put() goes to the root at once, and only what lived in a root that moved has one step more.
  place find(int v) const {
    place p{v, 0, 0};
    for (int up; (up = inside(p.root)) >= 0; p.root = up) {
      const place& at = places_[static_cast<std::size_t>(p.root)];
      p.offset += at.offset;
      if (p.stride == 0) p.stride = at.stride;
    }
    return p;
  }

  /// Lets `v` live inside `other`, `offset` elements from its beginning, with rows `stride` apart: 0 as `other` has
  /// them.
  void put(int v, int other, std::ptrdiff_t offset, std::ptrdiff_t stride) {
    place p = find(other);
    p.offset += offset;
    if (stride != 0) p.stride = stride;
    places_[static_cast<std::size_t>(v)] = p;
  }

  /// All inputs or none: where one input cannot be a slice, the concat copies.
  void place_concat(const node& n) {
    const dims& y = g_.type(*n.dst).extents;
    if (n.as<op::concat>()->axis != y.rank - 1) return;
    std::set<int> seen;
    for (int v : n.src)
      if (is_external(v) || inside(v) >= 0 || !seen.insert(v).second) return;
    std::ptrdiff_t column = 0;
    for (int v : n.src) {
      put(v, *n.dst, column, 0);
      column += row(v);
    }
  }

  /// The output lives where the input does; or, if the output is the user's, the input where the output does. In the
  /// user's memory rows may lie apart, so what lives there has rows of the same length.
  void place_reshape(const node& n) {
    const int x = n.src[0], y = *n.dst;
    if (inside(y) >= 0 || resolve(x).stride != row(x)) return;
    const bool same_rows = row(x) == row(y);
    if (!is_external(y)) {
      if (same_rows || !is_external(resolve(x).root)) put(y, x, 0, row(y));
    } else if (!is_external(x) && inside(x) < 0 && same_rows) {
      put(x, y, 0, row(x));
    }
  }

  /// The output of an operator with a residual takes the residual's place, where nothing else needs that any more.
  void place_sum(std::size_t at) {
    const node& n = g_.nodes[at];
    const bool* residual = fused_residual(n.op);
    if (!residual || !*residual) return;
    const int x = n.src[0], r = n.src[1], y = *n.dst;
    if (is_external(y) || inside(y) >= 0 || g_.type(r).extents != g_.type(y).extents) return;
    const int root = find(r).root;
    if (is_external(root) || find(x).root == root || last_reader(root) > static_cast<int>(at)) return;
    last_reader(root) = std::max(last_reader(root), last_reader(y));
    put(y, r, 0, 0);
  }

  const graph& g_;
  graph_index index_;
  std::vector<place> places_;
  std::vector<int> last_reader_;  // of each root: the last node that reads anything inside
};

}  // namespace detail

/// The placement of every value of `g`, by index.
inline std::vector<placement> place_values(const graph& g) {
  const detail::placer placer(g);
  std::vector<placement> all;
  for (std::size_t v = 0; v < g.values.size(); ++v) all.push_back(placer.resolve(static_cast<int>(v)));
  return all;
}

}  // namespace octavo
