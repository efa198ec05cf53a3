// What PaddlePaddle's programs say about quantization, form by form. Whole networks are in paddle_models_test.cpp.
#include <doctest/doctest.h>

#include "support/single_paddle_op.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// A layer (1, 2) by (2, 2) in the program of `quantize`, which makes xq of x and wq of w, and y of z, the product of
/// these.
template <class Quantize>
graph layer_of(Quantize&& quantize) {
  paddle_writer w;
  w.input("x", {1, 2}).parameter<float>("scale_of_x", {1}, {12.7f});
  quantize(w);
  return w.output("y").load();
}
paddle_writer& multiply(paddle_writer& w, const std::string& weights, const std::string& y) {
  return w.op("mul", {{"X", {"xq"}}, {"Y", {weights}}}, {{"Out", {y}}});
}

// x = {3.14, -20} on steps of 0.1 is {3.1, -12.7}; weights are {127, 64; -1, 2} steps of 0.01.
const floats x_of_layer{3.14f, -20}, y_of_layer{3.1f * 1.27f + 12.7f * 0.01f, 3.1f * 0.64f - 12.7f * 0.02f};
const std::vector<std::int8_t> places{127, 64, -1, 2};

void check_layer(const graph& g) {
  check(outputs_of(octavo::compile(g), std::vector{tensor::of<float>({1, 2}, x_of_layer)})[0], {{1, 2}, y_of_layer});
  REQUIRE(!g.nodes.empty());
  int layers = 0, grids = 0;
  for (const node& n : g.nodes) {
    if (const auto* f = n.as<op::fake_quantize>()) {
      ++grids;
      CHECK(f->map.zero_point == 128);
      CHECK(f->map.scale == doctest::Approx(0.1f));
    }
    if (!n.as<op::fc>()) continue;
    ++layers;
    REQUIRE(n.rounded != nullptr);
    const std::vector<std::int8_t> by_output{127, -1, 64, 2};
    CHECK(std::ranges::equal(n.rounded->values.as<std::int8_t>(), by_output));
    for (float s : n.rounded->scales.as<float>()) CHECK(s == doctest::Approx(0.01f));
  }
  CHECK(layers == 1);
  CHECK(grids == 1);
}

const floats weights{1.27f, 0.636f, -0.0142f, 0.02f}, whole{127, 64, -1, 2};
const paddle_slots of_x{{"X", {"x"}}, {"InScale", {"scale_of_x"}}}, to_x{{"Out", {"xq"}}, {"OutScale", {"scale_of_x"}}};

}  // namespace

TEST_CASE("paddle: layers whose inputs are quantized and dequantized") {
  for (const char* form : {"fake_quantize_dequantize_moving_average_abs_max", "fake_quantize_moving_average_abs_max",
                           "fake_quantize_range_abs_max"})
    check_layer(layer_of([&](paddle_writer& w) {
      w.parameter("w", {2, 2}, weights).op(form, of_x, to_x);
      w.op("fake_quantize_dequantize_abs_max", {{"X", {"w"}}}, {{"Out", {"wq"}}, {"OutScale", {"scale_of_w"}}});
      multiply(w, "wq", "y");
    }));
}

TEST_CASE("paddle: what quantizes is followed by what dequantizes") {
  check_layer(layer_of([&](paddle_writer& w) {
    w.parameter("w", {2, 2}, weights).op("fake_quantize_range_abs_max", of_x, {{"Out", {"x8"}}});
    w.op("fake_dequantize_max_abs", {{"X", {"x8"}}, {"Scale", {"scale_of_x"}}}, {{"Out", {"xq"}}},
         {{"max_range", 127.0f}});
    w.op("fake_quantize_abs_max", {{"X", {"w"}}}, {{"Out", {"w8"}}, {"OutScale", {"scale_of_w"}}});
    w.op("fake_dequantize_max_abs", {{"X", {"w8"}}, {"Scale", {"scale_of_w"}}}, {{"Out", {"wq"}}},
         {{"max_range", 127.0f}});
    multiply(w, "wq", "y");
  }));
  for (const bool bytes : {false, true})
    check_layer(layer_of([&](paddle_writer& w) {
      w.parameter<float>("scale_of_w", {2}, {1.27f, 1.27f}).parameter<std::int64_t>("zero", {1}, {0});
      bytes ? w.parameter("w", {2, 2}, places) : w.parameter("w", {2, 2}, whole);
      const paddle_attributes each{{"quant_axis", 1}, {"bit_length", 8}};
      w.op("quantize_linear", {{"X", {"x"}}, {"Scale", {"scale_of_x"}}, {"ZeroPoint", {"zero"}}}, {{"Y", {"x8"}}},
           {{"round_type", 1}});
      w.op("dequantize_linear", {{"X", {"x8"}}, {"Scale", {"scale_of_x"}}, {"ZeroPoint", {"zero"}}}, {{"Y", {"xq"}}});
      w.op("dequantize_linear", {{"X", {"w"}}, {"Scale", {"scale_of_w"}}, {"ZeroPoint", {"zero"}}}, {{"Y", {"wq"}}},
           each);
      multiply(w, "wq", "y");
    }));
}

