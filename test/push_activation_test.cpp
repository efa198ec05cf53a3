// relu(concat(f(x), g(y))) -> concat(f'(x), g'(y))
#include "octavo/graph/pass/push_activation.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<2, 5, 5, 4>;
constexpr conv narrow{.out = 3}, wide{.out = 6, .kernel = 3, .pad = 1};

}  // namespace

TEST_CASE("push_activation: a clamp of a concat goes to the concat's inputs") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  auto a = conv2d<narrow>(x, w / "a");
  auto b = relu6(conv2d<wide>(x, w / "b"));
  g.output(relu(concat(a, b, x + x)), "y");
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "conv2d conv2d add concat");
  CHECK(node_named(folded, "a").as<op::conv2d>()->act == relu_activation);
  CHECK(node_named(folded, "b").as<op::conv2d>()->act == relu6_activation);
  const node& joined = folded.nodes.back();
  CHECK(joined.name == g.nodes[g.nodes.size() - 2].name);
  CHECK(joined.fused == std::vector{g.nodes.back().name});
  CHECK(*joined.dst == g.outputs[0].value);
  check_same_output(g, folded);
  CHECK(operators_of(quantized_graph(g)) == "convert conv2d conv2d add concat convert");
}

TEST_CASE("push_activation: of concats of lines, and through several") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, image>("x");
  auto a = conv2d<narrow>(x, w / "a"), b = conv2d<narrow>(x, w / "b"), c = conv2d<narrow>(x, w / "c");
  auto inner = relu6(concat<1>(a, b));  // (2, 10, 5, 3)
  g.output(clip(concat<1>(relu(inner), c), 0.1f, 0.2f), "y");
  const graph folded = fold(g);
  // The inner concat cannot end with a clamp, so the outer one's stays.
  CHECK(operators_of(folded) == "conv2d conv2d conv2d concat concat activate");
  CHECK(node_named(folded, "a").as<op::conv2d>()->act == relu6_activation);
  check_same_output(g, folded);
}

TEST_CASE("push_activation: a map that is known for the clamped values is the inputs' too") {
  graph g;
  const params w = random_params(3);
  auto x = g.input<float, image>("x");
  auto y = conv2d<narrow>(x, w / "a");
  auto z = relu(concat(y, x + x));
  g.output(z, "y");
  g.values[static_cast<std::size_t>(y.id)].quant = affine{0.5f, 128};
  g.values[static_cast<std::size_t>(z.id)].quant = affine{0.25f, 0};
  const graph folded = pass::push_activation(g);
  CHECK(folded.values[static_cast<std::size_t>(y.id)].quant == affine{0.25f, 0});
}

// saturation_of() rounds bounds to the grid, and one affine map for all makes that one grid: the bits stay.
TEST_CASE("push_activation: on u8") {
  graph g;
  const affine q{0.01f, 40};
  const tensor_type half{element::u8, {2, 4}, q}, whole{element::u8, {2, 8}, q};
  const int x = g.append(op::input{}, "x", {}, half);
  const int a = g.append(op::add{}, "a", {x, x}, half), b = g.append(op::mul{}, "b", {x, x}, half);
  const int joined = g.append(op::concat{1}, "joined", {a, b}, whole);
  affine other = q;
  SUBCASE("of one map: goes through") {}
  SUBCASE("into another map: stays") { other = {0.02f, 30}; }
  const int y = g.append(op::activate{{-0.123f, 0.456f}}, "clip", {joined}, tensor_type{element::u8, {2, 8}, other});
  g.outputs.push_back({y, "y"});
  const graph folded = pass::push_activation(g);
  CHECK(operators_of(folded) == (other == q ? "add mul concat" : "add mul concat activate"));
  check_same_output(g, folded);
}

TEST_CASE("push_activation: where it must not") {
  graph g;
  const params w = random_params(4);
  auto x = g.input<float, image>("x");
  auto y = conv2d<narrow>(x, w / "a");
  auto z = conv2d<wide>(x, w / "b");
  SUBCASE("an input of the graph") { g.output(relu(concat(y, x)), "y"); }
  SUBCASE("an input that cannot end with a clamp") { g.output(relu(concat(y, softmax(z))), "y"); }
  SUBCASE("an input that others read") {
    g.output(relu(concat(y, z)), "y");
    g.output(z, "z");
  }
  SUBCASE("one input twice") { g.output(relu(concat(y, y)), "y"); }
  SUBCASE("a concat that others read") {
    auto both = concat(y, z);
    g.output(relu(both), "y");
    g.output(both, "z");
  }
  const graph folded = pass::push_activation(g);
  CHECK(operators_of(folded) == operators_of(g));
  CHECK(folded.nodes[1].as<op::conv2d>()->act.is_none());
  check_same_output(g, folded);
}
