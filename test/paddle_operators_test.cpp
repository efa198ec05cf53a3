// Single operators of PaddlePaddle's programs, as far as the networks of paddle_models_test.cpp do not have them or do
// not have their attributes: small numbers, computed by hand or by the formulas of Paddle's documentation.
#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "support/single_paddle_op.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

floats counted(int n, float first = 0) {
  floats all;
  for (int i = 0; i < n; ++i) all.push_back(first + static_cast<float>(i));
  return all;
}
}  // namespace

TEST_CASE("paddle elementwise: where the lower operand's axes begin") {
  const array x{{2, 3, 2}, counted(12)}, by_middle{{3}, {0, 10, 20}}, by_last{{2}, {100, 200}};
  const floats with_middle{0, 1, 12, 13, 24, 25, 6, 7, 18, 19, 30, 31},
      with_last{100, 201, 102, 203, 104, 205, 106, 207, 108, 209, 110, 211};
  check({"elementwise_add", {{"X", x}, {"Y", by_middle}}, {}, {{"axis", 1}}}, {{2, 3, 2}, with_middle});
  check({"elementwise_add", {{"X", x}}, {{"Y", by_middle}}, {{"axis", 1}}}, {{2, 3, 2}, with_middle});
  check({"elementwise_add", {{"X", x}, {"Y", {{3, 1}, {0, 10, 20}}}}, {}, {}}, {{2, 3, 2}, with_middle});
  check({"elementwise_add", {{"X", x}, {"Y", by_last}}, {}, {}}, {{2, 3, 2}, with_last});
  check({"elementwise_add", {{"X", by_last}, {"Y", x}}, {}, {}}, {{2, 3, 2}, with_last});
  check({"elementwise_sub", {{"X", {{2}, {1, 2}}}, {"Y", {{1}, {3}}}}, {}, {}}, {{2}, {-2, -1}});
  check({"elementwise_pow", {{"X", {{2}, {3, 4}}}}, {{"Y", {{1}, {2}}}}, {}}, {{2}, {9, 16}});
  check({"elementwise_max", {{"X", {{2}, {3, 4}}}, {"Y", {{2}, {5, 1}}}}, {}, {}}, {{2}, {5, 4}});
  check({"sum", {{"X", {{2}, {3, 4}}}, {"X", {{2}, {5, 1}}}, {"X", {{2}, {1, 1}}}}, {}, {}}, {{2}, {9, 6}});
}

TEST_CASE("paddle: products") {
  const array x{{2, 2, 3}, counted(12)}, w{{3, 2, 2}, counted(12)};
  check({"mul", {{"X", x}}, {{"Y", w}}, {{"x_num_col_dims", 2}}},  // (2, 2, 3) by (3, 2 2)
        {{2, 2, 2, 2}, {20, 23, 26, 29, 56, 68, 80, 92, 92, 113, 134, 155, 128, 158, 188, 218}});
  check({"mul", {{"X", {{1, 2, 2}, {1, 2, 3, 4}}}}, {{"Y", {{4, 1}, {1, 1, 1, 2}}}}}, {{1, 1}, {14}});
  check({"fc",
         {{"Input", {{1, 2}, {1, 2}}}},
         {{"W", {{2, 2}, {1, 2, 3, 4}}}, {"Bias", {{2}, {0, -20}}}},
         {{"activation_type", "relu"}}},
        {{1, 2}, {7, 0}});
  const array a{{2, 3}, counted(6)}, b{{2, 3}, counted(6, 1)};
  const floats outer{8, 17, 26, 62};  // a b^T is {8, 17, 26, 62}
  check({"matmul", {{"X", a}, {"Y", b}}, {}, {{"transpose_Y", true}}}, {{2, 2}, outer});
  check({"matmul", {{"X", a}}, {{"Y", b}}, {{"transpose_Y", true}, {"alpha", 2.0f}}}, {{2, 2}, {16, 34, 52, 124}});
  check({"matmul_v2", {{"X", a}, {"Y", b}}, {}, {{"trans_y", true}}}, {{2, 2}, outer});
  const floats inner{12, 15, 18, 17, 22, 27, 22, 29, 36};  // a^T b
  check({"matmul_v2", {{"X", a}, {"Y", b}}, {}, {{"trans_x", true}}}, {{3, 3}, inner});
  check({"matmul_v2", {{"X", a}}, {{"Y", b}}, {{"trans_x", true}}}, {{3, 3}, inner});
  check({"matmul_v2", {{"X", a}, {"Y", {{3}, {1, 1, 1}}}}, {}, {}}, {{2}, {3, 12}});
  check({"matmul_v2", {{"X", {{2}, {1, 2}}}, {"Y", a}}, {}, {}}, {{3}, {6, 9, 12}});
  check({"matmul_v2", {{"X", {{2}, {1, 2}}}, {"Y", {{2}, {3, 4}}}}, {}, {}}, {{1}, {11}});
}

