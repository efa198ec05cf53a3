// What the applications share that quantize a network of images and compare it with the FP32 network it came from:
// their options, calibration, planning, two networks that take turns, and what becomes of the report.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <functional>
#include <iostream>
#include <optional>
#include <set>
#include <string>
#include <vector>

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

/// The most images that one run may take.
inline constexpr int largest_batch = 64;

/// The options of every comparison.
struct comparison_options {
  std::string weights, images, calib, recipe = "default", dot, json;
  int calib_images = 200, warmup = 3, batch = 1, iterations = 0, threads = 1;
  std::vector<std::string> keep_fp32;
  std::optional<double> tolerance;
  bool profile = false, tune = false, onednn = false;
};

/// Adds them to the command line, all but --weights, --images and --calib, whose meaning the application knows.
inline void add_options(CLI::App& app, comparison_options& o) {
  app.add_option("--calib-images", o.calib_images, "how many of them at most")->check(CLI::PositiveNumber);
  app.add_option("--warmup", o.warmup, "runs before the measured ones")->check(CLI::NonNegativeNumber);
  app.add_option("--batch", o.batch, "images per run")->check(CLI::Range(1, largest_batch));
  app.add_option("--iterations", o.iterations, "runs, from the first image on; 0: all images")
      ->check(CLI::NonNegativeNumber);
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

inline calibration run_calibration(const graph& g, const image_set& images, const comparison_options& o,
                                   parallel_for& threads) {
  const network fp32 = octavo::compile(pass::limit_batch(g, 1));
  const int count = std::min(o.calib_images, images.count());
  progress bar("calibrate", count);
  calibrate_options how;
  if (o.recipe != "default") how.recipe = recipe_named(o.recipe);
  how.progress = [&](int) { bar.advance(); };
  const sample_set samples{count, [&](int i, std::span<tensor> inputs) { images.read(i, inputs[0].as<float>()); }};
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

/// Takes what a network made of an image: its only output, without the batch.
using output_reader = std::function<void(int image, std::span<const float> output)>;

/// Runs a network on batches and keeps the time.
class contestant {
 public:
  contestant(const network& net, const comparison_options& o, parallel_for& threads, output_reader read)
      : run_(net, threads), read_(std::move(read)), profiling_(o.profile) {
    result_.batch = o.batch;
    result_.weight_bytes = net->weight_bytes;
    result_.memory_bytes = run_.memory_bytes();
    result_.memory_without_reuse = net->bytes_without_reuse + (run_.memory_bytes() - net->arena_bytes);
    const dims& y = net->values[static_cast<std::size_t>(net->outputs[0])].type.extents;
    one_output_ = y.count() / static_cast<std::size_t>(y[0]);
    outputs_.resize(static_cast<std::size_t>(o.batch) * one_output_);
  }

  /// One run on `count` images, the first of which is number `first`.
  void run(std::span<const float> pixels, int first, int count, bool measured) {
    const std::span<float> outputs(outputs_.data(), static_cast<std::size_t>(count) * one_output_);
    run_.enable_profile(measured && profiling_);
    const auto start = std::chrono::steady_clock::now();
    run_(pixels, outputs).or_throw();
    const std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
    if (!measured) return;
    if (count == result_.batch) result_.batch_ms.push_back(ms.count());
    for (int i = 0; i < count; ++i)
      read_(first + i, outputs.subspan(static_cast<std::size_t>(i) * one_output_, one_output_));
  }

  const network_result& result() const { return result_; }
  std::vector<step_profile> profile() const { return run_.profile(); }

 private:
  session run_;
  output_reader read_;
  network_result result_;
  std::size_t one_output_ = 0;
  std::vector<float> outputs_;
  bool profiling_;
};

/// Evaluates both networks and returns how many images they saw. They take turns in groups of runs: a slow moment of
/// the machine meets both, and within a group each works with its own weights in the caches.
inline int compete(contestant& fp32, contestant& int8, const image_set& images, const comparison_options& o) {
  constexpr int runs_per_turn = 16;
  const int batch = o.batch, all = images.count();
  const int total = o.iterations == 0 ? all : static_cast<int>(std::min<long long>(all, 1LL * o.iterations * batch));
  require(total >= batch, "there are ", total, " images, fewer than one batch of ", batch);
  const std::size_t one = images.extents().count();
  std::vector<float> pixels;
  progress bar("evaluate", total);
  for (int start = 0; start < total; start += runs_per_turn * batch) {
    const int count = std::min(runs_per_turn * batch, total - start);
    pixels.resize(static_cast<std::size_t>(count) * one);
    for (int i = 0; i < count; ++i)
      images.read(start + i, std::span(pixels).subspan(static_cast<std::size_t>(i) * one, one));
    for (contestant* c : {&fp32, &int8}) {
      const auto run = [&](int from, bool measured) {
        const int n = std::min(batch, count - from);
        c->run(std::span(pixels).subspan(static_cast<std::size_t>(from) * one, static_cast<std::size_t>(n) * one),
               start + from, n, measured);
      };
      for (int i = 0; i < (start == 0 ? o.warmup : 1); ++i) run(0, false);
      for (int i = 0; i < count; i += batch) run(i, true);
    }
    bar.advance(count);
  }
  return total;
}

/// Calibrates and quantizes the network that `g` is, runs it and the FP32 network on `images`, prints profiles and
/// writes the graphs where that is asked for. What the report lacks is how right the networks are.
inline comparison_report compare(graph g, const std::string& model, const image_set& images,
                                 const image_set& calib_images, const comparison_options& o, output_reader read_fp32,
                                 output_reader read_int8) {
  g = pass::limit_batch(std::move(g), o.batch);
  openmp_parallel_for threads(o.threads);
  const calibration found = run_calibration(g, calib_images, o, threads);
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
  report.images = compete(fp32, int8, images, o);
  report.model = model;
  report.isa = name_of(isa_in_use());
  report.recipe = o.recipe == "default" ? text(calibrate_options{}.recipe) : o.recipe;
  report.threads = o.threads;
  report.batch = o.batch;
  report.calibration_images = std::min(o.calib_images, calib_images.count());
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
