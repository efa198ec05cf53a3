#include "layer_benchmark.hpp"

#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#ifdef _OPENMP
#include <omp.h>
#endif

#include "instruction_set.hpp"
#include "memory.hpp"
#include "octavo/octavo.hpp"
#include "peak.hpp"
#include "timing.hpp"
#ifdef OCTAVO_HAS_ONEDNN
#include "onednn_layer.hpp"
#endif

namespace octavo::bench {

namespace {

struct options {
  std::string isa;
  std::vector<std::string> networks = layer_networks();
  double seconds = 0.2;
  std::vector<char*> rest;  ///< what Google Benchmark is given
};

/// Exits with a message where the options are wrong.
options parse(int argc, char** argv) {
  static std::vector<std::string> rest;  // Google Benchmark keeps pointers
  options o;
  CLI::App app{"Times layers of networks, one at a time: Octavo and oneDNN, INT8 and FP32, in turn"};
  app.footer(
      "All other options are Google Benchmark's, such as --benchmark_filter=<regex>, --benchmark_list_tests,\n"
      "--benchmark_out=<file>. Names are <network>/<layer>/<isa>/<warm or cold>.");
  app.add_option("--isa", o.isa,
                 "up to portable, avx2, avx_vnni, avx512_vnni or amx (default: the best, see OCTAVO_ISA)");
  app.add_option("--networks", o.networks, "only the layers of these")->delimiter(',');
  app.add_option("--seconds", o.seconds, "how long to measure each benchmark")->check(CLI::NonNegativeNumber);
  app.allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  rest = app.remaining();
  // One iteration is all the turns that are taken: Google Benchmark need not repeat it to have time enough.
  rest.insert(rest.begin(), {argv[0], "--benchmark_min_time=0"});
  for (std::string& s : rest) o.rest.push_back(s.data());
  return o;
}

/// A problem as Octavo's operator.
class octavo_layer {
 public:
  octavo_layer(const problem& p, isa i) : operands_(random_operands(p)), session_(prepare(p.op, p, native_kernels(i))) {
    for (tensor& t : operands_) arguments_.emplace_back(t);
  }
  void run() { session_.run(arguments_).or_throw(); }
  std::string_view kernel() const { return session_.planned()->steps.at(0).kernel; }

 private:
  std::vector<tensor> operands_;
  std::vector<tensor_argument> arguments_;
  session session_;
};

#ifdef OCTAVO_HAS_ONEDNN
/// A problem as oneDNN's primitive. Convolutions get the layouts that oneDNN likes best.
class onednn_contestant {
 public:
  explicit onednn_contestant(const problem& p)
      : operands_(random_operands(p)),
        layer_(make_onednn_primitive(p, best_layouts(p))),
        scratchpad_(layer_.scratchpad_bytes()) {
    // A blocked layout may be larger than the tensor. The sum of a residual goes onto whatever lies in the destination.
    const auto fit = [&](tensor& x, std::size_t bytes) {
      if (x.bytes().size() < bytes) x = tensor(element::u8, {static_cast<int>(bytes)});
      return x.bytes().data();
    };
    std::vector<const void*> src;
    for (std::size_t i = 0; i < layer_.sources(); ++i) src.push_back(fit(operands_[i], layer_.source(i).get_size()));
    layer_.bind(src, fit(operands_.back(), layer_.destination().get_size()), scratchpad_.data());
  }
  void run() { layer_.run(); }
  std::string implementation() const { return layer_.implementation(); }

 private:
  static operand_layouts best_layouts(const problem& p) {
    operand_layouts lie = dense_layouts(p);
    if (!has_weights(p.op) || p.op.is<op::fc>()) return lie;
    lie.src[0] = onednn_memory(p.src[0], p.src[0].extents.rank, true);
    lie.dst = onednn_memory(*p.dst, p.dst->extents.rank, true);
    return lie;
  }

  std::vector<tensor> operands_;
  onednn_layer layer_;
  aligned_memory scratchpad_;
};
#endif

/// A layer with all its contestants.
class layer_match {
 public:
  layer_match(const layer& l, isa i, bool with_onednn) {
    const problem int8 = make_problem(l, true);
    operations_ = bench::operations(int8.op, int8);
    bytes_ = operand_bytes(int8.op, int8);
    add("int8", int8, i, with_onednn);
    if (has_fp32_form(l)) add("fp32", make_problem(l, false), i, with_onednn);
  }

  /// Measures all in turn and returns the counters.
  benchmark::UserCounters measure(double seconds, bool cold, double peak) {
    const clock_kind clock = clock_for(1);
    for (contestant& c : contestants_) {
      c.us.clear();
      c.repeat = 1;
      if (cold) continue;
      c.run();
      time_run(c, clock);
      c.repeat = static_cast<int>(std::clamp(shortest_timing_us / std::max(c.us.front(), 0.01), 1.0, 1000.0));
      c.us.clear();
    }
    if (cold)
      take_cold_turns(contestants_, seconds, clock, flush_caches);
    else
      take_turns(contestants_, seconds, clock, turn_us);
    return counters(peak);
  }

  /// The kernels, "octavo; onednn", of INT8.
  const std::string& label() const { return label_; }

 private:
  static constexpr double shortest_timing_us = 20, turn_us = 500;

