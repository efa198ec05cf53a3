// Running a planned network. A session owns the memory of one run; run() allocates nothing and throws nothing.
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include "octavo/base/compiled.hpp"
#include "octavo/base/float_environment.hpp"
#include "octavo/base/parallel.hpp"
#include "octavo/base/pooled_memory.hpp"
#include "octavo/exec/profile.hpp"
#include "octavo/exec/tensor_argument.hpp"
#include "octavo/plan/network.hpp"

namespace octavo {

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
    repeated_name,
    refused_data  ///< an input holds what an operator cannot take; what the outputs hold then means nothing
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

  /// Step number `step` of `net` refused what it was given.
  static run_status refused_by(network net, std::size_t step) noexcept {
    run_status s(std::move(net), step);
    s.code_ = refused_data;
    return s;
  }

  explicit operator bool() const noexcept { return code_ == ok; }
  code_type code() const noexcept { return code_; }

  /// What was wrong: "argument 1 'image': expected f32[8x64x64x3], found 100 elements". Arguments are counted from 0,
  /// inputs before outputs.
  std::string message() const;
  /// Throws octavo::error with the message unless the run took place.
  void or_throw() const { require(code_ == ok, "session: ", message()); }

 private:
  /// " with w >= 5" where smaller extents than that would leave nothing in some layer.
  std::string least_symbols() const;
  const planned_value& value(std::size_t argument) const { return argument_value(*net_, argument); }
  std::string name_of_argument(std::size_t i) const { return std::string(argument_name(*net_, i)); }
  std::string all_names() const;

  code_type code_;
  std::size_t argument_ = 0;  ///< its number; of wrong_count how many there were, of refused_data the step's number
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
  explicit session(network net, parallel_for& threads = serial());
  session(session&&) = default;
  session& operator=(session&&) = default;

  /// Runs the network on the inputs and outputs, in the order in which the graph got them: run(pixels, logits).
  template <class... Arguments>
  run_status operator()(Arguments&&... arguments) noexcept {
    const tensor_argument list[] = {tensor_argument(std::forward<Arguments>(arguments))...};
    return run(list);
  }

  /// The same with the arguments in a list.
  run_status run(std::span<const tensor_argument> arguments) noexcept;

  /// The same with the arguments by name, in any order: run({{"image", pixels}, {"logits", logits}}).
  run_status operator()(std::initializer_list<named_argument> arguments) noexcept {
    return run(std::span<const named_argument>(arguments.begin(), arguments.size()));
  }
  run_status run(std::span<const named_argument> arguments) noexcept;

  /// The same; `observe(value, operand)` is called for every input and for every value as soon as it is computed.
  template <class Observe>
  run_status run(std::span<const tensor_argument> arguments, Observe&& observe) {
    if (const run_status s = bind(arguments); !s) return s;
    const float_environment exact;
    std::atomic<bool> refused{false};
    for (int v : net_->inputs) observe(v, operands_[static_cast<std::size_t>(v)]);
    for (std::size_t i = 0; i < net_->steps.size(); ++i) {
      const step& s = net_->steps[i];
      for (std::size_t k = 0; k < s.src.size(); ++k)
        src_[k] = s.src[k] < 0 ? operand{} : operands_[static_cast<std::size_t>(s.src[k])];
      for (std::size_t k = 0; k < s.dst.size(); ++k) dst_[k] = operands_[static_cast<std::size_t>(s.dst[k])];
      const std::span<const operand> src(src_.data(), s.src.size()), dst(dst_.data(), s.dst.size());
      const arguments_of_step a{
          {*s.run, {src, dst, s.ahead, 0, shared_.data(), &refused}}, scratch_.data(), net_->scratch_bytes};
      if (profiling_) {
        const auto start = std::chrono::steady_clock::now();
        execute(a);
        profile_[i].add(std::chrono::steady_clock::now() - start);
      } else {
        execute(a);
      }
      if (refused.load(std::memory_order_relaxed)) return run_status::refused_by(net_, i);
      for (int v : s.dst) observe(v, operands_[static_cast<std::size_t>(v)]);
    }
    return {};
  }

  /// The extents that the outputs have for these inputs; what those leave open is at its bound. Throws octavo::error
  /// where an input does not fit.
  std::vector<dims> output_extents(std::span<const tensor_argument> inputs) const;

  /// Turns the measuring of each step on or off.
  void enable_profile(bool on) noexcept { profiling_ = on; }

  /// One entry per step, for all runs while profiling was enabled.
  std::vector<step_profile> profile() const;

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

  /// Checks the arguments and narrows `symbols` to those of this run. Ranges of several unknown extents wait for the
  /// arguments after them.
  run_status bind_symbols(std::span<const tensor_argument> arguments, symbol_ranges& symbols) const noexcept;

