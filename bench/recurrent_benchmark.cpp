#include "recurrent_benchmark.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "instruction_set.hpp"
#include "octavo/io/atomic_file.hpp"
#include "octavo/octavo.hpp"
#include "octavo/tensor/random_weights.hpp"
#include "timing.hpp"
#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef OCTAVO_HAS_ONEDNN
#include "onednn_layer.hpp"
#include "onednn_recurrent.hpp"
#endif

namespace octavo::bench {

namespace {

/// A layer's size.
struct size {
  int steps, batch, hidden;
};

std::vector<size> usual_sizes() {
  std::vector<size> all;
  for (int steps : {10, 50})
    for (int batch : {1, 50})
      for (int hidden : {128, 256, 512}) all.push_back({steps, batch, hidden});
  return all;
}

/// "50x1x128". Throws octavo::error for what is none.
size parse_size(const std::string& s) {
  size z{};
  char rest = 0;
  const bool right = std::sscanf(s.c_str(), "%dx%dx%d%c", &z.steps, &z.batch, &z.hidden, &rest) == 3;
  require(right && z.steps > 0 && z.batch > 0 && z.hidden > 0, "size '", s, "': expected <steps>x<batch>x<hidden>");
  return z;
}

struct options {
  std::string isa, json;
  std::vector<std::string> sizes;
  double seconds = 1;
};

options parse(int argc, char** argv, const char* kind) {
  options o;
  CLI::App app{text("Times layers of ", kind, ": Octavo and oneDNN, INT8 and FP32, in turn")};
  app.add_option("--isa", o.isa, "portable, avx2, avx_vnni, avx512_vnni or amx (default: the best, see OCTAVO_ISA)");
  app.add_option("--sizes", o.sizes, "<steps>x<batch>x<hidden>, as many as wanted")->delimiter(',');
  app.add_option("--seconds", o.seconds, "how long to measure each size")->check(CLI::NonNegativeNumber);
  app.add_option("--json", o.json, "write the results as JSON");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  return o;
}

/// The layer as a graph: the input product of all steps, then the steps.
graph compose(const recurrent_kind& kind, const size& z, bool int8) {
  const affine unit{1.0f / 127, 128};
  const int rows = kind.gates * z.hidden;
  random_bits random(1);
  const auto weights = [&] {
    tensor w(element::f32, {rows, z.hidden});
    for (float& v : w.as<float>()) v = random.normal() / std::sqrt(static_cast<float>(z.hidden));
    std::vector<constant> all{make_constant(std::move(w)), nullptr};
    if (!int8) return all;
    auto q = std::make_shared<const quantized_weights>(quantize_weights(*all[0], kind.name));
    return std::vector<constant>{constant(q, &q->values), nullptr, constant(q, &q->scales)};
  };
  const element type = int8 ? element::u8 : element::f32;
  graph g;
  const int x = *g.append(op::input{}, "x", {}, tensor_type{type, {z.batch, z.steps, z.hidden}, unit});
  const int p =
      *g.append(op::fc{.out = rows}, "input", {x}, tensor_type{element::f32, {z.batch, z.steps, rows}, {}}, weights());
  const operation steps = kind.make(z.hidden);
  std::vector<tensor_type> y = steps.infer(g.types(std::vector<int>{p}));
  y[0].type = type, y[0].q = unit;
  g.outputs.push_back({g.append(steps, kind.name, {p}, y, weights())[0], "y"});
  return g;
}

/// The layer as Octavo runs it.
class octavo_recurrent {
 public:
  octavo_recurrent(const graph& g, isa i) : run_(plan_graph(g, native_kernels(i))) {
    for (int v : {run_.planned()->inputs[0], run_.planned()->outputs[0]}) {
      const tensor_type& t = g.type(v);
      operands_.emplace_back(t.type, t.extents);
    }
    for (tensor& t : operands_) arguments_.emplace_back(t);
  }
  void run() { run_.run(arguments_).or_throw(); }

