// SSD on MobileNet-V1 with its published weights on photographs, where OCTAVO_DATA has them: what its heads predict in
// FP32 is what they are known to.
#include <doctest/doctest.h>

#include "octavo/io/decode_image.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/model/ssd.hpp"
#include "octavo/octavo.hpp"
#include "support/evaluate.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

using namespace octavo;
using namespace octavo::test;

TEST_CASE("models: the heads of SSD on MobileNet-V1 are near the published ones") {
  const auto data = data_folder();
  if (!data) return;
  const std::filesystem::path folder = *data / "ssd";
  const safetensors known(folder / "reference" / "heads4.safetensors");
  graph g;
  auto image = g.input<float, nhwc<1, 300, 300, 3>>("image");
  const auto heads = model::mobilenet_v1_ssd_heads(image, load_weights(folder / "ssd_mobilenet_v1.safetensors"));
  g.output(heads.boxes, "box");
  g.output(heads.classes, "class");
  session run(octavo::compile(g));
  int compared = 0;
  for (const std::string& name : known.names()) {
    if (!name.ends_with(".box")) continue;
    const std::string file = name.substr(0, name.size() - 4);
    const rgb_image pixels = decode_image(folder / "images" / (file + ".jpg"));
    tensor x(element::f32, {1, 300, 300, 3});
    REQUIRE(pixels.pixels.size() == x.extents().count());
    for (std::size_t i = 0; i < pixels.pixels.size(); ++i)
      x.as<float>()[i] = (static_cast<float>(pixels.pixels[i]) - 128) / 128;
    const std::vector<tensor> found = outputs_of(run, list_of(x));
    // Sums of up to 6912 products in another order; logits go up to 20.
    for (const auto& [suffix, y] : {std::pair{".box", &found[0]}, std::pair{".class", &found[1]}}) {
      const constant expected = known.find(file + suffix, {});
      REQUIRE(expected != nullptr);
      CHECK(largest_difference(y->reshaped(expected->extents()), *expected) < 1e-3f);
    }
    ++compared;
  }
  CHECK(compared == 4);
}
