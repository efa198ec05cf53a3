// SqueezeNet: parameters by name and number, which are those that torchvision publishes.
#include "octavo/model/squeezenet.hpp"

#include "support/model_checks.hpp"
#include "support/random.hpp"

using namespace octavo;
using namespace octavo::test;

TEST_CASE("models: SqueezeNet 1.0 and 1.1") {
  // 26 convolutions, 8 concats, 3 max pools, global pool.
  const auto v10 = check_model<224, 1000>([](auto x, const params& w) { return model::squeezenet1_0(x, w); }, 1248424,
                                          26 + 8 + 3 + 2, "");
  CHECK(v10.at("features.0.weight") == dims{96, 3, 7, 7});
  CHECK(v10.at("features.12.expand3x3.weight") == dims{256, 64, 3, 3});
  CHECK(v10.at("classifier.1.bias") == dims{1000});
  const auto v11 = check_model<224, 1000>([](auto x, const params& w) { return model::squeezenet1_1(x, w); }, 1235496,
                                          26 + 8 + 3 + 2, "");
  CHECK(v11.at("features.0.weight") == dims{64, 3, 3, 3});
  CHECK(v11.at("features.6.squeeze.weight") == dims{32, 128, 1, 1});
}

TEST_CASE("models: SqueezeNet runs in INT8") {
  graph g;
  g.output(model::squeezenet1_1(g.input<float, nhwc<1, 32, 32, 3>>("image"), random_params(1)), "logits");
  check_int8_is_near(g, quantized_graph(g), 0.05f);
}
