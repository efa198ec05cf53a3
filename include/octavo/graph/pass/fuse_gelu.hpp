// A gelu that is spelled out, as files of other frameworks have it, becomes one node:
//   x / 2 (1 + erf(x / sqrt(2)))  ->  gelu(x)
//   x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x x x)))  ->  gelu(x), in the tanh form
// with the factors in any order.
#pragma once

#include "octavo/graph/pass/fold_affine.hpp"

namespace octavo::pass {
namespace detail {

/// The nodes that are one gelu but for the last, from there backwards.
class gelu_nodes {
 public:
  std::vector<node*> others;
  int x = -1;
  bool approximate_tanh = false;

  /// Those that end with `last`: the product of x and the gate, or a line behind that.
  static std::optional<gelu_nodes> find(folding& f, node& last) {
    for (std::size_t k = 0; k < 2; ++k) {
      gelu_nodes found(f);
      if (found.ends_with(last, k)) return found;
    }
    return {};
  }

 private:
  explicit gelu_nodes(folding& f) : f_(&f) {}

  static bool is_near(double found, double wanted) { return std::fabs(found - wanted) <= 1e-5 * std::fabs(wanted); }

  /// The node that writes `value`, if it is a T that nobody else reads.
  template <class T>
  node* take(int value) {
    node* n = f_->sole_producer(value);
    if (!n || !n->as<T>()) return nullptr;
    others.push_back(n);
    return n;
  }
  /// The value `of` for which a value is gain of + shift, everywhere the same.
  struct line_of_value {
    int of;
    double gain = 1, shift = 0;
  };
  /// Through all lines that nobody else reads.
  line_of_value through_lines(int value) {
    line_of_value all{value};
    for (;;) {
      node* n = f_->sole_producer(all.of);
      const std::optional<channel_line> line = n ? bare_line_of(*f_, *n) : std::nullopt;
      if (!line || !line->is_uniform()) return all;
      others.push_back(n);
      all = {n->src[line->input], all.gain * line->gain[0], all.shift + all.gain * line->shift[0]};
    }
  }
  static bool is_product(const node& n) { return n.as<op::mul>() && n.as<op::mul>()->act.is_none(); }

  /// `k`: which factor of the product is the gate.
  bool ends_with(node& last, std::size_t k) {
    node* product = &last;
    double factor = 1;
    if (const std::optional<channel_line> line = bare_line_of(*f_, last); line && line->is_uniform()) {
      if (line->shift[0] != 0 || !(product = take<op::mul>(last.src[line->input]))) return false;
      factor = line->gain[0];
    }
    if (!is_product(*product)) return false;
    const line_of_value half = through_lines(product->src[1 - k]), gate = through_lines(product->src[k]);
    x = half.of;
    const bool halves =
        half.shift == 0 && is_near(factor * half.gain * gate.gain, 0.5) && is_near(gate.gain, gate.shift);
    if (!halves || f_->type(x).type != element::f32) return false;
    if (const node* e = take<op::erf>(gate.of)) {
      const line_of_value inner = through_lines(e->src[0]);
      return inner.of == x && inner.shift == 0 && is_near(inner.gain, std::sqrt(0.5));
    }
    const node* t = take<op::tanh>(gate.of);
    approximate_tanh = true;
    return t && is_cubic(t->src[0]);
  }
  /// Whether `value` is sqrt(2 / pi) (x + 0.044715 x x x).
  bool is_cubic(int value) {
    const line_of_value all = through_lines(value);
    const node* sum = take<op::add>(all.of);
    if (!sum || !sum->as<op::add>()->act.is_none() || all.shift != 0 ||
        !is_near(all.gain, std::sqrt(2 / 3.14159265358979)))
      return false;
    const line_of_value cubes = through_lines(sum->src[sum->src[0] == x ? 1 : 0]);
    return (sum->src[0] == x || sum->src[1] == x) && cubes.shift == 0 && is_near(cubes.gain, 0.044715) &&
           is_power(cubes.of, 3);
  }
  bool is_power(int value, int exponent) {
    if (exponent == 1) return value == x;
    if (const node* n = take<op::pow>(value))
      return n->as<op::pow>()->exponent == static_cast<float>(exponent) && n->src[0] == x;
    if (exponent == 2)
      if (const node* n = take<op::square>(value)) return n->src[0] == x;
    const node* n = take<op::mul>(value);
    if (!n || !is_product(*n)) return false;
    return n->src[0] == x ? is_power(n->src[1], exponent - 1) : n->src[1] == x && is_power(n->src[0], exponent - 1);
  }

  folding* f_;
};

}  // namespace detail

/// The pass.
inline graph fuse_gelu(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    node& n = f.at(i);
    const auto found = detail::gelu_nodes::find(f, n);
    if (!found) return false;
    n.op = op::gelu{{}, found->approximate_tanh};
    n.constants.clear();
    f.set_sources(n, {found->x});
    for (node* other : found->others) f.take_over(n, *other);
    return true;
  });
}

}  // namespace octavo::pass
