// d = x - mean(x), y = d / sqrt(mean(d d) + eps), y weight + bias -> layer_norm(x)
#include "octavo/graph/pass/fuse_layer_norm.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// How a layer normalisation is spelled out.
struct spelling {
  bool product_for_square = false, reciprocal = false, constant_for_eps = false;
  int axis = 2;            ///< of both means
  bool another_x = false;  ///< the mean is of another value
  bool root_is_read = false;
  op::reduce::kind_type kind = op::reduce::mean;
};

/// That of x (2, 3, 8), then weight and bias.
graph spelled_out(const spelling& s) {
  graph g;
  random_numbers random(3);
  const auto append = [&](const operation& o, std::vector<int> src, std::vector<constant> constants = {}) {
    return *g.append(o, std::string(name_of(o)), std::move(src), std::move(constants));
  };
  const int x = g.append(op::input{}, "x", {}, {element::f32, {2, 3, 8}, {}});
  const int from = s.another_x ? append(op::abs{}, {x}) : x;
  const int d = append(op::sub{}, {x, append(op::reduce{s.kind, {s.axis}, true}, {from})});
  const int squares = s.product_for_square ? append(op::mul{}, {d, d}) : append(op::square{}, {d});
  const int variance = append(op::reduce{op::reduce::mean, {s.axis}, true}, {squares});
  const int sum =
      s.constant_for_eps
          ? append(op::add{},
                   {variance, append(op::constant{}, {}, {make_constant(tensor::of<float>({1}, std::vector{1e-3f}))})})
          : append(op::scale{.beta = 1e-3f}, {variance});
  const int root = append(op::sqrt{}, {sum});
  const int y = s.reciprocal ? append(op::mul{}, {append(op::reciprocal{}, {root}), d}) : append(op::div{}, {d, root});
  const int weighted = append(op::scale{}, {y}, {random_constant(element::f32, {8}, random)});
  const int biased = append(op::bias_add{}, {weighted}, {random_constant(element::f32, {8}, random)});
  g.outputs.push_back({biased, "y"});
  if (s.root_is_read) g.outputs.push_back({root, "root"});
  return g;
}

}  // namespace

TEST_CASE("fuse_layer_norm: what spells out a layer normalisation becomes one") {
  spelling s;
  SUBCASE("as PyTorch does") {}
  SUBCASE("a product for the square") { s.product_for_square = true; }
  SUBCASE("times the reciprocal") { s.reciprocal = true; }
  SUBCASE("eps is a constant of the graph") { s.constant_for_eps = true; }
  const graph g = spelled_out(s), fused = fold(g);
  CHECK(operators_of(fused) == "layer_norm");
  const node& norm = fused.nodes.back();
  CHECK(norm.as<op::layer_norm>()->eps == 1e-3f);
  CHECK(norm.fused.size() == g.nodes.size() - 2 - (s.constant_for_eps ? 1 : 0));
  check_close_output(g, fused, 1e-6f);  // the weighted quotient is rounded elsewhere
}

TEST_CASE("fuse_layer_norm: what is none stays") {
  spelling s;
  SUBCASE("means along another axis") { s.axis = 1; }
  SUBCASE("the mean of something else") { s.another_x = true; }
  SUBCASE("a sum for the mean") { s.kind = op::reduce::sum; }
  SUBCASE("somebody else reads the root") { s.root_is_read = true; }
  const graph g = spelled_out(s), fused = pass::fuse_layer_norm(g);
  CHECK(fused.nodes.size() == g.nodes.size());
  CHECK(operators_of(fused).find("layer_norm") == std::string::npos);
}
