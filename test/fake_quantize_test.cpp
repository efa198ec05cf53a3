// Networks that bring their quantization along: fake_quantize in FP32, the pass that drops it, and quantize() by maps.
#include "octavo/op/fake_quantize.hpp"

#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"
#include "support/run.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<1, 4, 4, 4>;

tensor floats(std::vector<float> list) { return tensor::of<float>({static_cast<int>(list.size())}, list); }

tensor rounded(const operation& o, const tensor& x) {
  const tensor_type f32{element::f32, x.extents(), {}};
  return reference_output(o, {{f32}, f32, {}}, list_of(x.reshaped(x.extents())));
}
bool equal(const tensor& t, std::vector<float> expected) { return std::ranges::equal(t.as<float>(), expected); }

int append_fake(graph& g, int v, const affine& map, const std::string& name) {
  return *g.append(op::fake_quantize{map}, name, {v});
}

}  // namespace

TEST_CASE("fake_quantize: steps, bounds and halves") {
  const tensor x = floats({0.25f, 0.75f, -0.25f, -0.75f, 100, -100, 0.5f});
  CHECK(equal(rounded(op::fake_quantize{.map = {0.5f, 128}}, x), {0, 1, 0, -1, 63.5f, -64, 0.5f}));
  CHECK(equal(rounded(op::fake_quantize{.map = {0.5f, 128}, .lower = 1, .away_from_zero = true}, x),
              {0.5f, 1, -0.5f, -1, 63.5f, -63.5f, 0.5f}));
  CHECK(equal(rounded(op::fake_quantize{.map = {0.5f, 0}, .upper = 2}, x), {0, 1, 0, 0, 1, 0, 0.5f}));
  const signature s{{{element::f32, {7}, {}}}, tensor_type{element::f32, {7}, {}}, {}};
  CHECK_THROWS_AS(check(op::fake_quantize{.map = {0.0f, 0}}, s), error);
  CHECK_THROWS_AS(check(op::fake_quantize{.map = {1.0f, 3}, .lower = 4}, s), error);
  CHECK_THROWS_AS(check(op::fake_quantize{.map = {1.0f, 3}, .upper = 256}, s), error);
}

TEST_CASE("fake_quantize: every half, and its neighbours, either way") {
  std::vector<float> list;
  for (int i = -260; i <= 260; ++i)
    for (const float v : {static_cast<float>(i), static_cast<float>(i) + 0.5f})
      for (const float x : {std::nextafter(v, -1e9f), v, std::nextafter(v, 1e9f)}) list.push_back(x);
  for (const bool away : {false, true}) {
    const tensor y = rounded(op::fake_quantize{.map = {1.0f, 128}, .lower = 1, .away_from_zero = away}, floats(list));
    for (std::size_t i = 0; i < list.size(); ++i) {
      CAPTURE(list[i]);
      const float nearest = away ? std::round(list[i]) : std::nearbyint(list[i]);
      CHECK(y.as<float>()[i] == std::clamp(nearest, -127.0f, 127.0f));
    }
  }
}

TEST_CASE("dynamic_fake_quantize: the grid of the elements' range, which contains 0") {
  CHECK(equal(rounded(op::dynamic_fake_quantize{}, floats({0, 1.25f, 255, 100.5f})), {0, 1, 255, 100}));
  CHECK(equal(rounded(op::dynamic_fake_quantize{}, floats({-127.5f, 127.5f, 0.4f, 2.6f})), {-128, 127, 0, 3}));
  CHECK(equal(rounded(op::dynamic_fake_quantize{}, floats({0, 0})), {0, 0}));
  // ONNX's vector test_dynamicquantizelinear: scale 0.0196..., zero point 153
  const tensor y = rounded(op::dynamic_fake_quantize{}, floats({0, 2, -3, -2.5f, 1.34f, 0.5f}));
  const int places[] = {153, 255, 0, 26, 221, 179};
  for (std::size_t i = 0; i < 6; ++i)
    CHECK(y.as<float>()[i] == doctest::Approx(static_cast<float>(places[i] - 153) * (5.0f / 255)));
}

