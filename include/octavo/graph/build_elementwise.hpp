// Composing a network: arithmetic, functions of single numbers, reductions. See builder.hpp, which includes this.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo {

namespace detail {

template <class F, class T, class A, class B>
auto append_binary(const value<T, A>& x0, const value<T, B>& x1) {
  if constexpr (op::broadcasts(A::value, B::value))
    return append<op::broadcast(A::value, B::value)>(F{}, F::name.data(), x0, x1);
  else
    return x0;  // something to go on with, so that the failed assertion is the only error
}

OCTAVO_COMPILED_ONCE value_handle append_scale(const value_handle& x, const params& w);
OCTAVO_COMPILED_ONCE value_handle append_prelu(const value_handle& x, const params& w);

#if OCTAVO_BODIES

OCTAVO_COMPILED_ONCE value_handle append_scale(const value_handle& x, const params& w) {
  graph& g = x.owner("scale");
  const dims c{g.type(x.id).extents.back()};
  return {&g, *g.append(op::scale{}, w.path(), {x.id}, {w.get("weight", c), w.maybe("bias", c)})};
}

OCTAVO_COMPILED_ONCE value_handle append_prelu(const value_handle& x, const params& w) {
  graph& g = x.owner("prelu");
  return {&g, *g.append(op::prelu{}, w.path(), {x.id}, {w.get("slope", {g.type(x.id).extents.back()})})};
}

#endif

/// Whether values of these shapes broadcast: see op/broadcast.hpp.
template <class A, class B>
concept broadcastable = op::broadcasts(A::value, B::value);

}  // namespace detail

// Arithmetic of two values, which broadcast: see op/binary.hpp.

/// x0 + x1.
template <class T, class A, class B>
auto add(const value<T, A>& x0, const value<T, B>& x1) {
  static_assert(detail::broadcastable<A, B>,
                "octavo: add needs extents that are equal or 1, counted from the innermost axis");
  return detail::append_binary<op::add>(x0, x1);
}

/// x0 - x1.
template <class T, class A, class B>
auto sub(const value<T, A>& x0, const value<T, B>& x1) {
  static_assert(detail::broadcastable<A, B>,
                "octavo: sub needs extents that are equal or 1, counted from the innermost axis");
  return detail::append_binary<op::sub>(x0, x1);
}

/// x0 x1.
template <class T, class A, class B>
auto mul(const value<T, A>& x0, const value<T, B>& x1) {
  static_assert(detail::broadcastable<A, B>,
                "octavo: mul needs extents that are equal or 1, counted from the innermost axis");
  return detail::append_binary<op::mul>(x0, x1);
}

/// x0 / x1.
template <class T, class A, class B>
auto div(const value<T, A>& x0, const value<T, B>& x1) {
  static_assert(detail::broadcastable<A, B>,
                "octavo: div needs extents that are equal or 1, counted from the innermost axis");
  return detail::append_binary<op::div>(x0, x1);
}

/// The smaller of x0 and x1.
template <class T, class A, class B>
auto min(const value<T, A>& x0, const value<T, B>& x1) {
  static_assert(detail::broadcastable<A, B>,
                "octavo: min needs extents that are equal or 1, counted from the innermost axis");
  return detail::append_binary<op::min>(x0, x1);
}

/// The larger of x0 and x1.
template <class T, class A, class B>
auto max(const value<T, A>& x0, const value<T, B>& x1) {
  static_assert(detail::broadcastable<A, B>,
                "octavo: max needs extents that are equal or 1, counted from the innermost axis");
  return detail::append_binary<op::max>(x0, x1);
}

template <class T, class A, class B>
auto operator+(const value<T, A>& x0, const value<T, B>& x1) {
  return add(x0, x1);
}
template <class T, class A, class B>
auto operator-(const value<T, A>& x0, const value<T, B>& x1) {
  return sub(x0, x1);
}
template <class T, class A, class B>
auto operator*(const value<T, A>& x0, const value<T, B>& x1) {
  return mul(x0, x1);
}
template <class T, class A, class B>
auto operator/(const value<T, A>& x0, const value<T, B>& x1) {
  return div(x0, x1);
}