TEST_CASE("paddle: frozen layers, whose sums are dequantized") {
  for (const bool bytes : {false, true}) {
    const auto begin = [&](paddle_writer& w) {
      bytes ? w.parameter("w", {2, 2}, places) : w.parameter("w", {2, 2}, whole);
      multiply(w.op("fake_quantize_moving_average_abs_max", of_x, to_x), "w", "z");
    };
    check_layer(layer_of([&](paddle_writer& w) {
      begin(w);
      w.op("fake_dequantize_max_abs", {{"X", {"z"}}, {"Scale", {"scale_of_x"}}}, {{"Out", {"y"}}},
           {{"max_range", 127.0f * 127.0f / 1.27f}});
    }));
    check_layer(layer_of([&](paddle_writer& w) {
      begin(w);
      w.parameter<float>("scale_of_w", {2}, {1.27f, 1.27f});
      w.op("fake_channel_wise_dequantize_max_abs", {{"X", {"z"}}, {"Scales", {"scale_of_w", "scale_of_x"}}},
           {{"Out", {"y"}}}, {{"quant_bits", integers{8, 8}}, {"quant_axis", 1}});
    }));
  }
  check_failure(failure_of([] {
                  layer_of([](paddle_writer& w) {
                    multiply(w.parameter("w", {2, 2}, weights).op("fake_quantize_range_abs_max", of_x, to_x), "w", "z");
                    w.op("fake_dequantize_max_abs", {{"X", {"z"}}, {"Scale", {"scale_of_x"}}}, {{"Out", {"y"}}},
                         {{"max_range", 12700.0f}});
                  });
                }),
                "weights 'w', whose sums fake_dequantize_max_abs dequantizes",
                "must be whole numbers up to 128, found 1.27");
}

TEST_CASE("paddle: channels have scales of their own, and halves go away from zero or to the even step") {
  const array w{{2, 2, 1, 1}, {1.27f, -0.005f, 127, 64.5f}};
  check({"fake_channel_wise_quantize_dequantize_abs_max", {}, {{"X", w}}, {{"quant_axis", 0}}},
        {{2, 2, 1, 1}, {1.27f, -0.01f, 127, 65}});
  check({"fake_channel_wise_quantize_dequantize_abs_max", {}, {{"X", w}}, {{"quant_axis", 1}}},
        {{2, 2, 1, 1}, {1, 0, 127, 64.5f}});
  const array x{{4}, {0.5f, -1.5f, 200, -200}};
  single_op o{"fake_quantize_dequantize_moving_average_abs_max", {{"X", x}}, {{"InScale", {{1}, {127}}}}, {}};
  check(o, {{4}, {1, -2, 127, -127}});
  o.attributes = {{"round_type", 0}};
  check(o, {{4}, {0, -2, 127, -128}});
  check({"moving_average_abs_max_scale", {{"X", x}}, {}}, x);
}

TEST_CASE("paddle: quantization that is none, or another, is refused") {
  const array x{{2}, {1, 2}};
  const auto refused = [&](const single_op& o) { return failure_of([&] { graph_of(o); }); };
  const auto with_scale = [&](float scale, const paddle_attributes& a = {}) {
    return single_op{"fake_quantize_moving_average_abs_max", {{"X", x}}, {{"InScale", {{1}, {scale}}}}, a};
  };
  check_failure(refused(with_scale(NAN)), "the scale nan is no largest absolute value");
  check_failure(refused(with_scale(-1)), "the scale -1 is no largest absolute value");
  check_failure(refused(with_scale(1, {{"bit_length", 4}})), "only 8 bits are supported, found 4");
  check_failure(refused({"fake_quantize_abs_max", {{"X", x}}, {}}), "must not depend on the network's inputs");
  check_failure(refused({"quantize_linear", {{"X", x}}, {{"Scale", {{2}, {1, 2}}}}, {}, {"Y"}}),
                "an activation needs one scale, found 2");
  check_failure(refused({"dequantize_linear",
                         {},
                         {{"X", {{2, 2}, {1, 2, 3, 4}}}, {"Scale", {{3}, {1, 2, 3}}}},
                         {{"quant_axis", 1}},
                         {"Y"}}),
                "found 3 scales for axis 1 of 2x2");
}

TEST_CASE("paddle: ranges that training observed quantize what the program does not round") {
  paddle_writer w;
  w.input("x", {1, 2}).parameter<float>("scale_of_x", {1}, {12.7f});
  const auto observed = [&](const char* type, const char* x, const char* y, float threshold) {
    w.op(type, {{"X", {x}}}, {{"Out", {y}}}, {{"out_threshold", threshold}});
  };
  observed("tanh", "x", "a", 0.5f), observed("relu", "a", "b", 25.5f), observed("sigmoid", "b", "c", 1.0f);
  observed("exp", "c", "d", 0.0f);
  w.op("fake_quantize_moving_average_abs_max", {{"X", {"c"}}, {"InScale", {"scale_of_x"}}}, {{"Out", {"y"}}});
  const graph g = w.output("y").output("d").load();
  int seen = 0;
  for (const graph_value& v : g.values) {
    ++seen;
    INFO(v.name);
    if (v.name == "a") CHECK(v.observed == range{-0.5f, 0.5f});
    if (v.name == "b") CHECK(v.observed == range{0, 25.5f});
    CHECK(v.observed.has_value() == (v.name == "a" || v.name == "b"));
  }
  CHECK(seen == 6);
}
