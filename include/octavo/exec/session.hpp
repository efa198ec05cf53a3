// Running a planned network. A session owns the memory of one run; run() allocates nothing and throws nothing.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <ranges>
#include <utility>

#include "octavo/base/float_environment.hpp"
#include "octavo/base/parallel.hpp"
#include "octavo/base/pooled_memory.hpp"
#include "octavo/exec/profile.hpp"
#include "octavo/plan/network.hpp"

namespace octavo {

/// A tensor of the user's, given to a run: a view, or a contiguous range of elements (span, vector, array), whose
/// outermost extent, if bounded, follows from its length.
struct tensor_argument {
  const void* data = nullptr;
  element type = element::f32;
  std::size_t count = 0;      ///< elements of a range
  dims extents;               ///< of a view; rank 0 for a range
  std::ptrdiff_t stride = 0;  ///< of a view; 0 for a range
  bool writable = false;      ///< whether it may be an output: its elements are not const

  template <class T>
  tensor_argument(const view<T>& v)
      : data(v.data),
        type(element_of<std::remove_const_t<T>>),
        extents(v.extents),
        stride(v.stride),
        writable(!std::is_const_v<T>) {}
  /// The whole of a tensor.
  tensor_argument(const tensor& t)
      : data(t.bytes().data()),
        type(t.type()),
        count(t.extents().count()),
        extents(t.extents()),
        stride(t.extents().back()) {}
  tensor_argument(tensor& t) : tensor_argument(std::as_const(t)) { writable = true; }
  template <std::ranges::contiguous_range R>
  tensor_argument(R&& r)
      : data(std::ranges::data(r)),
        type(element_of<std::remove_cv_t<std::ranges::range_value_t<R>>>),
        count(std::ranges::size(r)),
        writable(!std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>) {}
};

/// An argument by the name that the graph's input or output has: {"image", pixels}.
struct named_argument {
  std::string_view name;
  tensor_argument value;
};

/// Whether a run took place. `if (!run(x, y)) ...`, or `run(x, y).or_throw()`.
class [[nodiscard]] run_status {
 public:
  enum code_type : std::uint8_t {
    ok,
    no_network,
    wrong_count,
    wrong_type,
    wrong_extents,
    read_only,
    no_data,
    unknown_name,
    repeated_name
  };

  run_status(code_type code = ok) noexcept : code_(code) {}
  /// So many arguments were given to `net`.
  run_status(network net, std::size_t arguments) noexcept
      : code_(wrong_count), argument_(arguments), net_(std::move(net)) {}
  /// Argument number `argument` is `found`, where extents `expected` are wanted.
  run_status(code_type code, network net, std::size_t argument, const dims& expected,
             const tensor_argument& found) noexcept
      : code_(code), argument_(argument), net_(std::move(net)), expected_(expected), found_(found) {}

  /// Argument number `argument` of those given by name has a name that none has, or one has already.
  run_status(code_type code, network net, std::size_t argument, std::string_view name) noexcept
      : code_(code), argument_(argument), net_(std::move(net)) {
    std::copy_n(name.begin(), std::min(name.size(), name_.size() - 1), name_.begin());
  }

  explicit operator bool() const noexcept { return code_ == ok; }
  code_type code() const noexcept { return code_; }

  /// What was wrong: "argument 1 'image': expected f32[8x64x64x3], found 100 elements". Arguments are counted from 0,
  /// inputs before outputs.
  std::string message() const {
    if (code_ == ok) return "ok";
    if (code_ == no_network) return "the session was moved from";
    if (code_ == wrong_count) return text("expected the arguments ", all_names(), "; found ", argument_);
    if (code_ == unknown_name || code_ == repeated_name)
      return text("argument ", argument_, " is called '", name_.data(), "': expected the arguments ", all_names(),
                  code_ == repeated_name ? ", each of them once" : "");
    const std::string argument = text("argument ", argument_, " '", name_of_argument(argument_), "'");
    if (code_ == read_only) return argument + " is an output and read-only";
    if (code_ == no_data) return argument + " has no elements: a null pointer";
    const element type = value(argument_).type.type;
    if (code_ == wrong_type)
      return text(argument, ": expected ", octavo::name_of(type), ", found ", octavo::name_of(found_->type));
    const bool is_range = found_->extents.rank == 0 && found_->stride == 0;
    return text(
        argument, ": expected ", octavo::name_of(type), "[", expected_, "], found ",
        is_range ? text(found_->count, " elements") : text(found_->extents, ", rows ", found_->stride, " apart"));
  }
  /// Throws octavo::error with the message unless the run took place.
  void or_throw() const { require(code_ == ok, "session: ", message()); }

