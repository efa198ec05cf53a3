// Quantizes SSD on MobileNet-V1 and compares it with the FP32 network it came from: accuracy, latency, memory. Draws
// what it found into the images. `detect --help` lists the options.
#include <stb/stb_image_write.h>

#include <filesystem>
#include <fstream>

#include "average_precision.hpp"
#include "comparison.hpp"
#include "image_files.hpp"
#include "octavo/io/decode_image.hpp"
#include "octavo/io/preprocess.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/model/ssd.hpp"

namespace {

using namespace octavo;
using namespace octavo::example;

constexpr int side = 300;  // of the network's images

struct options : comparison_options {
  std::string truth, out;
  float threshold = 0.3f;
  bool quantize_heads = false;
};

options parse(int argc, char** argv) {
  options o;
  CLI::App app{"Quantizes SSD on MobileNet-V1 and compares INT8 with FP32"};
  app.add_option("--weights", o.weights, "FP32 weights, a safetensors file")->required();
  app.add_option("--images", o.images, "a folder of JPEG and PNG images, taken in the order of their names")
      ->required();
  app.add_option("--calib", o.calib, "a folder of images to calibrate with")->required();
  app.add_option("--truth", o.truth,
                 "what is in the images: lines of name, class, ymin, xmin, ymax, xmax (0 to 1), tabs");
  app.add_option("--out", o.out, "a folder for the images with boxes drawn in, and all detections, of INT8");
  app.add_option("--threshold", o.threshold, "score from which a box is drawn")->check(CLI::Range(0.0, 1.0));
  app.add_flag("--quantize-heads", o.quantize_heads, "INT8 after the last convolutions too: the scores get 256 levels");
  add_options(app, o);
  parse_command_line(app, argc, argv);
  return o;
}

/// The JPEG and PNG files of a folder by name, stretched to the network's size, (v - 128) / 128. Labels are not known.
class stretched_images : public image_set {
 public:
  /// Throws octavo::error where there are none.
  explicit stretched_images(const std::filesystem::path& folder) : files_(image_files(folder)) {}

  const std::vector<std::filesystem::path>& files() const { return files_; }

 private:
  int do_count() const override { return static_cast<int>(files_.size()); }
  dims do_extents() const override { return {side, side, 3}; }
  int do_label(int) const override { return 0; }
  std::string do_name(int i) const override { return files_[static_cast<std::size_t>(i)].string(); }
  void do_read(int i, std::span<float> nhwc) const override {
    const rgb_image image =
        resize(decode_image(files_[static_cast<std::size_t>(i)]), side, side, resize_filter::area, image_limits{});
    constexpr float half = 128.0f / 255;  // preprocess() counts in units of 255
    preprocess(image, {.crop = side, .mean = {half, half, half}, .deviation = {half, half, half}}, nhwc);
  }