TEST_CASE("paddle: pooling") {
  const auto pool = [](const std::string& type, const integers& size, bool adaptive, const array& x) {
    return single_op{"pool2d", {{"X", x}}, {}, {{"pooling_type", type}, {"ksize", size}, {"adaptive", adaptive}}};
  };
  const array line{{1, 1, 1, 7}, {1, 2, 3, 4, 5, 6, 70}};
  check(pool("max", {1, 3}, true, line), {{1, 1, 1, 3}, {3, 5, 70}});        // [0, 3) [2, 5) [4, 7)
  check(pool("avg", {1, 4}, true, line), {{1, 1, 1, 4}, {1.5f, 3, 5, 38}});  // [0, 2) [1, 4) [3, 6) [5, 7)
  check(pool("avg", {2, 2}, true, {{1, 1, 3, 3}, counted(9)}), {{1, 1, 2, 2}, {2, 3, 5, 6}});
  single_op padded{"pool2d", {{"X", {{1, 1, 2, 2}, {4, 8, 12, 16}}}}, {}, {}};
  padded.attributes = {{"pooling_type", "avg"},
                       {"ksize", integers{2, 2}},
                       {"strides", integers{2, 2}},
                       {"paddings", integers{1, 1}},
                       {"exclusive", false}};
  check(padded, {{1, 1, 2, 2}, {1, 2, 3, 4}});
  padded.attributes.back().second = true;
  check(padded, {{1, 1, 2, 2}, {4, 8, 12, 16}});
  single_op last{"pool2d", {{"X", {{1, 1, 2, 2}, {1, 2, 3, 4}}}}, {}, {}};  // (N, H, W, C)
  last.attributes = {{"pooling_type", "max"}, {"global_pooling", true}, {"data_format", "NHWC"}};
  check(last, {{1, 1, 1, 2}, {3, 4}});
}

TEST_CASE("paddle: convolutions with padding of all kinds, channels first and last") {
  const array x{{1, 1, 3, 3}, counted(9, 1)}, ones{{1, 1, 2, 2}, {1, 1, 1, 1}};
  const auto conv = [&](const paddle_attributes& a) {
    return single_op{"conv2d", {{"Input", x}}, {{"Filter", ones}}, a, {"Output"}};
  };
  check(conv({}), {{1, 1, 2, 2}, {12, 16, 24, 28}});
  single_op fused = conv({{"fuse_relu", true}});
  fused.parameters.push_back({"Bias", {{1}, {-20}}});
  check(fused, {{1, 1, 2, 2}, {0, 0, 4, 8}});
  check(conv({{"paddings", integers{1, 0, 0, 1}}}), {{1, 1, 3, 3}, {3, 5, 3, 12, 16, 9, 24, 28, 15}});
  check(conv({{"padding_algorithm", "SAME"}, {"dilations", integers{5, 5}}}),
        {{1, 1, 3, 3}, {12, 16, 9, 24, 28, 15, 15, 17, 9}});
  check(conv({{"padding_algorithm", "VALID"}, {"paddings", integers{1, 1}}, {"strides", integers{1, 2}}}),
        {{1, 1, 2, 1}, {12, 24}});
  single_op last{
      "conv2d", {{"Input", {{1, 2, 1, 2}, {1, 2, 3, 4}}}}, {{"Filter", {{1, 2, 1, 1}, {1, 10}}}}, {}, {"Output"}};
  last.parameters.push_back({"Bias", {{1}, {0.5f}}});
  last.attributes = {{"data_format", "NHWC"}};
  check(last, {{1, 2, 1, 1}, {21.5f, 43.5f}});
  check({"conv2d_transpose",
         {{"Input", {{1, 1, 1, 2}, {1, 2}}}},
         {{"Filter", {{1, 1, 1, 2}, {10, 1}}}},
         {{"strides", integers{1, 3}}, {"output_size", integers{1, 6}}},
         {"Output"}},
        {{1, 1, 1, 6}, {10, 1, 0, 20, 2, 0}});
  check({"conv3d",
         {{"Input", {{1, 1, 2, 1, 2}, {1, 2, 3, 4}}}},
         {{"Filter", {{1, 1, 2, 1, 1}, {1, 10}}}},
         {},
         {"Output"}},
        {{1, 1, 1, 1, 2}, {31, 42}});
}

