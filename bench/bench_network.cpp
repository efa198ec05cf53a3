// Times whole networks with random weights: Octavo and oneDNN, INT8 and FP32, in turn in one process.
// `bench_network --help` lists the options. The four take turns; each time is a median.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "instruction_set.hpp"
#include "memory.hpp"
#include "networks.hpp"
#include "octavo/graph/pass/limit_batch.hpp"
#include "octavo/io/atomic_file.hpp"
#include "octavo/octavo.hpp"
#include "peak.hpp"
#include "timing.hpp"
#ifdef _OPENMP
#include "octavo/exec/openmp.hpp"
#endif
#ifdef OCTAVO_HAS_ONEDNN
#include "onednn_network.hpp"
#endif

namespace {

using namespace octavo;
using namespace octavo::bench;

struct options {
  std::string network = "resnet50", activation, isa, json;
  int threads = 1, batch = 1, length = 0;
  double seconds = 10;
  bool layers = false, onednn_nhwc = false;
};

options parse(int argc, char** argv) {
  options o;
  CLI::App app{"Times a network with random weights: Octavo and oneDNN, INT8 and FP32, in turn"};
  app.add_option("--network", o.network,
                 "resnet18, resnet34, resnet50, resnet101, mobilenet_v1, mobilenet_v2, mobilenet_v3, squeezenet, "
                 "ssd_mobilenet_v1, vgg16, vgg19, ernie, kwt1, lac, crnn, kws_gru_s or kws_lstm_s");
  app.add_option("--activation", o.activation,
                 "an operator in the place of each relu and relu6: leaky_relu, hard_swish, ...");
  app.add_option("--isa", o.isa, "portable, avx2, avx_vnni, avx512_vnni or amx (default: the best, see OCTAVO_ISA)");
  app.add_option("--threads", o.threads, "threads")->check(CLI::PositiveNumber);
  app.add_option("--length", o.length,
                 "tokens of a sentence: for ernie 32, 128 or 512 (default: 128), for lac 32 or 128 (default: 32)");
  app.add_option("--batch", o.batch, "images, sentences or clips per run")->check(CLI::Range(1, largest_batch));
  app.add_option("--seconds", o.seconds, "how long to measure")->check(CLI::NonNegativeNumber);
  app.add_option("--json", o.json, "write the results as JSON");
  app.add_flag("--onednn-nhwc", o.onednn_nhwc, "oneDNN keeps activations in (N, H, W, C) instead of its own layouts");
  app.add_flag("--layers", o.layers, "time each step too, for as long again");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  if (o.length != 0) o.network += text("_", o.length);
  return o;
}

std::unique_ptr<parallel_for> make_threads(int threads) {
  if (threads == 1) return nullptr;
#ifdef _OPENMP
  return std::make_unique<openmp_parallel_for>(threads);
#else
  fail("this program was built without OpenMP: --threads 1 only");
#endif
}

/// The durations of the steps of a network, by the value that a step computes.
class step_times {
 public:
  explicit step_times(clock_kind clock) : clock_(clock) {}

  /// The step that computes `value` has just ended; what begins a run, an input or -1, is no step but starts the clock.
  void end_of(int value, bool begins) {
    const double now = now_us(clock_);
    if (!begins) us_[value].push_back(now - last_);
    last_ = now_us(clock_);
  }
  double median_us(int value) const {
    const auto found = us_.find(value);
    return found == us_.end() ? 0.0 : median(found->second);
  }

