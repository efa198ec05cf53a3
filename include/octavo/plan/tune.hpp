// Tuning: time the kernels that support a node on this machine, and keep the fastest. It changes no INT8 result as long
// as all kernels of the list give the same bits, as the native ones do.
#pragma once

#include <chrono>
#include <functional>
#include <random>

#include "octavo/plan/compile.hpp"

namespace octavo {

/// How tuning measures.
struct tune_options {
  int repetitions = 9;  ///< timed runs of each kernel, of which the median counts
  /// Called with the number of nodes done and of all.
  std::function<void(int, int)> progress{};
};

/// Times every kernel of `kernels` that supports a node of `g`, a graph as plan_graph() takes it, on the calling thread
/// with random operands, and returns the fastest of each node. Equal problems are timed once. Throws octavo::error,
/// naming the node, when one cannot be run.
OCTAVO_COMPILED_ONCE kernel_choices tune_kernels(const graph& g, std::span<const kernel> kernels,
                                                 const tune_options& how = {});

#if OCTAVO_BODIES

namespace detail {

/// Operands of a problem, with elements that it can take: f32 from -1 to 1, u8 any, the others, which may be indices or
/// lengths, 0.
class random_operands {
 public:
  /// `strides`: those of the inputs, then those of the outputs. Bounded extents are at their bounds.
  random_operands(const problem& p, const std::vector<std::ptrdiff_t>& strides) {
    for (std::size_t i = 0; i < p.src.size(); ++i) src_.push_back(p.has(i) ? make(p.src[i], strides[i]) : operand{});
    for (std::size_t i = 0; i < p.dst.size(); ++i) dst_.push_back(make(p.dst[i], strides[p.src.size() + i]));
  }
  octavo::arguments arguments() const { return {src_, std::span<const operand>(dst_)}; }

 private:
  operand make(const tensor_type& t, std::ptrdiff_t stride) {
    const std::size_t count = t.extents.rows() * static_cast<std::size_t>(stride);
    const aligned_memory& m = memory_.emplace_back(count * size_of(t.type));
    operand o{m.data(), t.extents, stride};
    o.extents.bounded = 0;
    if (t.type == element::f32)
      for (std::size_t i = 0; i < count; ++i)
        o.as<float>()[i] = 2 * static_cast<float>(random_()) / static_cast<float>(random_.max()) - 1;
    else if (t.type == element::u8)
      for (std::size_t i = 0; i < m.size(); ++i) m.data()[i] = static_cast<std::byte>(random_() >> 8);
    return o;
  }

  std::minstd_rand random_;
  std::vector<aligned_memory> memory_;
  std::vector<operand> src_, dst_;
};

/// The median duration of each of `candidates`. They take turns, so that a slow moment of the machine meets all of
/// them; one that is far behind in the first is left at that.
inline std::vector<std::chrono::nanoseconds> time_kernels(const std::vector<const kernel*>& candidates,
                                                          const problem& p, const std::vector<std::ptrdiff_t>& strides,
                                                          int repetitions) {
  const random_operands operands(p, strides);
  arguments a = operands.arguments();
  std::vector<std::unique_ptr<const executable>> packed;
  std::size_t scratch_bytes = 0, shared_bytes = 0;
  for (const kernel* k : candidates) {
    packed.push_back(pack(*k, p));
    scratch_bytes = std::max(scratch_bytes, packed.back()->scratch_bytes());
    shared_bytes = std::max(shared_bytes, packed.back()->shared_bytes());
  }
  const aligned_memory scratch(scratch_bytes), shared(shared_bytes);
  a.shared = shared.data();
  const auto time = [&](const executable& e) -> std::chrono::nanoseconds {
    const auto start = std::chrono::steady_clock::now();
    run_all(e, a, scratch.data());
    return std::chrono::steady_clock::now() - start;
  };
  std::vector<std::chrono::nanoseconds> medians;  // at first of the one run that warms up
  for (const auto& e : packed) medians.push_back(time(*e));
  const auto hopeless = 5 * *std::min_element(medians.begin(), medians.end());
  std::vector<std::vector<std::chrono::nanoseconds>> times(packed.size());
  for (int r = 0; r < repetitions; ++r)
    for (std::size_t i = 0; i < packed.size(); ++i)
      if (medians[i] <= hopeless) times[i].push_back(time(*packed[i]));
  for (std::size_t i = 0; i < packed.size(); ++i) {
    if (times[i].empty()) continue;
    const auto middle = times[i].begin() + repetitions / 2;
    std::nth_element(times[i].begin(), middle, times[i].end());
    medians[i] = *middle;
  }
  return medians;
}

/// Finds the fastest kernel for one node after the other.
class tuner {
 public:
  tuner(const graph& g, std::span<const kernel> kernels, int repetitions)
      : g_(g), where_(place_values(g)), kernels_(kernels), repetitions_(repetitions) {}