TEST_CASE("paddle: resizing") {
  const array x{{1, 1, 1, 3}, {0, 10, 20}};
  const auto interp = [&](const std::string& type, int width, bool corners, int mode) {
    return single_op{
        type, {{"X", x}}, {}, {{"out_h", 1}, {"out_w", width}, {"align_corners", corners}, {"align_mode", mode}}};
  };
  check(interp("nearest_interp", 6, false, 1), {{1, 1, 1, 6}, {0, 0, 10, 10, 20, 20}});
  check(interp("nearest_interp", 5, true, 1), {{1, 1, 1, 5}, {0, 10, 10, 20, 20}});  // 0.5 and 1.5 go up
  check(interp("bilinear_interp", 5, true, 1), {{1, 1, 1, 5}, {0, 5, 10, 15, 20}});
  check(interp("bilinear_interp", 6, false, 1), {{1, 1, 1, 6}, {0, 5, 10, 15, 20, 20}});
  check(interp("bilinear_interp_v2", 6, false, 0), {{1, 1, 1, 6}, {0, 2.5f, 7.5f, 12.5f, 17.5f, 20}});
  check({"nearest_interp_v2", {{"X", x}}, {}, {{"scale", floats{2, 2}}, {"align_corners", false}}},
        {{1, 1, 2, 6}, {0, 0, 10, 10, 20, 20, 0, 0, 10, 10, 20, 20}});
}

TEST_CASE("paddle: functions and lines") {
  const array x{{4}, {-4, -1, 0.5f, 8}};
  const auto f = [&](const std::string& type, const paddle_attributes& a, const floats& y) {
    check({type, {{"X", x}}, {}, a}, {{4}, y});
  };
  f("relu6", {}, {0, 0, 0.5f, 6});
  f("clip", {{"min", -2.0f}, {"max", 1.0f}}, {-2, -1, 0.5f, 1});
  f("leaky_relu", {{"alpha", 0.5f}}, {-2, -0.5f, 0.5f, 8});
  f("hard_sigmoid", {}, {0, 0.3f, 0.6f, 1});
  f("hard_swish", {}, {0, -1.0f / 3, 0.5f * 3.5f / 6, 8});
  f("hard_swish", {{"threshold", 4.0f}, {"scale", 2.0f}, {"offset", 2.0f}}, {0, -0.5f, 0.625f, 16});
  check({"rsqrt", {{"X", {{2}, {0.25f, 4}}}}, {}}, {{2}, {2, 0.5f}});
  f("logsigmoid", {}, {-4.01815f, -1.3132617f, -0.474077f, -3.3540637e-4f});
  f("scale", {{"scale", 2.0f}, {"bias", 1.0f}}, {-7, -1, 2, 17});
  f("scale", {{"scale", 2.0f}, {"bias", 1.0f}, {"bias_after_scale", false}}, {-6, 0, 3, 18});
  f("dropout", {{"dropout_prob", 0.25f}}, {-3, -0.75f, 0.375f, 6});
  f("dropout", {{"dropout_prob", 0.25f}, {"dropout_implementation", "upscale_in_train"}}, x.elements);
  check({"prelu", {{"X", {{1, 2, 1, 2}, {-1, 2, -3, 4}}}}, {{"Alpha", {{2}, {0.5f, 0.1f}}}}, {{"mode", "channel"}}},
        {{1, 2, 1, 2}, {-0.5f, 2, -0.3f, 4}});
  check({"layer_norm",
         {{"X", {{1, 2, 2}, {1, 3, 5, 7}}}},
         {{"Scale", {{4}, {1, 1, 1, 2}}}, {"Bias", {{4}, {0, 0, 0, 1}}}},
         {{"begin_norm_axis", 1}, {"epsilon", 1e-12f}},
         {"Y"}},
        {{1, 2, 2}, {-1.34164f, -0.447214f, 0.447214f, 3.68328f}});
}

