// gain conv2d(x) + shift -> conv2d'(x)
#include "octavo/graph/pass/fold_affine.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<2, 5, 5, 4>;
constexpr conv plain{.out = 6, .kernel = 3, .pad = 1}, to_four{.out = 4, .kernel = 3, .pad = 1};

// The gain of a batch norm moves into the weights, so each term of a sum of up to 37 is rounded elsewhere, by 2^-24 of
// numbers that are at most about the largest output: 37 * 2^-24 = 2.2e-6.
constexpr float tolerance = 2.2e-6f;

}  // namespace

TEST_CASE("fold_affine: batch_norm(conv2d(x)) -> conv2d'(x)") {
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
  const graph folded = pass::fold_affine(g);
  CHECK(g.nodes.size() == 3);
  CHECK(folded.nodes.size() == 2);
  CHECK(folded.nodes[1].name == "f");
  CHECK(folded.nodes[1].fused == std::vector<std::string>{"bn"});
  CHECK(folded.outputs[0].name == "y");
  check_close_output(g, folded, tolerance);
}

TEST_CASE("fold_affine: the folded weights by hand") {
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
  const graph folded = pass::fold_affine(g);
  // gains 6 / sqrt(4) = 3 and -1 / sqrt(0.25) = -2; biases (10 - 8) * 3 + 0.5 and (20 - 4) * -2 + 7
  CHECK(std::ranges::equal(folded.nodes[1].constants[0]->as<float>(), std::vector{3.0f, 6.0f, -6.0f, -8.0f}));
  CHECK(std::ranges::equal(folded.nodes[1].constants[1]->as<float>(), std::vector{6.5f, -25.0f}));
  CHECK(g.nodes[1].constants[0]->as<float>()[0] == 1.0f);  // the graph that came in is as it was
}

TEST_CASE("fold_affine: a convolution without bias gets one") {
  graph g;
  auto x = g.input<float, nc<1, 1>>("x");
  const constant one = values({1}, {1});
  const params w(std::make_shared<known_weights>(std::map<std::string, constant>{{"f.weight", values({1, 1}, {2})},
                                                                                 {"bn.weight", one},
                                                                                 {"bn.bias", values({1}, {5})},
                                                                                 {"bn.running_mean", values({1}, {3})},
                                                                                 {"bn.running_var", one}}));
  g.output(batch_norm(fc<1>(x, w / "f"), w / "bn", 0.0f), "y");
  const graph folded = pass::fold_affine(g);
  CHECK(folded.nodes[1].constants[1]->as<float>()[0] == 2.0f);
  check_same_output(g, folded);  // the gain is 1: one addition either way
}

TEST_CASE("fold_affine: several in a row, and the activation that the last one has") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, image>("x");
  g.output(batch_norm(batch_norm(conv2d<plain>(x, w / "f"), w / "bn1"), w / "bn2"), "y");
  g.nodes.back().as<op::batch_norm>()->act = relu_activation;
  const graph folded = pass::fold_affine(g);
  CHECK(operators_of(folded) == "conv2d");
  CHECK(folded.nodes[1].fused == std::vector<std::string>{"bn1", "bn2"});
  CHECK(folded.nodes[1].as<op::conv2d>()->act == relu_activation);
  check_close_output(g, folded, tolerance);
}

TEST_CASE("fold_affine: bias_add(conv2d(x)) -> conv2d'(x)") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  SUBCASE("convolution") { g.output(bias_add(conv2d<to_four>(x, w / "f"), w / "bias"), "y"); }
  SUBCASE("fc") {
    g = {};
    g.output(bias_add(fc<4>(g.input<float, nc<2, 4>>("x"), w / "f"), w / "bias"), "y");
  }
  const graph folded = pass::fold_affine(g);
  CHECK(g.nodes.size() == 3);
  CHECK(folded.nodes.size() == 2);
  CHECK(folded.nodes[1].name == "f");
  CHECK(folded.nodes[1].fused == std::vector<std::string>{"bias"});
  check_close_output(g, folded, tolerance);
}

TEST_CASE("fold_affine: without a bias before, the bits stay") {
  graph g;
  auto x = g.input<float, nc<3, 2>>("x");
  const params w(std::make_shared<known_weights>(
      std::map<std::string, constant>{{"f.weight", values({1, 2}, {0.3f, -0.7f})}, {"b.bias", values({1}, {0.1f})}}));
  g.output(relu(bias_add(fc<1>(x, w / "f"), w / "b")), "y");
  check_same_output(g, pass::fold_affine(g));
}

TEST_CASE("fold_affine: several biases in a row; the activation of the last stays") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  g.output(bias_add(bias_add(conv2d<to_four>(x, w / "f"), w / "a"), w / "b"), "y");
  g.nodes.back().as<op::bias_add>()->act = relu6_activation;
  const graph folded = pass::fold_affine(g);
  CHECK(operators_of(folded) == "conv2d");
  CHECK(folded.nodes[1].fused == std::vector<std::string>{"a", "b"});
  CHECK(folded.nodes[1].as<op::conv2d>()->act == relu6_activation);
  check_close_output(g, folded, tolerance);
}

