// Where each value of a graph lives: in the user's memory, in a constant's, in a buffer of its own, or inside the
// buffer of another value. This is what makes a concat free (its inputs are written into its output), a slice (it is
// read where its input lies) and a reshape, and what lets a residual sum replace its residual.
#pragma once

#include <optional>
#include <set>

#include "octavo/graph/graph_index.hpp"

namespace octavo {

/// Value `v` lies in the memory of value `root`, `offset` elements from its beginning, rows `stride` elements apart.
struct placement {
  int root = -1;
  std::ptrdiff_t offset = 0;
  std::ptrdiff_t stride = 0;
};

/// Rows that lie evenly among those of a larger value: the first is row `row`, from `column` on, then every `step`-th.
struct row_spacing {
  std::ptrdiff_t row = 0, column = 0, step = 1;
};

/// How the rows of a box of extents `part` lie in a tensor of extents `whole`, whatever its actual extents: the box
/// begins at `start` and goes on by `step` on each axis. Nothing where they are not evenly spaced.
inline std::optional<row_spacing> spacing_of(const dims& part, const dims& whole, const axis_numbers& start,
                                             const axis_numbers& step) {
  const int last = whole.rank - 1;
  if (last < 0) return row_spacing{};
  if (step[last] != 1) return std::nullopt;
  bool all_rows = true;
  for (int i = 0; i < last; ++i) all_rows = all_rows && part[i] == whole[i] && start[i] == 0 && step[i] == 1;
  if (all_rows) return row_spacing{0, start[last], 1};
  row_spacing s{0, start[last], 1};
  std::ptrdiff_t rows = 1, next = 0;  // from index to index of this axis; how far the box goes inside of it, 0: nowhere
  bool known = true;                  // whether `rows` is: no axis inside of this one is bounded
  for (int i = last - 1; i >= 0; --i) {
    const bool moves = part[i] > 1 || part.is_bounded(i);
    if (!known && (moves || start[i] != 0)) return std::nullopt;
    if (moves) {
      if (next != 0 && step[i] * rows != next) return std::nullopt;
      if (next == 0) s.step = step[i] * rows;
      next = step[i] * rows * part[i];
    }
    s.row += start[i] * rows;
    known = known && !whole.is_bounded(i);
    rows *= whole[i];
  }
  return s.step < 1 ? std::nullopt : std::optional(s);
}

/// A value whose rows can lie among those of another.
struct value_part {
  int part, whole;
  row_spacing at;
};

/// What a concat is made of, or a slice is taken from: empty for other nodes, and where rows are not evenly spaced.
inline std::vector<value_part> parts_of(const node& n, const graph& g) {
  std::vector<value_part> parts;
  axis_numbers start, step;
  for (int i = 0; i < g.type(*n.dst).extents.rank; ++i) start.push_back(0), step.push_back(1);
  const auto add = [&](int part, int whole) {
    const auto at = spacing_of(g.type(part).extents, g.type(whole).extents, start, step);
    if (at) parts.push_back({part, whole, *at});
    return at.has_value();
  };
  if (const op::concat* c = n.as<op::concat>())
    for (int v : n.src) {
      if (!add(v, *n.dst)) return {};
      start[c->axis] += g.type(v).extents[c->axis];
    }
  if (const op::slice* s = n.as<op::slice>()) {
    const dims& x = g.type(n.src[0]).extents;
    for (int i = 0; i < x.rank; ++i) {
      const op::axis_range r = op::range_on_axis(*s, i, x.rank, x[i]);
      if (x.is_bounded(i) && op::range_on_axis(*s, i, x.rank, 1).start != r.start) return {};
      start[i] = r.start, step[i] = r.count > 1 ? r.step : 1;
    }
    add(*n.dst, n.src[0]);
  }
  return parts;
}

namespace detail {

/// Decides which values live inside which.
class placer {
 public:
  explicit placer(const graph& g)
      : g_(g),
        index_(g),
        places_(g.values.size()),
        last_reader_(g.values.size(), -1),
        holds_fixed_rows_(g.values.size(), false) {
    // Last concat first, so that a concat that feeds a concat already knows where its own output goes.
    for (auto n = g.nodes.rbegin(); n != g.nodes.rend(); ++n)
      if (n->as<op::concat>()) place_concat(*n);
    // First those into the user's memory, so that the others know what lies there.
    for (const node& n : g.nodes)
      if (n.as<op::reshape>() && in_users_memory(*n.dst)) place_source(n);
    for (const node& n : g.nodes)
      if (n.as<op::reshape>())
        place_reshape(n);
      else if (n.as<op::slice>())
        place_slice(n);
    for (std::size_t n = 0; n < g.nodes.size(); ++n)
      for (int v : g.nodes[n].src)
        if (v >= 0) last_reader(resolve(v).root) = static_cast<int>(n);
    for (std::size_t n = 0; n < g.nodes.size(); ++n) place_sum(n);
  }

  placement resolve(int v) const {
    const place p = find(v);
    return {p.root, p.offset, p.stride != 0 ? p.stride : row(p.root)};
  }

 private:
  /// As placement; a stride of 0 is that of the root, wherever that goes.
  struct place {
    int root = -1;  // -1: in memory of its own
    std::ptrdiff_t offset = 0;
    std::ptrdiff_t stride = 0;
  };

