// Attention: each head's softmax of scaled products, as one operator whose scores never leave the caches.
//
//   y(n, t, h) = sum over s of p(s) v(n, s, h),
//   p = softmax over s of (alpha q(n, t, h) . k(n, s, h) + mask(n, h, t, s))
//
// q: (N, T, H D), k: (N, S, H D), v: (N, S, H E), y: (N, T, H E), with the heads of a row side by side, as a fully
// connected layer writes them. q, k and v: f32, then y is f32; or u8 with any scales and zero points, then y is u8 or
// f32. mask: f32 that broadcasts to (N, H, T, S) from an innermost extent of S. lengths: (N) s32, see softmax.hpp:
// positions s from the length on count as -infinity. N and T may be bounded, the other extents may not.
//
// On f32 it has the bits of matmul, add, softmax and matmul one after the other. On u8 both products are exact in s32,
// and scores are f32 in between:
//   score = fma(acc, alpha s_q s_k, 0) [+ mask],   p8(s) = rne(255 exp(score(s) - max)),
//   q_y = clamp(rne(sum of p8(s) (q_v(s) - zp_v) * m) + zp_y),   m = (s_v / s_y) / sum of p8
// That is p in steps of 1/255 of the row's largest, not of 1: a long row's probabilities would all be a few steps of 1
// or none, and need not add up to 1. D or S above 33 025, whose sums could leave s32, are refused there.
// Source: Vaswani et al., arXiv 1706.03762.
#pragma once

#include "octavo/op/matmul.hpp"
#include "octavo/op/softmax.hpp"

namespace octavo::op {

/// Attention in a graph.
struct attention {
  static constexpr std::string_view name = "attention";
  static constexpr port inputs[] = {{"q"},
                                    {"k"},
                                    {"v"},
                                    {"mask", port_rule::f32, port_count::optional},
                                    {"lengths", port_rule::untouched, port_count::optional}};
  static constexpr bool sums_products = true;

  int heads = 1;
  float alpha = 1.0f;

  static constexpr auto fields = std::tuple{field{"heads", &attention::heads}, field{"alpha", &attention::alpha}};
};

/// Whether q, k and v of these extents go together.
constexpr bool fits(const attention& o, const dims& q, const dims& k, const dims& v) {
  if (q.rank != 3 || k.rank != 3 || v.rank != 3 || o.heads < 1) return false;
  if (innermost_bounded(q) || !only_batch_bounded(k) || !only_batch_bounded(v)) return false;
  return q.encoded(0) == k.encoded(0) && q.encoded(0) == v.encoded(0) && k[1] == v[1] && q[2] == k[2] &&
         q[2] % o.heads == 0 && v[2] % o.heads == 0;
}

/// Extents of the output, from those of q, k, v and more.
constexpr dims infer(const attention&, std::span<const dims> src) {
  dims y = src[0];
  if (y.rank == 3 && src.size() > 2) y[2] = src[2].back();  // others are refused by check()
  return y;
}

/// Extents of the scores: (N, H, T, S).
inline dims scores_of(const attention& o, const dims& q, const dims& k) {
  return {q.encoded(0), o.heads, q.encoded(1), k[1]};
}

/// The products of one head as operators of their own: of `rows` rows of q by k, which are f32, and of what softmax
/// makes of those by v, which on u8 are integers.
struct attention_products {
  matmul score_op, value_op{};
  signature score, value;

  attention_products(const attention& o, const signature& s, int rows)
      : score_op{.transpose_b = true, .alpha = o.alpha} {
    const tensor_type &q = s.src[0], &k = s.src[1], &v = s.src[2];
    const int depth = q.extents[2] / o.heads, columns = v.extents[2] / o.heads, positions = k.extents[1];
    const tensor_type scores{element::f32, {rows, positions}, {}};
    score = {{{q.type, {rows, depth}, q.q}, {k.type, {positions, depth}, k.q}}, scores, {}};
    value = {{{q.type, scores.extents, {1.0f, 0}}, {v.type, {positions, columns}, {1.0f, v.q.zero_point}}},
             tensor_type{element::f32, {rows, columns}, {}},
             {}};
  }
};

/// What makes scores of sums of products. Throws octavo::error when it is out of range.
inline float score_multiplier(const attention& o, const signature& s) {
  const auto scale = [&](std::size_t i) { return s.src[i].is_u8() ? static_cast<double>(s.src[i].q.scale) : 1.0; };
  return checked_ratio(scale(0) * scale(1) * static_cast<double>(o.alpha), 1.0, attention::name);
}

/// s_v / s_y above. Throws octavo::error when it is out of range.
inline float value_ratio(const signature& s) {
  return checked_ratio(static_cast<double>(s.src[2].q.scale),
                       s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0, attention::name);
}

/// Throws octavo::error, naming what is wrong, unless `s` describes an attention that can be run.
inline void check(const attention& o, const signature& s) {
  require(s.src.size() >= 3, "attention: expected q, k and v, found ", s.src.size(), " inputs");
  const tensor_type &q = s.src[0], &k = s.src[1], &v = s.src[2];
  require(fits(o, q.extents, k.extents, v.extents), "attention: q ", q.extents, ", k ", k.extents, ", v ", v.extents,
          " and ", o.heads, " heads: expected (N, T, H D), (N, S, H D) and (N, S, H E), S and channels not bounded");
  const dims all[] = {q.extents, k.extents, v.extents}, y = infer(o, all);
  require(s.dst->extents == y, "attention: output must be ", y, ", found ", s.dst->extents);
  require(q.is_number() && k.type == q.type && v.type == q.type,
          "attention: q, k and v must be all f32 or all u8, found ", q, ", ", k, " and ", v);
  require(s.dst->type == element::f32 || (q.is_u8() && s.dst->is_u8()),
          "attention: output must be f32, or u8 where the inputs are, found ", *s.dst);
  const attention_products products(o, s, 1);
  check(products.score_op, products.score);
  check(products.value_op, products.value);
  if (q.is_u8()) value_ratio(s);
  const dims scores = scores_of(o, q.extents, k.extents);
  if (s.has(3))
    require(s.src[3].type == element::f32 && s.src[3].extents.back() == scores[3] &&
                broadcasts(s.src[3].extents, scores) && broadcast(s.src[3].extents, scores) == scores,
            "attention: mask must be f32 that broadcasts to ", scores, " from an innermost extent of ", scores[3],
            ", found ", s.src[3]);
  if (s.has(4)) check_lengths(s.src[4], q, attention::name);
}

namespace detail {

/// What one row of q of one head sees.
template <class T, class Acc>
class attention_row {
 public:
  attention_row(const attention& o, const signature& s, const arguments& a, int n, int h, int t)
      : s_(s),
        a_(a),
        n_(n),
        depth_(a.src[0].extents[2] / o.heads),
        first_(h * depth_),
        multiplier_(score_multiplier(o, s)),
        q_(row(0, t) + first_) {
    if (!s.has(3)) return;
    const dims scores = scores_of(o, a.src[0].extents, a.src[1].extents);
    const auto at = static_cast<std::size_t>((n * o.heads + h) * scores[2] + t);
    mask_ = a.src[3].as<const float>() + row_offset(strides_of(a.src[3], scores), scores, at);
  }

