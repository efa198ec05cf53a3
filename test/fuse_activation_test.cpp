// relu(f(x)) -> f(x) with relu, for every f that ends with an activation
#include "octavo/graph/pass/fuse_activation.hpp"

#include <doctest/doctest.h>

#include "support/pass_checks.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<2, 5, 5, 4>;

}  // namespace

TEST_CASE("fuse_activation: relu(f(x)) -> f(x) with relu") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  SUBCASE("conv2d") { g.output(relu6(conv2d<conv{.out = 4, .kernel = 3}>(x, w / "f")), "y"); }
  SUBCASE("fc") {
    g = {};
    g.output(relu6(fc<4>(g.input<float, nc<2, 4>>("x"), w / "f")), "y");
  }
  SUBCASE("batch_norm") { g.output(relu6(batch_norm(x, w / "f")), "y"); }
  SUBCASE("bias_add") { g.output(relu6(bias_add(x, w / "f")), "y"); }
  SUBCASE("add") {
    g.output(relu6(x + x), "y");
    g.nodes[1].name = "f";
  }
  const std::string relu_name = g.nodes[2].name;
  const graph fused = pass::fuse_activation(g);
  CHECK(fused.nodes.size() == 2);
  CHECK(fused.nodes[1].name == "f");
  CHECK(fused.nodes[1].fused == std::vector<std::string>{relu_name});
  CHECK(*fused_activation(fused.nodes[1].op) == relu6_activation);
  check_same_output(g, fused);  // the clamp is the same wherever it stands
}

// clip(clip(x)) -> clip(x), the bounds of the second applied to those of the first
TEST_CASE("fuse_activation: clip after clip is one clip") {
  const activation some[] = {no_activation,   relu_activation, relu6_activation, {-1.0f, 0.5f},
                             {-2.0f, -0.25f}, {0.25f, 0.75f},  {0.5f, 3.0f},     {-0.5f, -0.5f}};
  for (const activation& first : some)
    for (const activation& second : some) {
      graph g;
      auto x = g.input<float, image>("x");
      g.output(clip(clip(x, first.lower, first.upper), second.lower, second.upper), "y");
      const graph fused = pass::fuse_activation(g);
      CHECK(fused.nodes.size() == 2);
      CHECK(fused.nodes[1].fused == std::vector<std::string>{"x.clip_1"});
      check_same_output(g, fused);
    }
}

TEST_CASE("fuse_activation: after a fused residual the activation comes last") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  auto y = conv2d<conv{.out = 4}>(x, w / "f");
  g.nodes.back().src.push_back(x.id);
  g.nodes.back().as<op::conv2d>()->residual = true;
  g.output(relu(y), "y");
  const graph fused = pass::fuse_activation(g);
  CHECK(operators_of(fused) == "conv2d");
  check_same_output(g, fused);
}

TEST_CASE("fuse_activation: where it must not") {
  graph g;
  const params w = random_params(3);
  auto x = g.input<float, image>("x");
  auto y = conv2d<conv{.out = 4}>(x, w / "f");
  SUBCASE("read by another") { g.output(relu(y) + y, "y"); }
  SUBCASE("read by two activations") {
    g.output(relu(y), "y");
    g.output(relu6(y), "z");
  }
  SUBCASE("an output") {
    g.output(y, "raw");
    g.output(relu(y), "y");
  }
  SUBCASE("of an input") { g.output(relu(x), "y"); }
  SUBCASE("of a pooling, which ends without activation") { g.output(relu(average_pool2d<pool{.kernel = 2}>(y)), "y"); }
  SUBCASE("of a concat") { g.output(relu(concat(y, x)), "y"); }
  SUBCASE("of a softmax") { g.output(relu(softmax(y)), "y"); }
  const graph fused = pass::fuse_activation(g);
  CHECK(operators_of(fused) == operators_of(g));
  check_same_output(g, fused);
}
