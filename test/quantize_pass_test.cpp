// FP32 graph + ranges -> INT8 graph
#include "octavo/graph/pass/quantize.hpp"

#include <doctest/doctest.h>

#include <map>

#include "octavo/graph/builder.hpp"
#include "octavo/graph/pass/annotate.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<1, 4, 4, 4>;

graph quantized_by(const graph& g, const range_table& ranges, const quantize_options& options = {}) {
  return pass::quantize(pass::annotate(g, ranges), options);
}

/// The same range for every value, save those given.
range_table ranges_of(const graph& g, std::map<std::string, range> special = {}, range others = {-1.0f, 1.0f}) {
  range_table table;
  for (const graph_value& v : g.values) table[v.name] = special.contains(v.name) ? special[v.name] : others;
  return table;
}

const tensor_type& output_type(const graph& g, const std::string& name) { return g.type(node_named(g, name).dst); }

}  // namespace

// conv2d(relu(conv2d(x))) -> conv2d_s8(conv2d_s8(convert(x)))
TEST_CASE("quantize: edges between INT8 nodes are u8, the ends FP32") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  g.output(conv2d<conv{.out = 3}>(relu(conv2d<conv{.out = 6}>(x, w / "conv")), w / "last"), "y");
  const graph folded = fold(g);
  const graph q = quantized_by(folded, ranges_of(folded, {{"conv.relu", {0.0f, 5.1f}}}));
  CHECK(operators_of(folded) == "conv2d conv2d");
  CHECK(operators_of(q) == "convert conv2d conv2d");
  CHECK(q.nodes[1].name == "x.quantize");
  CHECK(output_type(q, "x") == tensor_type{element::f32, image::value, {}});
  CHECK(output_type(q, "x.quantize") == tensor_type{element::u8, image::value, {1.0f / 127, 128}});
  CHECK(output_type(q, "conv") == tensor_type{element::u8, {1, 4, 4, 6}, choose_affine({0.0f, 5.1f})});
  CHECK(output_type(q, "conv").q.zero_point == 0);
  CHECK(output_type(q, "last") == tensor_type{element::f32, {1, 4, 4, 3}, {}});
  CHECK(q.outputs[0].name == "y");
  CHECK(q.type(q.outputs[0].value).type == element::f32);
  CHECK(node_named(q, "conv").fused == std::vector<std::string>{"conv.relu"});
  check_order(q);

  const node &fp32 = node_named(folded, "conv"), &int8 = node_named(q, "conv");
  REQUIRE(int8.constants.size() == 3);
  CHECK(int8.constants[1] == fp32.constants[1]);
  for (std::size_t c = 0; c < 6; ++c) {
    const auto rows = fp32.constants[0]->as<float>().subspan(c * 4, 4);
    float largest = 0;
    for (float v : rows) largest = std::max(largest, std::fabs(v));
    const float scale = int8.constants[2]->as<float>()[c];
    CHECK(scale == largest / 127);
    for (std::size_t i = 0; i < 4; ++i)
      CHECK(int8.constants[0]->as<std::int8_t>()[c * 4 + i] == std::nearbyint(rows[i] / scale));
  }
}

TEST_CASE("quantize: an output that INT8 nodes read too is u8, and dequantized for the user") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  auto y = conv2d<conv{.out = 4}>(x, w / "a");
  g.output(y, "y");
  g.output(conv2d<conv{.out = 4}>(y, w / "b"), "z");
  const graph q = quantized_by(g, ranges_of(g));
  CHECK(operators_of(q) == "convert conv2d conv2d convert");
  CHECK(output_type(q, "a").is_u8());
  CHECK(output_type(q, "b").type == element::f32);
  CHECK(output_type(q, "a.dequantize").type == element::f32);
  check_order(q);
}

TEST_CASE("quantize: an input that is an output stays FP32") {
  graph g;
  auto x = g.input<float, image>("x");
  g.output(x, "same");
  g.output(relu(x), "y");
  const graph q = quantized_by(g, ranges_of(g));
  CHECK(q.outputs[0].value == q.input_values()[0]);
}

