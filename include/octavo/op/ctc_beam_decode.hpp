// The likeliest labels that a connectionist temporal classifier reads, by prefix beam search: of each prefix of labels
// the probability of all its paths so far is kept, those that end in a blank and those that end in its last label, and
// after each step the `width` likeliest prefixes go on (Hannun et al., arXiv 1408.2873).
// x: (N, T, C) f32: logarithms of probabilities, the output of log_softmax; lengths: (N), see lengths.hpp.
// labels: (N, width, T) s64, the likeliest first, -1 behind the last label; count: (N, width) s64, how many labels;
// score: (N, width) f32, the logarithm of the probability of the paths that were kept. Where there are fewer prefixes
// than `width` the rows behind them have count -1, labels -1 and the lowest finite score.
//
// At each step a prefix may grow by the `candidates` best classes only, as in other decoders; a prefix that is among
// those kept counts all paths from the others. Sums are binary32: log(exp a + exp b) = max + log(1 + exp(min - max)),
// by exp_f32 and log_f32. Of equal prefixes those come first that did not grow, then those of the likelier prefix, then
// those by the better class; of equal classes the lower one is better.
#pragma once

#include <limits>
#include <utility>

#include "octavo/base/math.hpp"
#include "octavo/op/ctc_greedy_decode.hpp"

namespace octavo::op {

/// Prefix beam search in a graph.
struct ctc_beam_decode {
  static constexpr std::string_view name = "ctc_beam_decode";
  static constexpr port inputs[] = {{"x", port_rule::f32}, {"lengths", port_rule::untouched, port_count::optional}};
  static constexpr std::string_view outputs[] = {"labels", "count", "score"};
  static constexpr int most = 128;  ///< prefixes and candidates
  int width = 10;
  int candidates = 40;
  int blank = 0;

