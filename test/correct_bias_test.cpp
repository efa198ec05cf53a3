// b' = b + sum over inputs of (W - scale * q(W)) * mean x
#include "octavo/graph/pass/correct_bias.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/pass/round_weights.hpp"
#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

}  // namespace

TEST_CASE("correct_bias: by hand") {
  graph g;
  auto x = g.input<float, nc<1, 3>>("x");
  const params w(std::make_shared<known_weights>(std::map<std::string, constant>{
      {"f.weight", values({1, 3}, {127, 10.25f, -3.5f})}, {"f.bias", values({1}, {5})}}));
  g.output(fc<1>(x, w / "f"), "y");
  // The scale is 1: the rounding errors are 0, 0.25 and 0.5 (-3.5 rounds to -4).
  const graph corrected = pass::correct_bias(pass::round_weights(g), {{"x", {100, 8, 6}}});
  CHECK(corrected.nodes[1].constants[1]->as<float>()[0] == 5 + 0.25f * 8 + 0.5f * 6);
  CHECK(g.nodes[1].constants[1]->as<float>()[0] == 5);
  CHECK(pass::correct_bias(pass::round_weights(g), {}).nodes[1].constants[1] == g.nodes[1].constants[1]);
}

TEST_CASE("correct_bias: inputs of groups and taps of kernels") {
  graph g;
  auto x = g.input<float, nhwc<1, 1, 2, 4>>("x");
  // Two groups of two input and one output channel, 1x2 kernels; every weight is off its grid by its last digits.
  const params w(std::make_shared<known_weights>(std::map<std::string, constant>{
      {"f.weight", values({2, 2, 1, 2}, {127, 1.25f, 2.125f, 3, 127, 4, 5.375f, 6.25f})}}));
  g.output(conv2d<conv{.out = 2, .kernel = {1, 2}, .groups = 2}>(x, w / "f"), "y");
  const graph corrected = pass::correct_bias(pass::round_weights(g), {{"x", {8, 16, 32, 64}}});
  const auto bias = corrected.nodes[1].constants[1]->as<float>();
  CHECK(bias[0] == 0.25f * 8 + 0.125f * 16);
  CHECK(bias[1] == 0.375f * 64 + 0.25f * 64);
}

// Of 4 outputs for each input each meets one of the 4 taps.
TEST_CASE("correct_bias: outputs of transposed convolutions meet some of the taps each") {
  graph g;
  auto x = g.input<float, nhwc<1, 2, 2, 1>>("x");
  const params w(std::make_shared<known_weights>(
      std::map<std::string, constant>{{"f.weight", values({1, 1, 2, 2}, {127, 1.25f, 2.125f, 3})}}));
  g.output(conv_transpose2d<conv_transpose{.out = 1, .kernel = 2, .stride = 2}>(x, w / "f"), "y");
  const graph corrected = pass::correct_bias(pass::round_weights(g), {{"x", {8}}});
  CHECK(corrected.nodes[1].constants[1]->as<float>()[0] == (0.25f + 0.125f) * 8 / 4);
}

TEST_CASE("correct_bias: the mean of the outputs over the calibration samples is that of FP32") {
  graph g;
  const params w = random_params(4);
  auto x = g.input<float, nc<64, 40>>("x");
  g.output(fc<6>(x, w / "f"), "y");
  const auto read = [](int, std::span<tensor> inputs) {
    for (random_numbers random(3); float& v : inputs[0].as<float>()) v = random.real(0.5f, 1.5f);  // a large mean
  };
  calibrate_options options;
  options.recipe = minmax{};
  const calibration found = calibrate(plan_graph(g, {}), {1, read}, options);
  std::vector<tensor> inputs = list_of(tensor(element::f32, {64, 40}));
  read(0, inputs);
  const auto mean_error = [&](bool correct) {
    quantize_options choice;
    choice.correct_bias = correct;
    const tensor a = std::move(reference_outputs(g, inputs)[0]),
                 b = std::move(reference_outputs(quantize_graph(g, found, choice), inputs)[0]);
    double worst = 0;
    for (std::size_t c = 0; c < 6; ++c) {
      double sum = 0;
      for (std::size_t r = 0; r < 64; ++r)
        sum += static_cast<double>(b.as<float>()[r * 6 + c] - a.as<float>()[r * 6 + c]);
      worst = std::max(worst, std::fabs(sum / 64));
    }
    return worst;
  };
  CHECK(mean_error(true) < mean_error(false) / 3);
}

TEST_CASE("correct_bias: a layer that stays FP32 keeps its bias") {
  graph g;
  const params w = random_params(4);
  auto x = g.input<float, nc<2, 4>>("x");
  g.output(fc<3>(fc<4>(x, w / "a"), w / "b"), "y");
  quantize_options options;
  options.keep_fp32 = {"a"};
  const graph q = quantize_graph(g, random_calibration(g), options);
  CHECK(std::ranges::equal(node_named(q, "a").constants[1]->as<float>(), node_named(g, "a").constants[1]->as<float>()));
  CHECK_FALSE(
      std::ranges::equal(node_named(q, "b").constants[1]->as<float>(), node_named(g, "b").constants[1]->as<float>()));
}

TEST_CASE("correct_bias: layers behind a concat or a reshape that the planner makes free are corrected too") {
  graph g;
  const params w = random_params(4);
  auto x = g.input<float, nhwc<2, 3, 3, 4>>("x");
  auto both = concat(relu(x), clip(x, -0.5f, 2.0f));
  auto y = conv2d<conv{.out = 4}>(both, w / "conv");
  g.output(fc<3>(global_average_pool(y), w / "fc"), "y");
  const graph q = quantize_graph(g, random_calibration(g));
  for (const char* name : {"conv", "fc"})
    CHECK_FALSE(std::ranges::equal(node_named(q, name).constants[1]->as<float>(),
                                   node_named(g, name).constants[1]->as<float>()));
}
