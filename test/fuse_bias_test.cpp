// bias_add(conv2d(x)) -> conv2d'(x)
#include "octavo/graph/pass/fuse_bias.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<2, 5, 5, 4>;
constexpr conv plain{.out = 4, .kernel = 3, .pad = 1};

// Two additions of biases become one: two roundings of 2^-24 of the sum, which is at most a few times the largest
// output.
constexpr float tolerance = 1e-6f;

}  // namespace

TEST_CASE("fuse_bias: bias_add(conv2d(x)) -> conv2d'(x)") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  SUBCASE("convolution") { g.output(bias_add(conv2d<plain>(x, w / "f"), w / "bias"), "y"); }
  SUBCASE("fc") {
    g = {};
    g.output(bias_add(fc<4>(g.input<float, nc<2, 4>>("x"), w / "f"), w / "bias"), "y");
  }
  const graph fused = pass::fuse_bias(g);
  CHECK(g.nodes.size() == 3);
  CHECK(fused.nodes.size() == 2);
  CHECK(fused.nodes[1].name == "f");
  CHECK(fused.nodes[1].fused == std::vector<std::string>{"bias"});
  check_close_output(g, fused, tolerance);
}

TEST_CASE("fuse_bias: without a bias before, the bits stay") {
  graph g;
  auto x = g.input<float, nc<3, 2>>("x");
  const params w(std::make_shared<known_weights>(
      std::map<std::string, constant>{{"f.weight", values({1, 2}, {0.3f, -0.7f})}, {"b.bias", values({1}, {0.1f})}}));
  g.output(relu(bias_add(fc<1>(x, w / "f"), w / "b")), "y");
  check_same_output(g, pass::fuse_bias(g));
}

TEST_CASE("fuse_bias: several in a row; the activation of the last stays") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  g.output(bias_add(bias_add(conv2d<plain>(x, w / "f"), w / "a"), w / "b"), "y");
  g.nodes.back().as<op::bias_add>()->act = relu6_activation;
  const graph fused = pass::fuse_bias(g);
  CHECK(operators_of(fused) == "conv2d");
  CHECK(fused.nodes[1].fused == std::vector<std::string>{"a", "b"});
  CHECK(fused.nodes[1].as<op::conv2d>()->act == relu6_activation);
  check_close_output(g, fused, tolerance);
}

// batch_norm(bias_add(conv2d(x))) -> conv2d'(x), and the other way round: each waits for the other
TEST_CASE("fuse_bias: biases and batch norms in any order fold into one convolution") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, image>("x");
  auto y = conv2d<plain>(x, w / "f");
  SUBCASE("bias first") { g.output(relu(batch_norm(bias_add(y, w / "bias"), w / "bn")), "y"); }
  SUBCASE("batch norm first") { g.output(relu(bias_add(batch_norm(y, w / "bn"), w / "bias")), "y"); }
  SUBCASE("in turn, and a residual") {
    auto z = batch_norm(bias_add(batch_norm(bias_add(y, w / "b1"), w / "n1"), w / "b2"), w / "n2");
    g.output(relu(z + x), "y");
  }
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "conv2d");
  CHECK(folded.nodes[1].as<op::conv2d>()->act == relu_activation);
  check_close_output(g, folded, 4 * tolerance);  // up to five such steps
}

TEST_CASE("fuse_bias: where it must not") {
  graph g;
  const params w = random_params(3);
  auto x = g.input<float, image>("x");
  auto y = conv2d<plain>(x, w / "f");
  SUBCASE("read by another") { g.output(bias_add(y, w / "b") + y, "y"); }
  SUBCASE("an output") {
    g.output(y, "raw");
    g.output(bias_add(y, w / "b"), "y");
  }
  SUBCASE("an activation in between") { g.output(bias_add(relu(y), w / "b"), "y"); }
  SUBCASE("an activation fused before") {
    g.output(bias_add(y, w / "b"), "y");
    g.nodes[1].as<op::conv2d>()->act = relu6_activation;
  }
  SUBCASE("of a sum") { g.output(bias_add(y + x, w / "b"), "y"); }
  SUBCASE("of an input") { g.output(bias_add(x, w / "b"), "y"); }
  const graph fused = pass::fuse_bias(g);
  CHECK(operators_of(fused) == operators_of(g));
  check_same_output(g, fused);
}
