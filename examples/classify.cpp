// Quantizes an image classification network and compares it with the FP32 network it came from: accuracy, latency,
// memory. `classify --help` lists the options; `classify --model embedded` needs no files.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include "embedded/drawn_images.hpp"
#include "embedded_weights.hpp"
#include "models.hpp"
#include "octavo/exec/openmp.hpp"
#include "octavo/io/image_binary.hpp"
#include "octavo/io/image_folder.hpp"
#include "octavo/io/npy.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/octavo.hpp"
#include "progress.hpp"
#include "report.hpp"
#ifdef OCTAVO_HAS_ONEDNN
#include "octavo/backends/onednn/kernels.hpp"
#include "octavo/graph/pass/limit_batch.hpp"
#endif

namespace {

using namespace octavo;
using namespace octavo::example;
using octavo::image_set;  // not the drawn images' of the same name

struct options {
  std::string model = "embedded", weights, data, images, calib, recipe = "default", dot, json, logits;
  int calib_images = 200, warmup = 3, batch = 1, iterations = 0, threads = 1;
  std::vector<std::string> keep_fp32;
  std::optional<double> tolerance;
  bool profile = false, tune = false, onednn = false;
  std::vector<float> mean, deviation;  // 3 values each where given
  std::optional<int> crop, resize;
  bool bgr = false;
};

options parse(int argc, char** argv) {
  options o;
  CLI::App app{"Quantizes a network and compares INT8 with FP32"};
  app.add_option("--model", o.model, "network: " + model_names());
  app.add_option("--weights", o.weights, "FP32 weights, a safetensors file (embedded has its own)");
  auto* data = app.add_option("--data", o.data, "images, a binary file");
  app.add_option("--images", o.images, "images, a folder with val_list.txt")->excludes(data);
  app.add_option("--calib", o.calib, "images to calibrate with: a binary file or a folder with val_list.txt");
  app.add_option("--calib-images", o.calib_images, "how many of them at most")->check(CLI::PositiveNumber);
  app.add_option("--warmup", o.warmup, "runs before the measured ones")->check(CLI::NonNegativeNumber);
  app.add_option("--batch", o.batch, "images per run")->check(CLI::Range(1, largest_batch));
  app.add_option("--iterations", o.iterations, "runs, from the first image on; 0: all images")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--threads", o.threads, "threads")->check(CLI::PositiveNumber);
  app.add_option("--calibration", o.recipe, "absmax, minmax, percentile or entropy");
  app.add_option("--keep-fp32", o.keep_fp32, "nodes that stay FP32, separated by commas")->delimiter(',');
  app.add_option("--tolerance", o.tolerance, "fail when INT8's top-1 is more than this below FP32's (0.01: one point)");
  app.add_flag("--tune", o.tune, "time the kernels on this machine and use the fastest");
#ifdef OCTAVO_HAS_ONEDNN
  app.add_flag("--onednn", o.onednn,
               "use oneDNN's kernels where there are any; with --tune, where they are the fastest");
#endif
  app.add_flag("--profile", o.profile, "print where the time goes, step by step");
  app.add_option("--dot", o.dot, "write the graph as composed and as quantized, two Graphviz graphs in one file");
  app.add_option("--json", o.json, "write the results as JSON");
  app.add_option("--logits", o.logits, "write the INT8 network's outputs, a NumPy file of (images, classes) float32");
  app.add_option("--mean", o.mean, "mean of each channel, in units of 255 (default: the model's)")->expected(3);
  app.add_option("--std", o.deviation, "deviation of each channel, in units of 255")->expected(3);
  app.add_option("--crop", o.crop, "side of the centre crop before scaling");
  app.add_option("--resize", o.resize, "length of the short side before the crop; 0: no resize");
  app.add_flag("--bgr", o.bgr, "channels in the order blue, green, red");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  return o;
}

preprocessing preprocessing_of(const options& o, const model_entry& m) {
  preprocessing p = m.images();
  for (std::size_t c = 0; c < 3; ++c) {
    if (!o.mean.empty()) p.mean[c] = o.mean[c];
    if (!o.deviation.empty()) p.deviation[c] = o.deviation[c];
  }
  p.crop = o.crop.value_or(p.crop);
  p.resize_short_side = o.resize.value_or(p.resize_short_side);
  p.bgr = p.bgr || o.bgr;
  require(p.crop == m.side, "model '", m.name, "' takes images of ", m.side, " x ", m.side, ", the crop is ", p.crop);
  return p;
}

std::unique_ptr<image_set> open_images(const std::string& path, const options& o, const model_entry& m) {
  if (std::filesystem::is_directory(path)) return std::make_unique<image_folder>(path, preprocessing_of(o, m));
  return std::make_unique<binary_image_set>(path, m.side);
}

std::unique_ptr<image_set> evaluation_images(const options& o, const model_entry& m) {
  if (!o.images.empty()) return std::make_unique<image_folder>(o.images, preprocessing_of(o, m));
  if (!o.data.empty()) return std::make_unique<binary_image_set>(o.data, m.side);
  require(m.name == "embedded", "model '", m.name, "' needs images: --data FILE or --images DIR");
  return std::make_unique<drawn_images>(2, 1000);
}

std::unique_ptr<image_set> calibration_images(const options& o, const model_entry& m) {
  if (!o.calib.empty()) return open_images(o.calib, o, m);
  require(m.name == "embedded", "model '", m.name, "' needs images to calibrate with: --calib FILE or DIR");
  return std::make_unique<drawn_images>(3, o.calib_images);
}

params open_weights(const options& o) {
  if (!o.weights.empty()) return load_weights(o.weights);
  require(o.model == "embedded", "model '", o.model, "' needs weights: --weights FILE");
  return params(std::make_shared<safetensors>("embedded weights", embedded_weights()));
}

calibration run_calibration(const graph& g, const image_set& images, const options& o, parallel_for& threads) {
  const network fp32 = octavo::compile(pass::limit_batch(g, 1));
  const int count = std::min(o.calib_images, images.count());
  progress bar("calibrate", count);
  calibrate_options how;
  if (o.recipe != "default") how.recipe = recipe_named(o.recipe);
  how.progress = [&](int) { bar.advance(); };
  const sample_set samples{count, [&](int i, std::span<tensor> inputs) { images.read(i, inputs[0].as<float>()); }};
  return calibrate(fp32, samples, how, threads);
}

kernel_list kernels_of([[maybe_unused]] const options& o) {
#ifdef OCTAVO_HAS_ONEDNN
  if (o.onednn) return join(onednn::kernels(), native_kernels());
#endif
  return native_kernels();
}

network plan_network(const graph& g, const options& o) {
  const kernel_list kernels = kernels_of(o);
  if (!o.tune) return plan_graph(g, kernels);
  progress bar("tune", static_cast<int>(g.nodes.size()));
  return plan_graph(g, kernels, tune_kernels(g, kernels, {.progress = [&](int, int) { bar.advance(); }}));
}

/// Runs a network on batches and keeps count.
class contestant {
 public:
  contestant(network net, int batch, parallel_for& threads) : run_(net, threads) {
    result_.batch = batch;
    result_.weight_bytes = net->weight_bytes;
    result_.memory_bytes = run_.memory_bytes();
    result_.memory_without_reuse = net->bytes_without_reuse + (run_.memory_bytes() - net->arena_bytes);
    classes_ = static_cast<std::size_t>(net->values[static_cast<std::size_t>(net->outputs[0])].type.extents.back());
    logits_.resize(static_cast<std::size_t>(batch) * classes_);
  }