TEST_CASE("paddle: along axes") {
  const array x{{2, 3}, {1, 5, 3, 4, 2, 6}};
  check({"reduce_mean", {{"X", x}}, {}, {{"dim", integers{1}}}}, {{2}, {3, 4}});
  check({"reduce_max", {{"X", x}}, {}, {{"dim", integers{0}}, {"keep_dim", true}}}, {{1, 3}, {4, 5, 6}});
  check({"reduce_sum", {{"X", x}}, {}, {{"reduce_all", true}}}, {{1}, {21}});
  check({"mean", {{"X", x}}, {}}, {{1}, {3.5f}});
  check({"softmax", {{"X", {{2, 2}, {0, 0, 0, 0}}}}, {}, {{"axis", 0}}}, {{2, 2}, {0.5f, 0.5f, 0.5f, 0.5f}});
  const auto best = run_all({"top_k_v2", {{"X", x}}, {}, {{"k", 2}}, {"Out", "Indices"}});
  check(best[0], {{2, 2}, {5, 3, 6, 4}});
  CHECK(std::ranges::equal(best[1].as<std::int64_t>(), std::vector<std::int64_t>{1, 2, 2, 0}));
  const auto place = run_all({"arg_max", {{"X", x}}, {}, {{"axis", 1}}});
  CHECK(std::ranges::equal(place[0].as<std::int64_t>(), std::vector<std::int64_t>{1, 2}));
  // Of images that lie channels last in the graph: a pool leaves them so.
  paddle_writer w;
  w.input("x", {1, 2, 2, 2}).op("pool2d", {{"X", {"x"}}}, {{"Out", {"p"}}}, {{"ksize", integers{1, 1}}});
  w.op("reduce_mean", {{"X", {"p"}}}, {{"Out", {"by_channel"}}}, {{"dim", integers{2, 3}}});
  w.op("reduce_max", {{"X", {"p"}}}, {{"Out", {"by_row"}}}, {{"dim", integers{1, 3}}});
  w.op("reduce_max", {{"X", {"p"}}}, {{"Out", {"by_columns"}}}, {{"dim", integers{2}}});
  w.op("reduce_max", {{"X", {"p"}}}, {{"Out", {"by_pixel"}}}, {{"dim", integers{1}}});
  w.op("concat", {{"X", {"p", "x"}}}, {{"Out", {"twice"}}}, {{"axis", 1}});
  w.op("slice", {{"Input", {"twice"}}}, {{"Out", {"part"}}},
       {{"axes", integers{1}}, {"starts", integers{1}}, {"ends", integers{3}}});
  w.output("by_channel").output("by_row").output("by_columns").output("part").output("by_pixel");
  const auto y = outputs_of(octavo::compile(w.load()), std::vector{tensor::of<float>({1, 2, 2, 2}, counted(8))});
  check(y[0], {{1, 2}, {1.5f, 5.5f}});
  check(y[1], {{1, 2}, {5, 7}});
  check(y[2], {{1, 2, 2}, {2, 3, 6, 7}});
  check(y[3], {{1, 2, 2, 2}, {4, 5, 6, 7, 0, 1, 2, 3}});
  check(y[4], {{1, 2, 2}, {4, 5, 6, 7}});
}