  std::vector<std::filesystem::path> files_;
};

/// The boxes of each image. Throws octavo::error, naming the line, where it is no box of one of the images.
boxes_of_images read_truth(const std::string& path, const stretched_images& images) {
  std::map<std::string, std::size_t> numbers;
  for (const auto& file : images.files()) numbers.emplace(file.filename().string(), numbers.size());
  boxes_of_images truth(images.files().size());
  std::ifstream in(path);
  require(in.good(), path, ": cannot be read");
  int number = 0;
  for (std::string line, name; std::getline(in, line);) {
    ++number;
    std::istringstream fields(line.substr(std::min(line.find('\t'), line.size())));
    labelled_box b;
    name = line.substr(0, line.find('\t'));
    fields >> b.label >> b.corners[0] >> b.corners[1] >> b.corners[2] >> b.corners[3];
    require(!fields.fail(), path, ": line ", number, ": expected name, class, ymin, xmin, ymax, xmax, found '", line,
            "'");
    const auto found = numbers.find(name);
    require(found != numbers.end(), path, ": line ", number, ": there is no image '", name, "'");
    truth[found->second].push_back(b);
  }
  return truth;
}

/// The rows of one image's (100, 6) that are used.
std::vector<labelled_box> detections_in(std::span<const float> rows) {
  std::vector<labelled_box> boxes;
  for (; !rows.empty() && rows[0] >= 0; rows = rows.subspan(6))
    boxes.push_back({static_cast<int>(rows[0]), {rows[2], rows[3], rows[4], rows[5]}, rows[1]});
  return boxes;
}

/// Draws the outline of a box, two pixels wide, in a colour of its class.
void draw(rgb_image& image, const labelled_box& b) {
  const std::uint8_t colours[][3] = {{255, 64, 64}, {64, 220, 64},  {80, 140, 255},
                                     {255, 210, 0}, {255, 80, 255}, {0, 230, 230}};
  const auto& colour = colours[static_cast<std::size_t>(b.label) % std::size(colours)];
  const auto pixel = [](float at, int extent) {
    return std::clamp(static_cast<int>(at * static_cast<float>(extent)), 0, extent - 1);
  };
  const int top = pixel(b.corners[0], image.height), bottom = pixel(b.corners[2], image.height);
  const int left = pixel(b.corners[1], image.width), right = pixel(b.corners[3], image.width);
  for (int y = top; y <= bottom; ++y)
    for (int x = left; x <= right; ++x)
      if (y < top + 2 || y > bottom - 2 || x < left + 2 || x > right - 2)
        std::copy_n(colour, 3, image.pixels.begin() + (std::ptrdiff_t{y} * image.width + x) * 3);
}

/// Writes each image with its boxes drawn in, and all boxes as lines of name, score, class, ymin, xmin, ymax, xmax.
void write_detections(const options& o, const stretched_images& images, const boxes_of_images& detections) {
  std::filesystem::create_directories(o.out);
  std::ostringstream lines;
  for (std::size_t i = 0; i < detections.size(); ++i) {
    const std::filesystem::path& file = images.files()[i];
    rgb_image image = decode_image(file);
    for (const labelled_box& b : detections[i]) {
      lines << file.filename().string() << '\t' << b.score << '\t' << b.label;
      for (float c : b.corners) lines << '\t' << c;
      lines << '\n';
      if (b.score >= o.threshold) draw(image, b);
    }
    const std::string png = (std::filesystem::path(o.out) / file.stem()).string() + ".png";
    require(stbi_write_png(png.c_str(), image.width, image.height, 3, image.pixels.data(), image.width * 3) != 0, png,
            ": cannot be written");
  }
  write_text((std::filesystem::path(o.out) / "detections.tsv").string(), lines.str());
}

int detect(options o) {
  graph g;
  g.output(model::mobilenet_v1_ssd(g.input<float, nhwc<upto<largest_batch>, side, side, 3>>("image"),
                                   load_weights(o.weights)),
           "detections");
  const stretched_images images(o.images), calib_images(o.calib);
  boxes_of_images fp32, int8, truth;
  require(o.truth.empty() ? !o.tolerance : true, "--tolerance needs to know what is in the images: --truth FILE");
  if (!o.truth.empty()) truth = read_truth(o.truth, images);
  if (!o.quantize_heads)
    for (const std::string& name : model::ssd_nodes_in_fp32()) o.keep_fp32.push_back(name);
  const auto keep = [](boxes_of_images& all) {
    return each_item([&](int, std::span<const float> rows) { all.push_back(detections_in(rows)); });
  };
  comparison_report report =
      compare(std::move(g), "mobilenet_v1_ssd", items_of(images), items_of(calib_images), o, keep(fp32), keep(int8));
  if (!truth.empty()) {
    truth.resize(fp32.size());  // fewer where --iterations says so
    report.accuracies = {
        {"mAP@0.5", "accuracy", mean_average_precision(fp32, truth), mean_average_precision(int8, truth)}};
  }
  report.flip = "the class of the best detection differs";
  for (std::size_t i = 0; i < fp32.size(); ++i) {
    const auto best = [&](const boxes_of_images& all) { return all[i].empty() ? -1 : all[i][0].label; };
    report.flips += best(fp32) != best(int8);
  }
  if (!o.out.empty()) write_detections(o, images, int8);
  publish(report, o);
  return 0;
}

}  // namespace

int main(int argc, char** argv) try { return detect(parse(argc, argv)); } catch (const std::exception& e) {
  std::cerr << "detect: " << e.what() << "\n";
  return 1;
}
