// Writes the affine map that quantization shall give each value on the value itself: graph_value::quant. What writes it
// is free: ranges of a calibration here, an importer, the user. Maps that are there already stay.
#pragma once

#include <numeric>

#include "octavo/graph/graph_index.hpp"
#include "octavo/quant/options.hpp"

namespace octavo::pass {
namespace detail {

/// Sets of values whose bytes move into one another unchanged, so that one affine map for all is free; a concat's
/// inputs and output are such a set.
class scale_classes {
 public:
  explicit scale_classes(const graph& g) : parent_(g.values.size()) {
    std::iota(parent_.begin(), parent_.end(), 0);
    for (const node& n : g.nodes)
      for (std::size_t i = 0; i < n.src.size(); ++i)
        if (n.src[i] >= 0 && n.op.rule(i) == port_rule::moved)
          for (int y : n.dst) parent(find(n.src[i])) = find(y);
  }
  /// The value that stands for the set of `v`.
  int find(int v) {
    for (int up; (up = parent(v)) != v; v = up) parent(v) = parent(up);  // halves the way for the next who asks
    return v;
  }

 private:
  int& parent(int v) { return parent_[static_cast<std::size_t>(v)]; }

  std::vector<int> parent_;
};

/// The range of the finite elements of a constant: what is not finite matters where it is quantized, which refuses it.
inline range range_of_constant(const tensor& t) {
  range r;
  for (const float v : t.as<float>())
    if (std::isfinite(v)) r = {std::min(r.lower, v), std::max(r.upper, v)};
  return r;
}

}  // namespace detail

/// The pass. A value whose bytes move to or from others gets the map that one of those has, else that of the widest of
/// their ranges; what dequantizes u8 gets the map of those. Values of which nothing is known stay without. Ranges are
/// looked up by value name; a value that is not there has the range that its training saw, a constant that of its
/// elements. Throws octavo::error, naming the value, where one is empty or not finite.
inline graph annotate(graph g, const range_table& ranges) {
  const graph_index well_formed(g);
  for (const node& n : g.nodes)
    if (n.as<op::convert>() && g.type(n.src[0]).is_u8())
      if (std::optional<affine>& q = g.values[static_cast<std::size_t>(*n.dst)].quant; !q) q = g.type(n.src[0]).q;
  detail::scale_classes classes(g);
  struct knowledge {
    std::optional<affine> given;
    std::optional<range> widest;
  };
  std::vector<knowledge> known(g.values.size());  // at the value that stands for the class
  const auto class_of = [&](std::size_t v) -> knowledge& {
    return known[static_cast<std::size_t>(classes.find(static_cast<int>(v)))];
  };
  const auto widen = [&](std::size_t v, const range& r) {
    std::optional<range>& widest = class_of(v).widest;
    widest = widest ? range{std::min(widest->lower, r.lower), std::max(widest->upper, r.upper)} : r;
  };
  for (std::size_t v = 0; v < g.values.size(); ++v) {
    if (g.values[v].quant && !class_of(v).given) class_of(v).given = g.values[v].quant;
    const auto found = ranges.find(g.values[v].name);
    if (found == ranges.end() && g.values[v].observed) widen(v, *g.values[v].observed);
    if (found == ranges.end()) continue;
    const range r = found->second;
    require(std::isfinite(r.lower) && std::isfinite(r.upper) && r.lower <= r.upper, "value '", found->first,
            "' has the range [", r.lower, ", ", r.upper, "]: it must be finite and not empty");
    widen(v, r);
  }
  for (const node& n : g.nodes)
    if (n.as<op::constant>() && g.type(n.dst).type == element::f32)
      if (const auto v = static_cast<std::size_t>(*n.dst); !ranges.contains(g.values[v].name))
        widen(v, detail::range_of_constant(*n.constants[0]));
  for (std::size_t v = 0; v < g.values.size(); ++v) {
    const knowledge& k = class_of(v);
    if (g.values[v].quant || g.values[v].type.type != element::f32) continue;
    if (k.given)
      g.values[v].quant = k.given;
    else if (k.widest)
      g.values[v].quant = choose_affine(*k.widest);
  }
  return g;
}

}  // namespace octavo::pass
