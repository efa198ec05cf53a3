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

}  // namespace detail

/// Layer normalisation along the innermost axis; reads "weight" (C) and, where it exists, "bias" (C) of `w`. Throws
/// octavo::error unless eps is positive.
template <class T, class S>
auto layer_norm(const value<T, S>& x, const params& w, float eps = 1e-5f) {
  static_assert(!innermost_bounded(S::value), "octavo: layer_norm's innermost axis cannot be bounded");
  return value<T, S>(detail::append_layer_norm(x, eps, w));
}

}  // namespace octavo
