// Times the distinct convolutions and fully connected layers of real networks, one at a time, on one thread.
//
//   bench_conv2d --benchmark_filter='resnet50/.*/avx2/octavo_int8/warm'
//
// Names are <network>/<layer>/<isa>/<contestant>/<warm or cold>. Octavo runs with each instruction set of this CPU up to
// OCTAVO_ISA, oneDNN with the highest of them. In a cold iteration neither operands nor weights are in any cache.
// Counters: us is the median duration, gops the rate at it, peak_percent that rate in percent of the core's measured
// peak, ratio oneDNN's median by Octavo's, for which both were run in turn.
#include <benchmark/benchmark.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__unix__)
#include <unistd.h>
#endif

#include <iostream>
#include <map>
#include <memory>
#include <set>

#include "networks.hpp"
#include "octavo/octavo.hpp"
#include "peak.hpp"
#include "timing.hpp"
#ifdef OCTAVO_HAS_ONEDNN
#include "onednn_layer.hpp"
#endif

namespace {

using namespace octavo;
using namespace octavo::bench;

/// Zeros of any shape, one tensor for each: layers are first needed for their shapes only.
class zero_weights : public weight_source {
 public:
  constant find(const std::string&, const dims& expected) const override {
    constant& zeros = tensors_[text(expected)];
    if (!zeros) zeros = make_constant(tensor(element::f32, expected));
    return zeros;
  }
  std::string description() const override { return "zeros"; }

 private:
  mutable std::map<std::string, constant> tensors_;
};

/// A layer of a network: the operator and the extents of what it reads and writes.
struct layer {
  std::string name;
  operation op;
  std::vector<dims> src;
  dims dst, weights;
  bool is_last = false;  ///< its output stays f32
};

/// The distinct layers with weights of a network, for one image.
std::vector<layer> layers_of(const network_entry& n) {
  graph g;
  n.compose(g, params(std::make_shared<zero_weights>()));
  g = pass::limit_batch(fold(std::move(g)), 1);
  std::vector<layer> layers;
  std::set<std::string> seen;
  const auto fixed = [](dims d) {
    d.bounded = 0;
    return d;
  };
  for (const node& at : g.nodes) {
    if (!has_weights(at.op)) continue;
    layer l{at.name, at.op, {}, fixed(g.type(at.dst).extents), at.constants[0]->extents(), g.is_output(at.dst)};
    for (int v : at.src) l.src.push_back(fixed(g.type(v).extents));
    if (seen.insert(text(l.op, " of ", l.src[0])).second) layers.push_back(std::move(l));
  }
  return layers;
}

/// The layer with random weights: INT8 with u8 operands, or f32.
problem make_problem(const layer& l, bool int8) {
  problem p;
  p.op = l.op;
  random_bits random(1);
  for (const dims& d : l.src) p.src.push_back({int8 ? element::u8 : element::f32, d, {0.02f, 0}});
  p.dst = {int8 && !l.is_last ? element::u8 : element::f32, l.dst, {0.02f, 0}};
  const int channels = l.weights[0];
  const auto depth = static_cast<float>(l.weights.count() / static_cast<std::size_t>(channels));
  const float deviation = std::sqrt(2.0f / depth);
  tensor weights(int8 ? element::s8 : element::f32, l.weights), bias(element::f32, {channels});
  if (int8) {
    tensor scales(element::f32, {channels});
    for (std::int8_t& w : weights.as<std::int8_t>())
      w = static_cast<std::int8_t>(std::clamp(std::lrintf(32.0f * random.normal()), -127l, 127l));
    for (float& s : scales.as<float>()) s = deviation / 32.0f;
    p.constants = {make_constant(std::move(weights)), make_constant(std::move(bias)), make_constant(std::move(scales))};
  } else {
    for (float& w : weights.as<float>()) w = deviation * random.normal();
    p.constants = {make_constant(std::move(weights)), make_constant(std::move(bias))};
  }
  return p;
}

/// Memory larger than the last cache; reading and writing it leaves nothing else there.
void flush_caches() {
  static std::vector<std::uint64_t> memory([] {
    std::size_t bytes = 32u << 20;
#ifdef _SC_LEVEL3_CACHE_SIZE
    bytes = std::max(bytes, static_cast<std::size_t>(std::max(sysconf(_SC_LEVEL3_CACHE_SIZE), 0l)));
#endif
    return 2 * bytes / sizeof(std::uint64_t);
  }());
  for (std::size_t i = 0; i < memory.size(); i += 8) ++memory[i];  // one word of each cache line
  benchmark::ClobberMemory();
}

/// A layer that both contestants can run on the same operands.
class prepared_layer {
 public:
  prepared_layer(const layer& l, isa i, bool int8) : problem_(make_problem(l, int8)) {
    random_bits random(2);
    for (const tensor_type& t : problem_.src) operands_.push_back(random_tensor(t, random));
    operands_.emplace_back(problem_.dst.type, problem_.dst.extents);
    for (const tensor& t : operands_) arguments_.emplace_back(t);
    octavo_ = std::make_unique<session>(prepare(problem_.op, problem_, native_kernels(i)));
#ifdef OCTAVO_HAS_ONEDNN
    if (i != isa_in_use()) return;
    onednn_ = std::make_unique<onednn_layer>(problem_, onednn_memory(problem_.src[0]), onednn_memory(problem_.dst));
    // The sum of the residual goes onto the destination, whatever lies there.
    onednn_->bind(operands_.front().bytes().data(), operands_.back().bytes().data());
#endif
  }