/// x weight(c) + bias(c); reads "weight" (C) and, where it exists, "bias" (C) of `w`.
template <class T, class S>
auto scale(const value<T, S>& x, const params& w) {
  static_assert(!innermost_bounded(S::value), "octavo: scale's innermost axis cannot be bounded");
  return value<T, S>(detail::append_scale(x, w));
}

/// alpha x + beta.
template <class T, class S>
auto scale(const value<T, S>& x, float alpha, float beta = 0.0f) {
  return detail::append<S::value>(op::scale{.alpha = alpha, .beta = beta}, "scale", x);
}

/// x, and x slope(c) below 0; reads "slope" (C) of `w`.
template <class T, class S>
auto prelu(const value<T, S>& x, const params& w) {
  static_assert(!innermost_bounded(S::value), "octavo: prelu's innermost axis cannot be bounded");
  return value<T, S>(detail::append_prelu(x, w));
}

// Functions of single numbers. What each computes, and how accurately, is in op/unary.hpp. Attributes that are not
// finite throw octavo::error.

namespace detail {
template <class F, class T, class S>
auto append_unary(const value<T, S>& x, const F& f = {}) {
  return append<S::value>(f, F::name.data(), x);
}
}  // namespace detail

/// x, and alpha x below 0.
template <class T, class S>
auto leaky_relu(const value<T, S>& x, float alpha = op::leaky_relu().alpha) {
  return detail::append_unary(x, op::leaky_relu{{}, alpha});
}

/// x above alpha, else 0.
template <class T, class S>
auto thresholded_relu(const value<T, S>& x, float alpha = op::thresholded_relu().alpha) {
  return detail::append_unary(x, op::thresholded_relu{{}, alpha});
}

/// x, and alpha (exp(x) - 1) below 0.
template <class T, class S>
auto elu(const value<T, S>& x, float alpha = op::elu().alpha) {
  return detail::append_unary(x, op::elu{{}, alpha});
}

/// gamma x, and gamma alpha (exp(x) - 1) below 0.
template <class T, class S>
auto selu(const value<T, S>& x, float alpha = op::selu().alpha, float gamma = op::selu().gamma) {
  return detail::append_unary(x, op::selu{{}, alpha, gamma});
}

/// 1 / (1 + exp(-x)).
template <class T, class S>
auto sigmoid(const value<T, S>& x) {
  return detail::append_unary<op::sigmoid>(x);
}

/// min(max(alpha x + beta, 0), 1).
template <class T, class S>
auto hard_sigmoid(const value<T, S>& x, float alpha = op::hard_sigmoid().alpha, float beta = op::hard_sigmoid().beta) {
  return detail::append_unary(x, op::hard_sigmoid{{}, alpha, beta});
}

/// x sigmoid(beta x).
template <class T, class S>
auto swish(const value<T, S>& x, float beta = op::swish().beta) {
  return detail::append_unary(x, op::swish{{}, beta});
}

/// x sigmoid(x).
template <class T, class S>
auto silu(const value<T, S>& x) {
  return swish(x);
}

/// x min(max(x / 6 + 1/2, 0), 1).
template <class T, class S>
auto hard_swish(const value<T, S>& x) {
  return detail::append_unary<op::hard_swish>(x);
}

/// x tanh(softplus(x)).
template <class T, class S>
auto mish(const value<T, S>& x) {
  return detail::append_unary<op::mish>(x);
}

/// x (1 + erf(x / sqrt(2))) / 2.
template <class T, class S>
auto gelu(const value<T, S>& x) {
  return detail::append_unary<op::gelu>(x);
}

/// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
template <class T, class S>
auto gelu_tanh(const value<T, S>& x) {
  return detail::append_unary(x, op::gelu{{}, true});
}