  void add(const std::string& type, const problem& p, isa i, [[maybe_unused]] bool with_onednn) {
    const double bytes = operand_bytes(p.op, p);
    if (operations_ < 4 * bytes) {  // else it is not the memory that such a layer waits for
      auto memory = std::make_shared<readable_memory>(static_cast<std::size_t>(bytes));
      contestants_.push_back({"read_" + type, [memory] { memory->read(memory->size()); }});
    }
    auto octavo = std::make_shared<octavo_layer>(p, i);
    if (label_.empty()) label_ = octavo->kernel();
    contestants_.push_back({"octavo_" + type, [octavo] { octavo->run(); }});
#ifdef OCTAVO_HAS_ONEDNN
    if (!with_onednn) return;
    try {
      auto onednn = std::make_shared<onednn_contestant>(p);
      if (type == "int8") label_ += "; " + onednn->implementation();
      contestants_.push_back({"onednn_" + type, [onednn] { onednn->run(); }});
    } catch (const std::exception& e) {
      if (type == "int8") label_ += text("; ", e.what());
    }
#endif
  }

  benchmark::UserCounters counters(double peak) const {
    std::map<std::string, double> us;
    benchmark::UserCounters c;
    for (const contestant& x : contestants_) c[x.name + "_us"] = us[x.name] = median(x.us);
    const double octavo = us.at("octavo_int8");
    if (us.count("onednn_int8")) c["ratio"] = us["onednn_int8"] / octavo;
    if (us.count("onednn_fp32")) c["ratio_fp32"] = us["onednn_fp32"] / us.at("octavo_fp32");
    if (us.count("read_int8")) c["read_percent"] = 100 * us["read_int8"] / octavo;
    if (us.count("read_fp32")) c["read_percent_fp32"] = 100 * us["read_fp32"] / us.at("octavo_fp32");
    c["bytes"] = bytes_;
    c["gbs"] = bytes_ / octavo * 1e-3;
    if (operations_ > 0) {
      c["operations"] = operations_;
      c["gops"] = operations_ / octavo * 1e-3;
      if (peak > 0) c["peak_percent"] = 100 * c["gops"] / peak;
    }
    return c;
  }

  std::vector<contestant> contestants_;
  std::string label_;
  double operations_ = 0, bytes_ = 0;
};

/// One benchmark.
struct entry {
  layer what;
  isa set;
  std::string key;  ///< its name without warm or cold
  bool with_onednn, cold;
  double seconds, peak;
};

void run_entry(benchmark::State& state, const entry& e) {
  static std::string key;
  static std::unique_ptr<layer_match> last;  // warm and cold follow each other
  try {
    if (key != e.key) {
      key.clear();
      last.reset();
      last = std::make_unique<layer_match>(e.what, e.set, e.with_onednn);
      key = e.key;
    }
    for (auto _ : state) {
      state.counters = last->measure(e.seconds, e.cold, e.peak);
      state.SetIterationTime(state.counters.at("octavo_int8_us") * 1e-6);
    }
    state.SetLabel(last->label());
  } catch (const std::exception& failure) {
    state.SkipWithError(failure.what());
  }
}

void add_context(const std::map<isa, core_peak>& peaks) {
  using benchmark::AddCustomContext;
  AddCustomContext("cpu", cpu_name());
  AddCustomContext("compiler", OCTAVO_COMPILER);
  AddCustomContext("flags", OCTAVO_COMPILER_FLAGS);
#ifdef OCTAVO_HAS_ONEDNN
  AddCustomContext("onednn", onednn_version());
  AddCustomContext("onednn_isa", std::string(name_of(peaks.rbegin()->first)));
#endif
  for (const auto& [i, peak] : peaks) {
    AddCustomContext(text("peak_int8_gops_", name_of(i)), text(peak.int8));
    AddCustomContext(text("peak_fp32_gops_", name_of(i)), text(peak.f32));
  }
  const read_rates read = measure_read_rates();
  AddCustomContext("read_gbs_l2", text(read.l2));
  AddCustomContext("read_gbs_l3", text(read.l3));
  AddCustomContext("read_gbs_memory", text(read.memory));
}

void register_layers(const options& o, const std::map<isa, core_peak>& peaks, bool (*wanted)(const layer&)) {
  for (const std::string& network : o.networks)
    for (const layer& l : layers_of(network)) {
      if (!wanted(l)) continue;
      for (auto i = peaks.rbegin(); i != peaks.rend(); ++i)
        for (const bool cold : {false, true}) {
          const std::string key = text(network, "/", l.name, "/", name_of(i->first));
          const entry e{l, i->first, key, i == peaks.rbegin(), cold, o.seconds, i->second.int8};
          benchmark::RegisterBenchmark((key + (cold ? "/cold" : "/warm")).c_str(),
                                       [e](benchmark::State& s) { run_entry(s, e); })
              ->UseManualTime()
              ->Unit(benchmark::kMicrosecond);
        }
    }
}

void run(int argc, char** argv, bool (*wanted)(const layer&)) {
  options o = parse(argc, argv);
  const isa best = isa_named(o.isa);
#ifdef _OPENMP
  omp_set_num_threads(1);  // oneDNN's
#endif
#ifdef OCTAVO_HAS_ONEDNN
  set_onednn_isa(best);
#endif
  int count = static_cast<int>(o.rest.size());
  benchmark::Initialize(&count, o.rest.data());
  require(!benchmark::ReportUnrecognizedArguments(count, o.rest.data()), "see --help");
  std::map<isa, core_peak> peaks;
  for (int i = 0; i <= static_cast<int>(best); ++i)
    if (const auto set = static_cast<isa>(i); x86::runs(set)) peaks[set] = measure_peak(set);
  add_context(peaks);
  register_layers(o, peaks, wanted);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

}  // namespace

int benchmark_layers(int argc, char** argv, bool (*wanted)(const layer&)) {
  try {
    run(argc, argv, wanted);
    return 0;
  } catch (const std::exception& e) {
    std::cerr << argv[0] << ": " << e.what() << "\n";
    return 1;
  }
}

}  // namespace octavo::bench