  void run_octavo() { octavo_->run(arguments_).or_throw(); }
  void run_onednn() {
#ifdef OCTAVO_HAS_ONEDNN
    onednn_->run();
    onednn_layer::wait();
#endif
  }
  bool has_onednn() const {
#ifdef OCTAVO_HAS_ONEDNN
    return onednn_ != nullptr;
#else
    return false;
#endif
  }
  double operations() const { return bench::operations(problem_.op, problem_); }
  std::string_view kernel() const { return octavo_->planned()->steps[0].kernel; }
#ifdef OCTAVO_HAS_ONEDNN
  std::string_view implementation() const { return onednn_->implementation(); }
#else
  std::string_view implementation() const { return {}; }
#endif

 private:
  static tensor random_tensor(const tensor_type& t, random_bits& random) {
    tensor x(t.type, t.extents);
    if (t.is_u8())
      for (std::uint8_t& v : x.as<std::uint8_t>()) v = static_cast<std::uint8_t>(random() >> 56);
    else
      for (float& v : x.as<float>()) v = random.normal();
    return x;
  }

  problem problem_;
  std::vector<tensor> operands_;
  std::vector<tensor_argument> arguments_;
  std::unique_ptr<session> octavo_;
#ifdef OCTAVO_HAS_ONEDNN
  std::unique_ptr<onednn_layer> onednn_;
#endif
};

/// One benchmark.
struct entry {
  layer what;
  isa set;
  bool int8 = true, onednn = false, cold = false;
  std::string key;  ///< of the prepared layer
};

/// The prepared layer of an entry. The last one is kept: Google Benchmark calls a benchmark several times, and the
/// contestants of a layer follow each other.
prepared_layer& prepare_entry(const entry& e) {
  static std::string key;
  static std::unique_ptr<prepared_layer> last;
  if (key != e.key) {
    last.reset();
    last = std::make_unique<prepared_layer>(e.what, e.set, e.int8);
    key = e.key;
  }
  return *last;
}

const core_peak& peak_of(isa i) {
  static std::map<isa, core_peak> peaks;
  const auto found = peaks.find(i);
  return found != peaks.end() ? found->second : peaks.emplace(i, measure_peak(i)).first->second;
}

/// Runs `contestant` once, after a flush where it is to be cold, and returns the microseconds.
template <class Run>
double time_once(const Run& run, bool cold) {
  static const clock_kind clock = clock_for(1);
  if (cold) flush_caches();
  const double start = now_us(clock);
  run();
  return now_us(clock) - start;
}

void run_entry(benchmark::State& state, const entry& e) {
  prepared_layer& l = prepare_entry(e);
  const auto own = [&] { e.onednn ? l.run_onednn() : l.run_octavo(); };
  const auto other = [&] { l.run_onednn(); };
  const bool compare = !e.onednn && l.has_onednn();
  constexpr std::size_t turn = 16;  // iterations before the other has its turn; the first of a turn is not counted
  std::vector<double> own_us, other_us;
  own();
  for (auto _ : state) {
    if (compare && own_us.size() % turn == 0) {
      other();
      for (std::size_t i = 0; i < (e.cold ? 2 : turn); ++i) other_us.push_back(time_once(other, e.cold));
      own();
    }
    own_us.push_back(time_once(own, e.cold));
    state.SetIterationTime(own_us.back() * 1e-6);
  }
  const double us = median(own_us), gops = l.operations() / us * 1e-3;
  const double peak = e.int8 ? peak_of(e.set).int8 : peak_of(e.set).f32;
  state.counters["us"] = us;
  state.counters["gops"] = gops;
  if (peak > 0) state.counters["peak_percent"] = 100 * gops / peak;
  if (compare) state.counters["ratio"] = median(other_us) / us;
  state.SetLabel(std::string(e.onednn ? l.implementation() : l.kernel()));
}

void register_layer(const network_entry& n, const layer& l, isa i) {
  for (const bool int8 : {true, false})
    for (const bool cold : {false, true})
      for (const bool onednn : {false, true}) {
#ifndef OCTAVO_HAS_ONEDNN
        if (onednn) continue;
#endif
        if (onednn && i != isa_in_use()) continue;
        const std::string key = text(n.name, "/", l.name, "/", name_of(i), "/"), type = int8 ? "int8" : "fp32";
        const entry e{l, i, int8, onednn, cold, key + type};
        const std::string name = text(key, onednn ? "onednn_" : "octavo_", type, cold ? "/cold" : "/warm");
        auto* b = benchmark::RegisterBenchmark(name.c_str(), [e](benchmark::State& s) { run_entry(s, e); });
        b->UseManualTime()->Unit(benchmark::kMicrosecond);
        if (cold) b->Iterations(16);  // a flush takes far longer than a layer
      }
}

}  // namespace

int main(int argc, char** argv) try {
#ifdef _OPENMP
  omp_set_num_threads(1);  // oneDNN's
#endif
#ifdef OCTAVO_HAS_ONEDNN
  set_onednn_isa(isa_in_use());
  benchmark::AddCustomContext("onednn", onednn_version());
#endif
  benchmark::AddCustomContext("cpu", cpu_name());
  benchmark::AddCustomContext("compiler", OCTAVO_COMPILER);
  benchmark::AddCustomContext("flags", OCTAVO_COMPILER_FLAGS);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  std::vector<isa> sets;
  for (int i = static_cast<int>(isa_in_use()); i >= 0; --i)
    if (x86::runs(static_cast<isa>(i))) sets.push_back(static_cast<isa>(i));
  for (const isa i : sets)
    benchmark::AddCustomContext(text("peak_gops_", name_of(i)),
                                text("INT8 ", peak_of(i).int8, ", FP32 ", peak_of(i).f32));
  for (const network_entry& n : networks)
    for (const layer& l : layers_of(n))
      for (const isa i : sets) register_layer(n, l, i);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
} catch (const std::exception& e) {
  std::cerr << "bench_conv2d: " << e.what() << "\n";
  return 1;
}
