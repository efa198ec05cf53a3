// What somebody may have meant: distances of names, and the messages that end with them.
#include "octavo/base/nearest_name.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/builder.hpp"
#include "support/quantized_graph.hpp"
#include "temporary_folder.hpp"

using namespace octavo;
using namespace octavo::test;

TEST_CASE("names: how many letters differ") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("conv1", "conv2") == 1);
  CHECK(edit_distance("conv", "cnov") == 2);
}

TEST_CASE("names: the nearest, if any is near") {
  const std::vector<std::string> known{"layer1.0.conv1", "layer1.0.conv2", "fc"};
  CHECK(did_you_mean("layer1.0.conv", known) == "; did you mean 'layer1.0.conv1'?");
  CHECK(did_you_mean("layer1.0.conv3x", known) == "; did you mean 'layer1.0.conv1'?");
  CHECK(did_you_mean("fx", known) == "; did you mean 'fc'?");
  CHECK(did_you_mean("softmax", known).empty());
  CHECK(did_you_mean("", known).empty());
  CHECK(did_you_mean("fc", std::vector<std::string>{}).empty());
}

TEST_CASE("names: messages say where a fused node went, and what was meant") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, nc<1, 4>>("x");
  g.output(fc<2>(relu(batch_norm(fc<4>(x, w / "first"), w / "bn")), w / "second"), "y");
  const calibration found = random_calibration(g);
  const auto keep = [&](const char* name) {
    return failure_of([&] { quantize_graph(g, found, {.keep_fp32 = {name}}); });
  };
  check_failure(keep("bn"), "'bn'", "it is part of node 'first', which computes 'bn.relu'");
  check_failure(keep("secnod"), "did you mean 'second'?");
  check_failure(keep("relu"), "did you mean 'bn.relu'?");
  check_failure(failure_of([&] {
                  random_calibration(g, {.by_value = {{"first", absmax{}}}});
                }),
                "no step computes value 'first'", "which computes 'bn.relu'");
  check_failure(failure_of([&] {
                  plan_graph(fold(g), {}, {.by_node = {{"seconds", "reference"}}});
                }),
                "no step 'seconds'", "did you mean 'second'?");
  check_failure(failure_of([] { (void)make_operation("conv2", {}); }), "did you mean 'conv2d'?");
}