 private:
  clock_kind clock_;
  double last_ = 0;
  std::map<int, std::vector<double>> us_;
};

/// One graph, run by Octavo and by oneDNN on the same inputs.
class comparison {
 public:
  comparison(const graph& g, const options& o, isa i, parallel_for& threads, std::vector<tensor>& inputs)
      : octavo_times(clock_for(o.threads)),
        onednn_times(clock_for(o.threads)),
        run_(plan_graph(g, native_kernels(i)), threads) {
    const planned_value& out = run_.planned()->values[static_cast<std::size_t>(run_.planned()->outputs[0])];
    logits_.resize(out.type.extents.count());
    for (const tensor& t : inputs) arguments_.emplace_back(t);
    arguments_.emplace_back(logits_);
    for (const node& n : g.nodes) {
      if (has_weights(n.op)) weighted_.insert(*n.dst);
      operations_[n.dst] = bench::operations(n.op, g.signature_of(n));
      bytes_[n.dst] = operand_bytes(n.op, g.signature_of(n));
      total_ += operations_[n.dst];
    }
#ifdef OCTAVO_HAS_ONEDNN
    onednn_logits_.resize(logits_.size());
    std::vector<void*> memory;
    for (tensor& t : inputs) memory.push_back(t.bytes().data());
    onednn_.emplace(g, o.onednn_nhwc ? onednn_layouts::nhwc : onednn_layouts::own, memory,
                    std::vector<void*>{onednn_logits_.data()});
#endif
  }

  void run_octavo() { run_.run(arguments_).or_throw(); }

  /// The same, with the duration of each step.
  void run_octavo_steps() {
    const std::vector<int>& inputs = run_.planned()->inputs;
    run_.run(arguments_,
             [&](int v, const operand&) {
               octavo_times.end_of(v, std::find(inputs.begin(), inputs.end(), v) != inputs.end());
             })
        .or_throw();
  }
#ifdef OCTAVO_HAS_ONEDNN
  void run_onednn() { onednn_->run(); }
  void run_onednn_steps() {
    onednn_->run([&](int v) { onednn_times.end_of(v, v < 0); });
  }
  const onednn_network& onednn() const { return *onednn_; }
  const std::vector<float>& onednn_logits() const { return onednn_logits_; }
#endif

  const plan& planned() const { return *run_.planned(); }
  const std::vector<float>& logits() const { return logits_; }
  double operations() const { return total_; }
  double operations(int value) const { return operations_.at(value); }
  double bytes(int value) const { return bytes_.at(value); }
  /// Whether the node that computes it has weights.
  bool is_weighted(int value) const { return weighted_.contains(value); }

  step_times octavo_times, onednn_times;

 private:
  session run_;
  std::vector<float> logits_, onednn_logits_;
  std::vector<tensor_argument> arguments_;
  std::set<int> weighted_;
  std::map<int, double> operations_, bytes_;  // of the node that computes a value
  double total_ = 0;
#ifdef OCTAVO_HAS_ONEDNN
  std::optional<onednn_network> onednn_;
#endif
};

#ifdef OCTAVO_HAS_ONEDNN
/// The largest difference, as a fraction of the largest magnitude in `a`.
double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  float largest = 0, difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::fabs(a[i]));
    difference = std::max(difference, std::fabs(a[i] - b[i]));
  }
  return static_cast<double>(difference / largest);
}
#endif

/// Puts the operator of that name in the place of each relu and relu6.
void replace_activations(graph& g, const std::string& name) {
  const operation o = make_operation(name, {});
  require(o.facts().elementwise && o.facts().inputs.size() == 1, "'", name, "' is no function of one number");
  for (node& n : g.nodes)
    if (const auto* a = n.as<op::activate>(); a && a->act.lower == 0.0f) n.op = o;
}

/// Fills the inputs of `g`; integers are ids of a table that a node looks them up in.
void fill_at_random(const graph& g, std::span<tensor> inputs, std::uint64_t seed) {
  random_bits random(seed);
  const std::vector<int> values = g.input_values();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].type() == element::f32) {
      for (float& v : inputs[i].as<float>()) v = random.normal();
      continue;
    }
    const auto reads = [&](const node& n) { return n.as<op::gather>() && n.src[1] == values[i]; };
    const auto table = std::find_if(g.nodes.begin(), g.nodes.end(), reads);
    require(table != g.nodes.end(), "no node looks up input ", i);
    const auto rows = static_cast<std::uint64_t>(g.type(table->src[0]).extents[0]);
    for (std::int32_t& id : inputs[i].as<std::int32_t>()) id = static_cast<std::int32_t>(random() % rows);
  }
}

