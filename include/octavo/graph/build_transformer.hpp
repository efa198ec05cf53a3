// Composing a network: the parts of transformers. Included by builder.hpp.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo {

namespace detail {

OCTAVO_COMPILED_ONCE value_handle append_layer_norm(const value_handle& x, float eps, const params& w);
OCTAVO_COMPILED_ONCE value_handle append_attention(const op::attention& o,
                                                   std::initializer_list<const value_handle*> inputs);

#if OCTAVO_BODIES

OCTAVO_COMPILED_ONCE value_handle append_attention(const op::attention& o,
                                                   std::initializer_list<const value_handle*> inputs) {
  graph& g = (*inputs.begin())->owner("attention");
  std::vector<int> src;
  for (const value_handle* v : inputs) {
    const bool given = src.size() < 3 || v->id >= 0;
    require(!given || &v->owner("attention") == &g, "attention: the inputs belong to different graphs");
    src.push_back(v->id);
  }
  return {&g, *g.append_after(o, "attention", std::move(src))};
}

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

/// What attention() can do without.
struct attention_inputs {
  value_handle mask{};  ///< f32, added to scaled scores: broadcasts to (N, Heads, T, S) from an innermost extent of S
  value_handle lengths{};  ///< (N) s32: positions from the length on count as -infinity
  float alpha = 0.0f;      ///< the factor of scores; 0: 1 / sqrt of a head's depth
};

/// softmax(alpha q k^T + mask) v of each head, as op/attention.hpp has it. q: (N, T, Heads D), k: (N, S, Heads D), v:
/// (N, S, Heads E). Throws octavo::error where mask or lengths do not fit.
template <int Heads, class T, class Q, class K, class V>
auto attention(const value<T, Q>& q, const value<T, K>& k, const value<T, V>& v,
               const attention_inputs& more = {}) {  // (N, T, Heads E)
  constexpr bool fits = op::fits(op::attention{.heads = Heads}, Q::value, K::value, V::value);
  static_assert(fits,
                "octavo: attention needs q (N, T, Heads D), k (N, S, Heads D) and v (N, S, Heads E); S and channels "
                "cannot be bounded");
  if constexpr (fits) {
    const float alpha = more.alpha != 0.0f ? more.alpha : 1.0f / std::sqrt(static_cast<float>(Q::value[2] / Heads));
    constexpr dims y = op::infer(op::attention{}, std::array{Q::value, K::value, V::value});
    return value<T, shape_of<y>>(
        detail::append_attention(op::attention{Heads, alpha}, {&q, &k, &v, &more.mask, &more.lengths}));
  } else {
    return q;
  }
}

}  // namespace octavo
