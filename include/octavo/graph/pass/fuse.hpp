// What the fusing passes share: folding a node into the node that produces its input.
#pragma once

#include "octavo/graph/graph_index.hpp"

namespace octavo::pass {

/// A graph whose nodes are being folded. Producers and readers of values are kept up to date; nodes that went into
/// others are left out at the end, all at once: so a pass takes as many steps as there are nodes.
class folding {
 public:
  explicit folding(graph g) : graph_(std::move(g)), index_(graph_), same_as_(graph_.values.size(), -1) {}

  node& at(std::size_t i) { return graph_.nodes[i]; }
  const tensor_type& type(int value) const { return graph_.type(value); }
  tensor_type& type(int value) { return graph_.type(value); }
  std::optional<affine>& quant(int value) { return graph_.values[static_cast<std::size_t>(value)].quant; }
  int uses(int value) const { return index_.uses[static_cast<std::size_t>(value)]; }
  bool is_output(int value) const { return index_.is_output[static_cast<std::size_t>(value)] != 0; }

  /// The node that writes `value`.
  node& producer(int value) { return at(static_cast<std::size_t>(index_.producer[static_cast<std::size_t>(value)])); }

  /// The node that writes `value` and nothing else, if it has one reader only; else null.
  node* sole_writer(int value) {
    if (uses(value) != 1) return nullptr;
    node& n = producer(value);
    return n.as<op::input>() || n.dst.size() != 1 ? nullptr : &n;
  }

  /// The same where it and the reader may become one. A value that is computed and has a map already is rounded and
  /// clamped by it, and stays.
  node* sole_producer(int value) {
    node* n = sole_writer(value);
    const bool has_map = n && (quant(value) || type(value).is_u8());
    return has_map && n->op.rule(0) == port_rule::quantized && !n->as<op::convert>() ? nullptr : n;
  }

  /// Node `i` disappears into `producer`: the producer takes over its place in the order, its output and its name in
  /// the list of fused nodes.
  void absorb(node& producer, std::size_t i) {
    node& consumer = at(i);
    for (int v : consumer.src)
      if (v >= 0) --use_count(v);
    node merged = std::move(producer);
    producer = {};
    merged.dst = consumer.dst;
    merged.fused.push_back(consumer.name);
    merged.fused.insert(merged.fused.end(), consumer.fused.begin(), consumer.fused.end());
    consumer = std::move(merged);
  }

  /// Makes `n` read `value` too.
  void add_source(node& n, int value) {
    n.src.push_back(value);
    ++use_count(value);
  }

  /// Makes `n` read these values instead of those that it reads; -1 for an input that is left out.
  void set_sources(node& n, std::vector<int> values) {
    for (int v : n.src)
      if (v >= 0) --use_count(v);
    n.src = std::move(values);
    for (int v : n.src)
      if (v >= 0) ++use_count(v);
  }

  /// Makes `n` do without its input `k`.
  void drop_source(node& n, std::size_t k) {
    --use_count(n.src[k]);
    n.src.erase(n.src.begin() + static_cast<std::ptrdiff_t>(k));
  }

  /// Makes `n` read, as its input `k`, input `j` of the node that writes that one. Where nobody else reads it, that
  /// node disappears into `n`.
  void read_through(node& n, std::size_t k = 0, std::size_t j = 0) {
    const int skipped = n.src[k];
    node& before = producer(skipped);
    n.src[k] = before.src[j];
    ++use_count(n.src[k]);
    if (--use_count(skipped) == 0) take_over(n, before);
  }

  /// Drops `other`, which nobody reads any more: its name and what went into it are in the list of `n`.
  void take_over(node& n, node& other) {
    n.fused.push_back(other.name);
    n.fused.insert(n.fused.end(), other.fused.begin(), other.fused.end());
    drop(other);
  }

  /// Drops a node that nobody reads any more.
  void drop(node& n) {
    for (int v : n.src)
      if (v >= 0) --use_count(v);
    n = {};
  }

  /// Drops node `i`, whose readers read its input `k` from now on. Its output must not be one of the graph's.
  void bypass(std::size_t i, std::size_t k = 0) {
    const int from = *at(i).dst, to = at(i).src[k];
    for (int v : at(i).src)
      if (v >= 0) --use_count(v);
    use_count(to) += use_count(from);
    same_as_[static_cast<std::size_t>(from)] = to;
    at(i) = {};
  }

  /// Calls `fold(*this, i)` for each node in order, again for what a fold, which returns true, made of it.
  template <class Fold>
  graph run(Fold&& fold) {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
      for (int& v : at(i).src)  // readers come after what they read
        if (const int same = v < 0 ? -1 : same_as_[static_cast<std::size_t>(v)]; same >= 0) v = same;
      while (*at(i).dst >= 0 && fold(*this, i)) continue;
    }
    std::erase_if(graph_.nodes, [](const node& n) { return *n.dst < 0; });
    return std::move(graph_);
  }

 private:
  int& use_count(int value) { return index_.uses[static_cast<std::size_t>(value)]; }

  graph graph_;
  graph_index index_;
  std::vector<int> same_as_;  // the value that takes this one's place, or -1
};

/// Whether the producer's output is still the bare sum of products: nothing was applied to it yet.
inline bool is_bare(const node& n) {
  const activation* act = fused_activation(n.op);
  const bool* residual = fused_residual(n.op);
  return act && act->is_none() && !(residual && *residual);
}

}  // namespace octavo::pass