/// The same, made for `batch`.
std::vector<tensor> random_inputs(const graph& g, int batch, std::uint64_t seed) {
  std::vector<tensor> inputs;
  for (int v : g.input_values()) {
    dims extents = g.type(v).extents;
    extents.bounded = 0;
    extents[0] = batch;
    inputs.emplace_back(g.type(v).type, extents);
  }
  fill_at_random(g, inputs, seed);
  return inputs;
}

calibration calibrate_at_random(const graph& g, isa i) {
  const sample_set samples{
      2, [&](int k, std::span<tensor> inputs) { fill_at_random(g, inputs, static_cast<std::uint64_t>(k) + 100); }};
  return calibrate(compile(pass::limit_batch(g, 1), native_kernels(i)), samples);
}

/// Everything that is reported.
struct report {
  options asked;
  isa used = isa::portable;
  core_peak peak;
  clock_kind clock = clock_kind::wall;
  std::vector<contestant> contestants;
  comparison* int8 = nullptr;
  comparison* fp32 = nullptr;

  double operations() const { return fp32->operations(); }
  /// Of the contestant's arithmetic, for all threads.
  double peak_of(const contestant& c) const {
    return asked.threads * (c.name.ends_with("int8") ? peak.int8 : peak.f32);
  }
  const contestant* find(std::string_view name) const {
    for (const contestant& c : contestants)
      if (c.name == name) return &c;
    return nullptr;
  }
};

/// `format` with numbers filled in.
template <class... Numbers>
std::string formatted(const char* format, Numbers... numbers) {
  char line[256];
  std::snprintf(line, sizeof line, format, numbers...);
  return line;
}

void print_head(std::ostream& out, const report& r) {
  out << r.asked.network << (r.asked.activation.empty() ? "" : " with " + r.asked.activation) << ", batch "
      << r.asked.batch << ", " << r.asked.threads << (r.asked.threads == 1 ? " thread, " : " threads, ")
      << name_of(r.used) << ", " << formatted("%.2f GOP", r.operations() * 1e-9) << ", random weights\n"
      << cpu_name() << "; " << OCTAVO_COMPILER << OCTAVO_COMPILER_FLAGS << "; " << name_of(r.clock) << " time";
#ifdef OCTAVO_HAS_ONEDNN
  out << "; oneDNN " << onednn_version() << (r.asked.onednn_nhwc ? ", NHWC" : ", its own layouts");
#endif
  out << "\n"
      << formatted("peak of a core: INT8 %.1f GOP/s (%s), FP32 %.1f GOP/s (%s)\n", r.peak.int8, r.peak.int8_instruction,
                   r.peak.f32, r.peak.f32_instruction);
  if (r.peak.int8_pairs > 0)
    out << formatted("with vpmaddubsw, whose sums of pairs saturate: INT8 %.1f GOP/s\n", r.peak.int8_pairs);
}

void print_table(std::ostream& out, const report& r) {
  print_head(out, r);
  out << "                median ms    p10 ms     GOP/s   % of peak    runs\n";
  for (const contestant& c : r.contestants) {
    const double us = median(c.us), gops = r.operations() / us * 1e-3, peak = r.peak_of(c);
    out << formatted("%-14s %10.3f %9.3f %9.1f %11.1f %7d\n", c.name.c_str(), us * 1e-3, quantile(c.us, 0.1) * 1e-3,
                     gops, peak > 0 ? 100 * gops / peak : 0.0, static_cast<int>(c.us.size()));
  }
  const contestant *int8 = r.find("octavo_int8"), *fp32 = r.find("octavo_fp32");
  out << formatted("Octavo FP32 / INT8: %.2f\n", median(fp32->us) / median(int8->us));
#ifdef OCTAVO_HAS_ONEDNN
  bool complete = true;
  for (const comparison* c : {r.int8, r.fp32})
    for (const std::string& s : c->onednn().left_out()) {
      out << "left out of oneDNN's " << (c == r.int8 ? "INT8: " : "FP32: ") << s << "\n";
      complete = false;
    }
  if (!complete) return;  // oneDNN's times are those of a part of the network: no ratio
  out << formatted("oneDNN / Octavo: INT8 %.3f, FP32 %.3f\n", median(r.find("onednn_int8")->us) / median(int8->us),
                   median(r.find("onednn_fp32")->us) / median(fp32->us));
  out << formatted(
      "logits, largest difference from Octavo's FP32: Octavo INT8 %.4f, oneDNN FP32 %.6f, "
      "INT8 %.4f (borders of padded u8 count as the integer 0 there)\n",
      largest_difference(r.fp32->logits(), r.int8->logits()),
      largest_difference(r.fp32->logits(), r.fp32->onednn_logits()),
      largest_difference(r.fp32->logits(), r.int8->onednn_logits()));
#endif
}