TEST_CASE("quantize: what bytes move through unchanged has one scale, that of the widest range") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  auto a = conv2d<conv{.out = 4}>(x, w / "a"), b = conv2d<conv{.out = 4}>(x, w / "b");
  auto c = conv2d<conv{.out = 8}>(x, w / "c");
  auto both = concat(a, max_pool2d<pool{.kernel = 3, .stride = 1, .pad = 1}>(pad_channels<0, 0>(b)));
  g.output(conv2d<conv{.out = 2}>(reshape<nhwc<1, 2, 8, 8>>(both), w / "d"), "y");
  g.output(conv2d<conv{.out = 2}>(c, w / "e"), "z");
  const graph q = quantized_by(g, ranges_of(g, {{"a", {0.0f, 2.0f}}, {"b", {-3.0f, 1.0f}}, {"c", {0.0f, 9.0f}}}));
  const affine expected = choose_affine({-3.0f, 2.0f});
  for (const char* name : {"a", "b", "b.pad_channels", "b.max_pool", "a.concat", "a.reshape"})
    CHECK_MESSAGE(output_type(q, name).q == expected, name);
  CHECK(output_type(q, "c").q == choose_affine({0.0f, 9.0f}));
}

TEST_CASE("quantize: average pooling and sums have a scale of their own") {
  graph g;
  auto x = g.input<float, image>("x");
  auto mean = average_pool2d<pool{.kernel = 2}>(x + x);
  g.output(max_pool2d<pool{.kernel = 1}>(mean), "y");
  const graph q = quantized_by(g, ranges_of(g, {{"x.add", {-2, 2}}, {"x.average_pool", {-1.5f, 1.5f}}}));
  CHECK(output_type(q, "x.add").q == choose_affine({-2, 2}));
  CHECK(output_type(q, "x.average_pool").q == choose_affine({-1.5f, 1.5f}));
}

TEST_CASE("quantize: a residual has the type of the output") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  auto y = conv2d<conv{.out = 4}>(x, w / "a") + x;
  g.output(conv2d<conv{.out = 4}>(y, w / "b") + x, "y");
  const graph folded = fold(g);
  const graph q = quantized_by(folded, ranges_of(folded));
  CHECK(operators_of(q) == "convert conv2d conv2d");  // "b" writes FP32 and reads the FP32 input as its residual
  CHECK(node_named(q, "a").src == std::vector<int>{1, 1});
  CHECK(node_named(q, "b").src[1] == 0);
  CHECK(output_type(q, "b").type == element::f32);
}

TEST_CASE("quantize: softmax stays FP32, and so does what only it reads") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, nc<1, 4>>("x");
  g.output(softmax(fc<3>(x, w / "fc")), "y");
  CHECK(operators_of(quantized_by(g, ranges_of(g))) == "convert fc softmax");
  graph h;
  h.output(softmax(relu(h.input<float, nc<1, 4>>("x"))), "y");
  CHECK(operators_of(quantized_by(h, ranges_of(h))) == "convert activate convert softmax");
}

TEST_CASE("quantize: nodes that shall stay FP32") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  auto y = conv2d<conv{.out = 4}>(conv2d<conv{.out = 4}>(x, w / "first"), w / "middle");
  g.output(conv2d<conv{.out = 3}>(y, w / "last"), "y");
  SUBCASE("the first") {
    const graph q = quantized_by(g, ranges_of(g), {.keep_fp32 = {"first"}});
    CHECK(operators_of(q) == "conv2d convert conv2d conv2d");
    CHECK(node_named(q, "first").constants[0]->type() == element::f32);
    CHECK(q.nodes[2].name == "first.quantize");
  }
  SUBCASE("one in the middle") {
    const graph q = quantized_by(g, ranges_of(g), {.keep_fp32 = {"middle"}});
    CHECK(operators_of(q) == "convert conv2d conv2d convert conv2d");  // "first" writes FP32 at once
    CHECK(output_type(q, "first").type == element::f32);
  }
  SUBCASE("all: the graph stays as it is") {
    const graph q = quantized_by(g, {}, {.keep_fp32 = {"first", "middle", "last"}});
    CHECK(operators_of(q) == operators_of(g));
    check_same_output(g, q);
  }
  SUBCASE("one that is not there") {
    check_failure(failure_of([&] { quantized_by(g, ranges_of(g), {.keep_fp32 = {"lost"}}); }), "'lost'",
                  "no such node");
  }
}

