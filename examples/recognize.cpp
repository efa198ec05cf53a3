// Reads lines of text in images with a CRNN: quantizes it and compares it with the FP32 network it came from, share of
// lines read right, latency, memory. `recognize --help` lists the options.
#include "comparison.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/model/crnn.hpp"
#include "text_line_images.hpp"

namespace {

using namespace octavo;
using namespace octavo::example;

constexpr int classes = 6625;  // of the network, the blank among them

struct options : comparison_options {
  std::string dictionary, labels, out;
  bool quantize_all = false;
};

options parse(int argc, char** argv) {
  options o;
  CLI::App app{"Quantizes a recogniser of text lines and compares INT8 with FP32"};
  app.add_option("--weights", o.weights, "FP32 weights, a safetensors file")->required();
  app.add_option("--dictionary", o.dictionary, text("the characters, one in each of ", classes - 1, " lines, UTF-8"))
      ->required();
  app.add_option("--images", o.images, "a folder of JPEG and PNG images, taken in the order of their names")
      ->required();
  app.add_option("--calib", o.calib, "a folder of images to calibrate with")->required();
  app.add_option("--labels", o.labels, "what is written in them: lines of name, width and text, with tabs between");
  app.add_option("--out", o.out, "a file for the texts that INT8 reads (default: the terminal)");
  app.add_flag("--quantize-all", o.quantize_all, "INT8 for what is better kept in FP32 too");
  add_options(app, o);
  parse_command_line(app, argc, argv);
  return o;
}

/// The share of texts that are their label after `form` was made of both.
double share_right(const std::vector<std::string>& texts, const std::vector<std::string>& labels, auto&& form) {
  int right = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) right += form(texts[i]) == form(labels[i]);
  return static_cast<double>(right) / static_cast<double>(texts.size());
}

int recognize(options o) {
  require(!o.tolerance || !o.labels.empty(), "--tolerance needs to know what is in the images: --labels FILE");
  const std::vector<std::string> characters = read_characters(o.dictionary, classes - 1);
  const text_line_images images(o.images), calib_images(o.calib);
  std::vector<std::string> fp32, int8, labels;
  if (!o.labels.empty()) labels = read_labels(o.labels, images.files());
  graph g;
  auto image = g.input<float, nhwc<upto<largest_batch>, text_line_images::height, text_line_images::width, 3>>("image");
  const auto read = ctc_greedy_decode(model::crnn<classes>(image, load_weights(o.weights)));
  g.output(read.labels, "labels");
  g.output(read.count, "count");
  if (!o.quantize_all)
    for (const std::string& name : model::crnn_nodes_in_fp32()) o.keep_fp32.push_back(name);
  const auto keep = [&](std::vector<std::string>& all) {
    return [&](int, std::span<const tensor> outputs) {
      const auto count = static_cast<std::size_t>(outputs[0].extents()[0]);
      const std::span<const std::int64_t> found = outputs[0].as<std::int64_t>();
      const std::size_t steps = found.size() / count;
      for (std::size_t i = 0; i < count; ++i) all.push_back(text_of(found.subspan(i * steps, steps), characters));
    };
  };
  comparison_report report =
      compare(std::move(g), "crnn", items_of(images), items_of(calib_images), o, keep(fp32), keep(int8));
  if (!labels.empty()) {
    const auto as_it_is = [](const std::string& s) { return s; };
    report.accuracies = {
        {"letters read right", "accuracy", share_right(fp32, labels, letters_of),
         share_right(int8, labels, letters_of)},
        {"all read right", "exact", share_right(fp32, labels, as_it_is), share_right(int8, labels, as_it_is)}};
  }
  report.flip = "another text";
  std::string lines;
  for (std::size_t i = 0; i < fp32.size(); ++i) {
    report.flips += fp32[i] != int8[i];
    lines += images.files()[i].filename().string() + "\t" + int8[i] + "\n";
  }
  if (o.out.empty())
    std::cout << lines << "\n";
  else
    write_text(o.out, lines);
  publish(report, o);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return recognize(parse(argc, argv)); } catch (const std::exception& e) {
  std::cerr << "recognize: " << e.what() << "\n";
  return 1;
}
