// The best tags of a sequence under a linear-chain conditional random field (Viterbi's algorithm): those y of the
// largest
//   T(0, y_0) + e(0, y_0) + sum over t > 0 of (T(2 + y_(t-1), y_t) + e(t, y_t)) + T(1, y_last)
// emissions e: (N, T, K) f32; lengths: (N), see lengths.hpp; transitions T: (K + 2, K) f32, its rows: to the first tag,
// from the last tag, then from each tag to each: as Paddle and LAC have them. K is at most 1024.
// tags: (N, T) s64, 0 beyond the length; score: (N) f32, the maximum, 0 for a length of 0.
//
// Sums run from the last step back, in binary32:
//   gain(t, j) = e(t, j) + (t is last ? T(1, j) : max over k of (T(2 + j, k) + gain(t + 1, k)))
// and tags are chosen from the first step on; of equal ones the lowest.
#pragma once

#include "octavo/op/lengths.hpp"

namespace octavo::op {

/// Decoding of a conditional random field in a graph.
struct crf_decode {
  static constexpr std::string_view name = "crf_decode";
  static constexpr port inputs[] = {{"emissions", port_rule::f32},
                                    {"lengths", port_rule::untouched, port_count::optional}};
  static constexpr std::string_view outputs[] = {"tags", "score"};
  static constexpr std::string_view constants[] = {"transitions"};
  static constexpr int most_tags = 1024;
  static constexpr auto fields = std::tuple{};
};

/// Types of the outputs.
inline std::vector<tensor_type> infer(const crf_decode&, std::span<const tensor_type> src) {
  const dims& e = src[0].extents;
  if (e.rank != 3) return {{element::s64, e, {}}, {element::f32, e, {}}};  // which check() refuses
  return {{element::s64, {e.encoded(0), e.encoded(1)}, {}}, {element::f32, {e.encoded(0)}, {}}};
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a decoding that can be run.
inline void check(const crf_decode& o, const signature& s) {
  check_lengths(s, crf_decode::name);
  const tensor_type& e = s.src[0];
  require(e.type == element::f32 && e.extents.rank == 3 && !innermost_bounded(e.extents),
          "crf_decode: emissions must be f32 (N, T, K), K not bounded, found ", e);
  const int tags = e.extents[2];
  require(tags <= crf_decode::most_tags, "crf_decode: at most ", crf_decode::most_tags, " tags are supported, found ",
          tags);
  const tensor* t = s.at(0);
  require(t && t->type() == element::f32 && t->extents() == dims{tags + 2, tags},
          "crf_decode: transitions must be f32[", dims{tags + 2, tags}, "] for ", tags, " tags, found ",
          t ? text(name_of(t->type()), "[", t->extents(), "]") : "none");
  const std::vector<tensor_type> y = infer(o, s.src);
  require(s.dst[0] == y[0] && s.dst[1] == y[1], "crf_decode: outputs must be ", y[0], " and ", y[1], ", found ",
          s.dst[0], " and ", s.dst[1]);
}

/// The first of the tags with the largest transition[k] + gain[k].
inline int best_tag(const float* transition, const float* gain, int tags) noexcept {
  int best = 0;
  for (int k = 1; k < tags; ++k)
    if (transition[k] + gain[k] > transition[best] + gain[best]) best = k;
  return best;
}

/// Reference evaluation. It goes back from the end anew for each step, so that it needs no memory.
inline void evaluate(const crf_decode&, const signature& s, const arguments& a) {
  const int tags = a.src[0].extents[2];
  const auto width = static_cast<std::size_t>(tags), steps = static_cast<std::size_t>(a.src[0].extents[1]);
  const float* transitions = s.at(0)->as<float>().data();
  const auto row = [&](int i) { return transitions + static_cast<std::size_t>(i) * width; };
  for (std::size_t n = 0; n < static_cast<std::size_t>(a.src[0].extents[0]); ++n) {
    const int length = sequence_length(s, a, n);
    std::int64_t* y = a.dst[0].row<std::int64_t>(n);
    float& score = a.dst[1].as<float>()[n];
    std::fill_n(y, steps, 0);
    score = 0;
    const float* transition = row(0);
    for (int t = 0; t < length; ++t) {
      float gain[crf_decode::most_tags], rest[crf_decode::most_tags];
      std::copy_n(row(1), tags, rest);
      for (int u = length - 1; u >= t; --u) {
        const float* e = a.src[0].row<float>(n * steps + static_cast<std::size_t>(u));
        for (int k = 0; k < tags; ++k) gain[k] = e[k] + rest[k];
        for (int k = 0; u > t && k < tags; ++k) {
          const int best = best_tag(row(2 + k), gain, tags);
          rest[k] = row(2 + k)[best] + gain[best];
        }
      }
      const int best = best_tag(transition, gain, tags);
      if (t == 0) score = transition[best] + gain[best];
      y[t] = best;
      transition = row(2 + best);
    }
  }
}

}  // namespace octavo::op