 private:
  const planned_value& value(std::size_t argument) const {
    const std::size_t inputs = net_->inputs.size();
    const int v = argument < inputs ? net_->inputs[argument] : net_->outputs[argument - inputs];
    return net_->values[static_cast<std::size_t>(v)];
  }
  std::string name_of_argument(std::size_t i) const { return std::string(argument_name(*net_, i)); }
  std::string all_names() const {
    std::string names;
    for (std::size_t i = 0; i < net_->inputs.size() + net_->outputs.size(); ++i)
      names += (i == 0 ? "" : i == net_->inputs.size() ? "; " : ", ") + name_of_argument(i);
    return names;
  }

  code_type code_;
  std::size_t argument_ = 0;  ///< its number; of wrong_count how many there were
  network net_;               ///< where there is an argument to tell of
  dims expected_;
  std::optional<tensor_argument> found_;
  std::array<char, 64> name_{};  ///< of unknown_name and repeated_name, or how it begins
};

/// Runs a network; one thread at a time. Its memory is allocated when it is made, so it moves and is not copied.
///
/// Results do not depend on the caller's rounding mode or treatment of subnormal numbers: a run sets its own on each
/// thread, and restores the caller's. A NaN among an INT8 network's inputs is quantized to the lower bound of that
/// input's range, and its outputs look like any others; summarize() (quant/histogram.hpp) refuses values that are not
/// finite, in a pass over the inputs that a run does not make for those who know theirs.
class session {
 public:
  /// `threads` runs the tasks of each step; it must live as long as the session, and keep its number of workers. Throws
  /// octavo::error when the network is null, std::bad_alloc when there is no memory for it.
  explicit session(network net, parallel_for& threads = serial())
      : net_(checked(std::move(net))),
        threads_(&threads),
        arena_(net_->arena_bytes),
        workers_(std::max(threads.workers(), 1)),
        scratch_(scratch_of(*net_, workers_)),
        shared_(net_->shared_bytes),
        ordered_(net_->inputs.size() + net_->outputs.size(), tensor_argument(view<const float>())),
        operands_(net_->values.size()),
        profile_(net_->steps.size()) {
    std::size_t most = 0;
    for (const step& s : net_->steps) most = std::max({most, s.src.size(), s.dst.size()});
    src_.resize(most), dst_.resize(most);
  }
  session(session&&) = default;
  session& operator=(session&&) = default;

  /// Runs the network on the inputs and outputs, in the order in which the graph got them: run(pixels, logits).
  template <class... Arguments>
  run_status operator()(Arguments&&... arguments) noexcept {
    const tensor_argument list[] = {tensor_argument(std::forward<Arguments>(arguments))...};
    return run(list);
  }

  /// The same with the arguments in a list.
  run_status run(std::span<const tensor_argument> arguments) noexcept {
    return run(arguments, [](int, const operand&) noexcept {});
  }

