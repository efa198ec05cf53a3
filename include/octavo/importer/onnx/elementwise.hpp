// Operators of ONNX that work element by element. Unary ones take a tensor as it lies; of several, all are made to lie
// alike: see aligned().
#pragma once

#include "octavo/importer/onnx/known.hpp"

namespace octavo::onnx {

/// One number for each element, from that at the same place.
inline void apply_as_it_lies(node_import& n, const operation& o, std::vector<constant> constants = {}) {
  const bool scalar = n.rank() == 0, last = n.into.lies_channels_last(n.in());
  const int y = *n.append(o, {n.into.as_it_lies(n.in())}, std::move(constants));
  scalar ? n.write_scalar(y) : n.write(y, last);
}

template <class F>
void unary(node_import& n) {
  apply_as_it_lies(n, F{});
}
/// One whose only attribute is called alpha.
template <class F>
void unary_alpha(node_import& n) {
  F f;
  f.alpha = n.real("alpha", f.alpha);
  apply_as_it_lies(n, f);
}
inline void selu(node_import& n) {
  const op::selu usual;
  apply_as_it_lies(n, op::selu{{}, n.real("alpha", usual.alpha), n.real("gamma", usual.gamma)});
}
inline void hard_sigmoid(node_import& n) {
  apply_as_it_lies(n, op::hard_sigmoid{{}, n.real("alpha", 0.2f), n.real("beta", 0.5f)});
}
inline void gelu(node_import& n) { apply_as_it_lies(n, op::gelu{{}, n.string("approximate", "none") == "tanh"}); }
inline void swish(node_import& n) { apply_as_it_lies(n, op::swish{{}, n.real("alpha", 1.0f)}); }
inline void relu(node_import& n) { apply_as_it_lies(n, op::activate{relu_activation}); }

/// Bounds are attributes, or inputs since opset 11.
inline void clip(node_import& n) {
  activation act;
  act.lower = n.has(1) ? n.known_number(1) : n.real("min", act.lower);
  act.upper = n.has(2) ? n.known_number(2) : n.real("max", act.upper);
  apply_as_it_lies(n, op::activate{act});
}

inline void negate(node_import& n) {
  if (!are_known_integers(n)) return unary<op::neg>(n);
  std::vector<std::int64_t> list = n.known_integers(0);
  for (std::int64_t& i : list) i = -no_bounded_extent(i);
  write_integers(n, n.extents(), list);
}
inline void absolute(node_import& n) {
  if (!are_known_integers(n)) return unary<op::abs>(n);
  std::vector<std::int64_t> list = n.known_integers(0);
  for (std::int64_t& i : list) i = std::abs(no_bounded_extent(i));
  write_integers(n, n.extents(), list);
}

inline void power(node_import& n) {
  const float exponent = n.known_number(1);
  exponent == 2.0f ? apply_as_it_lies(n, op::square{}) : apply_as_it_lies(n, op::pow{{}, exponent});
}

/// Extents with axes of extent 1 before them.
inline dims with_rank(const dims& e, int rank) {
  dims full;
  for (int i = e.rank; i < rank; ++i) full.push_back(1);
  for (int i = 0; i < e.rank; ++i) full.push_back(e.encoded(i));
  return full;
}

/// A known tensor with so many axes, in the order in which values lie.
inline tensor aligned(const tensor& t, int rank, bool channels_last) {
  tensor full = t.reshaped(with_rank(t.extents(), rank));
  return channels_last ? importer::transposed(full, importer::to_channels_last(rank)) : full;
}

/// Tensor `name` with so many axes, in the order in which others lie.
inline int aligned(node_import& n, const std::string& name, int rank, bool channels_last) {
  const dims e = n.into.extents(name);
  if (e.rank == rank) return channels_last ? n.into.channels_last(name) : n.into.plain(name);
  if (const constant t = n.into.known(name))
    return *n.append(op::constant{}, {}, {make_constant(aligned(*t, rank, channels_last))}, "." + name);
  const int full = n.reshape(n.into.plain(name), with_rank(e, rank));
  return channels_last ? n.transpose(full, importer::to_channels_last(rank)) : full;
}

// Arithmetic with a known operand that is one number for all elements, or one for each index of the innermost axis, is
// a straight line, which passes can fold into what is before it.

/// `t` with `f` of its elements.
inline constant each(const constant& t, float (*f)(float)) {
  tensor y = *t;
  for (float& v : y.as<float>()) v = f(v);
  return make_constant(std::move(y));
}
inline int append_sum(node_import& n, int x, const constant& b) {
  if (b->extents().count() > 1) return *n.append(op::bias_add{}, {x}, {b});
  return *n.append(op::scale{.beta = b->as<float>()[0]}, {x});
}
inline int append_product(node_import& n, int x, const constant& w) {
  if (w->extents().count() > 1) return *n.append(op::scale{}, {x}, {w});
  return *n.append(op::scale{.alpha = w->as<float>()[0]}, {x});
}

/// The operator on a value and a line; -1 where there is no simpler way than F itself. `first`: the line is the first
/// operand.
template <class F>
int append_line(node_import& n, int x, const constant& c, bool first) {
  const auto minus = [](float v) { return -v; };
  if constexpr (std::is_same_v<F, op::add>) return append_sum(n, x, c);
  if constexpr (std::is_same_v<F, op::mul>) return append_product(n, x, c);
  if constexpr (std::is_same_v<F, op::sub>) {
    if (!first) return append_sum(n, x, each(c, minus));
    if (c->extents().count() == 1) return *n.append(op::scale{.alpha = -1.0f, .beta = c->as<float>()[0]}, {x});
  }
  if constexpr (std::is_same_v<F, op::div>) {
    const constant inverse = each(c, [](float v) { return 1.0f / v; });
    if (!first && std::ranges::all_of(inverse->as<float>(), [](float v) { return std::isfinite(v); }))
      return append_product(n, x, inverse);
    if (first && c->extents().count() == 1 && c->as<float>()[0] == 1.0f) return *n.append(op::reciprocal{}, {x});
  }
  return -1;
}

/// The numbers of a known operand in one axis, where it has one for all of `x` or for each index of its innermost axis,
/// else null.
inline constant as_line(const tensor& c, const dims& x) {
  const dims& e = c.extents();
  if (innermost_bounded(x) || e.rank != x.rank) return nullptr;
  for (int i = 0; i < e.rank; ++i)
    if (e[i] != 1 && (i + 1 < e.rank || e[i] != x.back())) return nullptr;
  return make_constant(c.reshaped({e.rank == 0 ? 1 : e.back()}));
}

/// Operands `a` and `b`; the result is tensor `to`.
template <class F>
void combine(node_import& n, const std::string& a, const std::string& b, const std::string& to) {
  for (const std::string& name : {a, b})
    require(n.into.type(name) == element::f32, "operands must be floats, or both known: '", name, "' is ",
            name_of(n.into.type(name)), ", and integers that depend on the network's inputs are not computed with");
  const dims of_a = n.into.extents(a), of_b = n.into.extents(b);
  const int rank = std::max({of_a.rank, of_b.rank, 1});
  const auto leads = [&](const std::string& name, const dims& e) {
    return e.rank == rank && n.into.lies_channels_last(name);
  };
  const bool last = rank > 2 && (leads(a, of_a) || leads(b, of_b));
  int y = -1;
  for (const bool first : {false, true}) {
    const constant known = n.into.known(first ? a : b);
    if (!known || known->type() != element::f32 || n.into.known(first ? b : a) || y >= 0) continue;
    const int x = aligned(n, first ? b : a, rank, last);
    if (const constant c = as_line(aligned(*known, rank, last), n.into.net.type(x).extents))
      y = append_line<F>(n, x, c, first);
  }
  if (y < 0) y = *n.append(F{}, {aligned(n, a, rank, last), aligned(n, b, rank, last)});
  if (std::max(of_a.rank, of_b.rank) == 0)
    n.into.set_scalar(to, y);
  else
    n.into.set(to, y, last);
}

/// Two operands; of integers known ones only.
template <class F>
void binary(node_import& n) {
  if (!are_known_integers(n)) return combine<F>(n, n.in(0), n.in(1), n.out());
  write_integer_pairs(n, [](std::int64_t a, std::int64_t b) {
    const auto m = static_cast<std::uint64_t>(a), k = static_cast<std::uint64_t>(b);  // which wrap around
    if constexpr (std::is_same_v<F, op::add>) return static_cast<std::int64_t>(m + k);
    if constexpr (std::is_same_v<F, op::sub>) return static_cast<std::int64_t>(m - k);
    if constexpr (std::is_same_v<F, op::mul>) return static_cast<std::int64_t>(m * k);
    if constexpr (std::is_same_v<F, op::min>) return std::min(a, b);
    if constexpr (std::is_same_v<F, op::max>) return std::max(a, b);
    require(b != 0, "division by 0");
    return a / b;
  });
}

/// Any number of operands.
template <class F>
void fold_operands(node_import& n) {
  if (n.inputs() == 1) return n.write_same();
  if (n.inputs() == 2) return binary<F>(n);
  std::string so_far = n.in(0);
  for (std::size_t i = 1; i < n.inputs(); ++i) {
    const std::string next = i + 1 < n.inputs() ? n.own(text("first", i + 1)) : n.out();
    combine<F>(n, so_far, n.in(i), next);
    so_far = next;
  }
}
inline void mean_of_operands(node_import& n) {
  const std::string sum = n.own("sum");
  std::string so_far = n.in(0);
  for (std::size_t i = 1; i < n.inputs(); ++i) {
    combine<op::add>(n, so_far, n.in(i), text(sum, i));
    so_far = text(sum, i);
  }
  n.into.set_known(n.own("count"), tensor::of<float>({}, std::vector{static_cast<float>(n.inputs())}));
  combine<op::div>(n, so_far, n.own("count"), n.out());
}

/// The slope is for all elements or for each channel.
inline void prelu(node_import& n) {
  const int rank = n.rank();
  const bool last = rank > 2;
  const int x = last ? n.into.channels_last(n.in()) : n.into.plain(n.in());
  const constant slope = as_line(aligned(n.needed(1), rank, last), n.into.net.type(x).extents);
  require(slope != nullptr, "a slope of ", n.extents(1), " is not supported: it must be one number or one per channel");
  n.write(*n.append(op::prelu{}, {x}, {slope}), last);
}

/// What leaves its input as it is when a network runs.
inline void identity(node_import& n) {
  n.writes_only(1);
  n.write_same();
}

}  // namespace octavo::onnx