  int inside(int v) const { return places_[static_cast<std::size_t>(v)].root; }
  std::ptrdiff_t row(int v) const { return g_.type(v).extents.back(); }
  int& last_reader(int root) { return last_reader_[static_cast<std::size_t>(root)]; }
  std::vector<bool>::reference holds_fixed_rows(int root) { return holds_fixed_rows_[static_cast<std::size_t>(root)]; }
  const node& producer(int v) const {
    return g_.nodes[static_cast<std::size_t>(index_.producer[static_cast<std::size_t>(v)])];
  }
  /// Rows may lie farther apart there than planned: all that lives there has the stride of the root.
  bool in_users_memory(int v) const {
    return index_.is_output[static_cast<std::size_t>(v)] != 0 || producer(v).as<op::input>();
  }
  /// Whether it cannot live elsewhere, nor be overwritten.
  bool is_external(int v) const { return in_users_memory(v) || producer(v).as<op::constant>(); }

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

  /// Whether the rows of a value can be those of `other`; its root must stay where it is unless they are all of them.
  bool can_put(int other, const row_spacing& at) const {
    return (at.row == 0 && at.step == 1) || !in_users_memory(find(other).root);
  }
  void put(int v, int other, const row_spacing& at) {
    place p = find(other);
    const std::ptrdiff_t stride = resolve(other).stride;
    p.offset += at.row * stride + at.column;
    if (at.row != 0 || at.step != 1) return put_fixed(v, p, at.step * stride);
    places_[static_cast<std::size_t>(v)] = p;
  }
  void put_fixed(int v, place p, std::ptrdiff_t stride) {
    p.stride = stride;
    holds_fixed_rows(p.root) = true;
    places_[static_cast<std::size_t>(v)] = p;
  }

  /// All inputs or none: where one input cannot be a part of the output, the concat copies.
  void place_concat(const node& n) {
    const std::vector<value_part> parts = parts_of(n, g_);
    std::set<int> seen;
    for (const value_part& p : parts)
      if (is_external(p.part) || inside(p.part) >= 0 || !can_put(p.whole, p.at) || !seen.insert(p.part).second) return;
    for (const value_part& p : parts) put(p.part, p.whole, p.at);
  }

  /// The output of a reshape is the user's: its input lives there, if its rows are as long.
  void place_source(const node& n) {
    const int x = n.src[0], y = *n.dst;
    if (!is_external(x) && inside(x) < 0 && row(x) == row(y) && !holds_fixed_rows(x)) put(x, y, {});
  }

  /// The output lives where the input does, with the same rows, or others where they follow each other.
  void place_reshape(const node& n) {
    const int x = n.src[0], y = *n.dst;
    if (inside(y) >= 0 || is_external(y)) return;
    if (row(x) == row(y))
      put(y, x, {});
    else if (resolve(x).stride == row(x) && !in_users_memory(find(x).root))
      put_fixed(y, find(x), row(y));
  }

  void place_slice(const node& n) {
    if (inside(*n.dst) >= 0 || is_external(*n.dst)) return;
    for (const value_part& p : parts_of(n, g_))
      if (can_put(p.whole, p.at)) put(p.part, p.whole, p.at);
  }

  /// The output of an operator with a residual takes the residual's place, where nothing else needs that any more.
  void place_sum(std::size_t at) {
    const node& n = g_.nodes[at];
    const bool* residual = fused_residual(n.op);
    if (!residual || !*residual) return;
    const int r = n.src.back(), y = *n.dst;
    if (is_external(y) || inside(y) >= 0 || g_.type(r).extents != g_.type(y).extents) return;
    if (holds_fixed_rows(y) && resolve(r).stride != row(y)) return;
    const int root = find(r).root;
    const auto reads = std::ranges::count_if(n.src, [&](int v) { return find(v).root == root; });
    if (is_external(root) || reads > 1 || last_reader(root) > static_cast<int>(at)) return;
    last_reader(root) = std::max(last_reader(root), last_reader(y));
    put(y, r, {});
  }

  const graph& g_;
  graph_index index_;
  std::vector<place> places_;
  std::vector<int> last_reader_;        // of each root: the last node that reads anything inside
  std::vector<bool> holds_fixed_rows_;  // whether values live inside whose places depend on where its rows are now
};

}  // namespace detail

/// The placement of every value of `g`, by index.
inline std::vector<placement> place_values(const graph& g) {
  const detail::placer placer(g);
  std::vector<placement> all;
  for (std::size_t v = 0; v < g.values.size(); ++v) all.push_back(placer.resolve(static_cast<int>(v)));
  return all;
}

/// Whether nothing is left to do for the node: it is an input or a constant, or a copy of what already lies in place.
inline bool is_free(const node& n, const graph& g, const std::vector<placement>& where) {
  if (n.as<op::input>() || n.as<op::constant>()) return true;
  const auto at = [&](int v) { return where[static_cast<std::size_t>(v)]; };
  if (n.as<op::reshape>()) {
    const placement x = at(n.src[0]), y = at(*n.dst);
    const int x_row = g.type(n.src[0]).extents.back(), y_row = g.type(*n.dst).extents.back();
    return x.root == y.root && x.offset == y.offset &&
           (x_row == y_row ? x.stride == y.stride : x.stride == x_row && y.stride == y_row);
  }
  const std::vector<value_part> parts = parts_of(n, g);
  return !parts.empty() && std::ranges::all_of(parts, [&](const value_part& p) {
    const placement part = at(p.part), whole = at(p.whole);
    return part.root == whole.root && part.offset == whole.offset + p.at.row * whole.stride + p.at.column &&
           part.stride == p.at.step * whole.stride;
  });
}

}  // namespace octavo