// conv2d(fake_quantize(relu(conv2d(fake_quantize(x))))) -> conv2d_s8(conv2d_s8(convert(x)))
TEST_CASE("quantize: by the maps of fake_quantize, which goes away") {
  graph g;
  const params w = random_params(1);
  const affine of_x{1.0f / 64, 128}, of_a{1.0f / 100, 0};
  auto x = g.input<float, image>("x");
  const value<float, image> fx{&g, append_fake(g, x.id, of_x, "x.rounded")};
  auto a = relu(conv2d<conv{.out = 6}>(fx, w / "first"));
  const value<float, nhwc<1, 4, 4, 6>> fa{&g, append_fake(g, a.id, of_a, "a.rounded")};
  g.output(conv2d<conv{.out = 3}>(fa, w / "last"), "y");
  CHECK(operators_of(fold(g)) == "fake_quantize conv2d fake_quantize conv2d");

  const graph q = octavo::quantize(g)->source;
  CHECK(operators_of(q) == "convert conv2d conv2d");
  CHECK(q.type(*q.nodes[1].dst).q == of_x);
  CHECK(q.type(*q.nodes[2].dst).q == of_a);
  CHECK(q.type(q.outputs[0].value).type == element::f32);

  const std::vector<tensor> inputs = random_inputs(g, 2);
  const tensor fp32 = reference_outputs(fold(g), inputs)[0], int8 = outputs_of(octavo::quantize(g), inputs)[0];
  // What differs are the weights' steps, a 254th of the largest at most.
  CHECK(largest_difference(fp32, int8) < 0.02f * largest_magnitude(fp32));
  CHECK(largest_difference(fp32, int8) > 0.0f);
}

TEST_CASE("quantize: an output that is rounded, a second grid of one value, a calibration beside maps") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  const int fine = append_fake(g, x.id, {1.0f / 128, 128}, "fine"),
            coarse = append_fake(g, x.id, {1.0f / 16, 128}, "coarse");
  auto a = conv2d<conv{.out = 4}>(value<float, image>{&g, fine}, w / "a");
  auto b = conv2d<conv{.out = 4}>(value<float, image>{&g, coarse}, w / "b");
  g.output(a + b, "y");
  g.outputs.push_back({append_fake(g, b.id, {1.0f / 8, 100}, "b.rounded"), "b"});
  const graph q = quantize_graph(g, random_calibration(g));
  std::map<std::string, affine> maps;
  for (const graph_value& v : q.values)
    if (v.type.is_u8()) maps[v.name] = v.type.q;
  CHECK(maps["x.quantize"] == affine{1.0f / 128, 128});
  CHECK(maps["coarse"] == affine{1.0f / 16, 128});
  CHECK(maps["b"] == affine{1.0f / 8, 100});
  REQUIRE(q.outputs.size() == 2);
  const std::vector<tensor> inputs = random_inputs(g, 3);
  const std::vector<tensor> fp32 = reference_outputs(g, inputs), int8 = reference_outputs(q, inputs);
  for (std::size_t i = 0; i < 2; ++i) CHECK(largest_difference(fp32[i], int8[i]) < 0.2f);
}