  /// One run; appends the first class of each image to first_classes() and counts hits if `labels` are given.
  void classify(std::span<const float> images, std::span<const int> labels, bool measured) {
    const std::span<float> logits(logits_.data(), labels.size() * classes_);
    run_.enable_profile(measured && profiling);
    const auto start = std::chrono::steady_clock::now();
    run_(images, logits).or_throw();
    const std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
    if (!measured) return;
    if (static_cast<int>(labels.size()) == result_.batch) result_.batch_ms.push_back(ms.count());
    if (keep_logits) kept_logits_.insert(kept_logits_.end(), logits.begin(), logits.end());
    for (std::size_t i = 0; i < labels.size(); ++i) count(logits.subspan(i * classes_, classes_), labels[i]);
  }

  const network_result& result() const { return result_; }
  const std::vector<int>& first_classes() const { return first_classes_; }
  std::vector<step_profile> profile() const { return run_.profile(); }

  /// Those of all measured images, (images, classes), if `keep_logits` was set.
  tensor logits() const { return tensor::of<float>({result_.images, static_cast<int>(classes_)}, kept_logits_); }

  bool profiling = false, keep_logits = false;

 private:
  void count(std::span<const float> logits, int label) {
    require(static_cast<std::size_t>(label) < classes_, "an image has label ", label, ", the network has ", classes_,
            " classes");
    const float own = logits[static_cast<std::size_t>(label)];
    const auto better = std::count_if(logits.begin(), logits.end(), [&](float v) { return v > own; });
    const auto first = std::max_element(logits.begin(), logits.end()) - logits.begin();
    first_classes_.push_back(static_cast<int>(first));
    result_.images += 1;
    result_.top1 += first == label;
    result_.top5 += better < 5;
  }