/// A row for each step of Octavo's: its median beside that of oneDNN's primitive for the same node.
nlohmann::json print_layers(std::ostream& out, const comparison& c, double peak, const char* title) {
  nlohmann::json rows = nlohmann::json::array();
  out << "\n"
      << title << ", median us of each step in place\n"
      << formatted("%-28s %9s %9s %6s %8s %7s  %s\n", "step", "octavo", "onednn", "ratio", "GOP/s", "% peak",
                   "kernel; oneDNN's; operation");
  double octavo_sum = 0, onednn_sum = 0, without_weights = 0, logarithms = 0;
  std::set<std::string> distinct;  // layers with weights
  for (const step& s : c.planned().steps) {
    const double octavo = c.octavo_times.median_us(s.dst), onednn = c.onednn_times.median_us(s.dst);
    const double gops = c.operations(s.dst) / octavo * 1e-3;
    octavo_sum += octavo, onednn_sum += onednn;
    if (!c.is_weighted(s.dst)) without_weights += octavo;
    const dims& from = c.planned().values[static_cast<std::size_t>(s.src[0])].type.extents;
    if (onednn > 0 && gops > 0 && distinct.insert(text(s.operation, " of ", from)).second)
      logarithms += std::log(onednn / octavo);
    std::string implementation = "-";
#ifdef OCTAVO_HAS_ONEDNN
    for (const onednn_step& o : c.onednn().steps())
      if (o.value == s.dst) implementation = o.layer.implementation();
#endif
    std::string name = s.name;
    if (name.size() > 28) name = ".." + name.substr(name.size() - 26);
    out << formatted("%-28s %9.1f %9.1f %6.2f %8.1f %7.1f  ", name.c_str(), octavo, onednn, onednn / octavo, gops,
                     peak > 0 ? 100 * gops / peak : 0.0)
        << s.kernel << "; " << implementation << "; " << s.operation << " -> "
        << c.planned().values[static_cast<std::size_t>(s.dst)].type.extents << "\n";
    rows.push_back({{"name", s.name},
                    {"operation", s.operation},
                    {"kernel", s.kernel},
                    {"onednn", implementation},
                    {"operations", c.operations(s.dst)},
                    {"bytes", c.bytes(s.dst)},
                    {"octavo_us", octavo},
                    {"onednn_us", onednn}});
  }
  out << formatted("%-28s %9.1f %9.1f %6.2f\n", "sum", octavo_sum, onednn_sum, onednn_sum / octavo_sum);
  out << formatted("steps without weights: %.1f %% of Octavo's\n", 100 * without_weights / octavo_sum);
  if (onednn_sum > 0)
    out << formatted("geometric mean of the ratios of the %d distinct layers with weights: %.3f\n",
                     static_cast<int>(distinct.size()), std::exp(logarithms / static_cast<double>(distinct.size())));
  return rows;
}