  /// Checks the arguments and sets every operand's address and actual extents.
  run_status bind(std::span<const tensor_argument> arguments) noexcept;

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

#if OCTAVO_BODIES

OCTAVO_COMPILED_ONCE std::string run_status::message() const {
  if (code_ == ok) return "ok";
  if (code_ == no_network) return "the session was moved from";
  if (code_ == wrong_count) return text("expected the arguments ", all_names(), "; found ", argument_);
  if (code_ == unknown_name || code_ == repeated_name)
    return text("argument ", argument_, " is called '", name_.data(), "': expected the arguments ", all_names(),
                code_ == repeated_name ? ", each of them once" : "");
  if (code_ == refused_data) {
    const step& s = net_->steps[argument_];
    return text("node '", s.name, "', ", s.operation, ": an input holds a number that is out of range");
  }
  const std::string argument = text("argument ", argument_, " '", name_of_argument(argument_), "'");
  if (code_ == read_only) return argument + " is an output and read-only";
  if (code_ == no_data) return argument + " has no elements: a null pointer";
  const element type = value(argument_).type.type;
  if (code_ == wrong_type)
    return text(argument, ": expected ", octavo::name_of(type), ", found ", octavo::name_of(found_->type));
  return text(argument, ": expected ", octavo::name_of(type), "[", expected_, "]", least_symbols(), ", found ",
              found_->is_range() ? text(found_->count, " elements")
                                 : text(found_->extents, ", rows ", found_->stride, " apart"));
}

OCTAVO_COMPILED_ONCE std::string run_status::least_symbols() const {
  std::string all;
  for (int i = 0; i < expected_.rank; ++i) {
    if (!expected_.is_bounded(i)) continue;
    const int symbol = expected_.form(i).symbol;
    const std::int64_t least = net_->symbols[static_cast<std::size_t>(symbol)].least;
    if (least > 1) all += text(all.empty() ? " with " : ", ", symbol_name{symbol}, " >= ", least);
  }
  return all;
}

OCTAVO_COMPILED_ONCE std::string run_status::all_names() const {
  std::string names;
  for (std::size_t i = 0; i < net_->inputs.size() + net_->outputs.size(); ++i)
    names += (i == 0 ? "" : i == net_->inputs.size() ? "; " : ", ") + name_of_argument(i);
  return names;
}

OCTAVO_COMPILED_ONCE session::session(network net, parallel_for& threads)
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

OCTAVO_COMPILED_ONCE run_status session::run(std::span<const tensor_argument> arguments) noexcept {
  return run(arguments, [](int, const operand&) noexcept {});
}

OCTAVO_COMPILED_ONCE run_status session::run(std::span<const named_argument> arguments) noexcept {
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

OCTAVO_COMPILED_ONCE std::vector<dims> session::output_extents(std::span<const tensor_argument> inputs) const {
  require(net_ != nullptr, "session: it was moved from");
  require(inputs.size() == net_->inputs.size(), "session: expected ", net_->inputs.size(), " inputs, found ",
          inputs.size());
  symbol_ranges symbols = net_->symbols;
  bind_symbols(inputs, symbols).or_throw();
  std::vector<dims> all;
  for (int v : net_->outputs) {
    all.push_back(detail::narrowed(net_->values[static_cast<std::size_t>(v)].type.extents, symbols));
    all.back().bounded = 0;
  }
  return all;
}

OCTAVO_COMPILED_ONCE std::vector<step_profile> session::profile() const {
  std::vector<step_profile> p;
  for (std::size_t i = 0; i < profile_.size(); ++i)
    p.push_back({net_->steps[i].name, net_->steps[i].operation, net_->steps[i].kernel, profile_[i]});
  return p;
}

OCTAVO_COMPILED_ONCE run_status session::bind_symbols(std::span<const tensor_argument> arguments,
                                                      symbol_ranges& symbols) const noexcept {
  for (bool all = false, waiting = true; waiting; all = true) {
    waiting = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      const tensor_argument& a = arguments[i];
      const tensor_type& t = argument_value(*net_, i).type;
      const dims expected = detail::narrowed(t.extents, symbols);
      const auto wrong = [&](run_status::code_type code) { return run_status(code, net_, i, expected, a); };
      if (i >= net_->inputs.size() && !a.writable) return wrong(run_status::read_only);
      if (a.type != t.type) return wrong(run_status::wrong_type);
      if (!all && detail::is_undecided(a, expected)) {
        waiting = true;
        continue;
      }
      dims actual;
      if (!detail::extents_of(a, expected, actual) || !detail::bind_symbols(t.extents, actual, symbols))
        return wrong(run_status::wrong_extents);
      if (!a.data) return wrong(run_status::no_data);
    }
  }
  return {};
}

OCTAVO_COMPILED_ONCE run_status session::bind(std::span<const tensor_argument> arguments) noexcept {
  if (!net_) return run_status::no_network;
  const plan& p = *net_;
  if (arguments.size() != p.inputs.size() + p.outputs.size()) return {net_, arguments.size()};
  symbol_ranges symbols = p.symbols;
  if (const run_status s = bind_symbols(arguments, symbols); !s) return s;
  for (std::size_t i = 0; i < p.values.size(); ++i) {
    const planned_value& v = p.values[i];
    operand& o = operands_[i];
    o.extents = detail::narrowed(v.type.extents, symbols);
    o.extents.bounded = 0;  // what the arguments leave open is at its most
    o.stride = v.stride;
    if (v.where == home::arena) {
      o.data = arena_.data() + v.offset;
      continue;
    }
    if (v.where == home::constants) {  // which nothing writes to
      o.data = const_cast<std::byte*>(p.constants[static_cast<std::size_t>(v.index)]->bytes().data()) + v.offset;
      continue;
    }
    const auto at = static_cast<std::size_t>(v.index) + (v.where == home::output ? p.inputs.size() : 0);
    o.data = static_cast<std::byte*>(const_cast<void*>(arguments[at].data)) + v.offset;
    if (arguments[at].stride != 0)
      o.stride = arguments[at].stride;  // of all that lives there: see placement.hpp
    else if (innermost_bounded(v.type.extents))
      o.stride = o.extents.back();  // a range has no gaps
  }
  return {};
}

#endif

}  // namespace octavo
