// Writes what detect needs where there are no published weights: make_detection_data FOLDER makes weights.safetensors,
// random ones of its network, and images/, three PNG files of coloured boxes.
#include <stb/stb_image_write.h>

#include <filesystem>
#include <iostream>

#include "octavo/model/ssd.hpp"
#include "support/remembered_weights.hpp"

namespace {

using namespace octavo;

/// Random weights; prior boxes of a fifth of the image, all over it.
class detector_weights : public test::remembered_weights {
  constant make(const std::string& name, const dims& expected) const override {
    if (name != "priors") return remembered_weights::make(name, expected);
    tensor t(element::f32, expected);
    for (std::size_t i = 0; i < t.extents().rows(); ++i) {
      float* box = t.as<float>().data() + 4 * i;
      box[0] = 0.2f + 0.6f * static_cast<float>(i % 45) / 45;
      box[1] = 0.2f + 0.6f * static_cast<float>(i / 45) / 45;
      box[2] = box[3] = 0.2f;
    }
    return make_constant(std::move(t));
  }
};

/// An image of `side` pixels, a box of one colour on a gradient.
void write_image(const std::filesystem::path& path, int side, int number) {
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < side; ++y)
    for (int x = 0; x < side; ++x) {
      const bool inside = x > side / 4 && x < side / 2 && y > side / (2 + number) && y < side - side / 5;
      for (int c = 0; c < 3; ++c)
        pixels.push_back(static_cast<std::uint8_t>(inside ? 80 * ((number + c) % 3) + 40 : 255 * (x + y) / (2 * side)));
    }
  require(stbi_write_png(path.string().c_str(), side, side, 3, pixels.data(), 3 * side) != 0, path.string(),
          ": cannot be written");
}

}  // namespace

int main(int argc, char** argv) try {
  require(argc == 2, "usage: make_detection_data FOLDER");
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder / "images");
  const auto weights = std::make_shared<detector_weights>();
  graph g;
  model::mobilenet_v1_ssd(g.input<float, nhwc<1, 300, 300, 3>>("image"), params(weights));
  weights->save(folder / "weights.safetensors");
  for (int i = 0; i < 3; ++i) write_image(folder / "images" / text("box", i, ".png"), 300 + 50 * i, i);
  return 0;
} catch (const std::exception& e) {
  std::cerr << "make_detection_data: " << e.what() << "\n";
  return 1;
}
