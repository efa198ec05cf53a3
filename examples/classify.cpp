// Quantizes an image classification network and compares it with the FP32 network it came from: accuracy, latency,
// memory. `classify --help` lists the options; `classify --model embedded` needs no files.
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>

#include "comparison.hpp"
#include "embedded/drawn_images.hpp"
#include "embedded_weights.hpp"
#include "models.hpp"
#include "octavo/io/image_binary.hpp"
#include "octavo/io/image_folder.hpp"
#include "octavo/io/npy.hpp"
#include "octavo/io/safetensors.hpp"

namespace {

using namespace octavo;
using namespace octavo::example;
using octavo::image_set;  // not the drawn images' of the same name

struct options : comparison_options {
  std::string model = "embedded", data, logits;
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
  add_options(app, o);
  app.add_option("--logits", o.logits, "write the INT8 network's outputs, a NumPy file of (images, classes) float32");
  app.add_option("--mean", o.mean, "mean of each channel, in units of 255 (default: the model's)")->expected(3);
  app.add_option("--std", o.deviation, "deviation of each channel, in units of 255")->expected(3);
  app.add_option("--crop", o.crop, "side of the centre crop before scaling");
  app.add_option("--resize", o.resize, "length of the short side before the crop; 0: no resize");
  app.add_flag("--bgr", o.bgr, "channels in the order blue, green, red");
  parse_command_line(app, argc, argv);
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

/// What one network says of the images, and how often it is right.
struct answers {
  int top1 = 0, top5 = 0;          ///< right among the first and the first five
  std::vector<int> first_classes;  ///< of each image
  bool keep_logits = false;
  std::vector<float> logits;  ///< of all images, one after the other, where they are to be kept

  void add(std::span<const float> image_logits, int label) {
    require(static_cast<std::size_t>(label) < image_logits.size(), "an image has label ", label, ", the network has ",
            image_logits.size(), " classes");
    const float own = image_logits[static_cast<std::size_t>(label)];
    const auto better = std::count_if(image_logits.begin(), image_logits.end(), [&](float v) { return v > own; });
    const auto first = std::max_element(image_logits.begin(), image_logits.end()) - image_logits.begin();
    first_classes.push_back(static_cast<int>(first));
    top1 += first == label;
    top5 += better < 5;
    if (keep_logits) logits.insert(logits.end(), image_logits.begin(), image_logits.end());
  }
};

int classify(const options& o) {
  const model_entry& model = find_model(o.model);
  graph g;
  model.compose(g, open_weights(o));
  const std::unique_ptr<image_set> images = evaluation_images(o, model), calib_images = calibration_images(o, model);
  answers fp32, int8;
  int8.keep_logits = !o.logits.empty();
  const auto keep = [&](answers& all) {
    return each_item([&](int image, std::span<const float> logits) { all.add(logits, images->label(image)); });
  };
  comparison_report report =
      compare(std::move(g), o.model, items_of(*images), items_of(*calib_images), o, keep(fp32), keep(int8));
  const auto fraction = [&](int right) { return static_cast<double>(right) / report.evaluated; };
  report.items = "images";
  report.accuracies = {{"top-1", "top1", fraction(fp32.top1), fraction(int8.top1)},
                       {"top-5", "top5", fraction(fp32.top5), fraction(int8.top5)}};
  report.flip = "the first class differs";
  for (std::size_t i = 0; i < fp32.first_classes.size(); ++i)
    report.flips += fp32.first_classes[i] != int8.first_classes[i];
  if (!o.logits.empty()) {
    const int classes = static_cast<int>(int8.logits.size()) / report.evaluated;
    save_npy(o.logits, tensor::of<float>({report.evaluated, classes}, int8.logits));
  }
  publish(report, o);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return classify(parse(argc, argv)); } catch (const std::exception& e) {
  std::cerr << "classify: " << e.what() << "\n";
  return 1;
}