  /// The same with the arguments by name, in any order: run({{"image", pixels}, {"logits", logits}}).
  run_status operator()(std::initializer_list<named_argument> arguments) noexcept {
    return run(std::span<const named_argument>(arguments.begin(), arguments.size()));
  }
  run_status run(std::span<const named_argument> arguments) noexcept {
    if (!net_) return run_status::no_network;
    if (arguments.size() != ordered_.size()) return {net_, arguments.size()};
    for (tensor_argument& a : ordered_) a.data = nullptr, a.type = element::none;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      std::size_t place = 0;
      while (place < ordered_.size() && argument_name(*net_, place) != arguments[i].name) ++place;
      if (place == ordered_.size()) return {run_status::unknown_name, net_, i, arguments[i].name};
      if (ordered_[place].type != element::none) return {run_status::repeated_name, net_, i, arguments[i].name};
      ordered_[place] = arguments[i].value;
    }
    return run(std::span<const tensor_argument>(ordered_));
  }

  /// The same; `observe(value, operand)` is called for every input and for every value as soon as it is computed.
  template <class Observe>
  run_status run(std::span<const tensor_argument> arguments, Observe&& observe) {
    if (const run_status s = bind(arguments); !s) return s;
    const float_environment exact;
    for (int v : net_->inputs) observe(v, operands_[static_cast<std::size_t>(v)]);
    for (std::size_t i = 0; i < net_->steps.size(); ++i) {
      const step& s = net_->steps[i];
      for (std::size_t k = 0; k < s.src.size(); ++k)
        src_[k] = s.src[k] < 0 ? operand{} : operands_[static_cast<std::size_t>(s.src[k])];
      for (std::size_t k = 0; k < s.dst.size(); ++k) dst_[k] = operands_[static_cast<std::size_t>(s.dst[k])];
      const std::span<const operand> src(src_.data(), s.src.size()), dst(dst_.data(), s.dst.size());
      const arguments_of_step a{{*s.run, {src, dst, s.ahead, 0, shared_.data()}}, scratch_.data(), net_->scratch_bytes};
      if (profiling_) {
        const auto start = std::chrono::steady_clock::now();
        execute(a);
        profile_[i].add(std::chrono::steady_clock::now() - start);
      } else {
        execute(a);
      }
      for (int v : s.dst) observe(v, operands_[static_cast<std::size_t>(v)]);
    }
    return {};
  }

  /// Turns the measuring of each step on or off.
  void enable_profile(bool on) noexcept { profiling_ = on; }

  /// One entry per step, for all runs while profiling was enabled.
  std::vector<step_profile> profile() const {
    std::vector<step_profile> p;
    for (std::size_t i = 0; i < profile_.size(); ++i)
      p.push_back({net_->steps[i].name, net_->steps[i].operation, net_->steps[i].kernel, profile_[i]});
    return p;
  }

  const network& planned() const noexcept { return net_; }

  /// Bytes that this session owns: arena, scratch and what phases share.
  std::size_t memory_bytes() const noexcept { return arena_.size() + scratch_.size() + shared_.size(); }

 private:
  struct call {
    const executable& run;
    arguments args;
  };
  struct arguments_of_step : call {
    std::byte* scratch;
    std::size_t scratch_bytes;
  };

  static network checked(network net) {
    require(net != nullptr, "session: the network is null");
    return net;
  }
  static std::size_t scratch_of(const plan& p, int workers) {
    const auto n = static_cast<std::size_t>(workers);
    require(p.scratch_bytes <= most_bytes / n, "session: no memory is large enough for ", workers, " workers");
    return p.scratch_bytes * n;
  }

  void execute(arguments_of_step a) noexcept {
    const int phases = a.run.phases();
    for (a.args.phase = 0; a.args.phase < phases; ++a.args.phase) execute_phase(a);
  }

  void execute_phase(const arguments_of_step& a) noexcept {
    const int tasks = a.run.tasks(a.args);
    if (workers_ == 1 || tasks == 1) return a.run.run(a.args, 0, tasks, a.scratch);
    threads_->run(
        tasks,
        [](void* context, int begin, int end, int worker) noexcept {
          const float_environment exact;
          const auto& s = *static_cast<const arguments_of_step*>(context);
          s.run.run(s.args, begin, end, s.scratch + s.scratch_bytes * static_cast<std::size_t>(worker));
        },
        const_cast<arguments_of_step*>(&a));
  }

