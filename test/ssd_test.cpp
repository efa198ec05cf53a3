// SSD on MobileNet-V1: parameters by name and number, and a small one from image to detections.
#include "octavo/model/ssd.hpp"

#include "octavo/io/safetensors.hpp"
#include "octavo/octavo.hpp"
#include "support/model_checks.hpp"
#include "support/random.hpp"
#include "temporary_folder.hpp"

using namespace octavo;
using namespace octavo::test;

TEST_CASE("models: SSD on MobileNet-V1 asks for the tensors of its published weights") {
  const auto source = std::make_shared<counted_weights>("");
  graph g;
  const auto detections = model::mobilenet_v1_ssd(g.input<float, nhwc<upto<2>, 300, 300, 3>>("image"), params(source));
  static_assert(std::is_same_v<decltype(detections), const value<float, shape<upto<2>, 100, 6>>>);
  const std::map<std::string, dims>& asked = source->given();
  CHECK(asked.at("priors") == dims{1917, 4});
  CHECK(asked.at("conv1.weight") == dims{24, 3, 3, 3});
  CHECK(asked.at("blocks.12.pw.bias") == dims{768});
  CHECK(asked.at("extras.3.1.weight") == dims{96, 48, 3, 3});
  CHECK(asked.at("heads.0.class.weight") == dims{273, 384, 1, 1});
  CHECK(asked.at("heads.5.box.weight") == dims{24, 96, 1, 1});
  CHECK(asked.size() == (1 + 26 + 8 + 12) * 2 + 1);
  if (const auto folder = data_folder()) {
    const safetensors published(*folder / "ssd" / "ssd_mobilenet_v1.safetensors");
    CHECK(published.names().size() == asked.size());
    for (const auto& tensor : asked) CHECK_MESSAGE(published.get(tensor.first).extents == tensor.second, tensor.first);
  }
}

TEST_CASE("models: a small SSD finds the same boxes in its own priors, FP32 and INT8") {
  constexpr model::mobilenet_v1_ssd_options small{.width_percent = 25, .classes = 3};
  graph g;
  random_numbers random(5);
  auto image = g.input<float, nhwc<1, 32, 32, 3>>("image");
  const auto heads = model::mobilenet_v1_ssd_heads<small>(image, random_params(1));
  static_assert(std::is_same_v<decltype(heads.boxes), value<float, ntc<1, 42, 4>>>);  // 2 2 3 + 5 6
  static_assert(std::is_same_v<decltype(heads.classes), value<float, ntc<1, 42, 3>>>);
  g.output(heads.boxes, "boxes");
  g.output(heads.classes, "classes");
  const calibration found = random_calibration(g);
  check_int8_is_near(g, quantize_graph(g, found), 0.2f);
  std::set<std::string> in_fp32 = model::ssd_nodes_in_fp32();
  in_fp32.erase("heads.0.class.sigmoid");  // which these have not
  const graph int8 = quantize_graph(g, found, {.keep_fp32 = in_fp32});
  check_int8_is_near(g, int8, 0.1f);
  int heads_in_fp32 = 0;
  for (const node& n : int8.nodes)
    if (n.as<op::conv2d>() && n.name.starts_with("heads."))
      heads_in_fp32 += int8.type(n.src[0]).is_u8() && int8.type(n.dst).type == element::f32;
  CHECK(heads_in_fp32 == 12);
}