  /// Row `i` of input `k` for this row's n.
  const T* row(std::size_t k, int i) const {
    return a_.src[k].row<const T>(static_cast<std::size_t>(n_ * a_.src[k].extents[1] + i));
  }
  /// An element of input `k`, zero point removed.
  Acc number(std::size_t k, T element) const {
    return static_cast<Acc>(element) - static_cast<Acc>(s_.src[k].is_u8() ? s_.src[k].q.zero_point : 0);
  }
  float score(int i) const {
    const T* k = row(1, i) + first_;
    Acc acc = 0;
    for (int d = 0; d < depth_; ++d) acc = multiply_add(number(0, q_[d]), number(1, k[d]), acc);
    const float score = std::fma(static_cast<float>(acc), multiplier_, 0.0f);
    return mask_ ? score + mask_[i] : score;
  }

 private:
  const signature& s_;
  const arguments& a_;
  int n_, depth_, first_;
  float multiplier_;
  const T* q_;
  const float* mask_ = nullptr;
};

/// Row `t` of head `h`: every score is computed again for each look at it, as there is no memory for them.
template <class T, class Acc>
void evaluate_attention_row(const attention& o, const signature& s, const arguments& a, int n, int h, int t,
                            int length) {
  constexpr bool u8 = std::is_same_v<T, std::uint8_t>;
  const attention_row<T, Acc> x(o, s, a, n, h, t);
  const int positions = a.src[1].extents[1], columns = a.dst->extents[2] / o.heads;
  float largest = x.score(0);
  for (int i = 1; i < length; ++i) largest = std::max(largest, x.score(i));
  const auto power = [&](int i) {
    const float p = exp_f32(x.score(i) - largest);
    return u8 ? static_cast<float>(std::nearbyint(255.0 * static_cast<double>(p))) : p;
  };
  const float sum = sum_f32(length, power), factor = u8 ? value_ratio(s) / sum : 1.0f / sum;
  const auto row = static_cast<std::size_t>(n * a.dst->extents[1] + t);
  constexpr int some = 64;  // columns at a time
  for (int first = h * columns; first < (h + 1) * columns; first += some) {
    const int count = std::min(some, (h + 1) * columns - first);
    Acc sums[some] = {};
    for (int i = 0; i < positions; ++i) {
      float p = i < length ? power(i) : 0.0f;
      if (!u8) p *= factor;
      if (u8 && std::isnan(p)) p = 0.0f;  // as every u8
      const T* v = x.row(2, i) + first;
      for (int c = 0; c < count; ++c) sums[c] = multiply_add(static_cast<Acc>(p), x.number(2, v[c]), sums[c]);
    }
    for (int c = 0; c < count; ++c) {
      const auto sum_of_products = static_cast<float>(sums[c]);
      const float y = u8 ? sum_of_products * factor : std::fma(sum_of_products, 1.0f, 0.0f);
      if (s.dst->is_u8())
        a.dst->row<std::uint8_t>(row)[first + c] = saturate_u8(y, {s.dst->q.zero_point, 0, 255});
      else
        a.dst->row<float>(row)[first + c] = y;
    }
  }
}

}  // namespace detail

/// Reference evaluation.
inline void evaluate(const attention& o, const signature& s, const arguments& a) {
  const dims &q = a.src[0].extents, &k = a.src[1].extents;
  for (int n = 0; n < q[0]; ++n) {
    const int length = s.has(4) ? length_at(a, a.src[4], static_cast<std::size_t>(n), k[1]) : k[1];
    for (int h = 0; h < o.heads; ++h)
      for (int t = 0; t < q[1]; ++t)
        if (s.src[0].is_u8())
          detail::evaluate_attention_row<std::uint8_t, std::int32_t>(o, s, a, n, h, t, length);
        else
          detail::evaluate_attention_row<float, float>(o, s, a, n, h, t, length);
  }
}

}  // namespace octavo::op