  static constexpr auto fields =
      std::tuple{field{"width", &ctc_beam_decode::width}, field{"candidates", &ctc_beam_decode::candidates},
                 field{"blank", &ctc_beam_decode::blank}};
};

/// Types of the outputs.
inline std::vector<tensor_type> infer(const ctc_beam_decode& o, std::span<const tensor_type> src) {
  const dims& x = src[0].extents;
  if (x.rank != 3) return std::vector<tensor_type>(3, src[0]);  // which check() refuses
  const int width = std::max(o.width, 1);                       // others check() refuses
  const dims each{x.encoded(0), width};
  return {{element::s64, {x.encoded(0), width, x.encoded(1)}, {}}, {element::s64, each, {}}, {element::f32, each, {}}};
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a search that can be run.
inline void check(const ctc_beam_decode& o, const signature& s) {
  for (const auto& [value, what] : {std::pair{o.width, "width"}, {o.candidates, "candidates"}})
    require(value >= 1 && value <= ctc_beam_decode::most, "ctc_beam_decode: expected ", what, " from 1 to ",
            ctc_beam_decode::most, ", found ", value);
  detail::check_ctc(s, ctc_beam_decode::name, o.blank, infer(o, s.src));
  constexpr int most_classes = 1 << 24;  // see beam_search
  require(s.src[0].extents[2] < most_classes, "ctc_beam_decode: expected fewer than ", most_classes, " classes, found ",
          s.src[0].extents[2]);
}

namespace detail {

inline constexpr float impossible = -std::numeric_limits<float>::infinity();

/// log(exp a + exp b).
inline float log_add(float a, float b) noexcept {
  const float larger = b > a ? b : a, smaller = b > a ? a : b;
  return smaller == impossible ? larger : larger + scalar::log_f32(1.0f + exp_f32(smaller - larger));
}

/// A prefix of labels and how likely it is.
struct beam {
  float ends_in_blank = impossible, ends_in_label = impossible;  ///< logarithms, as the total
  float total = impossible;
  int from = 0;       ///< its place before this step, or that of the prefix that it grew from
  int label = -1;     ///< the last one; -1: there is none
  int count = 0;      ///< of labels
  bool grew = false;  ///< by `label`, in this step
};

struct class_candidate {
  float score;
  int label;
};

/// Up to ctc_beam_decode::most of something that has a score, best first, of equal ones the first first.
template <class T, float T::*Score>
struct best_list {
  T items[ctc_beam_decode::most];
  int size = 0;

  /// Whether one with that score comes into a list of at most `limit`. What is impossible or NaN does not.
  bool takes(float score, int limit) const noexcept {
    return score > impossible && (size < limit || score > items[size - 1].*Score);
  }
  void insert(const T& item, int limit) noexcept {
    if (!takes(item.*Score, limit)) return;
    int at = size < limit ? size++ : size - 1;
    for (; at > 0 && item.*Score > items[at - 1].*Score; --at) items[at] = items[at - 1];
    items[at] = item;
  }
};

/// The search on one sequence. It needs no memory but the outputs': until write(), the lower half of labels (w, t) is
/// the trace of prefix w at step t, from << 24 | label + 1, or 0 for a prefix that did not grow.
class beam_search {
 public:
  beam_search(const ctc_beam_decode& o, const arguments& a, std::size_t sequence)
      : o_(o), a_(a), sequence_(sequence), width_(static_cast<std::size_t>(o.width)) {
    beams_.size = 1;
    beams_.items[0] = {0, impossible, 0};
  }

  /// The next step; x: the scores of its classes.
  void take(const float* x, int classes) noexcept {
    best_list<class_candidate, &class_candidate::score> best;
    for (int c = 0; c < classes; ++c)
      if (c != o_.blank) best.insert({x[c], c}, o_.candidates);
    int shorter[ctc_beam_decode::most];  // the place of each prefix without its last label
    for (int i = 0; i < beams_.size; ++i) shorter[i] = find_shorter(i);
    beam_list next;
    for (int i = 0; i < beams_.size; ++i) next.insert(stayed(i, shorter[i], x), o_.width);
    for (int i = 0; i < beams_.size; ++i)
      for (int k = 0; k < best.size; ++k) {
        const auto [score, label] = best.items[k];
        const float total = grown(i, label, score);
        bool is_kept = !next.takes(total, o_.width);
        for (int q = 0; q < beams_.size && !is_kept; ++q) is_kept = shorter[q] == i && beams_.items[q].label == label;
        if (!is_kept) next.insert({impossible, total, total, i, label, beams_.items[i].count + 1, true}, o_.width);
      }
    for (int i = 0; i < next.size; ++i) {
      const beam& b = next.items[i];
      entry(i, time_) = std::int64_t{b.from} << 24 | (b.grew ? b.label + 1 : 0);
    }
    beams_ = next;
    ++time_;
  }

  /// Writes what was found.
  void write() noexcept {
    constexpr std::int64_t lower_half = 0xffffffff;
    for (int i = 0; i < o_.width; ++i) {
      const bool is_used = i < beams_.size;
      const auto place = static_cast<std::size_t>(i);
      a_.dst[1].row<std::int64_t>(sequence_)[place] = is_used ? beams_.items[i].count : -1;
      a_.dst[2].row<float>(sequence_)[place] = is_used ? beams_.items[i].total : std::numeric_limits<float>::lowest();
      prefix_walk walk(*this, i);
      for (int k = is_used ? beams_.items[i].count : 0; k-- > 0;)
        entry(i, k) = (entry(i, k) & lower_half) | std::int64_t{walk.previous()} << 32;
    }
    for (int i = 0; i < o_.width; ++i)
      for (int t = 0; t < a_.src[0].extents[1]; ++t)
        entry(i, t) = i < beams_.size && t < beams_.items[i].count ? entry(i, t) >> 32 : -1;
  }

 private:
  using beam_list = best_list<beam, &beam::total>;

  /// The labels of a prefix, the last one first.
  class prefix_walk {
   public:
    prefix_walk(const beam_search& search, int place) : search_(search), place_(place), time_(search.time_) {}
    /// -1 where there is no label any more.
    int previous() noexcept {
      while (time_ > 0) {
        const auto trace = static_cast<std::uint32_t>(search_.entry(place_, --time_));
        place_ = static_cast<int>(trace >> 24);
        if (const auto grown = static_cast<int>(trace & 0xffffff)) return grown - 1;
      }
      return -1;
    }

   private:
    const beam_search& search_;
    int place_, time_;
  };

  std::int64_t& entry(int place, int time) const noexcept {
    return a_.dst[0].row<std::int64_t>(sequence_ * width_ + static_cast<std::size_t>(place))[time];
  }

  /// Prefix i grown by a label of that score.
  float grown(int i, int label, float score) const noexcept {
    const beam& b = beams_.items[i];
    return (label == b.label ? b.ends_in_blank : b.total) + score;  // a repeated label needs a blank between
  }

  /// Prefix i after a step in which it did not grow, or grew from the prefix at place `shorter`, if that is not -1.
  beam stayed(int i, int shorter, const float* x) const noexcept {
    beam b = beams_.items[i];
    b.from = i, b.grew = false;
    b.ends_in_blank = b.total + x[o_.blank];
    if (b.label >= 0) b.ends_in_label += x[b.label];
    if (shorter >= 0) b.ends_in_label = log_add(b.ends_in_label, grown(shorter, b.label, x[b.label]));
    b.total = log_add(b.ends_in_blank, b.ends_in_label);
    return b;
  }

  /// The place of prefix i without its last label; -1 where that is not kept.
  int find_shorter(int i) const noexcept {
    for (int p = 0; p < beams_.size; ++p) {
      if (beams_.items[p].count + 1 != beams_.items[i].count) continue;
      prefix_walk longer(*this, i), candidate(*this, p);
      longer.previous();
      int label = 0;
      while (label >= 0 && (label = longer.previous()) == candidate.previous()) {
      }
      if (label < 0) return p;
    }
    return -1;
  }

  const ctc_beam_decode& o_;
  const arguments& a_;
  std::size_t sequence_, width_;
  beam_list beams_;
  int time_ = 0;
};

}  // namespace detail

/// Writes sequence `n` of the outputs.
inline void search_beams(const ctc_beam_decode& o, const signature& s, const arguments& a, std::size_t n) noexcept {
  detail::beam_search search(o, a, n);
  const auto steps = static_cast<std::size_t>(a.src[0].extents[1]);
  const int length = sequence_length(s, a, n);
  for (int t = 0; t < length; ++t)
    search.take(a.src[0].row<float>(n * steps + static_cast<std::size_t>(t)), a.src[0].extents[2]);
  search.write();
}

/// Reference evaluation.
inline void evaluate(const ctc_beam_decode& o, const signature& s, const arguments& a) {
  for (std::size_t n = 0; n < static_cast<std::size_t>(a.src[0].extents[0]); ++n) search_beams(o, s, a, n);
}

}  // namespace octavo::op
