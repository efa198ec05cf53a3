// What the tests of passes have in common: composing a small graph, and comparing what it computes before and after.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "octavo/graph/builder.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "support/random_graph.hpp"

namespace octavo::test {

/// The operators of `g` in order, without inputs: "conv2d relu max_pool" and so on, by the operators' names.
inline std::string operators_of(const graph& g) {
  std::string list;
  for (const node& n : g.nodes)
    if (!n.as<op::input>()) list += text(list.empty() ? "" : " ", name_of(n.op));
  return list;
}

/// The node of that name; fails the test where there is none.
inline const node& node_named(const graph& g, const std::string& name) {
  for (const node& n : g.nodes)
    if (n.name == name) return n;
  FAIL("no node '" << name << "'");
  return g.nodes.front();
}

/// Every value is computed by one node that comes before its readers.
inline void check_order(const graph& g) {
  std::vector<bool> known(g.values.size(), false);
  for (const node& n : g.nodes) {
    for (int v : n.src)
      if (v >= 0) CHECK(known[static_cast<std::size_t>(v)]);
    CHECK_FALSE(known[static_cast<std::size_t>(n.dst)]);
    known[static_cast<std::size_t>(n.dst)] = true;
  }
  for (const graph_output& o : g.outputs) CHECK(known[static_cast<std::size_t>(o.value)]);
}

/// Both graphs give the same bits.
inline void check_same_output(const graph& before, const graph& after, unsigned seed = 1) {
  check_order(after);
  const std::vector<tensor> inputs = random_inputs(before, seed);
  CHECK(same_bits(reference_outputs(before, inputs), reference_outputs(after, inputs)));
}

/// Both graphs give the same FP32 outputs up to `tolerance` of the largest magnitude.
inline void check_close_output(const graph& before, const graph& after, float tolerance, unsigned seed = 1) {
  check_order(after);
  const std::vector<tensor> inputs = random_inputs(before, seed);
  const std::vector<tensor> a = reference_outputs(before, inputs), b = reference_outputs(after, inputs);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    CHECK(largest_difference(a[i], b[i]) <= tolerance * largest_magnitude(a[i]));
}

}  // namespace octavo::test
