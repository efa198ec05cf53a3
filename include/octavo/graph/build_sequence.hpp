// Composing a network: sequences (N, T, ...) with lengths (N), what is done with their steps, and decoders. Included by
// builder.hpp. Lengths are optional everywhere: without them all T steps count.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo {

namespace detail {

/// No lengths were given.
using no_lengths = std::monostate;

/// Whether L can be the lengths of a batch of X::value[0] sequences.
template <class L, class X>
inline constexpr bool are_lengths = false;
template <class X>
inline constexpr bool are_lengths<no_lengths, X> = true;
template <class T, class S, class X>
inline constexpr bool are_lengths<value<T, S>, X> = (std::is_same_v<T, std::int32_t> ||
                                                     std::is_same_v<T, std::int64_t>)&&S::value
                                                    == dims{X::value.encoded(0)};

template <class L>
std::vector<int> with_lengths(const value_handle& x, const L& lengths, const char* name) {
  if constexpr (std::is_same_v<L, no_lengths>) {
    return {x.id};
  } else {
    graph_of(name, {&x, &lengths});
    return {x.id, lengths.id};
  }
}

/// Appends a node on sequences and their lengths.
template <class L>
one_or_more<int> append_on_sequences(const operation& op, const char* name, const value_handle& x, const L& lengths,
                                     std::vector<constant> constants = {}) {
  return x.owner(name).append_after(op, name, with_lengths(x, lengths, name), std::move(constants));
}

}  // namespace detail

/// What crf_decode() finds: tags (N, T) and scores (N).
template <class S>
struct crf_outputs {
  value<std::int64_t, shape_of<dims{S::value.encoded(0), S::value.encoded(1)}>> tags;
  value<float, shape_of<dims{S::value.encoded(0)}>> score;
};

/// The best tags of each sequence of emissions (N, T, K), by "transitions" (K + 2, K) of `w`: see op/crf_decode.hpp.
/// auto [tags, score] = crf_decode(emissions, w / "crf", lengths);
template <class S, class L = detail::no_lengths>
auto crf_decode(const value<float, S>& emissions, const params& w, const L& lengths = {}) {
  static_assert(detail::is_sequence<S>, "octavo: crf_decode needs emissions of (N, T, K), K not bounded");
  static_assert(detail::are_lengths<L, S>, "octavo: crf_decode's lengths must be whole numbers of (N)");
  const int tags = S::value.back();
  const one_or_more<int> y = detail::append_on_sequences(op::crf_decode{}, "crf_decode", emissions, lengths,
                                                         {w.get("transitions", {tags + 2, tags})});
  graph& g = emissions.owner("crf_decode");
  return crf_outputs<S>{{&g, y[0]}, {&g, y[1]}};
}

/// What ctc_greedy_decode() finds: labels (N, T), their numbers (N) and scores (N).
template <class S>
struct ctc_greedy_outputs {
  value<std::int64_t, shape_of<dims{S::value.encoded(0), S::value.encoded(1)}>> labels;
  value<std::int64_t, shape_of<dims{S::value.encoded(0)}>> count;
  value<float, shape_of<dims{S::value.encoded(0)}>> score;
};

/// The labels of the best class of each step of (N, T, C): see op/ctc_greedy_decode.hpp. Throws octavo::error where
/// `blank` is no class.
template <class S, class L = detail::no_lengths>
auto ctc_greedy_decode(const value<float, S>& x, const L& lengths = {}, int blank = 0) {
  static_assert(detail::is_sequence<S>, "octavo: ctc_greedy_decode needs an input of (N, T, C), C not bounded");
  static_assert(detail::are_lengths<L, S>, "octavo: ctc_greedy_decode's lengths must be whole numbers of (N)");
  const one_or_more<int> y = detail::append_on_sequences(op::ctc_greedy_decode{blank}, "ctc_greedy_decode", x, lengths);
  graph& g = x.owner("ctc_greedy_decode");
  return ctc_greedy_outputs<S>{{&g, y[0]}, {&g, y[1]}, {&g, y[2]}};
}

/// What ctc_beam_decode() finds: labels (N, Width, T), their numbers (N, Width) and scores (N, Width).
template <class S, int Width>
struct ctc_beam_outputs {
  value<std::int64_t, shape_of<dims{S::value.encoded(0), Width, S::value.encoded(1)}>> labels;
  value<std::int64_t, shape_of<dims{S::value.encoded(0), Width}>> count;
  value<float, shape_of<dims{S::value.encoded(0), Width}>> score;
};

/// The Width likeliest lists of labels for the output of log_softmax (N, T, C): see op/ctc_beam_decode.hpp. Throws
/// octavo::error where an attribute has no meaning.
template <int Width, class S, class L = detail::no_lengths>
auto ctc_beam_decode(const value<float, S>& x, const L& lengths = {}, op::ctc_beam_decode options = {}) {
  static_assert(Width >= 1 && Width <= op::ctc_beam_decode::most, "octavo: ctc_beam_decode's width is from 1 to 128");
  static_assert(detail::is_sequence<S>, "octavo: ctc_beam_decode needs an input of (N, T, C), C not bounded");
  static_assert(detail::are_lengths<L, S>, "octavo: ctc_beam_decode's lengths must be whole numbers of (N)");
  options.width = Width;
  const one_or_more<int> y = detail::append_on_sequences(options, "ctc_beam_decode", x, lengths);
  graph& g = x.owner("ctc_beam_decode");
  return ctc_beam_outputs<S, Width>{{&g, y[0]}, {&g, y[1]}, {&g, y[2]}};
}

/// One vector (N, C) for each sequence of (N, T, C), by default the mean of its steps: see op/sequence_pool.hpp.
template <op::sequence_pool::kind_type Kind = op::sequence_pool::mean, class T, class S, class L = detail::no_lengths>
auto sequence_pool(const value<T, S>& x, const L& lengths = {}) {
  static_assert(S::value.rank == 3, "octavo: sequence_pool needs an input of (N, T, C)");
  static_assert(detail::are_lengths<L, S>, "octavo: sequence_pool's lengths must be whole numbers of (N)");
  constexpr dims y = op::pooled_extents(S::value);
  return value<T, shape_of<y>>(&x.owner("sequence_pool"),
                               *detail::append_on_sequences(op::sequence_pool{Kind}, "sequence_pool", x, lengths));
}

/// The steps of each sequence of (N, T, ...) in reverse order: see op/reverse_sequence.hpp.
template <class T, class S, class L = detail::no_lengths>
auto reverse_sequence(const value<T, S>& x, const L& lengths = {}) {
  static_assert(S::value.rank >= 2, "octavo: reverse_sequence needs an input of (N, T, ...)");
  static_assert(detail::are_lengths<L, S>, "octavo: reverse_sequence's lengths must be whole numbers of (N)");
  return value<T, S>(&x.owner("reverse_sequence"),
                     *detail::append_on_sequences(op::reverse_sequence{}, "reverse_sequence", x, lengths));
}

}  // namespace octavo
