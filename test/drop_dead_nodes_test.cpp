// Nodes that no output needs vanish
#include "octavo/graph/pass/drop_dead_nodes.hpp"

#include <doctest/doctest.h>

#include "support/pass_checks.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

}  // namespace

// y = relu(x), relu6(softmax(x)) -> y = relu(x)
TEST_CASE("drop_dead_nodes: whole branches go, what outputs need stays") {
  graph g;
  auto x = g.input<float, nc<2, 3>>("x");
  g.input<float, nc<2, 3>>("unused");
  auto y = relu(x);
  relu6(softmax(y));
  auto kept = softmax(y);
  g.output(y, "y");
  g.output(kept, "z");
  const graph dropped = pass::drop_dead_nodes(g);
  CHECK(g.nodes.size() == 6);
  CHECK(operators_of(dropped) == "activate softmax");
  CHECK(dropped.input_values() == g.input_values());  // the user still gives both
  CHECK(dropped.nodes.back().name == "x.softmax_1");
  check_same_output(g, dropped);
}

TEST_CASE("drop_dead_nodes: nothing to drop") {
  graph g;
  auto x = g.input<float, nc<2, 3>>("x");
  g.output(relu(x) + x, "y");
  CHECK(pass::drop_dead_nodes(g).nodes.size() == g.nodes.size());
  CHECK(pass::drop_dead_nodes(graph()).nodes.empty());
}