nlohmann::json to_json(const report& r) {
  nlohmann::json j{{"network", r.asked.network},
                   {"activation", r.asked.activation},
                   {"isa", name_of(r.used)},
                   {"threads", r.asked.threads},
                   {"batch", r.asked.batch},
                   {"clock", name_of(r.clock)},
                   {"cpu", cpu_name()},
                   {"compiler", OCTAVO_COMPILER},
                   {"flags", OCTAVO_COMPILER_FLAGS},
                   {"operations", r.operations()},
                   {"peak_gops", r.asked.threads * r.peak.int8},
                   {"peak_saturating_gops", r.asked.threads * r.peak.int8_pairs},
                   {"peak_f32_gops", r.asked.threads * r.peak.f32}};
  const read_rates read = measure_read_rates();
  j["read_gbs"] = {{"l2", read.l2}, {"l3", read.l3}, {"memory", read.memory}};
  for (const contestant& c : r.contestants) {
    j[c.name + "_ms"] = median(c.us) * 1e-3;
    j[c.name + "_p10_ms"] = quantile(c.us, 0.1) * 1e-3;
    j[c.name + "_runs"] = c.us.size();
  }
  j["gops"] = r.operations() / median(r.find("octavo_int8")->us) * 1e-3;
#ifdef OCTAVO_HAS_ONEDNN
  j["onednn"] = onednn_version();
  j["onednn_layouts"] = r.asked.onednn_nhwc ? "nhwc" : "own";
  j["left_out_of_onednn_int8"] = r.int8->onednn().left_out();
  j["left_out_of_onednn_fp32"] = r.fp32->onednn().left_out();
#endif
  return j;
}

void measure(report& r) {
  comparison &int8 = *r.int8, &fp32 = *r.fp32;
  r.contestants.push_back({"octavo_int8", [&] { int8.run_octavo(); }});
  r.contestants.push_back({"octavo_fp32", [&] { fp32.run_octavo(); }});
#ifdef OCTAVO_HAS_ONEDNN
  r.contestants.push_back({"onednn_int8", [&] { int8.run_onednn(); }});
  r.contestants.push_back({"onednn_fp32", [&] { fp32.run_onednn(); }});
#endif
  take_turns(r.contestants, r.asked.seconds, r.clock);
}

void measure_layers(report& r) {
  comparison &int8 = *r.int8, &fp32 = *r.fp32;
  std::vector<contestant> contestants{{"octavo_int8", [&] { int8.run_octavo_steps(); }},
                                      {"octavo_fp32", [&] { fp32.run_octavo_steps(); }}};
#ifdef OCTAVO_HAS_ONEDNN
  contestants.push_back({"onednn_int8", [&] { int8.run_onednn_steps(); }});
  contestants.push_back({"onednn_fp32", [&] { fp32.run_onednn_steps(); }});
#endif
  take_turns(contestants, r.asked.seconds, r.clock);
}

void run(const options& o) {
  report r;
  r.asked = o;
  r.used = isa_named(o.isa);
  r.clock = clock_for(o.threads);
#ifdef _OPENMP
  omp_set_num_threads(o.threads);  // oneDNN's
#endif
#ifdef OCTAVO_HAS_ONEDNN
  set_onednn_isa(r.used);
#endif
  r.peak = measure_peak(r.used);

  const std::unique_ptr<parallel_for> own_threads = make_threads(o.threads);
  parallel_for& threads = own_threads ? *own_threads : serial();
  graph g;
  find_network(o.network).compose(g, params(std::make_shared<random_weights>(1)));
  if (!o.activation.empty()) replace_activations(g, o.activation);
  g = pass::limit_batch(fold(std::move(g)), o.batch);
  std::vector<tensor> inputs = random_inputs(g, o.batch, 1);
  comparison int8(quantize_graph(g, calibrate_at_random(g, r.used)), o, r.used, threads, inputs);
  comparison fp32(g, o, r.used, threads, inputs);
  g = graph();  // the weights are packed; VGG's are large
  r.int8 = &int8, r.fp32 = &fp32;

  measure(r);
  print_table(std::cout, r);
  nlohmann::json j = to_json(r);
  if (o.layers) {
    measure_layers(r);
    j["layers_int8"] = print_layers(std::cout, int8, o.threads * r.peak.int8, "INT8");
    j["layers_fp32"] = print_layers(std::cout, fp32, o.threads * r.peak.f32, "FP32");
  }
  if (o.json.empty()) return;
  const std::string json = j.dump(2) + "\n";
  atomic_file file(o.json);
  file.write(std::as_bytes(std::span(json)));
  file.commit();
}

}  // namespace

int main(int argc, char** argv) try { run(parse(argc, argv)); } catch (const std::exception& e) {
  std::cerr << "bench_network: " << e.what() << "\n";
  return 1;
}
