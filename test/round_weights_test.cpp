// FP32 weights -> their places on an 8-bit grid, beside them
#include "octavo/graph/pass/round_weights.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/builder.hpp"
#include "octavo/graph/pass/annotate.hpp"
#include "octavo/graph/pass/quantize.hpp"
#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "support/random.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

graph two_layers() {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, nc<1, 4>>("x");
  g.output(fc<3>(relu(fc<5>(x, w / "a")), w / "b"), "y");
  return g;
}

bool same_bytes(const tensor& a, const tensor& b) { return std::ranges::equal(a.bytes(), b.bytes()); }

}  // namespace

TEST_CASE("round_weights: to nearest, and the weights stay") {
  const graph g = two_layers(), rounded = pass::round_weights(g, {"b"});
  const node &before = node_named(g, "a"), &after = node_named(rounded, "a");
  CHECK(after.constants[0] == before.constants[0]);
  REQUIRE(after.rounded != nullptr);
  const quantized_weights expected = quantize_weights(*before.constants[0], "a");
  CHECK(same_bytes(after.rounded->values, expected.values));
  CHECK(same_bytes(after.rounded->scales, expected.scales));
  CHECK(node_named(rounded, "b").rounded == nullptr);
  CHECK(node_named(rounded, "a.relu").rounded == nullptr);
}

TEST_CASE("round_weights: what another pass rounded is what quantize takes") {
  graph g = two_layers();
  quantized_weights mine = quantize_weights(*node_named(g, "a").constants[0], "a");
  for (std::int8_t& w : mine.values.as<std::int8_t>()) w = static_cast<std::int8_t>(w / 2);
  for (node& n : g.nodes)
    if (n.name == "a") n.rounded = std::make_shared<const quantized_weights>(mine);
  range_table ranges;
  for (const graph_value& v : g.values) ranges[v.name] = {-1, 1};
  const graph q = pass::quantize(pass::annotate(pass::round_weights(g), ranges));
  CHECK(same_bytes(*node_named(q, "a").constants[0], mine.values));
  CHECK(same_bytes(*node_named(q, "a").constants[2], mine.scales));
  CHECK(node_named(q, "a").rounded == nullptr);
}

TEST_CASE("round_weights: places stay on a grid that a batch norm scales, and are forgotten where inputs are scaled") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, nc<1, 4>>("x");
  g.output(batch_norm(fc<5>(x, w / "a"), w / "bn"), "y");
  const graph folded = fold(pass::round_weights(g));
  CHECK(operators_of(folded) == "fc");
  const graph rounded = pass::round_weights(g);
  const auto &before = node_named(rounded, "a").rounded, &after = node_named(folded, "a").rounded;
  REQUIRE((before && after));
  CHECK(!same_bytes(after->scales, before->scales));
  for (std::size_t i = 0; i < 20; ++i)  // a negative gain turns its row round
    CHECK(std::abs(after->values.as<std::int8_t>()[i]) == std::abs(before->values.as<std::int8_t>()[i]));

  graph h;
  auto y = h.input<float, nc<1, 4>>("x");
  h.output(fc<5>(batch_norm(y, w / "bn"), w / "b"), "y");
  const graph scaled = fold(pass::round_weights(h));
  CHECK(operators_of(scaled) == "fc");
  CHECK(node_named(scaled, "b").rounded == nullptr);
}
