// The layers that the benchmarks run are those of the published networks.
#include "layers.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "octavo/graph/passes.hpp"

using namespace octavo;
using namespace octavo::bench;

namespace {

/// A detector with the number of its weights and biases, batch norms left out.
struct composed {
  graph g;
  std::size_t parameters = 0;
};

composed compose_detector(std::string_view name) {
  composed c;
  for (const network_entry& n : detectors())
    if (n.name == name) n.compose(c.g, params(std::make_shared<random_weights>(1)));
  for (const node& n : c.g.nodes)
    if (has_weights(n.op))
      for (const constant& w : n.constants) c.parameters += w->extents().count();
  return c;
}

const layer& layer_named(const std::vector<layer>& layers, std::string_view name) {
  const auto found = std::find_if(layers.begin(), layers.end(), [&](const layer& l) { return l.name == name; });
  REQUIRE_MESSAGE(found != layers.end(), name);
  return *found;
}

}  // namespace

TEST_CASE("SSD300 on VGG16 has the boxes and parameters of the paper's model for Pascal VOC") {
  const composed c = compose_detector("ssd300_vgg16");
  CHECK(c.g.type(c.g.outputs[0].value).extents[1] == 8732);
  CHECK(c.g.type(c.g.outputs[1].value).extents[2] == 21);
  CHECK(c.parameters == 26285486 - 512);  // without the scales of the L2 norm
}

TEST_CASE("SSD300 on MobileNet-V1 has the boxes of TensorFlow's model for COCO") {
  const composed c = compose_detector("ssd300_mobilenet_v1");
  CHECK(c.g.type(c.g.outputs[0].value).extents[1] == 1917);
  CHECK(c.g.type(c.g.outputs[1].value).extents[2] == 91);
}

TEST_CASE("every list of layers can be made, and its problems are well formed") {
  for (const std::string& network : layer_networks()) {
    CAPTURE(network);
    const std::vector<layer> layers = layers_of(network);
    CHECK(!layers.empty());
    for (const layer& l : layers) {
      CAPTURE(l.name);
      if (l.weights.count() > 5'000'000) continue;  // random weights of VGG's fully connected layers take long
      const problem int8 = make_problem(l, true);
      CHECK_NOTHROW(check(int8.op, int8));
      CHECK(operand_bytes(int8.op, int8) > 0);
      if (has_fp32_form(l)) CHECK_NOTHROW(check(l.op, make_problem(l, false)));
      const auto same_name = [&](const layer& other) { return other.name == l.name; };
      CHECK(std::count_if(layers.begin(), layers.end(), same_name) == 1);
    }
  }
}

TEST_CASE("layers are distinct, fused, and for one image") {
  const std::vector<layer> layers = layers_of("resnet50");
  const auto convolutions =
      std::count_if(layers.begin(), layers.end(), [](const layer& l) { return l.op.is<op::conv2d>(); });
  CHECK(convolutions == 27);  // of 53

  const layer& sum = layer_named(layers, "layer1.0.downsample.0");  // and of each conv3 behind it
  const auto& c = *sum.op.as<op::conv2d>();
  CHECK(c.residual);
  CHECK(c.act == relu_activation);
  CHECK(sum.src == std::vector<dims>{{1, 56, 56, 64}, {1, 56, 56, 256}});
  CHECK(sum.dst == dims{1, 56, 56, 256});

  const layer& classifier = layer_named(layers, "fc");
  CHECK(classifier.weights == dims{1000, 2048});
  CHECK(classifier.to == element::f32);
  CHECK(layer_named(layers, "max_pool_112x112x64").dst == dims{1, 56, 56, 64});
  CHECK(layer_named(layers, "add_56x56x256").src.size() == 2);
}

TEST_CASE("resnet101 repeats layers of resnet50") {
  const std::vector<layer> small = layers_of("resnet50"), large = layers_of("resnet101");
  REQUIRE(small.size() == large.size());
  for (std::size_t i = 0; i < small.size(); ++i) CHECK(small[i].src == large[i].src);
}

TEST_CASE("a shape is the name of its products") {
  const std::vector<layer> layers = layers_of("2x3x5x7");
  REQUIRE(layers.size() == 4);
  CHECK(layers[0].src == std::vector<dims>{{2, 3, 5}, {2, 5, 7}});
  CHECK(layers[0].dst == dims{2, 3, 7});
  CHECK(layer_named(layers, "2x3x5x7_bT_s8").src[1] == dims{2, 7, 5});
  const problem p = make_problem(layers[0], true);
  CHECK(operations(p.op, p) == 2 * 2 * 3 * 5 * 7);
  CHECK_THROWS_AS(layers_of("2x3x5"), error);
  CHECK_THROWS_AS(layers_of("2x3x5x0"), error);
}

TEST_CASE("an unknown network is refused with the names there are") {
  CHECK_THROWS_WITH_AS(layers_of("lenet"),
                       "unknown network 'lenet': expected one of resnet18, resnet34, resnet50, resnet101, "
                       "mobilenet_v1, mobilenet_v2, mobilenet_v3, squeezenet, ssd_mobilenet_v1, vgg16, vgg19, "
                       "ssd300_vgg16, ssd300_mobilenet_v1, bert_base, tensors, operators, matmul",
                       error);
}
