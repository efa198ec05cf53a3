// Composing a network: the parts of transformers. Included by builder.hpp.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo {

namespace detail {

OCTAVO_COMPILED_ONCE value_handle append_layer_norm(const value_handle& x, float eps, const params& w);

#if OCTAVO_BODIES

OCTAVO_COMPILED_ONCE value_handle append_layer_norm(const value_handle& x, float eps, const params& w) {
  graph& g = x.owner("layer_norm");
  const dims c{g.type(x.id).extents.back()};
  return {&g, *g.append(op::layer_norm{.eps = eps}, w.path(), {x.id}, {w.get("weight", c), w.maybe("bias", c)})};
}

#endif

/// Whether lengths of this shape are one for each of the outermost axis of a value of shape S.
template <class S, class Lengths>
concept has_lengths = S::value.rank >= 2 && Lengths::value == dims{S::value.encoded(0)};

}  // namespace detail

/// Layer normalisation along the innermost axis; reads "weight" (C) and, where it exists, "bias" (C) of `w`. Throws
/// octavo::error unless eps is positive.
template <class T, class S>
auto layer_norm(const value<T, S>& x, const params& w, float eps = 1e-5f) {
  static_assert(!innermost_bounded(S::value), "octavo: layer_norm's innermost axis cannot be bounded");
  return value<T, S>(detail::append_layer_norm(x, eps, w));
}

/// exp(x) / sum exp(x) along the innermost axis of (N, ..., C), where elements from lengths(n) on count as -infinity. A
/// run in which a length is not from 1 to C is refused.
template <class T, class S, class Lengths>
auto softmax(const value<T, S>& x, const value<std::int32_t, Lengths>& lengths) {
  static_assert(!innermost_bounded(S::value), "octavo: softmax's innermost axis cannot be bounded");
  static_assert(detail::has_lengths<S, Lengths>, "octavo: softmax of (N, ..., C) needs N lengths");
  return value<T, S>(detail::append_node(op::softmax{}, "softmax", {&x, &lengths}));
}

}  // namespace octavo
