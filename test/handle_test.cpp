// Handles on values of a graph: they follow it when it is moved, and are refused where they belong to no graph, or to
// another.
#include "octavo/graph/handle.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <utility>

#include "octavo/graph/builder.hpp"
#include "support/random.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using vectors = nc<2, 3>;
using image = nhwc<1, 4, 4, 3>;

/// Calls every builder function with `v` and `i`, and checks that each throws a message that contains `part`.
void check_refused(const value<float, vectors>& v, const value<float, image>& i, const char* part) {
  const params w = random_params(1);
  const auto refused = [&](const char* name, const auto& call) {
    CAPTURE(name);
    check_failure(failure_of(call), part);
  };
  refused("conv2d", [&] { conv2d<conv{.out = 2}>(i, w); });
  refused("depthwise_conv2d", [&] { depthwise_conv2d<conv{.kernel = 3}>(i, w); });
  refused("fc", [&] { fc<2>(v, w); });
  refused("matmul_transposed", [&] { matmul_transposed(v, v); });
  refused("batch_norm", [&] { batch_norm(v, w); });
  refused("bias_add", [&] { bias_add(v, w); });
  refused("clip", [&] { clip(v, 0.0f, 1.0f); });
  refused("relu", [&] { relu(v); });
  refused("relu6", [&] { relu6(v); });
  refused("add", [&] { v + v; });
  refused("max_pool2d", [&] { max_pool2d<pool{.kernel = 2}>(i); });
  refused("average_pool2d", [&] { average_pool2d<pool{.kernel = 2}>(i); });
  refused("global_average_pool", [&] { global_average_pool(i); });
  refused("reshape", [&] { reshape<nc<3, 2>>(v); });
  refused("flatten", [&] { flatten(i); });
  refused("concat", [&] { concat(v, v); });
  refused("pad_channels", [&] { pad_channels<1, 1>(v); });
  refused("softmax", [&] { softmax(v); });
  graph g;
  refused("output", [&] { g.output(v, "y"); });
  CHECK(g.outputs.empty());
}

}  // namespace

TEST_CASE("handles: they follow a graph that is moved") {
  auto first = std::make_unique<graph>();
  auto x = first->input<float, vectors>("x");
  graph second = std::move(*first);
  first.reset();
  auto y = relu(x);
  graph third;
  third = std::move(second);
  third.output(y + x, "y");
  CHECK(third.nodes.size() == 3);
  CHECK(third.outputs.size() == 1);
  CHECK(&x.owner("x") == &third);
  // What was moved from is a graph like any other.
  auto z = second.input<float, vectors>("z");
  CHECK(&z.owner("z") == &second);
  CHECK(second.nodes.size() == 1);
  CHECK(second.nodes[0].name == "z");
}

TEST_CASE("handles: a graph that moves itself, or is assigned itself, keeps them") {
  graph g;
  auto x = g.input<float, vectors>("x");
  graph& itself = g;
  g = itself;
  CHECK(&x.owner("x") == &g);
}

TEST_CASE("handles: a copy of a graph is a graph of its own") {
  graph g;
  auto x = g.input<float, vectors>("x");
  graph copy = g;
  relu(x);
  CHECK(g.nodes.size() == 2);
  CHECK(copy.nodes.size() == 1);
  check_failure(failure_of([&] { copy.output(x, "y"); }), "output 'y'", "another graph");
}

TEST_CASE("handles: one that is made by default is refused everywhere") {
  check_refused({}, {}, "the handle is empty");
  check_refused({nullptr, 0}, {nullptr, 0}, "the handle is empty");
}

TEST_CASE("handles: one whose graph is gone is refused everywhere") {
  value<float, vectors> v;
  value<float, image> i;
  SUBCASE("destroyed") {
    graph g;
    v = g.input<float, vectors>("v");
    i = g.input<float, image>("i");
  }
  graph g;
  SUBCASE("assigned") {
    v = g.input<float, vectors>("v");
    i = g.input<float, image>("i");
    g = graph();
  }
  SUBCASE("assigned a copy") {
    const graph other;
    v = g.input<float, vectors>("v");
    i = g.input<float, image>("i");
    g = other;
  }
  check_refused(v, i, "is gone");
}

TEST_CASE("handles: one that was moved from is refused") {
  graph g;
  auto x = g.input<float, vectors>("x");
  const auto y = std::move(x);
  check_failure(failure_of([&] { relu(x); }), "relu", "the handle is empty");
  relu(y);
}

TEST_CASE("handles: values that a graph does not have are refused") {
  graph g;
  const auto x = g.input<float, vectors>("x");
  for (const int bad : {-1, 1, 1 << 30, -(1 << 30)}) {
    CAPTURE(bad);
    const std::string named = bad == -1 ? "input 'x' is missing" : text(bad);  // -1 says that an input is left out
    check_failure(failure_of([&] { g.append(op::activate{}, "act", {bad}, g.type(x.id)); }), "node 'act'", named);
    check_failure(failure_of([&] { relu(value<float, vectors>{&g, bad}); }), "node 'relu'", named);
    check_failure(failure_of([&] { fc<2>(value<float, vectors>{&g, bad}, random_params(1)); }), text(bad));
    check_failure(failure_of([&] { g.type(bad); }), text(bad));
    check_failure(failure_of([&] { g.output(value<float, vectors>{&g, bad}, "y"); }), "output 'y'", text(bad));
  }
  CHECK(g.nodes.size() == 1);
  CHECK(g.outputs.empty());
}