  /// The actual extents that an argument gives to a value of type `t`; rank 0 and false where it does not fit.
  static bool extents_of(const tensor_argument& a, const tensor_type& t, dims& actual) noexcept {
    actual = t.extents;
    actual.bounded = 0;
    if (a.extents.rank == 0 && a.stride == 0) {  // a range
      if (a.count == t.extents.count()) return true;
      if (t.extents.bounded != 1 || a.count == 0 || a.count > t.extents.count()) return false;
      const std::size_t one = t.extents.count() / static_cast<std::size_t>(t.extents[0]);
      if (a.count % one != 0) return false;
      actual[0] = static_cast<int>(a.count / one);
      return true;
    }
    if (a.extents.rank != t.extents.rank || a.stride < a.extents.back()) return false;
    for (int i = 0; i < t.extents.rank; ++i) {
      const bool fits =
          t.extents.is_bounded(i) ? a.extents[i] >= 1 && a.extents[i] <= t.extents[i] : a.extents[i] == t.extents[i];
      if (!fits) return false;
      actual[i] = a.extents[i];
    }
    return static_cast<std::size_t>(a.stride) <= max_count / actual.rows();  // else the last row has no address
  }

  /// Checks the arguments and sets every operand's address and actual extents.
  run_status bind(std::span<const tensor_argument> arguments) noexcept {
    if (!net_) return run_status::no_network;
    const plan& p = *net_;
    const std::size_t inputs = p.inputs.size();
    if (arguments.size() != inputs + p.outputs.size()) return {net_, arguments.size()};
    dims bounded;  // the actual extents of bounded axes, 0 where no argument has fixed one yet
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const planned_value& v = p.values[static_cast<std::size_t>(i < inputs ? p.inputs[i] : p.outputs[i - inputs])];
      dims expected = v.type.extents, actual;
      for (int axis = 0; axis < expected.rank; ++axis)
        if (expected.is_bounded(axis) && bounded[axis] != 0) expected.fix(axis, bounded[axis]);
      const auto wrong = [&](run_status::code_type code) { return run_status(code, net_, i, expected, arguments[i]); };
      if (i >= inputs && !arguments[i].writable) return wrong(run_status::read_only);
      if (arguments[i].type != v.type.type) return wrong(run_status::wrong_type);
      if (!extents_of(arguments[i], v.type, actual)) return wrong(run_status::wrong_extents);
      if (!arguments[i].data) return wrong(run_status::no_data);
      for (int axis = 0; axis < actual.rank; ++axis) {
        if (!v.type.extents.is_bounded(axis)) continue;
        if (bounded[axis] != 0 && bounded[axis] != actual[axis]) return wrong(run_status::wrong_extents);
        bounded[axis] = actual[axis];
      }
    }
    for (std::size_t i = 0; i < p.values.size(); ++i) {
      const planned_value& v = p.values[i];
      operand& o = operands_[i];
      o.extents = v.type.extents;
      o.extents.bounded = 0;
      for (int axis = 0; axis < o.extents.rank; ++axis)
        if (v.type.extents.is_bounded(axis) && bounded[axis] != 0) o.extents[axis] = bounded[axis];
      o.stride = v.stride;
      if (v.where == home::arena) {
        o.data = arena_.data() + v.offset;
        continue;
      }
      const auto at = static_cast<std::size_t>(v.index) + (v.where == home::output ? inputs : 0);
      o.data = static_cast<std::byte*>(const_cast<void*>(arguments[at].data)) + v.offset;
      if (arguments[at].stride != 0) o.stride = arguments[at].stride;  // of all that lives there: see placement.hpp
    }
    return {};
  }

  network net_;
  parallel_for* threads_;
  pooled_memory arena_;
  int workers_;
  pooled_memory scratch_;
  pooled_memory shared_;
  std::vector<tensor_argument> ordered_;  // those that were given by name
  std::vector<operand> operands_;         // of each value, for the current run
  std::vector<operand> src_, dst_;        // of the current step
  std::vector<duration_statistics> profile_;
  bool profiling_ = false;
};

}  // namespace octavo