  bool is_free(const node& n) const { return octavo::is_free(n, g_, where_); }

  /// The name of the fastest kernel, the first of equals.
  std::string fastest(const node& n) {
    const problem p{g_.signature_of(n), n.op};
    std::vector<const kernel*> candidates;
    for (const kernel& k : kernels_)
      if (supports(k, p)) candidates.push_back(&k);
    if (candidates.size() < 2) return std::string(candidates.empty() ? reference_kernel.name : candidates[0]->name);
    std::vector<std::ptrdiff_t> strides;
    for (const auto& values : {std::span<const int>(n.src), std::span<const int>(n.dst)})
      for (int v : values) strides.push_back(v < 0 ? 0 : where_[static_cast<std::size_t>(v)].stride);
    std::string& found = timed_[describe(candidates, p, strides)];
    if (found.empty()) {
      const auto times = time_kernels(candidates, p, strides, repetitions_);
      found = candidates[static_cast<std::size_t>(std::min_element(times.begin(), times.end()) - times.begin())]->name;
    }
    return found;
  }

 private:
  /// All that the times depend on.
  static std::string describe(const std::vector<const kernel*>& candidates, const problem& p,
                              const std::vector<std::ptrdiff_t>& strides) {
    std::string s = text(p.op);
    const auto add = [&](const tensor_type& t) {
      s += text("|", name_of(t.type), " ", t.extents, " ", t.is_u8() ? t.q.zero_point : 0);
    };
    for (const tensor_type& t : p.src) add(t);
    for (const tensor_type& t : p.dst) add(t);
    for (std::ptrdiff_t stride : strides) s += text("|", stride);
    for (const constant& c : p.constants) s += c ? "|+" : "|-";
    for (const kernel* k : candidates) s += text("|", k->name);
    return s;
  }

  const graph& g_;
  std::vector<placement> where_;
  std::span<const kernel> kernels_;
  int repetitions_;
  std::map<std::string, std::string> timed_;  // kernels by describe()
};

}  // namespace detail

OCTAVO_COMPILED_ONCE kernel_choices tune_kernels(const graph& g, std::span<const kernel> kernels,
                                                 const tune_options& how) {
  require(how.repetitions > 0, "tuning needs at least 1 repetition, found ", how.repetitions);
  const float_environment exact;
  const graph planned = detail::ready_to_plan(g);
  detail::tuner t(planned, kernels, how.repetitions);
  kernel_choices choices;
  choices.origin = "tuning";
  int done = 0;
  for (const node& n : planned.nodes) {
    try {
      if (!t.is_free(n)) choices.by_node.emplace(n.name, t.fastest(n));
    } catch (const error& e) {
      fail("node '", n.name, "': ", e.what());
    }
    if (how.progress) how.progress(++done, static_cast<int>(planned.nodes.size()));
  }
  return choices;
}

#endif

}  // namespace octavo
