// gain matmul(a, b) -> matmul'(a, b), and factors of a and b
#include "octavo/graph/pass/fold_alpha.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using matrix = shape<2, 4, 4>;

// One factor is rounded instead of each element: 2^-24 of each of the largest sum's 4 terms, which may be a few times
// as large, and of the sum.
constexpr float tolerance = 1e-6f;

}  // namespace

TEST_CASE("fold_alpha: a factor before or after matmul becomes its alpha") {
  graph g;
  auto a = g.input<float, matrix>("a"), b = g.input<float, matrix>("b");
  float alpha = 0.3f;
  const float third[] = {1.0f / 3};
  SUBCASE("after") { g.output(scale(matmul(a, b), 0.3f), "y"); }
  SUBCASE("before, of a") { g.output(matmul(scale(a, 0.3f), b), "y"); }
  SUBCASE("before, of b") { g.output(matmul(a, scale(b, 0.3f)), "y"); }
  SUBCASE("everywhere") {
    g.output(scale(matmul(scale(a, 0.5f), scale(b, 3.0f), 7.0f), -0.25f), "y");
    alpha = -0.25f * 0.5f * 3 * 7;
  }
  SUBCASE("a product with a constant") {
    g.output(matmul(a, b) * constant_value<float, shape<>>(g, "c", third), "y");
    alpha = third[0];
  }
  SUBCASE("a quotient by a constant") {
    g.output(matmul(a / constant_value<float, shape<1>>(g, "c", third), b), "y");
    alpha = 3.0f;
  }
  SUBCASE("with a clamp") { g.output(relu(scale(matmul(a, b), 0.3f)), "y"); }
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "matmul");
  const op::matmul* m = folded.nodes.back().as<op::matmul>();
  REQUIRE(m);
  CHECK(m->alpha == alpha);
  CHECK(m->act == (g.nodes.back().as<op::activate>() ? relu_activation : no_activation));
  check_close_output(g, folded, tolerance);
}

TEST_CASE("fold_alpha: the node keeps its name and lists the others") {
  graph g;
  const int x = g.append(op::input{}, "x", {}, {element::f32, {4, 4}, {}});
  const int half = g.append(op::scale{.alpha = 0.5f}, "half", {x});
  const int product = g.append(op::matmul{}, "product", {half, x});
  g.outputs.push_back({g.append(op::scale{.alpha = 0.25f, .act = relu_activation}, "quarter", {product}), "y"});
  const graph folded = pass::fold_alpha(g);
  REQUIRE(operators_of(folded) == "matmul");
  CHECK(folded.nodes[1].name == "product");
  CHECK(folded.nodes[1].fused == std::vector<std::string>{"half", "quarter"});
  CHECK(folded.nodes[1].as<op::matmul>()->act == relu_activation);
  check_same_output(g, folded);  // powers of two
}

TEST_CASE("fold_alpha: softmax(s q k^T) v in INT8 has no step for s") {
  graph g;
  auto q = g.input<float, matrix>("q"), k = g.input<float, matrix>("k");
  g.output(matmul(softmax(scale(matmul_transposed(q, k), 0.7f)), k), "y");
  const graph quantized = quantized_graph(g);
  const std::string int8 = operators_of(quantized);
  CHECK(int8.find("attention") != std::string::npos);
  CHECK(int8.find("scale") == std::string::npos);
  for (const node& n : quantized.nodes)
    if (const op::attention* a = n.as<op::attention>()) CHECK(a->alpha == 0.7f);
}

TEST_CASE("fold_alpha: where it must not") {
  graph g;
  auto a = g.input<float, matrix>("a"), b = g.input<float, matrix>("b");
  const float four[] = {1, 2, 3, 4};
  SUBCASE("with an addend") { g.output(scale(matmul(a, b), 0.3f, 1.0f), "y"); }
  SUBCASE("a factor for each column") { g.output(matmul(a, b) * constant_value<float, shape<4>>(g, "c", four), "y"); }
  SUBCASE("a product that others read") {
    auto y = matmul(a, b);
    g.output(scale(y, 0.3f), "y");
    g.output(y, "raw");
  }
  SUBCASE("an input that others read") {
    auto x = scale(a, 0.3f);
    g.output(matmul(x, b) + x, "y");
  }
  SUBCASE("both inputs are one") {
    auto x = scale(a, 0.3f);
    g.output(matmul(x, x), "y");
  }
  SUBCASE("an activation between") { g.output(scale(relu(matmul(a, b)), 0.3f), "y"); }
  SUBCASE("an activation fused before") {
    g.output(scale(matmul(a, b), 0.3f), "y");
    g.nodes[2].as<op::matmul>()->act = relu_activation;
  }
  SUBCASE("a factor with a clamp") {
    g.output(matmul(scale(a, 0.3f), b), "y");
    g.nodes[2].as<op::scale>()->act = relu_activation;
  }
  SUBCASE("0, which says nothing of infinities") { g.output(scale(matmul(a, b), 0.0f), "y"); }
  SUBCASE("too small for a normal number") { g.output(scale(matmul(a, b, 1e-30f), 1e-30f), "y"); }
  SUBCASE("u8") {
    const tensor_type u8{element::u8, {4, 4}, {0.1f, 3}};
    const int x = g.append(op::input{}, "x", {}, u8);
    g.outputs.push_back({g.append(op::scale{.alpha = 0.5f}, "s", {g.append(op::matmul{}, "m", {x, x}, u8)}, u8), "y"});
  }
  const graph folded = pass::fold_alpha(g);
  CHECK(operators_of(folded) == operators_of(g));
  check_same_output(g, folded);
}
