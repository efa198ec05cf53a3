// x / 2 (1 + erf(x / sqrt(2))) -> gelu(x), and its tanh form
#include "octavo/graph/pass/fuse_gelu.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// How a gelu is spelled out.
struct spelling {
  bool tanh = false, gate_first = false;
  enum half_type { of_x, of_gate, of_product } half = of_x;
  enum cube_type { products, power, product_of_square } cube = products;
  float cubic = 0.044715f, one = 1.0f;
  bool another_x = false, gate_is_read = false;
};

/// That of x (2, 3).
graph spelled_out(const spelling& s) {
  graph g;
  const auto append = [&](const operation& o, std::vector<int> src) {
    return *g.append(o, std::string(name_of(o)), std::move(src));
  };
  const auto times = [&](float alpha, int v) { return append(op::scale{.alpha = alpha}, {v}); };
  const int x = g.append(op::input{}, "x", {}, {element::f32, {2, 3}, {}});
  const int from = s.another_x ? append(op::abs{}, {x}) : x;
  int inner;
  if (s.tanh) {
    const int cube = s.cube == spelling::power      ? append(op::pow{{}, 3}, {x})
                     : s.cube == spelling::products ? append(op::mul{}, {append(op::mul{}, {x, x}), x})
                                                    : append(op::mul{}, {x, append(op::square{}, {x})});
    inner = append(op::tanh{}, {times(0.7978846f, append(op::add{}, {from, times(s.cubic, cube)}))});
  } else {
    inner = append(op::erf{}, {times(0.70710678f, from)});
  }
  int gate = append(op::scale{.beta = s.one}, {inner});
  const int read = gate;
  if (s.half == spelling::of_gate) gate = times(0.5f, gate);
  const int other = s.half == spelling::of_x ? times(0.5f, x) : x;
  int y = append(op::mul{}, s.gate_first ? std::vector{gate, other} : std::vector{other, gate});
  if (s.half == spelling::of_product) y = times(0.5f, y);
  g.outputs.push_back({y, "y"});
  if (s.gate_is_read) g.outputs.push_back({read, "gate"});
  return g;
}

}  // namespace

TEST_CASE("fuse_gelu: what spells out a gelu becomes one") {
  for (const bool tanh : {false, true})
    for (const auto half : {spelling::of_x, spelling::of_gate, spelling::of_product})
      for (const auto cube : {spelling::products, spelling::power, spelling::product_of_square})
        for (const bool gate_first : {false, true}) {
          CAPTURE(tanh);
          CAPTURE(int{half});
          CAPTURE(int{cube});
          const graph g = spelled_out({.tanh = tanh, .gate_first = gate_first, .half = half, .cube = cube});
          const graph fused = fold(g);
          REQUIRE(operators_of(fused) == "gelu");
          CHECK(fused.nodes.back().as<op::gelu>()->approximate_tanh == tanh);
          CHECK(fused.nodes.back().fused.size() == g.nodes.size() - 2);
          check_close_output(g, fused, 1e-6f);  // some products less are rounded
        }
}

TEST_CASE("fuse_gelu: what is none stays") {
  spelling s;
  SUBCASE("the gate is of something else") { s.another_x = true; }
  SUBCASE("the gate's shift is no 1") { s.one = 1.1f; }
  SUBCASE("somebody else reads the gate") { s.gate_is_read = true; }
  SUBCASE("in the tanh form, of something else") { s.tanh = s.another_x = true; }
  SUBCASE("another cubic factor") {
    s.tanh = true;
    s.cubic = 0.05f;
  }
  const graph g = spelled_out(s), fused = pass::fuse_gelu(g);
  CHECK(fused.nodes.size() == g.nodes.size());
  CHECK(operators_of(fused).find("gelu") == std::string::npos);
}
