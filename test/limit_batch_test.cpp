// (<=64, ...) -> (<=4, ...)
#include "octavo/graph/pass/limit_batch.hpp"

#include <doctest/doctest.h>

#include "octavo/plan/compile.hpp"
#include "support/pass_checks.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

graph network_for_64() {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, nhwc<upto<64>, 4, 4, 3>>("x");
  auto y = relu(conv2d<conv{.out = 4, .kernel = 3, .pad = 1}>(x, w / "conv"));
  g.output(fc<2>(global_average_pool(concat(y, x)), w / "fc"), "y");
  return g;
}

}  // namespace

TEST_CASE("limit_batch: bounds are lowered, the rest stays") {
  const graph g = network_for_64(), limited = pass::limit_batch(g, 4);
  CHECK(limited.nodes.size() == g.nodes.size());
  for (const graph_value& v : limited.values) {
    CHECK(v.type.extents[0] == 4);
    CHECK(v.type.extents.is_bounded(0));
  }
  CHECK(limited.type(0).extents == nhwc<upto<4>, 4, 4, 3>::value);
  const network large = plan_graph(g, {}), small = plan_graph(limited, {});
  CHECK(small->arena_bytes < large->arena_bytes / 8);
  const std::vector<tensor> inputs = random_inputs(g, 1, 3);
  CHECK(same_bits(outputs_of(large, inputs, 3), outputs_of(small, inputs, 3)));
}

TEST_CASE("limit_batch: what follows from the batch's symbol is lowered, other bounds stay") {
  graph g;
  auto x = g.input<float, nhwc<upto<64, 'n'>, 4, upto<9>, 3>>("x");
  auto rows = reshape<shape<4, decltype(x)::extents.encoded(0), decltype(x)::extents.encoded(2), 3>>(relu(x));
  g.output(rows, "y");
  const graph limited = pass::limit_batch(g, 5);
  CHECK(limited.type(x.id).extents == dims{upto<5, 'n'>, 4, upto<9>, 3});
  CHECK(limited.type(rows.id).extents == dims{4, upto<5, 'n'>, limited.type(x.id).extents.encoded(2), 3});
  CHECK(plan_graph(limited, {})->symbols[static_cast<std::size_t>(symbol_of('n'))].most == 5);
}

TEST_CASE("limit_batch: fixed extents stay as they are") {
  graph g;
  auto x = g.input<float, nc<8, 3>>("x");
  g.output(relu(x), "y");
  CHECK(pass::limit_batch(g, 4).type(0).extents == dims{8, 3});
}

TEST_CASE("limit_batch: a batch outside the bound is refused") {
  const graph g = network_for_64();
  check_failure(failure_of([&] { pass::limit_batch(g, 65); }), "value 'x' has up to 64, asked for 65");
  check_failure(failure_of([&] { pass::limit_batch(g, 0); }), "asked for 0");
  check_failure(failure_of([&] { pass::limit_batch(g, -1); }), "asked for -1");
  CHECK(pass::limit_batch(g, 64).type(0).extents[0] == 64);
}
