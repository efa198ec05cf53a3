// Composing a network: ordinary functions over typed handles. A handle carries element type and shape in its type; a
// call checks the shapes at compile time, at the caller's line, and appends one node to the graph.
//
//   auto y = relu(batch_norm(conv2d<conv{.out = 64, .kernel = 3, .pad = 1}>(x, w / "conv1"), w / "bn1"));
#pragma once

#include "octavo/graph/graph.hpp"

namespace octavo {

/// A handle on a value of a graph under construction: its type says what it is, `id` says which.
template <class T, class Shape>
struct value {
  using element_type = T;
  using shape_type = Shape;
  static constexpr dims extents = Shape::value;

  graph* owner = nullptr;
  int id = -1;
};

/// What a static_assert below compares, so that the compiler names both sides in its message.
template <class Have, class Want>
concept same_shape = std::is_same_v<Have, Want>;
template <int Have, int Want>
concept equals = Have == Want;
template <int Whole, int Parts>
concept divides_into = Parts >
0 && Whole % Parts == 0;

namespace detail {

// Building code that needs no shapes at compile time is kept out of the templates below: a network of 50 convolutions
// instantiates those 50 times.

OCTAVO_COLD inline int append_node(graph& g, operation op, const char* name, std::initializer_list<int> src,
                                   const dims& extents, element type) {
  return g.append(std::move(op), name, src, {type, extents, {}});
}

OCTAVO_COLD inline int append_conv2d(graph& g, int x, const conv& options, const params& w) {
  const tensor_type in = g.type(x);
  op::conv2d c{options};
  c.pad = resolve(c.pad, in.extents[1], in.extents[2], c.kernel, c.stride, c.dilation);
  constant weight = w.get("weight", op::weight_extents(c, in.extents)), bias = w.maybe("bias", {c.out});
  return g.append(c, w.path(), {x}, {in.type, op::infer(c, in.extents), {}}, {std::move(weight), std::move(bias)});
}

OCTAVO_COLD inline int append_fc(graph& g, int x, int out, const params& w) {
  const tensor_type in = g.type(x);
  const op::fc f{.out = out};
  constant weight = w.get("weight", {out, in.extents.back()}), bias = w.maybe("bias", {out});
  return g.append(f, w.path(), {x}, {in.type, op::infer(f, in.extents), {}}, {std::move(weight), std::move(bias)});
}

OCTAVO_COLD inline int append_batch_norm(graph& g, int x, float eps, const params& w) {
  const dims c{g.type(x).extents.back()};
  return g.append(op::batch_norm{.eps = eps}, w.path(), {x}, g.type(x),
                  {w.get("weight", c), w.get("bias", c), w.get("running_mean", c), w.get("running_var", c)});
}

OCTAVO_COLD inline int append_pool2d(graph& g, int x, const pool& options, op::pool2d::kind_type kind) {
  const tensor_type in = g.type(x);
  op::pool2d p{options};
  p.stride = options.steps();
  p.pad = resolve(p.pad, in.extents[1], in.extents[2], p.kernel, p.stride, 1);
  p.kind = kind;
  return g.append(p, kind == op::pool2d::max ? "max_pool" : "average_pool", {x},
                  {in.type, op::infer(p, in.extents), {}});
}

/// The handle on output `id` of extents D.
template <dims D, class T, class Shape>
value<T, shape_of<D>> handle(value<T, Shape> x, int id) {
  return {x.owner, id};
}

/// Appends a node without constants and returns the handle on its output.
template <dims D, class T, class Shape>
auto append(value<T, Shape> x, operation op, const char* name, std::initializer_list<int> src) {
  return handle<D>(x, append_node(*x.owner, std::move(op), name, src, D, element_of<T>));
}

/// Whether a window gives at least one output pixel.
template <dims Input, dims Output>
concept window_fits = Output[1] > 0 && Output[2] > 0;

}  // namespace detail

/// 2-d convolution; reads "weight" (OC, IC/groups, KH, KW) and, where it exists, "bias" (OC) of `w`.
template <conv C, class T, class S>
auto conv2d(value<T, S> x, const params& w) {  // (N, H, W, IC)
  static_assert(equals<S::value.rank, 4>, "octavo: conv2d needs an input of (N, H, W, C)");
  static_assert(C.out > 0, "octavo: conv2d needs the number of its output channels: conv{.out = ...}");
  static_assert(divides_into<S::value[3], C.groups>, "octavo: conv2d's groups must divide its input channels");
  static_assert(divides_into<C.out, C.groups>, "octavo: conv2d's groups must divide its output channels");
  static_assert(only_batch_bounded(S::value), "octavo: conv2d's height, width and channels cannot be bounded");
  if constexpr (S::value.rank == 4 && C.out > 0 && divides_into<S::value[3], C.groups> &&
                divides_into<C.out, C.groups> && only_batch_bounded(S::value)) {
    constexpr dims y = op::infer(C, S::value);
    static_assert(detail::window_fits<S::value, y>, "octavo: conv2d's kernel does not fit its padded input");
    if constexpr (detail::window_fits<S::value, y>)
      return detail::handle<y>(x, detail::append_conv2d(*x.owner, x.id, C, w));  // (N, OH, OW, OC)
    else
      return x;
  } else {
    return x;  // something to go on with, so that the failed assertion is the only error
  }
}

/// Depthwise convolution: conv2d with one group per input channel; `C.out`, if given, is a multiple of the channels.
template <conv C, class T, class S>
auto depthwise_conv2d(value<T, S> x, const params& w) {
  constexpr conv depthwise = [] {
    conv c = C;
    c.groups = S::value.back();
    if (c.out == 0) c.out = c.groups;
    return c;
  }();
  return conv2d<depthwise>(x, w);
}

/// Fully connected layer on the innermost axis; reads "weight" (Out, I) and, where it exists, "bias" (Out) of `w`.
template <int Out, class T, class S>
auto fc(value<T, S> x, const params& w) {  // (..., I)
  static_assert(Out > 0, "octavo: fc needs at least one output");
  static_assert(S::value.rank >= 1, "octavo: fc needs an input of at least one axis");
  constexpr dims y = op::infer(op::fc{.out = Out}, S::value);
  return detail::handle<y>(x, detail::append_fc(*x.owner, x.id, Out, w));  // (..., Out)
}

namespace detail {
template <class A, class B, bool TransposeB>
concept multipliable = op::fits(op::matmul{.transpose_b = TransposeB}, A::value, B::value);

template <bool TransposeB, class T, class A, class B>
auto matmul(value<T, A> a, value<T, B> b) {
  static_assert(multipliable<A, B, TransposeB>,
                "octavo: matmul needs equal batch extents and an equal depth; depth and columns cannot be bounded");
  if constexpr (multipliable<A, B, TransposeB>) {
    require(a.owner == b.owner, "matmul: the inputs belong to different graphs");
    constexpr op::matmul f{.transpose_b = TransposeB};
    return append<op::infer(f, A::value, B::value)>(a, f, "matmul", {a.id, b.id});
  } else {
    return a;
  }
}
}  // namespace detail

/// Matrix product of each batch slice: (..., M, K) by (..., K, N).
template <class T, class A, class B>
auto matmul(value<T, A> a, value<T, B> b) {  // (..., M, N)
  return detail::matmul<false>(a, b);
}

/// The same with b transposed, as the scores of attention are made: (..., M, K) by (..., N, K).
template <class T, class A, class B>
auto matmul_transposed(value<T, A> a, value<T, B> b) {  // (..., M, N)
  return detail::matmul<true>(a, b);
}

/// Batch normalisation; reads "weight", "bias", "running_mean" and "running_var", each (C), of `w`.
template <class T, class S>
auto batch_norm(value<T, S> x, const params& w, float eps = 1e-5f) {
  return detail::handle<S::value>(x, detail::append_batch_norm(*x.owner, x.id, eps, w));
}

/// Adds "bias" (C) of `w` to each innermost row.
template <class T, class S>
auto bias_add(value<T, S> x, const params& w) {
  return detail::handle<S::value>(
      x, x.owner->append(op::bias_add{}, w.path(), {x.id}, x.owner->type(x.id), {w.get("bias", {S::value.back()})}));
}

/// min(max(x, lower), upper).
template <class T, class S>
auto clip(value<T, S> x, float lower, float upper) {
  require(lower <= upper, "clip: lower bound ", lower, " is above upper bound ", upper);
  return detail::append<S::value>(x, op::activate{{lower, upper}}, "clip", {x.id});
}

/// max(x, 0).
template <class T, class S>
auto relu(value<T, S> x) {
  return detail::append<S::value>(x, op::activate{relu_activation}, "relu", {x.id});
}

/// min(max(x, 0), 6).
template <class T, class S>
auto relu6(value<T, S> x) {
  return detail::append<S::value>(x, op::activate{relu6_activation}, "relu6", {x.id});
}

/// x + y, of the same shape.
template <class T, class Sx, class Sy>
auto add(value<T, Sx> x, value<T, Sy> y) {
  static_assert(same_shape<Sx, Sy>, "octavo: add needs two inputs of the same shape");
  require(x.owner == y.owner, "add: the inputs belong to different graphs");
  return detail::append<Sx::value>(x, op::add{}, "add", {x.id, y.id});
}

template <class T, class Sx, class Sy>
auto operator+(value<T, Sx> x, value<T, Sy> y) {
  return add(x, y);
}

namespace detail {
template <pool P, class T, class S>
auto pool2d(value<T, S> x, op::pool2d::kind_type kind) {  // (N, H, W, C)
  static_assert(equals<S::value.rank, 4>, "octavo: pooling needs an input of (N, H, W, C)");
  static_assert(only_batch_bounded(S::value), "octavo: pooling's height, width and channels cannot be bounded");
  if constexpr (S::value.rank == 4 && only_batch_bounded(S::value)) {
    constexpr dims y = op::infer(P, S::value);
    static_assert(window_fits<S::value, y>, "octavo: the pooling window does not fit its padded input");
    if constexpr (window_fits<S::value, y>)
      return handle<y>(x, append_pool2d(*x.owner, x.id, P, kind));  // (N, OH, OW, C)
    else
      return x;
  } else {
    return x;
  }
}
}  // namespace detail

/// Maximum over windows.
template <pool P, class T, class S>
auto max_pool2d(value<T, S> x) {
  return detail::pool2d<P>(x, op::pool2d::max);
}

/// Mean over windows.
template <pool P, class T, class S>
auto average_pool2d(value<T, S> x) {
  return detail::pool2d<P>(x, op::pool2d::average);
}

/// (N, H, W, C) -> (N, H', W', C) under other extents of the same count; a bounded leading extent must stay.
template <class To, class T, class S>
auto reshape(value<T, S> x) {
  static_assert(equals<static_cast<int>(S::value.count()), static_cast<int>(To::value.count())>,
                "octavo: reshape must keep the number of elements");
  static_assert(same_bounds(S::value, To::value), "octavo: reshape must keep bounded extents in their places");
  return detail::append<To::value>(x, op::reshape{}, "reshape", {x.id});
}

/// (N, ...) -> (N, everything else).
template <class T, class S>
auto flatten(value<T, S> x) {
  static_assert(S::value.rank >= 2 && only_batch_bounded(S::value),
                "octavo: flatten keeps the outermost axis; no other may be bounded");
  constexpr int n = S::value.encoded(0), rest = static_cast<int>(S::value.count()) / S::value[0];
  return reshape<nc<n, rest>>(x);
}

/// Mean of each channel over the whole image: (N, H, W, C) -> (N, C).
template <class T, class S>
auto global_average_pool(value<T, S> x) {
  return flatten(average_pool2d<pool{.kernel = {S::value[1], S::value[2]}}>(x));
}

/// Maximum of each channel over the whole image: (N, H, W, C) -> (N, C).
template <class T, class S>
auto global_max_pool(value<T, S> x) {
  return flatten(max_pool2d<pool{.kernel = {S::value[1], S::value[2]}}>(x));
}

namespace detail {
template <int Axis>
constexpr bool same_but(dims a, dims b) {
  if (a.rank != b.rank) return false;
  a[Axis] = b[Axis] = 1;
  return a == b;
}
template <int Axis, class First, class... Rest>
concept concatenable = (same_but<Axis>(First::value, Rest::value) && ...);
}  // namespace detail

/// The inputs one after the other along `Axis` (negative: counted from the innermost, -1).
template <int Axis = -1, class T, class S, class... More>
auto concat(value<T, S> first, value<T, More>... more) {
  constexpr int axis = Axis < 0 ? Axis + S::value.rank : Axis;
  static_assert(axis >= 0 && axis < S::value.rank, "octavo: concat's axis is outside its inputs' rank");
  static_assert(axis < 0 || axis >= S::value.rank || !S::value.is_bounded(axis),
                "octavo: concat's axis cannot be a bounded one");
  static_assert(detail::concatenable<axis, S, More...>, "octavo: concat's inputs may differ only along its axis");
  constexpr dims y = op::infer(op::concat{axis}, std::array{S::value, More::value...});
  require(((more.owner == first.owner) && ...), "concat: the inputs belong to different graphs");
  return detail::append<y>(first, op::concat{axis}, "concat", {first.id, more.id...});
}

/// Zero channels before and after the input's: (..., C) -> (..., Before + C + After).
template <int Before, int After, class T, class S>
auto pad_channels(value<T, S> x) {
  static_assert(Before >= 0 && After >= 0, "octavo: pad_channels cannot remove channels");
  constexpr op::pad_channels p{Before, After};
  return detail::append<op::infer(p, S::value)>(x, p, "pad_channels", {x.id});
}

/// exp(x) / sum exp(x) along the innermost axis.
template <class T, class S>
auto softmax(value<T, S> x) {
  return detail::append<S::value>(x, op::softmax{}, "softmax", {x.id});
}

}  // namespace octavo
