// Composing a network: ordinary functions over typed handles. A handle carries element type and shape in its type; a
// call checks the shapes at compile time, at the caller's line, and appends one node to the graph.
//
//   auto y = relu(batch_norm(conv2d<conv{.out = 64, .kernel = 3, .pad = 1}>(x, w / "conv1"), w / "bn1"));
#pragma once

#include "octavo/graph/graph.hpp"

namespace octavo {

/// What a static_assert below compares, so that the compiler names both sides in its message.
template <auto Have, auto Want>
concept equals = Have == Want;
// clang-format 14 takes a `>` that is not in parentheses for the end of the template's parameters.
template <int Whole, int Parts>
concept divides_into = (Parts > 0) && (Whole % Parts == 0);

namespace detail {

// Building code that needs no shapes at compile time is kept out of the templates below: a network of 50 convolutions
// instantiates those 50 times.

/// The graph that all of `inputs` belong to. Throws octavo::error, beginning with `what`, when there is none.
OCTAVO_COMPILED_ONCE graph& graph_of(std::string_view what, std::initializer_list<const value_handle*> inputs);
OCTAVO_COMPILED_ONCE value_handle append_node(const operation& op, const char* name,
                                              std::initializer_list<const value_handle*> inputs);
OCTAVO_COMPILED_ONCE value_handle append_conv2d(const value_handle& x, const conv& options, const params& w);
OCTAVO_COMPILED_ONCE value_handle append_fc(const value_handle& x, int out, const params& w);
OCTAVO_COMPILED_ONCE value_handle append_batch_norm(const value_handle& x, float eps, const params& w);
OCTAVO_COMPILED_ONCE value_handle append_bias_add(const value_handle& x, const params& w);
OCTAVO_COMPILED_ONCE value_handle append_dequantize(const value_handle& x);
OCTAVO_COMPILED_ONCE value_handle append_normalize(const value_handle& x, std::span<const float> mean,
                                                   std::span<const float> deviation);
OCTAVO_COMPILED_ONCE value_handle append_pool2d(const value_handle& x, const pool& options, op::pool2d::kind_type kind);

#if OCTAVO_BODIES

OCTAVO_COMPILED_ONCE graph& graph_of(std::string_view what, std::initializer_list<const value_handle*> inputs) {
  graph& g = (*inputs.begin())->owner(what);
  for (const value_handle* input : inputs)
    require(&input->owner(what) == &g, what, ": the inputs belong to different graphs");
  return g;
}

OCTAVO_COMPILED_ONCE value_handle append_node(const operation& op, const char* name,
                                              std::initializer_list<const value_handle*> inputs) {
  graph& g = graph_of(name, inputs);
  std::vector<int> src;
  for (const value_handle* input : inputs) src.push_back(input->id);
  return {&g, *g.append_after(op, name, std::move(src))};
}

OCTAVO_COMPILED_ONCE value_handle append_conv2d(const value_handle& x, const conv& options, const params& w) {
  graph& g = x.owner("conv2d");
  const op::conv2d c{options};
  constant weight = w.get("weight", op::weight_extents(c, g.type(x.id).extents)), bias = w.maybe("bias", {c.out});
  return {&g, *g.append(c, w.path(), {x.id}, {std::move(weight), std::move(bias)})};
}

OCTAVO_COMPILED_ONCE value_handle append_fc(const value_handle& x, int out, const params& w) {
  graph& g = x.owner("fc");
  constant weight = w.get("weight", {out, g.type(x.id).extents.back()}), bias = w.maybe("bias", {out});
  return {&g, *g.append(op::fc{.out = out}, w.path(), {x.id}, {std::move(weight), std::move(bias)})};
}

OCTAVO_COMPILED_ONCE value_handle append_batch_norm(const value_handle& x, float eps, const params& w) {
  graph& g = x.owner("batch_norm");
  const dims c{g.type(x.id).extents.back()};
  return {&g, *g.append(op::batch_norm{.eps = eps}, w.path(), {x.id},
                        {w.get("weight", c), w.get("bias", c), w.get("running_mean", c), w.get("running_var", c)})};
}

OCTAVO_COMPILED_ONCE value_handle append_bias_add(const value_handle& x, const params& w) {
  graph& g = x.owner("bias_add");
  return {&g, *g.append(op::bias_add{}, w.path(), {x.id}, {w.get("bias", {g.type(x.id).extents.back()})})};
}

OCTAVO_COMPILED_ONCE value_handle append_dequantize(const value_handle& x) {
  graph& g = x.owner("dequantize");
  const std::string& name = g.values[static_cast<std::size_t>(x.id)].name;
  return {&g,
          *g.append(op::convert{}, name + ".dequantize", {x.id}, tensor_type{element::f32, g.type(x.id).extents, {}})};
}

OCTAVO_COMPILED_ONCE value_handle append_normalize(const value_handle& x, std::span<const float> mean,
                                                   std::span<const float> deviation) {
  graph& g = x.owner("normalize");
  const dims channels{static_cast<int>(mean.size())};
  tensor gain(element::f32, channels), zeros(element::f32, channels), ones(element::f32, channels);
  for (std::size_t c = 0; c < mean.size(); ++c) {
    require(deviation[c] > 0 && std::isfinite(deviation[c]) && std::isfinite(mean[c]), "normalize: channel ", c,
            " has mean ", mean[c], " and deviation ", deviation[c], ", expected a finite and a positive number");
    gain.as<float>()[c] = 1.0f / deviation[c], ones.as<float>()[c] = 1.0f;
  }
  op::batch_norm norm;
  norm.eps = 0;
  const int y = *g.append_after(norm, "normalize", {x.id},
                                {make_constant(std::move(gain)), make_constant(std::move(zeros)),
                                 make_constant(tensor::of(channels, mean)), make_constant(std::move(ones))});
  return {&g, y};
}

OCTAVO_COMPILED_ONCE value_handle append_pool2d(const value_handle& x, const pool& options,
                                                op::pool2d::kind_type kind) {
  const char* name = kind == op::pool2d::max ? "max_pool" : "average_pool";
  graph& g = x.owner(name);
  return {&g, *g.append_after(op::pool2d{options, kind}, name, {x.id})};
}

#endif

/// Appends a node without constants and returns the handle on its output, of x's type and extents D.
template <dims D, class T, class S, class... More>
auto append(const operation& op, const char* name, const value<T, S>& x, const value<T, More>&... more) {
  return value<T, shape_of<D>>(append_node(op, name, {&x, &more...}));
}

/// Whether a window gives at least one output pixel.
template <dims Input, dims Output>
concept window_fits = Output[1] > 0 && Output[2] > 0;

}  // namespace detail

/// 2-d convolution; reads "weight" (OC, IC/groups, KH, KW) and, where it exists, "bias" (OC) of `w`.
template <conv C, class T, class S>
auto conv2d(const value<T, S>& x, const params& w) {  // (N, H, W, IC)
  static_assert(is_window(C.kernel, C.stride, C.dilation, C.pad),
                "octavo: conv2d's kernel, stride and dilation must be from 1 to 32768, its padding from 0 to 32768");
  static_assert(equals<S::value.rank, 4>, "octavo: conv2d needs an input of (N, H, W, C)");
  static_assert(C.out > 0, "octavo: conv2d needs the number of its output channels: conv{.out = ...}");
  static_assert(divides_into<S::value[3], C.groups>, "octavo: conv2d's groups must divide its input channels");
  static_assert(divides_into<C.out, C.groups>, "octavo: conv2d's groups must divide its output channels");
  static_assert(!innermost_bounded(S::value), "octavo: conv2d's innermost axis cannot be bounded");
  static_assert(has_fixed_padding(C.pad, S::value, C.kernel, C.stride),
                "octavo: conv2d with a stride needs padding in numbers where its height or width is bounded");
  if constexpr (op::is_inferable(C, S::value) && C.out > 0 && divides_into<S::value[3], C.groups> &&
                divides_into<C.out, C.groups> && !innermost_bounded(S::value)) {
    constexpr dims y = op::infer(C, S::value);
    static_assert(detail::window_fits<S::value, y>, "octavo: conv2d's kernel does not fit its padded input");
    if constexpr (detail::window_fits<S::value, y>)
      return value<T, shape_of<y>>(detail::append_conv2d(x, C, w));  // (N, OH, OW, OC)
    else
      return x;
  } else {
    return x;  // something to go on with, so that the failed assertion is the only error
  }
}

/// Depthwise convolution: conv2d with one group per input channel; `C.out`, if given, is a multiple of the channels.
template <conv C, class T, class S>
auto depthwise_conv2d(const value<T, S>& x, const params& w) {
  constexpr conv depthwise = [] {
    conv c = C;
    c.groups = S::value.back();
    if (c.out == 0) c.out = c.groups;
    return c;
  }();
  return conv2d<depthwise>(x, w);
}

/// Fully connected layer on the innermost axis of vectors (N, I) or sequences (N, T, I); reads "weight" (Out, I) and,
/// where it exists, "bias" (Out) of `w`.
template <int Out, class T, class S>
auto fc(const value<T, S>& x, const params& w) {  // (..., I)
  constexpr bool fixed = !innermost_bounded(S::value), is_vectors = S::value.rank >= 1 && S::value.rank <= 3;
  static_assert(Out > 0, "octavo: fc needs at least one output");
  static_assert(is_vectors,
                "octavo: fc needs an input of (N, I) or (N, T, I): flatten() an image first, or reshape<>() it");
  static_assert(fixed, "octavo: fc's innermost axis cannot be bounded");
  if constexpr (Out > 0 && is_vectors && fixed) {
    constexpr dims y = op::infer(op::fc{.out = Out}, S::value);
    return value<T, shape_of<y>>(detail::append_fc(x, Out, w));  // (..., Out)
  } else {
    return x;
  }
}

namespace detail {

/// x without its axis `Axis`, -1 or -2, which is 1.
template <int Axis, class T, class S>
auto without_axis(const value<T, S>& x) {
  constexpr dims y = [] {
    dims d;
    for (int i = 0; i < S::value.rank; ++i)
      if (i != S::value.rank + Axis) d.push_back(S::value.encoded(i));
    return d;
  }();
  return append<y>(op::reshape{y}, "reshape", x);
}

template <class A, class B, bool TransposeB>
concept multipliable = op::fits(op::matmul{.transpose_b = TransposeB}, A::value, B::value);

template <bool TransposeB, class T, class A, class B>
auto matmul(const value<T, A>& a, const value<T, B>& b, float alpha) {
  static_assert(
      multipliable<A, B, TransposeB>,
      "octavo: matmul needs an equal depth and batch extents that are equal or 1; depth and columns cannot be "
      "bounded");
  if constexpr (multipliable<A, B, TransposeB>) {
    constexpr dims y = op::infer(op::matmul{.transpose_b = TransposeB}, A::value, B::value);
    return append<y>(op::matmul{.transpose_b = TransposeB, .alpha = alpha}, "matmul", a, b);
  } else {
    return a;
  }
}
}  // namespace detail

/// alpha times the matrix product of each batch slice, which broadcast: (..., M, K) by (..., K, N). A vector (K) is a
/// row on the left, a column on the right, and leaves no axis. Throws octavo::error where alpha is not finite.
template <class T, class A, class B>
auto matmul(const value<T, A>& a, const value<T, B>& b, float alpha = 1.0f) {  // (..., M, N)
  if constexpr (A::value.rank == 1) {
    constexpr dims row{1, A::value.encoded(0)};
    return detail::without_axis<-2>(matmul(detail::append<row>(op::reshape{row}, "reshape", a), b, alpha));
  } else if constexpr (B::value.rank == 1) {
    constexpr dims column{B::value.encoded(0), 1};
    return detail::without_axis<-1>(matmul(a, detail::append<column>(op::reshape{column}, "reshape", b), alpha));
  } else {
    return detail::matmul<false>(a, b, alpha);
  }
}

/// The same with b transposed, as the scores of attention are made: (..., M, K) by (..., N, K). No vectors.
template <class T, class A, class B>
auto matmul_transposed(const value<T, A>& a, const value<T, B>& b, float alpha = 1.0f) {  // (..., M, N)
  return detail::matmul<true>(a, b, alpha);
}

/// Batch normalisation; reads "weight", "bias", "running_mean" and "running_var", each (C), of `w`.
template <class T, class S>
auto batch_norm(const value<T, S>& x, const params& w, float eps = 1e-5f) {
  static_assert(!innermost_bounded(S::value), "octavo: batch_norm's innermost axis cannot be bounded");
  return value<T, S>(detail::append_batch_norm(x, eps, w));
}

/// The real numbers that u8 elements are.
template <class S>
auto dequantize(const value<std::uint8_t, S>& x) {
  return value<float, S>(detail::append_dequantize(x));
}

/// (x - mean(c)) / deviation(c) of each channel: pixels as a network wants them. Where that is exact it costs nothing
/// when the network runs: see graph/pass/fold_normalization.hpp. Throws octavo::error where a deviation is not
/// positive.
template <class T, class S>
auto normalize(const value<T, S>& x, const std::array<float, static_cast<std::size_t>(S::value.back())>& mean,
               const std::array<float, static_cast<std::size_t>(S::value.back())>& deviation) {
  static_assert(!innermost_bounded(S::value), "octavo: normalize's innermost axis cannot be bounded");
  if constexpr (std::is_same_v<T, std::uint8_t>)
    return normalize(dequantize(x), mean, deviation);
  else
    return value<T, S>(detail::append_normalize(x, mean, deviation));
}

/// Adds "bias" (C) of `w` to each innermost row.
template <class T, class S>
auto bias_add(const value<T, S>& x, const params& w) {
  static_assert(!innermost_bounded(S::value), "octavo: bias_add's innermost axis cannot be bounded");
  return value<T, S>(detail::append_bias_add(x, w));
}

/// min(max(x, lower), upper). Throws octavo::error unless lower <= upper.
template <class T, class S>
auto clip(const value<T, S>& x, float lower, float upper) {
  return detail::append<S::value>(op::activate{{lower, upper}}, "clip", x);
}

/// max(x, 0).
template <class T, class S>
auto relu(const value<T, S>& x) {
  return detail::append<S::value>(op::activate{relu_activation}, "relu", x);
}

/// min(max(x, 0), 6).
template <class T, class S>
auto relu6(const value<T, S>& x) {
  return detail::append<S::value>(op::activate{relu6_activation}, "relu6", x);
}

namespace detail {
template <pool P, class T, class S>
auto pool2d(const value<T, S>& x, op::pool2d::kind_type kind) {  // (N, H, W, C)
  static_assert(equals<S::value.rank, 4>, "octavo: pooling needs an input of (N, H, W, C)");
  static_assert(!innermost_bounded(S::value), "octavo: pooling's innermost axis cannot be bounded");
  static_assert(is_window(P.kernel, P.steps(), 1, P.pad),
                "octavo: pooling's kernel and stride must be from 1 to 32768, its padding from 0 to 32768");
  static_assert(op::is_padding_inside(P.pad, P.kernel), "octavo: pooling's padding must be smaller than its kernel");
  static_assert(has_fixed_padding(P.pad, S::value, P.kernel, P.steps()),
                "octavo: pooling with a stride needs padding in numbers where its height or width is bounded");
  if constexpr (op::is_inferable(P, S::value) && !innermost_bounded(S::value) &&
                op::is_padding_inside(P.pad, P.kernel)) {
    constexpr dims y = op::infer(P, S::value);
    static_assert(window_fits<S::value, y>, "octavo: the pooling window does not fit its padded input");
    if constexpr (window_fits<S::value, y>)
      return value<T, shape_of<y>>(append_pool2d(x, P, kind));  // (N, OH, OW, C)
    else
      return x;
  } else {
    return x;
  }
}
}  // namespace detail

/// Maximum over windows.
template <pool P, class T, class S>
auto max_pool2d(const value<T, S>& x) {
  return detail::pool2d<P>(x, op::pool2d::max);
}

/// Mean over windows.
template <pool P, class T, class S>
auto average_pool2d(const value<T, S>& x) {
  return detail::pool2d<P>(x, op::pool2d::average);
}

/// (N, H, W, C) -> (N, H', W', C) under other extents of the same count; bounded extents stay, in their order:
/// reshape<ntc<x.extents.encoded(0), x.extents.encoded(2), 512>>(x).
template <class To, class T, class S>
auto reshape(const value<T, S>& x) {
  static_assert(equals<S::value.count(), To::value.count()>, "octavo: reshape must keep the number of elements");
  static_assert(op::keeps_bounds(S::value, To::value), "octavo: reshape must keep bounded extents, in their order");
  return detail::append<To::value>(op::reshape{To::value}, "reshape", x);
}

/// (N, ...) -> (N, everything else).
template <class T, class S>
auto flatten(const value<T, S>& x) {
  static_assert(S::value.rank >= 2 && only_batch_bounded(S::value),
                "octavo: flatten keeps the outermost axis; no other may be bounded");
  constexpr std::size_t rest = S::value.count() / static_cast<std::size_t>(S::value[0]);
  return reshape<nc<S::value.encoded(0), rest>>(x);
}

namespace detail {
/// Whether a window can be as large as an image of shape S.
template <class S>
concept is_global = S::value.rank == 4 && !S::value.is_bounded(1) && !S::value.is_bounded(2);
}  // namespace detail

/// Mean of each channel over the whole image: (N, H, W, C) -> (N, C).
template <class T, class S>
auto global_average_pool(const value<T, S>& x) {
  static_assert(detail::is_global<S>,
                "octavo: global pooling needs (N, H, W, C) whose height and width are not bounded");
  if constexpr (detail::is_global<S>)
    return flatten(average_pool2d<pool{.kernel = {S::value[1], S::value[2]}}>(x));
  else
    return x;
}

/// Maximum of each channel over the whole image: (N, H, W, C) -> (N, C).
template <class T, class S>
auto global_max_pool(const value<T, S>& x) {
  static_assert(detail::is_global<S>,
                "octavo: global pooling needs (N, H, W, C) whose height and width are not bounded");
  if constexpr (detail::is_global<S>)
    return flatten(max_pool2d<pool{.kernel = {S::value[1], S::value[2]}}>(x));
  else
    return x;
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
auto concat(const value<T, S>& first, const value<T, More>&... more) {
  constexpr int axis = Axis < 0 ? Axis + S::value.rank : Axis;
  static_assert(axis >= 0 && axis < S::value.rank, "octavo: concat's axis is outside its inputs' rank");
  static_assert(axis < 0 || axis >= S::value.rank || !S::value.is_bounded(axis),
                "octavo: concat's axis cannot be a bounded one");
  static_assert(detail::concatenable<axis, S, More...>, "octavo: concat's inputs may differ only along its axis");
  constexpr dims y = op::infer(op::concat{axis}, std::array{S::value, More::value...});
  return detail::append<y>(op::concat{axis}, "concat", first, more...);
}

/// exp(x) / sum exp(x) along the innermost axis.
template <class T, class S>
auto softmax(const value<T, S>& x) {
  static_assert(!innermost_bounded(S::value), "octavo: softmax's innermost axis cannot be bounded");
  return detail::append<S::value>(op::softmax{}, "softmax", x);
}

}  // namespace octavo

#include "octavo/graph/build_convolution.hpp"
#include "octavo/graph/build_detection.hpp"
#include "octavo/graph/build_elementwise.hpp"
#include "octavo/graph/build_movement.hpp"
#include "octavo/graph/build_recurrent.hpp"
#include "octavo/graph/build_sequence.hpp"
#include "octavo/graph/build_transformer.hpp"
