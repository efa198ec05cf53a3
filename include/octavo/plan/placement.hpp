// Where each value of a graph lives: in the user's memory, in a buffer of its own, or inside the buffer of another value.
// This is what makes a concat along channels free (its inputs are written into slices of its output) and a reshape too,
// and what lets a residual sum replace its residual.
#pragma once

#include "octavo/graph/graph.hpp"

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
  explicit placer(const graph& g) : g_(g), inside_(g.values.size(), -1), offset_(g.values.size(), 0) {
    // Last concat first, so that a concat that feeds a concat already knows where its own output goes.
    for (auto n = g.nodes.rbegin(); n != g.nodes.rend(); ++n)
      if (n->as<op::concat>()) place_concat(*n);
    // First those into the user's memory, so that the others know what lies there.
    for (const bool external : {true, false})
      for (const node& n : g.nodes)
        if (n.as<op::reshape>() && is_external(n.dst) == external) place_reshape(n);
    for (std::size_t n = 0; n < g.nodes.size(); ++n) place_sum(n);
  }

  placement resolve(int v) const {
    placement p{v, 0, g_.type(v).extents.back()};
    if (inside(v) < 0) return p;
    const placement parent = resolve(inside(v));
    // A reshape keeps its own row length (its parent is dense), a slice takes its parent's.
    return {parent.root, parent.offset + offset_[static_cast<std::size_t>(v)],
            is_reshape_of(v, inside(v)) ? p.stride : parent.stride};
  }

 private:
  int inside(int v) const { return inside_[static_cast<std::size_t>(v)]; }
  const node& producer(int v) const { return g_.nodes[static_cast<std::size_t>(g_.producer(v))]; }
  bool is_external(int v) const { return producer(v).as<op::input>() || g_.is_output(v); }

  bool is_reshape_of(int a, int b) const {
    const node &na = producer(a), &nb = producer(b);
    return (na.as<op::reshape>() && na.src[0] == b) || (nb.as<op::reshape>() && nb.src[0] == a);
  }

  /// All inputs or none: where one input cannot be a slice, the concat copies.
  void place_concat(const node& n) {
    const dims& y = g_.type(n.dst).extents;
    if (std::get<op::concat>(n.op).axis != y.rank - 1) return;
    for (std::size_t i = 0; i < n.src.size(); ++i) {
      const int v = n.src[i];
      const bool twice = std::count(n.src.begin(), n.src.end(), v) > 1;
      if (is_external(v) || inside(v) >= 0 || twice) return;
    }
    std::ptrdiff_t column = 0;
    for (int v : n.src) {
      inside_[static_cast<std::size_t>(v)] = n.dst;
      offset_[static_cast<std::size_t>(v)] = column;
      column += g_.type(v).extents.back();
    }
  }

  /// The output lives where the input does; or, if the output is the user's, the input where the output does. In the
  /// user's memory rows may lie apart, so what lives there has rows of the same length.
  void place_reshape(const node& n) {
    const int x = n.src[0], y = n.dst;
    if (inside(y) >= 0 || resolve(x).stride != g_.type(x).extents.back()) return;
    const bool same_rows = g_.type(x).extents.back() == g_.type(y).extents.back();
    if (!is_external(y)) {
      if (same_rows || !is_external(resolve(x).root)) inside_[static_cast<std::size_t>(y)] = x;
    } else if (!is_external(x) && inside(x) < 0 && same_rows) {
      inside_[static_cast<std::size_t>(x)] = y;
    }
  }

  /// The output of an operator with a residual takes the residual's place, where nothing else needs that any more.
  void place_sum(std::size_t at) {
    const node& n = g_.nodes[at];
    const bool* residual = fused_residual(n.op);
    if (!residual || !*residual) return;
    const int x = n.src[0], r = n.src[1], y = n.dst;
    if (is_external(y) || inside(y) >= 0 || g_.type(r).extents != g_.type(y).extents) return;
    const placement place = resolve(r);
    if (is_external(place.root) || resolve(x).root == place.root) return;
    const bool needed =
        std::any_of(g_.nodes.begin() + static_cast<std::ptrdiff_t>(at) + 1, g_.nodes.end(), [&](const node& m) {
          return std::any_of(m.src.begin(), m.src.end(), [&](int v) { return resolve(v).root == place.root; });
        });
    if (!needed) inside_[static_cast<std::size_t>(y)] = r;
  }

  const graph& g_;
  std::vector<int> inside_;  // the value in whose memory this one lives, or -1
  std::vector<std::ptrdiff_t> offset_;
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