/// log(1 + exp(x)).
template <class T, class S>
auto softplus(const value<T, S>& x) {
  return detail::append_unary<op::softplus>(x);
}

/// x / (1 + |x|).
template <class T, class S>
auto softsign(const value<T, S>& x) {
  return detail::append_unary<op::softsign>(x);
}

/// The hyperbolic tangent.
template <class T, class S>
auto tanh(const value<T, S>& x) {
  return detail::append_unary<op::tanh>(x);
}

/// The error function.
template <class T, class S>
auto erf(const value<T, S>& x) {
  return detail::append_unary<op::erf>(x);
}

/// e^x.
template <class T, class S>
auto exp(const value<T, S>& x) {
  return detail::append_unary<op::exp>(x);
}

/// The natural logarithm.
template <class T, class S>
auto log(const value<T, S>& x) {
  return detail::append_unary<op::log>(x);
}

/// x^exponent.
template <class T, class S>
auto pow(const value<T, S>& x, float exponent) {
  return detail::append_unary(x, op::pow{{}, exponent});
}

/// The square root.
template <class T, class S>
auto sqrt(const value<T, S>& x) {
  return detail::append_unary<op::sqrt>(x);
}

/// x x.
template <class T, class S>
auto square(const value<T, S>& x) {
  return detail::append_unary<op::square>(x);
}

/// 1 / x.
template <class T, class S>
auto reciprocal(const value<T, S>& x) {
  return detail::append_unary<op::reciprocal>(x);
}

/// |x|.
template <class T, class S>
auto abs(const value<T, S>& x) {
  return detail::append_unary<op::abs>(x);
}

/// -x.
template <class T, class S>
auto operator-(const value<T, S>& x) {
  return detail::append_unary<op::neg>(x);
}

/// 1, 0 or -1 as x is above, equal to or below 0.
template <class T, class S>
auto sign(const value<T, S>& x) {
  return detail::append_unary<op::sign>(x);
}

/// The largest integer that is at most x.
template <class T, class S>
auto floor(const value<T, S>& x) {
  return detail::append_unary<op::floor>(x);
}

/// The smallest integer that is at least x.
template <class T, class S>
auto ceil(const value<T, S>& x) {
  return detail::append_unary<op::ceil>(x);
}

/// The nearest integer, the even one of two.
template <class T, class S>
auto round(const value<T, S>& x) {
  return detail::append_unary<op::round>(x);
}

// Reductions.

namespace detail {

/// Whether a value of this shape has these axes.
template <class S, axis_numbers Axes>
concept has_axes = op::are_axes(op::axes_of(Axes, S::value.rank), S::value.rank);

template <op::reduce R, class T, class S>
auto reduce(const value<T, S>& x) {
  static_assert(has_axes<S, R.axes>, "octavo: a reduction needs axes that are there");
  if constexpr (has_axes<S, R.axes>)
    return append<op::infer(R, S::value)>(R, op::reduce::kind_names[R.kind].data(), x);
  else
    return x;
}

template <class F, class T, class S>
auto append_softmax(const value<T, S>& x, int axis) {
  return append<S::value>(F{axis}, F::name.data(), x);
}

/// Whether softmax can run along the axis.
template <class S, int Axis>
concept normalizable = axis_of(Axis, S::value.rank)
>= 0 && !S::value.is_bounded(axis_of(Axis, S::value.rank));

}  // namespace detail

/// The mean along some axes, all for none: reduce_mean<axis_numbers{1, 2}>(x) of each channel of an image. A negative
/// axis is counted from the innermost, -1. The axes are left out, or become 1 with KeepDims.
template <axis_numbers Axes = axis_numbers{}, bool KeepDims = false, class T, class S>
auto reduce_mean(const value<T, S>& x) {
  return detail::reduce<op::reduce{op::reduce::mean, Axes, KeepDims}>(x);
}

