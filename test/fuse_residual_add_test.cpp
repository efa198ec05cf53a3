// add(conv2d(x), r) -> conv2d(x) + r
#include "octavo/graph/pass/fuse_residual_add.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<2, 5, 5, 4>;
constexpr conv plain{.out = 4, .kernel = 3, .pad = 1};

}  // namespace

TEST_CASE("fuse_residual_add: add(f(x), r) -> f(x) + r") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  SUBCASE("convolution on the left") { g.output(conv2d<plain>(x, w / "f") + x, "y"); }
  SUBCASE("convolution on the right") { g.output(x + conv2d<plain>(x, w / "f"), "y"); }
  SUBCASE("fc") {
    g = {};
    auto vectors = g.input<float, nc<2, 4>>("x");
    g.output(fc<4>(vectors, w / "f") + vectors, "y");
  }
  SUBCASE("depthwise") { g.output(depthwise_conv2d<plain>(x, w / "f") + x, "y"); }
  SUBCASE("a sum that has an activation") {
    g.output(conv2d<plain>(x, w / "f") + x, "y");
    g.nodes.back().as<op::add>()->act = relu_activation;
  }
  const activation act = g.nodes.back().as<op::add>()->act;
  const std::string sum_name = g.nodes[2].name;
  const graph fused = pass::fuse_residual_add(g);
  CHECK(g.nodes.size() == 3);
  CHECK(fused.nodes.size() == 2);
  CHECK(fused.nodes[1].name == "f");
  CHECK(fused.nodes[1].fused == std::vector<std::string>{sum_name});
  CHECK(fused.nodes[1].src == std::vector<int>{x.id, x.id});
  CHECK(*fused_residual(fused.nodes[1].op));
  CHECK(*fused_activation(fused.nodes[1].op) == act);
  check_same_output(g, fused);  // one FP32 addition either way
}

TEST_CASE("fuse_residual_add: of two convolutions the later one takes the sum") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, image>("x");
  auto shortcut = conv2d<plain>(x, w / "shortcut");
  auto y = conv2d<plain>(relu(conv2d<plain>(x, w / "first")), w / "second");
  std::string first;  // operand of the sum, after which that is called
  SUBCASE("as the left operand") { g.output(relu(y + shortcut), "y"), first = "second"; }
  SUBCASE("as the right operand") { g.output(relu(shortcut + y), "y"), first = "shortcut"; }
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "conv2d conv2d conv2d");
  CHECK(node_named(folded, "second").as<op::conv2d>()->residual);
  CHECK(node_named(folded, "second").src == std::vector<int>{node_named(folded, "first").dst, shortcut.id});
  CHECK(node_named(folded, "second").fused == std::vector<std::string>{first + ".add", first + ".relu"});
  CHECK_FALSE(node_named(folded, "shortcut").as<op::conv2d>()->residual);
  check_same_output(g, folded);
}

TEST_CASE("fuse_residual_add: a chain of sums fuses one by one") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, image>("x");
  auto y = conv2d<plain>(x, w / "a") + x;
  auto z = conv2d<plain>(y, w / "b") + y;
  g.output(z + conv2d<plain>(z, w / "c"), "y");
  const graph fused = pass::fuse_residual_add(g);
  CHECK(operators_of(fused) == "conv2d conv2d conv2d");
  check_same_output(g, fused);
}

TEST_CASE("fuse_residual_add: where it must not") {
  graph g;
  const params w = random_params(3);
  auto x = g.input<float, image>("x");
  auto y = conv2d<plain>(x, w / "f");
  SUBCASE("a value added to itself") { g.output(y + y, "y"); }
  SUBCASE("read by another") {
    g.output(y + x, "y");
    g.output(relu(y), "z");
  }
  SUBCASE("an output") {
    g.output(y, "raw");
    g.output(y + x, "y");
  }
  SUBCASE("an activation in between") { g.output(relu(y) + x, "y"); }
  SUBCASE("an activation fused before") {
    g.output(y + x, "y");
    g.nodes[1].as<op::conv2d>()->act = relu_activation;
  }
  SUBCASE("a summand that broadcasts") { g.output(y + g.input<float, shape<5, 1>>("columns"), "y"); }
  SUBCASE("a convolution that broadcasts") { g.output(y + g.input<float, shape<3, 2, 5, 5, 4>>("images"), "y"); }
  SUBCASE("of two others") {
    g.output(relu(x) + batch_norm(x, w / "bn"), "y");
    g.output(y, "z");
  }
  const graph fused = pass::fuse_residual_add(g);
  CHECK(operators_of(fused) == operators_of(g));
  check_same_output(g, fused);
}

TEST_CASE("fuse_residual_add: a convolution takes one residual only") {
  graph g;
  const params w = random_params(3);
  auto x = g.input<float, image>("x");
  g.output(conv2d<plain>(x, w / "f") + x + x, "y");
  const graph fused = pass::fuse_residual_add(g);
  CHECK(operators_of(fused) == "conv2d add");
  check_same_output(g, fused);
}