// batch_norm(bias_add(conv2d(x))) -> conv2d'(x), and the other way round: each waits for the other
TEST_CASE("fold_affine: biases and batch norms in any order fold into one convolution") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, image>("x");
  auto y = conv2d<to_four>(x, w / "f");
  SUBCASE("bias first") { g.output(relu(batch_norm(bias_add(y, w / "bias"), w / "bn")), "y"); }
  SUBCASE("batch norm first") { g.output(relu(bias_add(batch_norm(y, w / "bn"), w / "bias")), "y"); }
  SUBCASE("in turn, and a residual") {
    auto z = batch_norm(bias_add(batch_norm(bias_add(y, w / "b1"), w / "n1"), w / "b2"), w / "n2");
    g.output(relu(z + x), "y");
  }
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "conv2d");
  CHECK(folded.nodes[1].as<op::conv2d>()->act == relu_activation);
  check_close_output(g, folded, 4 * tolerance);  // up to five lines
}

TEST_CASE("fold_affine: scales, and arithmetic with constants of one number or one for each channel") {
  graph g;
  const params w = random_params(4);
  random_numbers random(5);
  const auto numbers = [&](const dims& d) {
    return *g.append(op::constant{}, "c", {}, {random_constant(element::f32, d, random, 0.5f, 1.5f)});
  };
  auto y = conv2d<plain>(g.input<float, image>("x"), w / "f");
  const auto combine = [&](const operation& o, std::vector<int> src) {
    g.outputs.push_back({g.append(o, "line", std::move(src)), "y"});
  };
  SUBCASE("scale by numbers") { g.output(scale(y, -0.3f, 0.7f), "y"); }
  SUBCASE("scale by weights") { g.output(scale(y, w / "line"), "y"); }
  SUBCASE("product") { combine(op::mul{}, {y.id, numbers({6})}); }
  SUBCASE("product from the left") { combine(op::mul{}, {numbers({1, 1, 6}), y.id}); }
  SUBCASE("quotient") { combine(op::div{}, {y.id, numbers({6})}); }
  SUBCASE("sum with a number") { combine(op::add{}, {y.id, numbers({})}); }
  SUBCASE("sum from the left") { combine(op::add{}, {numbers({1, 1, 1, 6}), y.id}); }
  SUBCASE("difference") { combine(op::sub{}, {y.id, numbers({1})}); }
  SUBCASE("difference from the left") { combine(op::sub{}, {numbers({6}), y.id}); }
  SUBCASE("with a clamp") { combine(op::mul{{.act = relu_activation}}, {y.id, numbers({6})}); }
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "conv2d");
  CHECK(folded.nodes[1].as<op::conv2d>()->act ==
        (g.nodes.back().as<op::mul>() ? g.nodes.back().as<op::mul>()->act : no_activation));
  CHECK(folded.nodes[1].fused == std::vector{g.nodes.back().name});
  check_close_output(g, folded, tolerance);
}

TEST_CASE("fold_affine: x c + b by hand") {
  graph g;
  auto x = g.input<float, nc<1, 2>>("x");
  const params w(std::make_shared<known_weights>(
      std::map<std::string, constant>{{"f.weight", values({2, 2}, {1, 2, 3, 4})}, {"f.bias", values({2}, {10, 20})}}));
  const float c[] = {3, -2}, b[] = {0.5f, 7};
  auto gain = constant_value<float, shape<2>>(g, "c", c);
  auto shift = constant_value<float, shape<2>>(g, "b", b);
  SUBCASE("x c + b") { g.output(fc<2>(x, w / "f") * gain + shift, "y"); }
  SUBCASE("b + c x") { g.output(shift + gain * fc<2>(x, w / "f"), "y"); }
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "fc");
  CHECK(std::ranges::equal(folded.nodes[1].constants[0]->as<float>(), std::vector{3.0f, 6.0f, -6.0f, -8.0f}));
  CHECK(std::ranges::equal(folded.nodes[1].constants[1]->as<float>(), std::vector{30.5f, -33.0f}));
}

TEST_CASE("fold_affine: where it must not") {
  graph g;
  const params w = random_params(3);
  auto x = g.input<float, image>("x");
  auto y = conv2d<to_four>(x, w / "f");
  const std::vector<float> four{1, 2, 3, 4};
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
  SUBCASE("a bias of what another reads") { g.output(bias_add(y, w / "b") + y, "y"); }
  SUBCASE("a constant for each pixel") {
    g.output(y + constant_value<float, nhwc<1, 5, 5, 4>>(g, "c", std::vector<float>(100, 0.5f)), "y");
  }
  SUBCASE("a constant for each line, as many as channels") {
    auto z = conv2d<conv{.out = 4, .kernel = {2, 1}}>(x, w / "lines");  // (2, 4, 5, 4)
    g.output(z * constant_value<float, shape<4, 1, 1>>(g, "c", four), "y");
  }
  SUBCASE("a constant that makes more of it") {
    auto z = conv2d<conv{.out = 1}>(x, w / "one");
    g.output(z * constant_value<float, shape<4>>(g, "c", four), "y");
  }
  SUBCASE("a quotient from the left") { g.output(constant_value<float, shape<4>>(g, "c", four) / y, "y"); }
  SUBCASE("a quotient by 0") {
    g.output(y / constant_value<float, shape<4>>(g, "c", std::vector<float>{1, 0, 1, 1}), "y");
  }
  SUBCASE("a product with what is no constant") { g.output(y * x, "y"); }
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
  const graph folded = pass::fold_affine(g);
  CHECK(operators_of(folded) == operators_of(g));
  check_same_output(g, folded);
}
