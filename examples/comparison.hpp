// What the applications share that quantize a network and compare it with the FP32 network it came from: their options,
// calibration, planning, two networks that take turns, and what becomes of the report.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <iostream>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "octavo/exec/openmp.hpp"
#include "octavo/graph/pass/limit_batch.hpp"
#include "octavo/io/image_set.hpp"
#include "octavo/octavo.hpp"
#include "progress.hpp"
#include "report.hpp"
#ifdef OCTAVO_HAS_ONEDNN
#include "octavo/backends/onednn/kernels.hpp"
#endif

namespace octavo::example {

/// The most items that one run may take.
inline constexpr int largest_batch = 64;

/// The options of every comparison.
struct comparison_options {
  std::string weights, images, calib, recipe = "default", dot, json;
  std::string items = "images";  ///< what messages call what the network is run on
  bool equal_items = true;       ///< whether all take it the same time
  int calib_images = 200, warmup = 3, batch = 1, iterations = 0, repeat = 1, threads = 1;
  std::vector<std::string> keep_fp32;
  std::optional<double> tolerance;
  bool profile = false, tune = false, onednn = false;
};

/// Adds them to the command line, all but --weights, --images and --calib, whose meaning the application knows.
inline void add_options(CLI::App& app, comparison_options& o) {
  app.add_option("--calib-" + o.items, o.calib_images, "how many of them at most")->check(CLI::PositiveNumber);
  app.add_option("--warmup", o.warmup, "runs before the measured ones")->check(CLI::NonNegativeNumber);
  app.add_option("--batch", o.batch, o.items + " per run")->check(CLI::Range(1, largest_batch));
  app.add_option("--iterations", o.iterations, "runs, from the first of the " + o.items + " on; 0: all")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--repeat", o.repeat, "how many times all of that is run")->check(CLI::PositiveNumber);
  app.add_option("--threads", o.threads, "threads")->check(CLI::PositiveNumber);
  app.add_option("--calibration", o.recipe, "absmax, minmax, percentile or entropy");
  app.add_option("--keep-fp32", o.keep_fp32, "nodes that stay FP32, separated by commas")->delimiter(',');
  app.add_option("--tolerance", o.tolerance,
                 "fail when INT8's accuracy is more than this below FP32's (0.01: one point)");
  app.add_flag("--tune", o.tune, "time the kernels on this machine and use the fastest");
#ifdef OCTAVO_HAS_ONEDNN
  app.add_flag("--onednn", o.onednn,
               "use oneDNN's kernels where there are any; with --tune, where they are the fastest");
#endif
  app.add_flag("--profile", o.profile, "print where the time goes, step by step");
  app.add_option("--dot", o.dot, "write the graph as composed and as quantized, two Graphviz graphs in one file");
  app.add_option("--json", o.json, "write the results as JSON");
}

/// What networks are run on: `read(first, count)` gives the inputs of a run that takes so many items.
struct item_set {
  int count = 0;
  std::function<std::vector<tensor>(int first, int count)> read;
};

/// The pixels of images, which must live as long.
inline item_set items_of(const image_set& images) {
  return {images.count(), [&images](int first, int count) {
            const dims e = images.extents();
            std::vector<tensor> inputs;
            inputs.emplace_back(element::f32, dims{count, e[0], e[1], e[2]});
            for (int i = 0; i < count; ++i)
              images.read(first + i, inputs[0].as<float>().subspan(static_cast<std::size_t>(i) * e.count(), e.count()));
            return inputs;
          }};
}

inline calibration run_calibration(const graph& g, const item_set& items, const comparison_options& o,
                                   parallel_for& threads) {
  const network fp32 = octavo::compile(pass::limit_batch(g, 1));
  const int count = std::min(o.calib_images, items.count);
  progress bar("calibrate", count);
  calibrate_options how;
  if (o.recipe != "default") how.recipe = recipe_named(o.recipe);
  how.progress = [&](int) { bar.advance(); };
  const sample_set samples{
      count, [&](int i, std::span<tensor> inputs) { std::ranges::move(items.read(i, 1), inputs.begin()); }};
  return calibrate(fp32, samples, how, threads);
}

inline network plan_network(const graph& g, const comparison_options& o) {
  kernel_list kernels = native_kernels();
#ifdef OCTAVO_HAS_ONEDNN
  if (o.onednn) kernels = join(onednn::kernels(), native_kernels());
#endif
  if (!o.tune) return plan_graph(g, kernels);
  progress bar("tune", static_cast<int>(g.nodes.size()));
  return plan_graph(g, kernels, tune_kernels(g, kernels, {.progress = [&](int, int) { bar.advance(); }}));
}

/// Takes what a network made of the items from `first` on: its outputs, item by item.
using output_reader = std::function<void(int first, std::span<const tensor> outputs)>;

/// A reader of networks with one output, a row of numbers for each item.
inline output_reader each_item(std::function<void(int item, std::span<const float> row)> read) {
  return [read = std::move(read)](int first, std::span<const tensor> outputs) {
    const int count = outputs[0].extents()[0];
    const std::span<const float> all = outputs[0].as<float>();
    const std::size_t one = all.size() / static_cast<std::size_t>(count);
    for (int i = 0; i < count; ++i) read(first + i, all.subspan(static_cast<std::size_t>(i) * one, one));
  };
}

/// Runs a network on batches and keeps the time.
class contestant {
 public:
  contestant(const network& net, const comparison_options& o, parallel_for& threads, output_reader read)
      : run_(net, threads), read_(std::move(read)), profiling_(o.profile) {
    result_.batch = o.batch;
    result_.equal_items = o.equal_items;
    result_.weight_bytes = net->weight_bytes;
    result_.memory_bytes = run_.memory_bytes();
    result_.memory_without_reuse = net->bytes_without_reuse + (run_.memory_bytes() - net->arena_bytes);
  }