TEST_CASE("quantize: nodes that are free for the planner can stay FP32 too") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  auto a = conv2d<conv{.out = 4}>(x, w / "a");
  auto both = concat(a, relu(x));
  g.output(fc<3>(flatten(both), w / "fc"), "y");
  const calibration found = random_calibration(g);
  for (const char* name : {"a.concat", "a.reshape"}) {
    CAPTURE(name);
    const graph q = quantized_by(fold(g), found.ranges, {.keep_fp32 = {name}});
    CHECK(output_type(q, name).type == element::f32);
    check_order(q);
  }
}

TEST_CASE("quantize: a value without a range is named") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  g.output(conv2d<conv{.out = 2}>(conv2d<conv{.out = 4}>(x, w / "conv"), w / "last"), "y");
  range_table ranges = ranges_of(g);
  ranges.erase("conv");
  check_failure(failure_of([&] { quantized_by(g, ranges); }), "no range for value 'conv'");
}

TEST_CASE("quantize: u8 inputs are used as they are") {
  graph g;
  const params w = random_params(1);
  const affine q{0.5f, 10};
  const int u = g.append(op::input{}, "u", {}, {element::u8, image::value, q});
  const int x = g.append(op::convert{}, "real", {u}, {element::f32, image::value, {}});
  const value<float, image> handle{&g, x};
  g.output(conv2d<conv{.out = 2}>(handle, w / "last"), "y");
  const graph int8 = quantized_by(g, ranges_of(g));
  CHECK(operators_of(int8) == "convert conv2d");
  CHECK(output_type(int8, "u").q == q);
  CHECK(output_type(int8, "real").is_u8());
}

TEST_CASE("quantize: INT8 results are near the FP32 results") {
  graph g;
  const params w = random_params(4);
  auto x = g.input<float, nhwc<4, 8, 8, 4>>("x");
  auto a = relu(batch_norm(conv2d<conv{.out = 16, .kernel = 3, .pad = 1}>(x, w / "a"), w / "bn"));
  auto b = relu(conv2d<conv{.out = 16, .kernel = 3, .pad = 1}>(a, w / "b") + a);
  auto c = concat(b, depthwise_conv2d<conv{.kernel = 3, .pad = 1}>(b, w / "c"));
  g.output(fc<8>(global_average_pool(c), w / "fc"), "y");
  const graph folded = fold(g);
  calibrate_options options;
  options.recipe = minmax{};
  const graph q = quantize_graph(g, random_calibration(g, options, 4));
  check_order(q);
  const std::vector<tensor> inputs = random_inputs(g, 77);
  // Each of the layers rounds to 1/255 of its range: a few per cent at most arrive.
  CHECK(largest_difference(reference_outputs(folded, inputs)[0], reference_outputs(q, inputs)[0]) <=
        0.03f * largest_magnitude(reference_outputs(folded, inputs)[0]));
}

TEST_CASE("quantize: random graphs give nearly the same in INT8, on the sample of the calibration") {
  calibrate_options options;
  options.recipe = minmax{};
  int near = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    const graph g = random_graph(seed, 10);
    // What is normalised may differ by any factor: two channels of a row may be as near as a step.
    if (std::any_of(g.nodes.begin(), g.nodes.end(), [](const node& n) { return n.as<op::layer_norm>(); })) continue;
    ++near;
    const graph q = quantized_graph(g, options);
    check_order(q);
    std::vector<tensor> inputs = random_inputs(g, 0);
    random_samples().read(0, inputs);
    const std::vector<tensor> a = reference_outputs(g, inputs), b = reference_outputs(q, inputs);
    // Ten nodes at most, each of which rounds to 1/255 of its range.
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(largest_difference(a[i], b[i]) <= 0.1f * largest_magnitude(a[i]));
  }
  CHECK(near > 30);
}