TEST_CASE("paddle: movement") {
  const array x{{2, 3}, counted(6)};
  const auto extents = [&](const std::string& type, const dims& from, const paddle_attributes& a) {
    return run_all({type, {{"X", {from, counted(static_cast<int>(from.count()))}}}, {}, a})[0].extents();
  };
  CHECK(extents("flatten2", {2, 3, 4}, {{"axis", 2}}) == dims{6, 4});
  CHECK(extents("flatten_contiguous_range", {2, 3, 4}, {{"start_axis", 0}, {"stop_axis", 1}}) == dims{6, 4});
  CHECK(extents("squeeze2", {1, 3, 1}, {{"axes", integers{0}}}) == dims{3, 1});
  CHECK(extents("squeeze2", {1, 3, 1}, {{"axes", integers{}}}) == dims{3});
  CHECK(extents("unsqueeze2", {2, 3}, {{"axes", integers{0, -1}}}) == dims{1, 2, 3, 1});
  CHECK(extents("reshape2", {2, 3, 4}, {{"shape", integers{0, -1}}}) == dims{2, 12});
  CHECK(extents("expand_v2", {2, 1}, {{"shape", integers{3, -1, 4}}}) == dims{3, 2, 4});
  check({"transpose2", {{"X", x}}, {}, {{"axis", integers{1, 0}}}}, {{3, 2}, {0, 3, 1, 4, 2, 5}});
  check(
      {"slice",
       {{"Input", x}},
       {},
       {{"axes", integers{0}}, {"starts", integers{-1}}, {"ends", integers{1 << 30}}, {"decrease_axis", integers{0}}}},
      {{3}, {3, 4, 5}});
  check({"strided_slice",
         {{"Input", x}},
         {},
         {{"axes", integers{1}}, {"starts", integers{0}}, {"ends", integers{3}}, {"strides", integers{2}}}},
        {{2, 2}, {0, 2, 3, 5}});
  const auto parts = run_all({"split", {{"X", x}}, {}, {{"axis", 1}, {"sections", integers{1, -1}}}, {"Out", "Out"}});
  check(parts[0], {{2, 1}, {0, 3}});
  check(parts[1], {{2, 2}, {1, 2, 4, 5}});
  check({"stack", {{"X", {{2}, {1, 2}}}, {"X", {{2}, {3, 4}}}}, {}, {{"axis", 1}}, {"Y"}}, {{2, 2}, {1, 3, 2, 4}});
  const auto rows = run_all({"unstack", {{"X", x}}, {}, {{"axis", 0}}, {"Y", "Y"}});
  check(rows[1], {{3}, {3, 4, 5}});
  check({"tile", {{"X", {{2}, {1, 2}}}}, {}, {{"repeat_times", integers{2, 1}}}}, {{2, 2}, {1, 2, 1, 2}});
  check({"expand", {{"X", {{1, 2}, {1, 2}}}}, {}, {{"expand_times", integers{2, 2}}}},
        {{2, 4}, {1, 2, 1, 2, 1, 2, 1, 2}});
  check({"pad", {{"X", {{1, 2}, {1, 2}}}}, {}, {{"paddings", integers{0, 1, 1, 0}}, {"pad_value", 9.0f}}},
        {{2, 3}, {9, 1, 2, 9, 9, 9}});
  check({"pad2d", {{"X", {{1, 1, 1, 3}, {1, 2, 3}}}}, {}, {{"paddings", integers{0, 0, 2, 1}}, {"mode", "reflect"}}},
        {{1, 1, 1, 6}, {3, 2, 1, 2, 3, 2}});
  check({"pad3d",
         {{"X", {{1, 1, 1, 1, 2}, {1, 2}}}},
         {},
         {{"paddings", integers{1, 0, 0, 1, 0, 0}}, {"mode", "replicate"}, {"data_format", "NCDHW"}}},
        {{1, 1, 1, 2, 3}, {1, 1, 2, 1, 1, 2}});
  check({"pixel_shuffle", {{"X", {{1, 4, 1, 1}, {1, 2, 3, 4}}}}, {}, {{"upscale_factor", 2}}},
        {{1, 1, 2, 2}, {1, 2, 3, 4}});
  check({"shuffle_channel", {{"X", {{1, 4, 1, 1}, {1, 2, 3, 4}}}}, {}, {{"group", 2}}}, {{1, 4, 1, 1}, {1, 3, 2, 4}});
}

TEST_CASE("paddle: tensors that are known") {
  paddle_writer w;  // x + 3 + 0.5 + {2, 1} + {0, 2}
  w.input("x", {2}).op("fill_constant", {}, {{"Out", {"three"}}},
                       {{"shape", integers{2}}, {"value", 1.0f}, {"str_value", "3"}, {"dtype", 5}});
  w.op("fill_any_like", {{"X", {"x"}}}, {{"Out", {"half"}}}, {{"value", 0.5f}});
  w.op("assign_value", {}, {{"Out", {"listed"}}},
       {{"shape", integers{2}}, {"dtype", 5}, {"fp32_values", floats{2, 1}}});
  for (const auto& [name, value] : {std::pair{"start", 0}, {"end", 4}, {"step", 2}})
    w.op("fill_constant", {}, {{"Out", {name}}},
         {{"shape", integers{1}}, {"dtype", 3}, {"value", static_cast<float>(value)}});
  w.op("range", {{"Start", {"start"}}, {"End", {"end"}}, {"Step", {"step"}}}, {{"Out", {"even"}}});
  w.op("cast", {{"X", {"even"}}}, {{"Out", {"even_floats"}}}, {{"in_dtype", 3}, {"out_dtype", 5}});
  w.op("sum", {{"X", {"x", "three", "half", "listed", "even_floats"}}}, {{"Out", {"y"}}}).output("y");
  check(outputs_of(octavo::compile(w.load()), std::vector{tensor::of<float>({2}, {{10, 20}})})[0],
        {{2}, {15.5f, 26.5f}});
}