  enum purpose : std::uint8_t { warm_up, time_only, time_and_read };

  /// One run on `count` items, the first of which is number `first`.
  void run(const std::vector<tensor>& inputs, int first, int count, purpose why) {
    std::vector<tensor_argument> arguments(inputs.begin(), inputs.end());
    std::vector<tensor> outputs;
    const plan& p = *run_.planned();
    for (const dims& e : run_.output_extents(arguments))
      outputs.emplace_back(p.values[static_cast<std::size_t>(p.outputs[outputs.size()])].type.type, e);
    arguments.insert(arguments.end(), outputs.begin(), outputs.end());
    run_.enable_profile(why != warm_up && profiling_);
    const auto start = std::chrono::steady_clock::now();
    run_.run(arguments).or_throw();
    const std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
    if (why != warm_up && count == result_.batch) result_.batch_ms.push_back(ms.count());
    if (why == time_and_read) read_(first, outputs);
  }

  const network_result& result() const { return result_; }
  std::vector<step_profile> profile() const { return run_.profile(); }

 private:
  session run_;
  output_reader read_;
  network_result result_;
  bool profiling_;
};

/// Evaluates both networks and returns how many items they saw. They take turns in groups of runs: a slow moment of
/// the machine meets both, and within a group each works with its own weights in the caches.
inline int compete(contestant& fp32, contestant& int8, const item_set& items, const comparison_options& o) {
  constexpr int runs_per_turn = 16;
  const int batch = o.batch, all = items.count;
  const int total = o.iterations == 0 ? all : static_cast<int>(std::min<long long>(all, 1LL * o.iterations * batch));
  require(total >= batch, "there are ", total, " ", o.items, ", fewer than one batch of ", batch);
  progress bar("evaluate", total * o.repeat);
  for (int round = 0; round < o.repeat; ++round)
    for (int start = 0; start < total; start += runs_per_turn * batch) {
      const int end = std::min(start + runs_per_turn * batch, total);
      std::vector<std::vector<tensor>> inputs;
      for (int i = start; i < end; i += batch) inputs.push_back(items.read(i, std::min(batch, end - i)));
      for (contestant* c : {&fp32, &int8}) {
        const auto run = [&](int from, contestant::purpose why) {
          c->run(inputs[static_cast<std::size_t>((from - start) / batch)], from, std::min(batch, end - from), why);
        };
        for (int i = 0; i < (start == 0 && round == 0 ? o.warmup : 1); ++i) run(start, contestant::warm_up);
        for (int i = start; i < end; i += batch) run(i, round == 0 ? contestant::time_and_read : contestant::time_only);
      }
      bar.advance(end - start);
    }
  return total;
}

/// Calibrates and quantizes the network that `g` is, runs it and the FP32 network on `items`, prints profiles and
/// writes the graphs where that is asked for. What the report lacks is how right the networks are.
inline comparison_report compare(graph g, const std::string& model, const item_set& items, const item_set& calib_items,
                                 const comparison_options& o, output_reader read_fp32, output_reader read_int8) {
  g = pass::limit_batch(std::move(g), o.batch);
  openmp_parallel_for threads(o.threads);
  const calibration found = run_calibration(g, calib_items, o, threads);
  const network fp32_net = plan_network(fold(g), o);
  const network int8_net =
      plan_network(quantize_graph(g, found, {.keep_fp32 = {o.keep_fp32.begin(), o.keep_fp32.end()}}), o);
  if (!o.dot.empty()) {
    std::ostringstream dot;
    write_dot(dot, g, model + " as composed");
    write_dot(dot, int8_net->source, model + " as quantized");
    write_text(o.dot, dot.str());
  }
  contestant fp32(fp32_net, o, threads, std::move(read_fp32)), int8(int8_net, o, threads, std::move(read_int8));

  comparison_report report;
  report.evaluated = compete(fp32, int8, items, o);
  report.noun = o.items;
  report.model = model;
  report.isa = name_of(isa_in_use());
  report.recipe = o.recipe == "default" ? text(calibrate_options{}.recipe) : o.recipe;
  report.threads = o.threads;
  report.batch = o.batch;
  report.calibrated = std::min(o.calib_images, calib_items.count);
  report.fp32 = fp32.result();
  report.int8 = int8.result();
  if (o.profile) {
    for (const auto& [name, c] : {std::pair{"FP32", &fp32}, std::pair{"INT8", &int8}}) {
      std::cout << name << ", ms\n";
      write_profile(std::cout, c->profile());
      std::cout << "\n";
    }
  }
  return report;
}

/// Prints the report and writes it as JSON. Throws octavo::error where INT8 loses more than is allowed.
inline void publish(const comparison_report& report, const comparison_options& o) {
  write_table(std::cout, report);
  if (!o.json.empty()) write_text(o.json, to_json(report).dump(2) + "\n");
  if (!o.tolerance) return;
  const accuracy& first = report.accuracies.at(0);
  const double loss = first.fp32 - first.int8;
  require(loss <= *o.tolerance, "INT8 loses ", 100 * loss, " points of ", first.label, ", allowed are ",
          100 * *o.tolerance);
}

}  // namespace octavo::example
