// Ranges -> affine maps on values
#include "octavo/graph/pass/annotate.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/builder.hpp"
#include "octavo/graph/pass/quantize.hpp"
#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"
#include "support/random.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<1, 4, 4, 4>;

const graph_value& value_named(const graph& g, const std::string& name) {
  const auto found = std::find_if(g.values.begin(), g.values.end(), [&](const auto& v) { return v.name == name; });
  REQUIRE(found != g.values.end());
  return *found;
}

std::optional<affine> map_of(const graph& g, const std::string& name) { return value_named(g, name).quant; }

graph_value& value_named(graph& g, const std::string& name) {
  return const_cast<graph_value&>(value_named(std::as_const(g), name));
}

}  // namespace

TEST_CASE("annotate: ranges become maps; what has none stays without") {
  graph g;
  auto x = g.input<float, image>("x");
  g.output(clip(relu(x), 0, 1), "y");
  const graph a = pass::annotate(g, {{"x", {-1, 1}}, {"x.relu", {0, 5.1f}}});
  CHECK(map_of(a, "x") == affine{1.0f / 127, 128});
  CHECK(map_of(a, "x.relu") == choose_affine({0, 5.1f}));
  CHECK_FALSE(map_of(a, "x.clip").has_value());
  CHECK_FALSE(map_of(g, "x").has_value());
  check_failure(failure_of([&] { pass::annotate(g, {{"x", {1, -1}}}); }), "value 'x'", "[1, -1]");
}

// concat(x, max_pool(y)): one map for all three, of the widest range, whichever of them has it
TEST_CASE("annotate: values whose bytes move into one another have one map") {
  graph g;
  auto x = g.input<float, image>("x"), y = g.input<float, image>("y");
  g.output(concat(x, max_pool2d<pool{.kernel = 1}>(y)), "z");
  const graph a = pass::annotate(g, {{"x", {0, 2}}, {"y", {-3, 1}}});
  for (const char* name : {"x", "y", "y.max_pool", "x.concat"})
    CHECK_MESSAGE(map_of(a, name) == choose_affine({-3, 2}), name);
}

TEST_CASE("annotate: a map that is there stays, and goes where its bytes go") {
  graph g;
  auto x = g.input<float, image>("x"), y = g.input<float, image>("y");
  g.output(concat(x, y), "z");
  const affine mine{0.25f, 7}, other{0.5f, 9};
  value_named(g, "x").quant = mine;
  SUBCASE("to all that have none") {
    const graph a = pass::annotate(g, {{"x", {0, 2}}, {"y", {-3, 1}}, {"x.concat", {-9, 9}}});
    for (const char* name : {"x", "y", "x.concat"}) CHECK_MESSAGE(map_of(a, name) == mine, name);
  }
  SUBCASE("not to one that has another; the bytes are requantized on their way") {
    value_named(g, "y").quant = other;
    const graph a = pass::annotate(g, {});
    CHECK(map_of(a, "y") == other);
    CHECK(map_of(a, "x.concat") == mine);
    const graph q = pass::quantize(a);
    CHECK(operators_of(q) == "convert convert convert concat convert");
    CHECK(node_named(q, "y.requantize").src[0] == *node_named(q, "y.quantize").dst);
    CHECK(q.type(*node_named(q, "y.requantize").dst).q == mine);
    check_order(q);
  }
}

TEST_CASE("annotate: what dequantizes u8 has the map of those") {
  graph g;
  const affine q{0.5f, 10};
  const int u = g.append(op::input{}, "u", {}, {element::u8, image::value, q});
  const int x = g.append(op::convert{}, "real", {u}, {element::f32, image::value, {}});
  g.outputs.push_back({g.append(op::activate{relu_activation}, "relu", {x}), "y"});
  CHECK(map_of(pass::annotate(g, {{"real", {-1, 1}}}), "real") == q);
}

TEST_CASE("annotate: a map survives the fusion of its node, and that a relu is inserted elsewhere") {
  const auto composed = [](bool with_relu) {
    graph g;
    const params w = random_params(1);
    auto x = g.input<float, image>("x");
    auto first = conv2d<conv{.out = 4}>(x, w / "first");
    if (with_relu) first = clip(first, 0, 9);
    g.output(conv2d<conv{.out = 4}>(relu(conv2d<conv{.out = 4}>(first, w / "middle")), w / "last"), "y");
    return g;
  };
  for (const bool with_relu : {false, true}) {
    graph g = composed(with_relu);
    value_named(g, "middle.relu").quant = affine{0.125f, 0};
    const graph folded = fold(g);
    CHECK(operators_of(folded) == "conv2d conv2d conv2d");
    CHECK(map_of(folded, "middle.relu") == affine{0.125f, 0});
  }
}