TEST_CASE("quantize: what has no map stays FP32 where that is asked for, and is an error elsewhere") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  const value<float, image> fx{&g, append_fake(g, x.id, {1.0f / 64, 128}, "x.rounded")};
  auto a = sigmoid(conv2d<conv{.out = 4}>(fx, w / "first"));  // neither has a map
  auto r = conv2d<conv{.out = 4}>(fx, w / "second") + a;      // a residual without one
  const value<float, image> fr{&g, append_fake(g, r.id, {1.0f / 32, 128}, "r.rounded")};
  g.output(conv2d<conv{.out = 2}>(fr, w / "last"), "y");
  const graph q = octavo::quantize(g)->source;
  CHECK(operators_of(q) == "convert conv2d sigmoid conv2d convert conv2d");
  CHECK(q.type(*node_named(q, "first").dst).type == element::f32);
  CHECK(q.type(*node_named(q, "second").dst).type == element::f32);
  CHECK_THROWS_WITH_AS(quantize_graph(g, {}), doctest::Contains("unknown_stays_fp32"), error);
  const std::vector<tensor> inputs = random_inputs(g, 2);
  const tensor fp32 = reference_outputs(g, inputs)[0], int8 = outputs_of(octavo::quantize(g), inputs)[0];
  CHECK(largest_difference(fp32, int8) < 0.03f * largest_magnitude(fp32));
}

// add(fake_quantize(conv2d(x)), x) stays a sum of what is rounded and clamped; without the map it is a residual.
TEST_CASE("folding: what is rounded on purpose before a sum, a bias or a clamp is not fused with it") {
  for (const bool rounded : {true, false}) {
    graph g;
    auto x = g.input<float, image>("x");
    int c = conv2d<conv{.out = 4}>(value<float, image>{&g, append_fake(g, x.id, {1.0f / 64, 128}, "x.rounded")},
                                   random_params(1) / "conv")
                .id;
    if (rounded) c = append_fake(g, c, {1.0f / 128, 128}, "c.rounded");
    const value<float, image> sum = value<float, image>{&g, c} + x;
    g.output(value<float, image>{&g, append_fake(g, sum.id, {1.0f / 32, 128}, "y")}, "y");
    CHECK(operators_of(octavo::quantize(g)->source) ==
          (rounded ? "convert conv2d add convert" : "convert conv2d convert"));
    const std::vector<tensor> inputs = random_inputs(g, 2);
    // At most a step of y, from the weights' rounding.
    CHECK(largest_difference(reference_outputs(g, inputs)[0], outputs_of(octavo::quantize(g), inputs)[0]) <= 1.0f / 32);
  }
}

TEST_CASE("dynamic_fake_quantize: runs where nothing is calibrated, goes where ranges are known") {
  graph g;
  auto x = g.input<float, image>("x");
  const int fx = *g.append(op::dynamic_fake_quantize{}, "x.rounded", {x.id});
  g.output(conv2d<conv{.out = 4}>(value<float, image>{&g, fx}, random_params(1) / "conv"), "y");
  CHECK(operators_of(octavo::quantize(g)->source) == "dynamic_fake_quantize conv2d");
  CHECK(operators_of(quantize_graph(g, random_calibration(g))) == "convert conv2d");
}

// batch_norm(conv2d(x)) with weights on a grid: the same places on a scaled grid.
TEST_CASE("fold_affine: weights keep their places on their grid when lines are folded into them") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, image>("x");
  auto y = conv2d<conv{.out = 2}>(x, w / "conv");
  node& layer = g.nodes.back();
  layer.rounded = std::make_shared<const quantized_weights>(quantize_weights(*layer.constants[0], "conv"));
  const quantized_weights before = *layer.rounded;
  g.output(
      value<float, nhwc<1, 4, 4, 2>>{&g, *g.append(op::scale{}, "scaled", {y.id},
                                                   {make_constant(floats({-2, 0.5f})), make_constant(floats({1, 0}))})},
      "y");
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "conv2d");
  const auto& after = folded.nodes.back().rounded;
  REQUIRE(after);
  const auto p = before.values.as<std::int8_t>(), q = after->values.as<std::int8_t>();
  const std::size_t depth = p.size() / 2;
  for (std::size_t i = 0; i < p.size(); ++i) CHECK(static_cast<int>(q[i]) == (i < depth ? -p[i] : p[i]));
  CHECK(after->scales.as<float>()[0] == 2 * before.scales.as<float>()[0]);
  CHECK(after->scales.as<float>()[1] == 0.5f * before.scales.as<float>()[1]);
}
