// conv2d(batch_norm(x)) -> conv2d'(x);  batch_norm(convert(u8 input)) -> convert(u8 input')
#include "octavo/graph/pass/fold_normalization.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/builder.hpp"
#include "octavo/graph/pass/drop_dead_nodes.hpp"
#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<2, 6, 6, 4>;

/// fold(g) computes what g does, but for the roundings of the scaled weights: some 2^-24 of the largest sum each.
void check_folded(const graph& g, const graph& folded) {
  const std::vector<tensor> inputs = random_inputs(g, 1);
  const std::vector<tensor> before = reference_outputs(g, inputs), after = reference_outputs(folded, inputs);
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i < before.size(); ++i)
    CHECK(largest_difference(before[i], after[i]) <= 1e-5f * (1.0f + largest_magnitude(before[i])));
}

constexpr std::array<float, 4> mean{123.0f, 116.0f, 103.0f, 99.5f}, deviation{58.0f, 57.0f, 59.0f, 1.5f};
constexpr std::array<float, 4> none{}, all_128{128, 128, 128, 128}, all_127{127.5f, 127.5f, 127.5f, 127.5f};

}  // namespace

TEST_CASE("fold_normalization: into the weights of what pads nothing, or is not shifted") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  bool folds = true;
  SUBCASE("conv2d") { g.output(conv2d<conv{.out = 5, .kernel = 3}>(normalize(x, mean, deviation), w / "f"), "y"); }
  SUBCASE("groups") {
    g.output(conv2d<conv{.out = 6, .kernel = {1, 2}, .groups = 2}>(normalize(x, mean, deviation), w / "f"), "y");
  }
  SUBCASE("depthwise") { g.output(depthwise_conv2d<conv{.kernel = 2}>(normalize(x, mean, deviation), w / "f"), "y"); }
  SUBCASE("fc") {
    g = {};
    auto v = g.input<float, nc<3, 4>>("x");
    g.output(fc<5>(normalize(v, mean, deviation), w / "f"), "y");
  }
  SUBCASE("padded, not shifted") {
    g.output(conv2d<conv{.out = 5, .kernel = 3, .pad = 1}>(normalize(x, none, deviation), w / "f"), "y");
  }
  SUBCASE("padded and shifted: stays") {
    g.output(conv2d<conv{.out = 5, .kernel = 3, .pad = 1}>(normalize(x, mean, deviation), w / "f"), "y");
    folds = false;
  }
  SUBCASE("read by others too: stays") {
    auto y = normalize(x, mean, deviation);
    g.output(conv2d<conv{.out = 5}>(y, w / "f"), "y");
    g.output(y, "z");
    folds = false;
  }
  const graph folded = pass::drop_dead_nodes(pass::fold_normalization(g));
  CHECK(operators_of(folded).starts_with("batch_norm") == !folds);
  check_folded(g, folded);
}

TEST_CASE("fold_normalization: into the map of a u8 input") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<std::uint8_t, image>("pixels");
  std::optional<affine> expected;
  const auto layer = [&](auto y) { g.output(conv2d<conv{.out = 5, .kernel = 3, .pad = 1}>(y, w / "f"), "y"); };
  SUBCASE("(v - 128) / 128") { layer(normalize(x, all_128, all_128)), expected = affine{1.0f / 128, 128}; }
  SUBCASE("v / 127.5") { layer(normalize(x, none, all_127)), expected = affine{1.0f / 127.5f, 0}; }
  SUBCASE("v / 127.5 - 1: 0 is none of the 256 values") { layer(normalize(x, all_127, all_127)); }
  SUBCASE("a mean for each channel") { layer(normalize(x, mean, deviation)); }
  SUBCASE("pixels that others read too") {
    auto y = normalize(x, all_128, all_128);
    g.output(dequantize(x), "z");
    layer(y);
  }
  const graph folded = pass::fold_normalization(g);
  CHECK((operators_of(folded).find("batch_norm") == std::string::npos) == expected.has_value());
  CHECK(folded.type(0).q == expected.value_or(affine{}));
  check_folded(g, folded);
}

TEST_CASE("fold_normalization: scales and arithmetic with constants, as batch norms") {
  graph g;
  const params w = random_params(1);
  const auto layer = [&](auto y) { g.output(conv2d<conv{.out = 5, .kernel = 3}>(y, w / "f"), "y"); };
  std::string expected = "conv2d";
  affine map;
  SUBCASE("alpha x + beta") { layer(scale(g.input<float, image>("x"), 0.5f, 0.25f)); }
  SUBCASE("(x - mean) / deviation") {
    auto x = g.input<float, image>("x");
    auto centred = x - constant_value<float, shape<4>>(g, "mean", mean);
    layer(centred / constant_value<float, shape<4>>(g, "deviation", deviation));
  }
  SUBCASE("of pixels") {
    auto x = g.input<std::uint8_t, image>("pixels");
    layer(scale(dequantize(x), 1.0f / 128, -1.0f));
    expected = "convert conv2d", map = {1.0f / 128, 128};
  }
  SUBCASE("of pixels, the constant first") {
    auto x = g.input<std::uint8_t, image>("pixels");
    const float eighth[] = {0.125f};
    layer(constant_value<float, shape<>>(g, "eighth", eighth) * dequantize(x));
    expected = "convert conv2d", map = {0.125f, 0};
  }
  SUBCASE("with a clamp: stays") {
    layer(relu(scale(g.input<float, image>("x"), 0.5f, 0.25f)));
    expected = "scale conv2d";
  }
  const graph folded = fold(g);
  CHECK(operators_of(folded) == expected);
  CHECK(folded.type(*folded.nodes[0].dst).q == map);
  check_folded(g, folded);
}

TEST_CASE("fold_normalization: an INT8 network reads pixels as they come") {
  const params w = random_params(1);
  const auto quantized_for = [&](const std::array<float, 4>& m, const std::array<float, 4>& d) {
    graph g;
    auto x = g.input<std::uint8_t, image>("pixels");
    g.output(conv2d<conv{.out = 5, .kernel = 3, .pad = 1}>(normalize(x, m, d), w / "f"), "y");
    const graph q = quantized_graph(g);
    const std::vector<tensor> inputs = random_inputs(g, 3);
    const tensor a = std::move(reference_outputs(g, inputs)[0]), b = std::move(reference_outputs(q, inputs)[0]);
    CHECK(largest_difference(a, b) <= 0.02f * largest_magnitude(a));  // one layer, rounded to 1/255 and 1/127
    return operators_of(q);
  };
  CHECK(quantized_for(all_128, all_128) == "conv2d");
  CHECK(quantized_for(mean, deviation) == "batch_norm conv2d");
}

TEST_CASE("normalize: deviations must be positive") {
  graph g;
  auto x = g.input<float, nc<1, 2>>("x");
  check_failure(failure_of([&] { normalize(x, {1, 2}, {1, 0}); }), "normalize: channel 1", "deviation 0");
}
