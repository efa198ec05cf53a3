// The labels that a connectionist temporal classifier reads, by its best class at each step: equal classes at
// consecutive steps are one label, and blanks are none (Graves et al., 2006).
// x: (N, T, C) f32: logits, probabilities or their logarithms; lengths: (N), see lengths.hpp.
// labels: (N, T) s64, -1 behind the last one; count: (N) s64, how many labels;
// score: (N) f32, the sum over the steps, first to last, of the largest x: of the output of log_softmax the logarithm
// of the best path's probability.
// Of equal classes the lowest is the best; a NaN counts as larger than any number, as for argmax.
#pragma once

#include "octavo/op/lengths.hpp"
#include "octavo/op/top_k.hpp"

namespace octavo::op {

/// Greedy decoding in a graph.
struct ctc_greedy_decode {
  static constexpr std::string_view name = "ctc_greedy_decode";
  static constexpr port inputs[] = {{"x", port_rule::f32}, {"lengths", port_rule::untouched, port_count::optional}};
  static constexpr std::string_view outputs[] = {"labels", "count", "score"};
  int blank = 0;

  static constexpr auto fields = std::tuple{field{"blank", &ctc_greedy_decode::blank}};
};

/// Types of the outputs.
inline std::vector<tensor_type> infer(const ctc_greedy_decode&, std::span<const tensor_type> src) {
  const dims& x = src[0].extents;
  if (x.rank != 3) return std::vector<tensor_type>(3, src[0]);  // which check() refuses
  const dims each{x.encoded(0)};
  return {{element::s64, {x.encoded(0), x.encoded(1)}, {}}, {element::s64, each, {}}, {element::f32, each, {}}};
}

namespace detail {

/// Throws octavo::error, beginning with `name`, unless input 0 is what classifiers of that kind give, and the outputs
/// are `y`.
inline void check_ctc(const signature& s, std::string_view name, int blank, const std::vector<tensor_type>& y) {
  check_lengths(s, name);
  const tensor_type& x = s.src[0];
  require(x.type == element::f32 && x.extents.rank == 3 && !innermost_bounded(x.extents), name,
          ": input must be f32 (N, T, C), C not bounded, found ", x);
  require(blank >= 0 && blank < x.extents[2], name, ": expected a blank class from 0 to ", x.extents[2] - 1, ", found ",
          blank);
  for (std::size_t i = 0; i < y.size(); ++i)
    require(s.dst[i] == y[i], name, ": output ", i, " must be ", y[i], ", found ", s.dst[i]);
}

/// The first of the largest of `n` elements.
inline int best_class(const float* x, int n) noexcept {
  int best = 0;
  for (int c = 1; c < n; ++c)
    if (is_better(x[c], x[best], true)) best = c;
  return best;
}

/// Sequence `n` of the outputs; `best(t)` is the best class of step t.
template <class Best>
void write_greedy_labels(const ctc_greedy_decode& o, const signature& s, const arguments& a, std::size_t n,
                         Best&& best) noexcept {
  const int steps = a.src[0].extents[1], length = sequence_length(s, a, n);
  std::int64_t* labels = a.dst[0].row<std::int64_t>(n);
  int count = 0, last = o.blank;
  float score = 0;
  for (int t = 0; t < length; ++t) {
    const int c = best(t);
    score += a.src[0].row<float>(n * static_cast<std::size_t>(steps) + static_cast<std::size_t>(t))[c];
    if (c != o.blank && c != last) labels[count++] = c;
    last = c;
  }
  std::fill(labels + count, labels + steps, -1);
  a.dst[1].as<std::int64_t>()[n] = count;
  a.dst[2].as<float>()[n] = score;
}

}  // namespace detail

/// Throws octavo::error, naming what is wrong, unless `s` describes a decoding that can be run.
inline void check(const ctc_greedy_decode& o, const signature& s) {
  detail::check_ctc(s, ctc_greedy_decode::name, o.blank, infer(o, s.src));
}

/// Reference evaluation.
inline void evaluate(const ctc_greedy_decode& o, const signature& s, const arguments& a) {
  const auto steps = static_cast<std::size_t>(a.src[0].extents[1]);
  for (std::size_t n = 0; n < static_cast<std::size_t>(a.src[0].extents[0]); ++n)
    detail::write_greedy_labels(o, s, a, n, [&](int t) {
      return detail::best_class(a.src[0].row<float>(n * steps + static_cast<std::size_t>(t)), a.src[0].extents[2]);
    });
}

}  // namespace octavo::op