/// The sum along some axes.
template <axis_numbers Axes = axis_numbers{}, bool KeepDims = false, class T, class S>
auto reduce_sum(const value<T, S>& x) {
  return detail::reduce<op::reduce{op::reduce::sum, Axes, KeepDims}>(x);
}

/// The product along some axes.
template <axis_numbers Axes = axis_numbers{}, bool KeepDims = false, class T, class S>
auto reduce_prod(const value<T, S>& x) {
  return detail::reduce<op::reduce{op::reduce::prod, Axes, KeepDims}>(x);
}

/// The largest element along some axes.
template <axis_numbers Axes = axis_numbers{}, bool KeepDims = false, class T, class S>
auto reduce_max(const value<T, S>& x) {
  return detail::reduce<op::reduce{op::reduce::max, Axes, KeepDims}>(x);
}

/// The smallest element along some axes.
template <axis_numbers Axes = axis_numbers{}, bool KeepDims = false, class T, class S>
auto reduce_min(const value<T, S>& x) {
  return detail::reduce<op::reduce{op::reduce::min, Axes, KeepDims}>(x);
}

/// The place of the largest element along an axis: values of std::int64_t.
template <int Axis = -1, bool KeepDims = false, class T, class S>
auto argmax(const value<T, S>& x, bool select_last = false) {
  static_assert(detail::has_axes<S, axis_numbers{Axis}>, "octavo: argmax needs an axis that is there");
  constexpr dims y = op::detail::along_axis(S::value, Axis, 1, KeepDims);
  return value<std::int64_t, shape_of<y>>(detail::append_node(op::argmax{Axis, KeepDims, select_last}, "argmax", {&x}));
}

/// The place of the smallest element along an axis.
template <int Axis = -1, bool KeepDims = false, class T, class S>
auto argmin(const value<T, S>& x, bool select_last = false) {
  static_assert(detail::has_axes<S, axis_numbers{Axis}>, "octavo: argmin needs an axis that is there");
  constexpr dims y = op::detail::along_axis(S::value, Axis, 1, KeepDims);
  return value<std::int64_t, shape_of<y>>(detail::append_node(op::argmin{Axis, KeepDims, select_last}, "argmin", {&x}));
}

/// What top_k() finds.
template <class T, class S>
struct top_k_outputs {
  value<T, S> values;
  value<std::int64_t, S> indices;
};

/// The K largest elements along an axis, or the smallest, best first, and their places:
/// auto [values, indices] = top_k<5>(x).
template <int K, int Axis = -1, class T, class S>
auto top_k(const value<T, S>& x, bool largest = true) {  // top_k_outputs
  constexpr int axis = axis_of(Axis, S::value.rank);
  constexpr bool is_there = axis >= 0;
  static_assert(is_there && !S::value.is_bounded(axis), "octavo: top_k needs an axis that is there and not bounded");
  static_assert(!is_there || (K >= 1 && K <= S::value[axis]), "octavo: top_k cannot find more elements than there are");
  constexpr dims y = op::detail::along_axis(S::value, Axis, K, true);
  graph& g = x.owner("top_k");
  const one_or_more<int> found = g.append_after(op::top_k{K, Axis, largest}, "top_k", {x.id});
  return top_k_outputs<T, shape_of<y>>{{&g, found[0]}, {&g, found[1]}};
}

/// exp(x) / sum exp(x) along an axis: softmax<1>(x).
template <int Axis, class T, class S>
auto softmax(const value<T, S>& x) {
  static_assert(detail::normalizable<S, Axis>, "octavo: softmax needs an axis that is there and not bounded");
  return detail::append_softmax<op::softmax>(x, Axis);
}

/// x - log(sum exp(x)) along an axis.
template <int Axis = -1, class T, class S>
auto log_softmax(const value<T, S>& x) {
  static_assert(detail::normalizable<S, Axis>, "octavo: log_softmax needs an axis that is there and not bounded");
  return detail::append_softmax<op::log_softmax>(x, Axis);
}

}  // namespace octavo
