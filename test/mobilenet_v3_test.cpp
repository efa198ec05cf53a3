// MobileNet-V3: parameters by name and number, which are those that torchvision publishes.
#include "octavo/model/mobilenet_v3.hpp"

#include "support/model_checks.hpp"
#include "support/random.hpp"

using namespace octavo;
using namespace octavo::test;

// The only convolutions with biases are those of squeeze and excitation.
TEST_CASE("models: MobileNet-V3 large") {
  // 46 convolutions, 8 times squeeze and excitation, hard swishes, global pool, fc
  const auto asked = check_model<224, 1000>([](auto x, const params& w) { return model::mobilenet_v3_large(x, w); },
                                            5483032, 46 + 8 * 5 + 21 + 2 + 2, ".fc");
  CHECK(asked.at("features.1.block.0.0.weight") == dims{16, 1, 3, 3});
  CHECK(asked.at("features.4.block.2.fc1.weight") == dims{24, 72, 1, 1});
  CHECK(asked.at("features.15.block.3.0.weight") == dims{160, 960, 1, 1});
  CHECK(asked.at("features.16.0.weight") == dims{960, 160, 1, 1});
  CHECK(asked.at("classifier.3.weight") == dims{1000, 1280});
}

TEST_CASE("models: MobileNet-V3 small") {
  const auto asked = check_model<224, 1000>([](auto x, const params& w) { return model::mobilenet_v3_small(x, w); },
                                            2542856, 34 + 9 * 5 + 19 + 2 + 2, ".fc");
  CHECK(asked.at("features.1.block.1.fc2.weight") == dims{16, 8, 1, 1});
  CHECK(asked.at("features.11.block.3.1.running_mean") == dims{96});
}

TEST_CASE("models: MobileNet-V3 runs in INT8") {
  graph g;
  g.output(model::mobilenet_v3_small(g.input<float, nhwc<1, 32, 32, 3>>("image"), random_params(1)), "logits");
  check_int8_is_near(g, quantized_graph(g), 0.1f);
}