 private:
  session run_;
  std::vector<tensor> operands_;
  std::vector<tensor_argument> arguments_;
};

#ifdef OCTAVO_HAS_ONEDNN
/// Whether oneDNN makes and runs its layer. It is tried in another process: oneDNN 2.6 divides by zero in a gru of some
/// sizes.
bool onednn_can(const recurrent_kind& kind, const size& z, bool int8) {
  const pid_t child = fork();
  require(child >= 0, "cannot start a process");
  if (child == 0) {
    try {
      onednn_recurrent(kind.gates == 4, z.steps, z.batch, z.hidden, int8).run();
      std::_Exit(0);
    } catch (const std::exception&) {
      std::_Exit(1);
    }
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
#endif

/// Median microseconds of each contestant, by name.
std::map<std::string, double> measure(const recurrent_kind& kind, const size& z, isa i, double seconds) {
  std::vector<contestant> all;
  const auto add = [&](const char* name, auto layer) { all.push_back({name, [layer] { layer->run(); }}); };
  for (const bool int8 : {true, false}) {
    add(int8 ? "octavo_int8" : "octavo_fp32", std::make_shared<octavo_recurrent>(compose(kind, z, int8), i));
#ifdef OCTAVO_HAS_ONEDNN
    if (onednn_can(kind, z, int8))
      add(int8 ? "onednn_int8" : "onednn_fp32",
          std::make_shared<onednn_recurrent>(kind.gates == 4, z.steps, z.batch, z.hidden, int8));
#endif
  }
  take_turns(all, seconds, clock_for(1), 5000);
  std::map<std::string, double> us;
  for (const contestant& c : all) us[c.name] = median(c.us);
  return us;
}

void run(int argc, char** argv, const recurrent_kind& kind) {
  const options o = parse(argc, argv, kind.name);
  const isa i = isa_named(o.isa);
#ifdef _OPENMP
  omp_set_num_threads(1);  // oneDNN's
#endif
#ifdef OCTAVO_HAS_ONEDNN
  set_onednn_isa(i);
#endif
  std::vector<size> sizes;
  for (const std::string& s : o.sizes) sizes.push_back(parse_size(s));
  if (sizes.empty()) sizes = usual_sizes();
  std::printf("%s, %s, one thread, microseconds\n", kind.name, std::string(name_of(i)).c_str());
  std::printf("%-14s %12s %12s %7s %12s %12s %7s\n", "steps x N x H", "Octavo INT8", "oneDNN INT8", "ratio",
              "Octavo FP32", "oneDNN FP32", "ratio");
  nlohmann::json results = nlohmann::json::array();
  for (const size& z : sizes) {
    const std::map<std::string, double> us = measure(kind, z, i, o.seconds);
    const auto at = [&](const char* name) { return us.count(name) ? us.at(name) : NAN; };
    std::printf("%-14s %12.1f %12.1f %7.2f %12.1f %12.1f %7.2f\n", text(z.steps, "x", z.batch, "x", z.hidden).c_str(),
                at("octavo_int8"), at("onednn_int8"), at("onednn_int8") / at("octavo_int8"), at("octavo_fp32"),
                at("onednn_fp32"), at("onednn_fp32") / at("octavo_fp32"));
    std::fflush(stdout);
    nlohmann::json result{
        {"kind", kind.name}, {"isa", name_of(i)}, {"steps", z.steps}, {"batch", z.batch}, {"hidden", z.hidden}};
    for (const auto& [name, value] : us) result[name + "_us"] = value;
    results.push_back(std::move(result));
  }
  if (o.json.empty()) return;
  const std::string json = results.dump(2) + "\n";
  atomic_file file(o.json);
  file.write(std::as_bytes(std::span(json)));
  file.commit();
}

}  // namespace

int benchmark_recurrent(int argc, char** argv, const recurrent_kind& kind) {
  try {
    run(argc, argv, kind);
    return 0;
  } catch (const std::exception& e) {
    std::cerr << argv[0] << ": " << e.what() << "\n";
    return 1;
  }
}

}  // namespace octavo::bench
