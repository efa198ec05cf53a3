// matmul(x, constant) -> fc(x)
#include "octavo/graph/pass/replace_matmul.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// matmul(x, b) with these attributes.
graph product(const op::matmul& m, const dims& x, const dims& b) {
  graph g;
  random_numbers random(7);
  const int left = g.append(op::input{}, "x", {}, {element::f32, x, {}});
  const int right = g.append(op::constant{}, "b", {}, {random_constant(element::f32, b, random)});
  g.outputs.push_back({g.append(m, "product", {left, right}), "y"});
  return g;
}

}  // namespace

// Both are one chain of fma over the depth, so without alpha the bits stay.
TEST_CASE("replace_matmul: matmul(x, constant) -> fc(x)") {
  graph g;
  SUBCASE("columns") { g = product({}, {2, 3, 4}, {4, 5}); }
  SUBCASE("transposed") { g = product({.transpose_b = true}, {2, 4}, {5, 4}); }
  SUBCASE("clamped") { g = product({.act = relu_activation}, {2, 3, 2, 4}, {4, 5}); }
  SUBCASE("rows that take turns, in x as in y") {
    g = product({.interleave_a = true, .interleave_y = true}, {2, 3, 2, 4}, {4, 5});
  }
  SUBCASE("any number of rows") { g = product({}, {-2, 3, 4}, {4, 5}); }
  const op::matmul before = *g.nodes.back().as<op::matmul>();
  const graph replaced = fold(g);
  CHECK(operators_of(replaced) == "fc");
  const node& layer = node_named(replaced, "product");
  CHECK(layer.as<op::fc>()->out == 5);
  CHECK(layer.as<op::fc>()->act == before.act);
  CHECK(layer.constants[0]->extents() == dims{5, 4});
  check_same_output(g, replaced);
}

TEST_CASE("replace_matmul: alpha goes into the weights") {
  const graph g = product({.alpha = 0.3f}, {2, 4}, {4, 5});
  CHECK(operators_of(fold(g)) == "fc");
  check_close_output(g, fold(g), 3e-7f);  // each of 4 terms is rounded elsewhere, by 2^-24 of it
}

// x W s + b, as exporters write a fully connected layer
TEST_CASE("replace_matmul: what follows folds into the layer") {
  graph g = product({}, {2, 3, 4}, {4, 5});
  random_numbers random(8);
  const int bias = g.append(op::constant{}, "bias", {}, {random_constant(element::f32, {5}, random)});
  const int sum = g.append(op::add{}, "sum", {bias, g.append(op::scale{.alpha = 0.5f}, "half", {g.outputs[0].value})});
  const int r = g.append(op::input{}, "r", {}, g.type(sum));
  g.outputs[0].value = g.append(op::activate{relu_activation}, "relu", {g.append(op::add{}, "residual", {sum, r})});
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "fc");
  CHECK(node_named(folded, "product").fused == std::vector<std::string>{"half", "sum", "residual", "relu"});
  check_close_output(g, folded, 5e-7f);  // half is exact; two sums are rounded in another order
  CHECK(operators_of(quantized_graph(g)) == "convert fc");
}

TEST_CASE("replace_matmul: where it must not") {
  graph g;
  SUBCASE("from the left") {
    g = product({}, {5, 4}, {4, 5});
    g.nodes.back().src = {1, 0}, g.type(2).extents = {4, 4};
  }
  SUBCASE("x transposed") { g = product({.transpose_a = true}, {4, 3}, {4, 5}); }
  SUBCASE("rows that take turns in x") { g = product({.interleave_a = true}, {2, 3, 2, 4}, {4, 5}); }
  SUBCASE("a matrix for each batch") { g = product({}, {2, 3, 4}, {2, 4, 5}); }
  SUBCASE("no constant") {
    auto x = g.input<float, shape<3, 4>>("x");
    g.output(matmul_transposed(x, x), "y");
  }
  SUBCASE("u8") {
    const tensor_type u8{element::u8, {3, 3}, {0.1f, 3}};
    random_numbers random(9);
    const int x = g.append(op::input{}, "x", {}, u8);
    const int b = g.append(op::constant{}, "b", {}, u8, {random_constant(element::u8, {3, 3}, random)});
    g.outputs.push_back({g.append(op::matmul{}, "product", {x, b}), "y"});
  }
  const graph replaced = pass::replace_matmul(g);
  CHECK(operators_of(replaced) == operators_of(g));
  check_same_output(g, replaced);
}
