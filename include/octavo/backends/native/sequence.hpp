// Operators on sequences of a batch: decoders that keep what their references compute anew, and those whose references
// need nothing but to run on several sequences at a time.
#pragma once

#include "octavo/backends/native/task_count.hpp"
#include "octavo/op/kernel.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// An operator by its reference, a task for each sequence: Write(op, types, arguments, n).
template <class Op, void (*Write)(const Op&, const signature&, const arguments&, std::size_t) noexcept>
class by_sequence final : public executable {
 public:
  explicit by_sequence(const problem& p) : op_(*p.op.as<Op>()), types_(p) {}

  int tasks(const arguments& a) const noexcept override {
    const double bytes = static_cast<double>(a.src[0].extents.count() * size_of(types_.src[0].type));
    return std::min(a.src[0].extents[0], task_count({.bytes = bytes}));
  }
  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    const std::int64_t sequences = a.src[0].extents[0], all = tasks(a);
    for (std::int64_t n = begin * sequences / all; n < end * sequences / all; ++n)
      Write(op_, types_, a, static_cast<std::size_t>(n));
  }

 private:
  Op op_;
  signature types_;
};

/// Viterbi's algorithm: from the last step back the best tag after each is noted, then they are followed. A task is a
/// sequence. Transitions lie by the tag that they lead to, so that those of all tags before it are next to each other.
class crf_decoding final : public executable {
 public:
  explicit crf_decoding(const problem& p)
      : types_(p), tags_(static_cast<std::size_t>(p.src[0].extents[2])), incoming_(tags_ * tags_) {
    for (std::size_t from = 0; from < tags_; ++from)
      for (std::size_t to = 0; to < tags_; ++to) incoming_[to * tags_ + from] = transitions(2 + from)[to];
  }

  int tasks(const arguments& a) const noexcept override { return a.src[0].extents[0]; }
  std::size_t scratch_bytes() const noexcept override {
    const auto steps = static_cast<std::size_t>(types_.src[0].extents[1]);
    return (2 * tags_) * sizeof(float) + steps * tags_ * sizeof(std::int32_t);
  }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    for (int n = begin; n < end; ++n) decode(a, static_cast<std::size_t>(n), reinterpret_cast<float*>(scratch));
  }

 private:
  const float* transitions(std::size_t row) const { return types_.at(0)->as<float>().data() + row * tags_; }

  void decode(const arguments& a, std::size_t n, float* gain) const noexcept {
    float* rest = gain + tags_;
    auto* after = reinterpret_cast<std::int32_t*>(rest + tags_);  // (step, tag): the best tag of the next step
    const auto steps = static_cast<std::size_t>(a.src[0].extents[1]);
    const auto length = static_cast<std::size_t>(op::sequence_length(types_, a, n));
    std::int64_t* y = a.dst[0].row<std::int64_t>(n);
    float& score = a.dst[1].as<float>()[n];
    std::fill_n(y + length, steps - length, 0);
    score = 0;
    if (length == 0) return;
    std::copy_n(transitions(1), tags_, rest);
    for (std::size_t t = length; t-- > 0;) {
      const float* e = a.src[0].row<float>(n * steps + t);
      for (std::size_t k = 0; k < tags_; ++k) gain[k] = e[k] + rest[k];
      if (t > 0) choose_next(gain, rest, after + (t - 1) * tags_);
    }
    int tag = op::best_tag(transitions(0), gain, static_cast<int>(tags_));
    score = transitions(0)[tag] + gain[tag];
    y[0] = tag;
    for (std::size_t t = 1; t < length; ++t) y[t] = tag = after[(t - 1) * tags_ + static_cast<std::size_t>(tag)];
  }

  /// rest[i] = max over k of transition(i, k) + gain[k], after[i] = the first such k, for all tags i side by side.
  void choose_next(const float* gain, float* rest, std::int32_t* after) const noexcept {
    for (std::size_t i = 0; i < tags_; ++i) rest[i] = incoming_[i] + gain[0], after[i] = 0;
    for (std::size_t k = 1; k < tags_; ++k) {
      const float* transition = incoming_.data() + k * tags_;
      for (std::size_t i = 0; i < tags_; ++i) {
        const float sum = transition[i] + gain[k];
        const bool is_better = sum > rest[i];
        rest[i] = is_better ? sum : rest[i];
        after[i] = is_better ? static_cast<std::int32_t>(k) : after[i];
      }
    }
  }

  signature types_;
  std::size_t tags_;
  std::vector<float> incoming_;  // (to, from)
};

/// Greedy decoding: in the first phase the best classes of all steps, in the second the labels of each sequence.
/// FirstLargest(x, n): what op::detail::best_class says.
template <int (*FirstLargest)(const float*, int) noexcept>
class ctc_greedy_decoding final : public executable {
 public:
  explicit ctc_greedy_decoding(const problem& p) : op_(*p.op.as<op::ctc_greedy_decode>()), types_(p) {}

  int phases() const noexcept override { return 2; }
  std::size_t shared_bytes() const noexcept override { return types_.src[0].extents.rows() * sizeof(std::int32_t); }
  int tasks(const arguments& a) const noexcept override {
    if (a.phase == 1) return a.src[0].extents[0];
    const dims& x = a.src[0].extents;
    return std::min(static_cast<int>(x.rows()), task_count({.bytes = static_cast<double>(x.count()) * sizeof(float)}));
  }
  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    auto* best = reinterpret_cast<std::int32_t*>(a.shared);
    const dims& x = a.src[0].extents;
    if (a.phase == 0) {
      const auto rows = static_cast<std::int64_t>(x.rows()), all = std::int64_t{tasks(a)};
      for (std::int64_t i = begin * rows / all; i < end * rows / all; ++i)
        best[i] = FirstLargest(a.src[0].row<float>(static_cast<std::size_t>(i)), x[2]);
      return;
    }
    for (int n = begin; n < end; ++n)
      op::detail::write_greedy_labels(op_, types_, a, static_cast<std::size_t>(n),
                                      [&](int t) { return best[std::ptrdiff_t{n} * x[1] + t]; });
  }

 private:
  op::ctc_greedy_decode op_;
  signature types_;
};

/// The kernel `name` that runs the operator Op as an E.
template <class Op, class E>
constexpr kernel sequence_kernel(std::string_view name) {
  return {name, isa::portable, [](const problem& p) { return p.op.is<Op>(); },
          [](const problem& p) -> std::unique_ptr<const executable> { return std::make_unique<E>(p); }};
}

/// Kernels for operators on sequences; ctc_greedy_decode needs vectors.
inline constexpr kernel sequence_kernels[] = {
    sequence_kernel<op::crf_decode, crf_decoding>("crf_decode"),
    sequence_kernel<op::ctc_beam_decode, by_sequence<op::ctc_beam_decode, op::search_beams>>("ctc_beam_decode"),
    sequence_kernel<op::sequence_pool, by_sequence<op::sequence_pool, op::pool_steps>>("sequence_pool"),
    sequence_kernel<op::reverse_sequence, by_sequence<op::reverse_sequence, op::reverse_steps>>("reverse_sequence"),
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
