// batch_norm(conv2d(x)) -> conv2d'(x)
#include "octavo/graph/pass/fold_batch_norm.hpp"

#include <doctest/doctest.h>

#include "support/pass_checks.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<2, 5, 5, 4>;
constexpr conv plain{.out = 6, .kernel = 3, .pad = 1};

// The gain of a batch norm moves into the weights, so each term of a sum of up to 37 is rounded elsewhere, by 2^-24 of
// numbers that are at most about the largest output: 37 * 2^-24 = 2.2e-6.
constexpr float tolerance = 2.2e-6f;

}  // namespace

TEST_CASE("fold_batch_norm: batch_norm(conv2d(x)) -> conv2d'(x)") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  SUBCASE("convolution") { g.output(batch_norm(conv2d<plain>(x, w / "f"), w / "bn"), "y"); }
  SUBCASE("grouped") {
    g.output(batch_norm(conv2d<conv{.out = 6, .kernel = 3, .groups = 2}>(x, w / "f"), w / "bn"), "y");
  }
  SUBCASE("depthwise") { g.output(batch_norm(depthwise_conv2d<conv{.kernel = 3}>(x, w / "f"), w / "bn"), "y"); }
  SUBCASE("another eps") { g.output(batch_norm(conv2d<plain>(x, w / "f"), w / "bn", 0.5f), "y"); }
  SUBCASE("fc") {
    g = {};
    g.output(batch_norm(fc<6>(g.input<float, nc<2, 4>>("x"), w / "f"), w / "bn"), "y");
  }
  const graph folded = pass::fold_batch_norm(g);
  CHECK(g.nodes.size() == 3);
  CHECK(folded.nodes.size() == 2);
  CHECK(folded.nodes[1].name == "f");
  CHECK(folded.nodes[1].fused == std::vector<std::string>{"bn"});
  CHECK(folded.outputs[0].name == "y");
  check_close_output(g, folded, tolerance);
}

TEST_CASE("fold_batch_norm: the folded weights by hand") {
  graph g;
  auto x = g.input<float, nc<1, 2>>("x");
  const params w(
      std::make_shared<known_weights>(std::map<std::string, constant>{{"f.weight", values({2, 2}, {1, 2, 3, 4})},
                                                                      {"f.bias", values({2}, {10, 20})},
                                                                      {"bn.weight", values({2}, {6, -1})},
                                                                      {"bn.bias", values({2}, {0.5f, 7})},
                                                                      {"bn.running_mean", values({2}, {8, 4})},
                                                                      {"bn.running_var", values({2}, {3.75f, 0})}}));
  g.output(batch_norm(fc<2>(x, w / "f"), w / "bn", 0.25f), "y");
  const graph folded = pass::fold_batch_norm(g);
  // gains 6 / sqrt(4) = 3 and -1 / sqrt(0.25) = -2; biases (10 - 8) * 3 + 0.5 and (20 - 4) * -2 + 7
  CHECK(std::ranges::equal(folded.nodes[1].constants[0]->as<float>(), std::vector{3.0f, 6.0f, -6.0f, -8.0f}));
  CHECK(std::ranges::equal(folded.nodes[1].constants[1]->as<float>(), std::vector{6.5f, -25.0f}));
  CHECK(g.nodes[1].constants[0]->as<float>()[0] == 1.0f);  // the graph that came in is as it was
}

TEST_CASE("fold_batch_norm: a convolution without bias gets one") {
  graph g;
  auto x = g.input<float, nc<1, 1>>("x");
  const constant one = values({1}, {1});
  const params w(std::make_shared<known_weights>(std::map<std::string, constant>{{"f.weight", values({1, 1}, {2})},
                                                                                 {"bn.weight", one},
                                                                                 {"bn.bias", values({1}, {5})},
                                                                                 {"bn.running_mean", values({1}, {3})},
                                                                                 {"bn.running_var", one}}));
  g.output(batch_norm(fc<1>(x, w / "f"), w / "bn", 0.0f), "y");
  const graph folded = pass::fold_batch_norm(g);
  CHECK(folded.nodes[1].constants[1]->as<float>()[0] == 2.0f);
  check_same_output(g, folded);  // the gain is 1: one addition either way
}

TEST_CASE("fold_batch_norm: several in a row, and the activation that the last one has") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, image>("x");
  g.output(batch_norm(batch_norm(conv2d<plain>(x, w / "f"), w / "bn1"), w / "bn2"), "y");
  g.nodes.back().as<op::batch_norm>()->act = relu_activation;
  const graph folded = pass::fold_batch_norm(g);
  CHECK(operators_of(folded) == "conv2d");
  CHECK(folded.nodes[1].fused == std::vector<std::string>{"bn1", "bn2"});
  CHECK(folded.nodes[1].as<op::conv2d>()->act == relu_activation);
  check_close_output(g, folded, tolerance);
}

TEST_CASE("fold_batch_norm: where it must not") {
  graph g;
  const params w = random_params(3);
  auto x = g.input<float, image>("x");
  auto y = conv2d<plain>(x, w / "f");
  SUBCASE("the sum of products is read by another") { g.output(batch_norm(y, w / "bn") + y, "y"); }
  SUBCASE("the sum of products is an output") {
    g.output(y, "raw");
    g.output(batch_norm(y, w / "bn"), "y");
  }
  SUBCASE("an activation in between") { g.output(batch_norm(relu(y), w / "bn"), "y"); }
  SUBCASE("an activation fused before") {
    g.output(batch_norm(y, w / "bn"), "y");
    g.nodes[1].as<op::conv2d>()->act = relu_activation;
  }
  SUBCASE("a pooling in between") { g.output(batch_norm(max_pool2d<pool{.kernel = 2}>(y), w / "bn"), "y"); }
  SUBCASE("of an input") { g.output(batch_norm(x, w / "bn"), "y"); }
  SUBCASE("of a sum") { g.output(batch_norm(y + y, w / "bn"), "y"); }
  SUBCASE("a residual fused before") {
    auto z = conv2d<conv{.out = 4}>(x, w / "residual");
    g.output(batch_norm(z, w / "bn"), "y");
    g.nodes[static_cast<std::size_t>(g.producer(z.id))].src.push_back(x.id);
    g.nodes[static_cast<std::size_t>(g.producer(z.id))].as<op::conv2d>()->residual = true;
  }
  SUBCASE("weights that are quantized already") {
    random_numbers random(1);
    op::fc f{.out = 4};
    const int u = g.append(op::input{}, "u", {}, {element::u8, {1, 4}, {0.1f, 3}});
    const int z = g.append(f, "int8", {u}, {element::f32, {1, 4}, {}},
                           {random_constant(element::s8, {4, 4}, random), nullptr,
                            random_constant(element::f32, {4}, random, 0.5f, 1.0f)});
    const constant c = random_constant(element::f32, {4}, random, 0.5f, 1.0f);
    g.outputs.push_back({g.append(op::batch_norm{}, "bn", {z}, {element::f32, {1, 4}, {}}, {c, c, c, c}), "y"});
  }
  const graph folded = pass::fold_batch_norm(g);
  CHECK(operators_of(folded) == operators_of(g));
  check_same_output(g, folded);
}
