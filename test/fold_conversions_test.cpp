// Conversions that meet vanish or become one
#include "octavo/graph/pass/fold_conversions.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr dims extents{2, 4};
const tensor_type real{element::f32, extents, {}};
const tensor_type fine{element::u8, extents, {0.25f, 128}}, coarse{element::u8, extents, {0.5f, 3}};

/// A chain of nodes on an input of type `from`, each made by operation and output type.
graph chain(const tensor_type& from, std::vector<std::pair<operation, tensor_type>> nodes) {
  graph g;
  int v = g.append(op::input{}, "x", {}, from);
  for (const auto& [o, type] : nodes) v = g.append(o, std::string(name_of(o)), {v}, type);
  g.outputs.push_back({v, "y"});
  return g;
}

/// The u8 outputs differ by at most `steps`: see where it is called.
void check_steps(const graph& before, const graph& after, int steps) {
  check_order(after);
  for (unsigned seed = 0; seed < 20; ++seed) {
    const std::vector<tensor> inputs = random_inputs(before, seed);
    const std::vector<tensor> a = reference_outputs(before, inputs), b = reference_outputs(after, inputs);
    for (std::size_t i = 0; i < a[0].bytes().size(); ++i)
      CHECK(std::abs(a[0].as<std::uint8_t>()[i] - b[0].as<std::uint8_t>()[i]) <= steps);
  }
}

}  // namespace

// relu(quantize(dequantize(x))) -> relu(x), where both have one scale and zero point
TEST_CASE("fold_conversions: dequantize, then quantize to the same scale: both vanish") {
  const graph g = chain(fine, {{op::convert{}, real}, {op::convert{}, fine}, {op::activate{relu_activation}, fine}});
  const graph folded = fold(g);
  CHECK(operators_of(pass::fold_conversions(g)) == "activate");
  CHECK(operators_of(folded) == "activate");
  check_same_output(g, folded);
}

// quantize(dequantize(x)) -> convert(x)
TEST_CASE("fold_conversions: dequantize, then quantize to another scale: one requantization") {
  const graph g = chain(fine, {{op::convert{}, real}, {op::convert{}, coarse}});
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "convert");
  CHECK(folded.type(folded.nodes[1].src[0]) == fine);
  check_same_output(g, folded);  // scales that are powers of two: nothing is rounded before the end
}

TEST_CASE("fold_conversions: one requantization rounds once, two conversions twice") {
  const tensor_type odd{element::u8, extents, {0.3f, 7}}, other{element::u8, extents, {0.7f, 100}};
  const graph g = chain(odd, {{op::convert{}, real}, {op::convert{}, other}});
  // x * 0.3 is rounded to binary32 before the division: that can decide a near tie.
  check_steps(g, fold(g), 1);
}

// convert(f(x)) -> f(x) of the converted type, where x is u8
TEST_CASE("fold_conversions: what requantizes its sums anyway writes the type that is wanted") {
  random_numbers random(1);
  const auto c = [&](float lower = -1.0f) { return random_constant(element::f32, {4}, random, lower, 1.0f); };
  graph g;
  const int x = g.append(op::input{}, "x", {}, fine);
  int v = -1;
  SUBCASE("fc") {
    v = g.append(op::fc{.out = 4}, "f", {x}, real, {random_constant(element::s8, {4, 4}, random), c(), c(0.01f)});
  }
  SUBCASE("add") { v = g.append(op::add{}, "f", {x, x}, real); }
  SUBCASE("batch_norm") { v = g.append(op::batch_norm{}, "f", {x}, real, {c(), c(), c(), c(0.5f)}); }
  SUBCASE("bias_add") { v = g.append(op::bias_add{}, "f", {x}, real, {c()}); }
  SUBCASE("activate") { v = g.append(op::activate{relu6_activation}, "f", {x}, real); }
  g.outputs.push_back({g.append(op::convert{}, "to_u8", {v}, coarse), "y"});
  const graph folded = pass::fold_conversions(g);
  CHECK(folded.nodes.size() == 2);
  CHECK(folded.nodes[1].name == "f");
  CHECK(folded.nodes[1].fused == std::vector<std::string>{"to_u8"});
  CHECK(folded.type(folded.nodes[1].dst) == coarse);
  check_steps(g, folded, 1);  // before, the sum was rounded to binary32 on the way, which can decide a near tie
}

TEST_CASE("fold_conversions: where they must not") {
  random_numbers random(1);
  graph g;
  SUBCASE("quantize, then dequantize: that rounds on purpose") {
    g = chain(real, {{op::convert{}, fine}, {op::convert{}, real}});
  }
  SUBCASE("requantize, then requantize") { g = chain(fine, {{op::convert{}, coarse}, {op::convert{}, fine}}); }
  SUBCASE("after an operator that wrote u8: the result is rounded twice on purpose") {
    g = chain(fine, {{op::activate{relu_activation}, coarse}, {op::convert{}, fine}});
  }
  SUBCASE("after an FP32 operator") { g = chain(real, {{op::activate{relu_activation}, real}, {op::convert{}, fine}}); }
  SUBCASE("an operator's result that is read by another, or an output") {
    g = chain(fine, {{op::activate{relu_activation}, real}, {op::convert{}, fine}});
    g.outputs.push_back({g.nodes[1].dst, "real"});
  }
  SUBCASE("a residual has the output's type") {
    const int x = g.append(op::input{}, "x", {}, fine), r = g.append(op::input{}, "r", {}, real);
    const int y = g.append(op::fc{.out = 4, .residual = true}, "f", {x, r}, real,
                           {random_constant(element::s8, {4, 4}, random), nullptr, values({4}, {1, 2, 3, 4})});
    g.outputs.push_back({g.append(op::convert{}, "to_u8", {y}, coarse), "y"});
  }
  SUBCASE("a copy of an input to an output") { g = chain(fine, {{op::convert{}, fine}}); }
  const graph folded = fold(g);
  CHECK(operators_of(folded) == operators_of(g));
  check_same_output(g, folded);
}

TEST_CASE("fold_conversions: a dequantized value that others read stays for them") {
  graph g = chain(fine, {{op::convert{}, real}, {op::convert{}, coarse}});
  g.outputs.push_back({g.nodes[1].dst, "real"});
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "convert convert");
  CHECK(folded.nodes[2].src == std::vector<int>{0});
  check_same_output(g, folded);
}