  session run_;
  network_result result_;
  std::size_t classes_ = 0;
  std::vector<float> logits_, kept_logits_;
  std::vector<int> first_classes_;
};

/// Evaluates both networks. They take turns in groups of runs: a slow moment of the machine meets both, and within a
/// group each works with its own weights in the caches.
void compete(contestant& fp32, contestant& int8, const image_set& images, const options& o) {
  constexpr int runs_per_turn = 16;
  const int batch = o.batch, all = images.count();
  const int total = o.iterations == 0 ? all : static_cast<int>(std::min<long long>(all, 1LL * o.iterations * batch));
  require(total >= batch, "there are ", total, " images, fewer than one batch of ", batch);
  const std::size_t one = images.extents().count();
  std::vector<float> pixels;
  std::vector<int> labels;
  progress bar("evaluate", total);
  for (int start = 0; start < total; start += runs_per_turn * batch) {
    const int count = std::min(runs_per_turn * batch, total - start);
    pixels.resize(static_cast<std::size_t>(count) * one);
    labels.resize(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      images.read(start + i, std::span(pixels).subspan(static_cast<std::size_t>(i) * one, one));
      labels[static_cast<std::size_t>(i)] = images.label(start + i);
    }
    for (contestant* c : {&fp32, &int8}) {
      const auto run = [&](int from, bool measured) {
        const auto n = static_cast<std::size_t>(std::min(batch, count - from)), at = static_cast<std::size_t>(from);
        c->classify(std::span(pixels).subspan(at * one, n * one), std::span(labels).subspan(at, n), measured);
      };
      for (int i = 0; i < (start == 0 ? o.warmup : 1); ++i) run(0, false);
      for (int i = 0; i < count; i += batch) run(i, true);
    }
    bar.advance(count);
  }
}

int classify(const options& o) {
  const model_entry& model = find_model(o.model);
  graph g;
  model.compose(g, open_weights(o));
  const std::unique_ptr<image_set> images = evaluation_images(o, model), calib_images = calibration_images(o, model);
  g = pass::limit_batch(std::move(g), o.batch);
  openmp_parallel_for threads(o.threads);

  const calibration found = run_calibration(g, *calib_images, o, threads);
  const network fp32_net = plan_network(fold(g), o);
  const network int8_net =
      plan_network(quantize_graph(g, found, {.keep_fp32 = {o.keep_fp32.begin(), o.keep_fp32.end()}}), o);
  if (!o.dot.empty()) {
    std::ostringstream dot;
    write_dot(dot, g, o.model + " as composed");
    write_dot(dot, int8_net->source, o.model + " as quantized");
    write_text(o.dot, dot.str());
  }

  contestant fp32(fp32_net, o.batch, threads), int8(int8_net, o.batch, threads);
  fp32.profiling = int8.profiling = o.profile;
  int8.keep_logits = !o.logits.empty();
  compete(fp32, int8, *images, o);

  classify_report report;
  report.model = o.model;
  report.isa = name_of(isa_in_use());
  report.recipe = o.recipe == "default" ? text(calibrate_options{}.recipe) : o.recipe;
  report.threads = o.threads;
  report.batch = o.batch;
  report.calibration_images = std::min(o.calib_images, calib_images->count());
  report.fp32 = fp32.result();
  report.int8 = int8.result();
  for (std::size_t i = 0; i < fp32.first_classes().size(); ++i)
    report.flips += fp32.first_classes()[i] != int8.first_classes()[i];
  if (o.profile) {
    for (const auto& [name, c] : {std::pair{"FP32", &fp32}, std::pair{"INT8", &int8}}) {
      std::cout << name << ", ms\n";
      write_profile(std::cout, c->profile());
      std::cout << "\n";
    }
  }
  write_table(std::cout, report);
  if (!o.logits.empty()) save_npy(o.logits, int8.logits());
  if (!o.json.empty()) write_text(o.json, to_json(report).dump(2) + "\n");
  const double loss = report.fp32.accuracy(report.fp32.top1) - report.int8.accuracy(report.int8.top1);
  require(!o.tolerance || loss <= *o.tolerance, "INT8 loses ", 100 * loss, " points of top-1, allowed are ",
          100 * o.tolerance.value_or(0));
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return classify(parse(argc, argv)); } catch (const std::exception& e) {
  std::cerr << "classify: " << e.what() << "\n";
  return 1;
}
