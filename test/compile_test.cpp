// Random graphs, planned and run, against each node evaluated by itself into memory of its own: the planner may move
// values and share memory, it may not change a bit.
#include "octavo/plan/compile.hpp"

#include <doctest/doctest.h>

#include <string>

#include "octavo/graph/builder.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// Half of them with a free zero point.
graph quantized(const graph& g, unsigned seed) {
  calibrate_options options;
  if (seed % 2) options.recipe = minmax{};
  return quantized_graph(g, options);
}

/// How many steps, and whether the plan's own numbers agree with each other.
void check_plan(const network& net, const graph& g) {
  CHECK(net->steps.size() <= g.nodes.size() + g.outputs.size());
  CHECK(net->arena_bytes <= net->bytes_without_reuse);
  for (const planned_value& v : net->values)
    if (v.where == home::arena)
      CHECK(v.offset + static_cast<std::size_t>(v.type.extents.back()) * size_of(v.type.type) <= net->arena_bytes);
}

}  // namespace

TEST_CASE("compile: a plan of a random FP32 graph gives the bits of its nodes alone") {
  std::size_t saved = 0;
  for (unsigned seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    const graph g = random_graph(seed, 4 + static_cast<int>(seed) % 30);
    const std::vector<tensor> inputs = random_inputs(g, seed);
    const network net = plan_graph(g, {});
    check_plan(net, g);
    REQUIRE(same_bits(outputs_of(net, inputs), reference_outputs(g, inputs)));
    saved += net->bytes_without_reuse - net->arena_bytes;
  }
  CHECK(saved > 0);
}

TEST_CASE("compile: a plan of a random INT8 graph gives the bits of its nodes alone") {
  for (unsigned seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    const graph g = quantized(random_graph(seed, 4 + static_cast<int>(seed) % 30), seed);
    const std::vector<tensor> inputs = random_inputs(g, seed + 1000);
    const network net = plan_graph(g, {});
    check_plan(net, g);
    REQUIRE(same_bits(outputs_of(net, inputs), reference_outputs(g, inputs)));
  }
}

TEST_CASE("compile: folding a random graph keeps what it computes") {
  for (unsigned seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    const graph g = random_graph(seed, 4 + static_cast<int>(seed) % 30), folded = fold(g);
    const std::vector<tensor> inputs = random_inputs(g, seed);
    const std::vector<tensor> before = reference_outputs(g, inputs), after = reference_outputs(folded, inputs);
    REQUIRE(before.size() == after.size());
    CHECK(folded.nodes.size() <= g.nodes.size());
    // Folding moves factors into weights, so roundings happen elsewhere: some 2^-24 of the largest value each, through
    // at most 34 nodes, some of which multiply by up to 1.4 (batch norms).
    for (std::size_t i = 0; i < before.size(); ++i)
      CHECK(largest_difference(before[i], after[i]) <= 1e-4f * (1.0f + largest_magnitude(before[i])));
  }
}

TEST_CASE("compile: folding what exporters write keeps what it computes, in fewer nodes") {
  std::size_t saved = 0;
  for (unsigned seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    const int nodes = 4 + static_cast<int>(seed) % 30;
    const graph g = random_exported_graph(seed, nodes), folded = fold(g), int8 = quantized(g, seed);
    const std::vector<tensor> inputs = random_inputs(g, seed);
    const std::vector<tensor> before = reference_outputs(g, inputs), after = reference_outputs(folded, inputs);
    for (std::size_t i = 0; i < before.size(); ++i)  // as above, and quotients by 0.5 or more
      CHECK(largest_difference(before[i], after[i]) <= 1e-4f * (1.0f + largest_magnitude(before[i])));
    REQUIRE(same_bits(outputs_of(plan_graph(folded, {}), inputs), after));
    REQUIRE(same_bits(outputs_of(plan_graph(int8, {}), inputs), reference_outputs(int8, inputs)));
    CHECK(fold(folded).nodes.size() == folded.nodes.size());
    CHECK(fold(int8).nodes.size() == int8.nodes.size());
    const graph bounded = fold(random_exported_graph(seed, nodes, -2));
    CHECK(same_bits(reference_outputs(bounded, inputs), after));
    saved += g.nodes.size() - folded.nodes.size();
  }
  CHECK(saved > 600);
}

TEST_CASE("compile: folding twice changes nothing") {
  for (unsigned seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    const graph once = fold(random_graph(seed, 4 + static_cast<int>(seed) % 30)), twice = fold(once);
    CHECK(once.nodes.size() == twice.nodes.size());
    const graph int8 = quantized(once, seed);
    CHECK(int8.nodes.size() == fold(int8).nodes.size());
  }
}

TEST_CASE("compile: a network without outputs is refused") {
  graph g;
  g.input<float, nc<1, 4>>("x");
  check_failure(failure_of([&] { plan_graph(g, {}); }), "no outputs");
}

TEST_CASE("compile: the first kernel that supports a node runs it") {
  graph g;
  const auto x = g.input<float, nc<1, 4>>("x");
  g.append(op::activate{relu_activation}, "relu", {x.id}, g.type(x.id));
  g.outputs.push_back({g.append(op::softmax{}, "softmax", {1}, g.type(1)), "y"});
  const auto only_relu = [](const problem& p) { return p.op.is<op::activate>(); };
  const kernel list[] = {{"never", isa::amx, [](const problem&) { return false; }, nullptr},
                         {"first", isa::portable, only_relu, reference_kernel.pack},
                         {"second", isa::portable, reference_kernel.supports, reference_kernel.pack}};
  const network net = plan_graph(g, list);
  REQUIRE(net->steps.size() == 2);
  CHECK(net->steps[0].kernel == "first");
  CHECK(net->steps[1].kernel == "second");
  CHECK(plan_graph(g, {})->steps[1].kernel == "reference");
}

TEST_CASE("compile: a node that cannot be run is named") {
  graph g;
  const auto x = g.input<float, nc<1, 4>>("x");
  g.outputs.push_back({g.append(op::softmax{}, "the_last", {x.id}, g.type(x.id)), "y"});
  SUBCASE("a kernel that fails to pack") {
    const kernel fails{"fails", isa::portable, [](const problem&) { return true; },
                       [](const problem&) -> std::unique_ptr<const executable> { fail("cannot pack"); }};
    check_failure(failure_of([&] { plan_graph(g, std::span(&fails, 1)); }), "the_last", "cannot pack");
  }
  SUBCASE("types that a rewriting broke") {
    g.type(1).extents = {1, 5};
    check_failure(failure_of([&] { plan_graph(g, {}); }), "the_last", "softmax");
  }
}

TEST_CASE("compile: a sum that could leave 32 bits is refused by name, before it runs") {
  // 255 * 127 * 66315 > 2^31 - 1
  constexpr int depth = 66315;
  tensor weights(element::s8, {1, depth});
  for (std::int8_t& w : weights.as<std::int8_t>()) w = 127;
  graph g;
  const int x = g.append(op::input{}, "x", {}, {element::u8, {1, depth}, {}});
  const auto build_and_plan = [&] {
    const int y = g.append(op::fc{.out = 1}, "deep", {x}, {element::f32, {1, 1}, {}},
                           {make_constant(std::move(weights)), nullptr, values({1}, {1.0f})});
    g.outputs.push_back({y, "y"});
    plan_graph(g, {});
  };
  check_failure(failure_of(build_and_plan), "deep", "32-bit");
}
