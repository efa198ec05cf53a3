// The transposed convolution's reference evaluation against ONNX's node tests and against its definition, every input
// scattered to the outputs; what it refuses, and what passes fuse into it.
#include "octavo/op/conv_transpose2d.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// The definition, in integers. `zero` is taken off x; w: (IC, OC/groups, KH, KW).
std::vector<float> scattered(const conv_transpose& c, const tensor& x, int zero, const tensor& w, const dims& y) {
  const dims& e = x.extents();
  const auto value = [&](const tensor& t, std::size_t i) {
    return t.type() == element::u8   ? t.as<std::uint8_t>()[i] - zero
           : t.type() == element::s8 ? t.as<std::int8_t>()[i]
                                     : static_cast<int>(t.as<float>()[i]);
  };
  const int icg = e[3] / c.groups, ocg = c.out / c.groups;
  std::vector<float> sums(y.count(), 0.0f);
  for (int pixel = 0; pixel < e[0] * e[1] * e[2]; ++pixel)
    for (int ic = 0; ic < e[3]; ++ic)
      for (int o = 0; o < ocg; ++o)
        for (int tap = 0; tap < c.kernel.h * c.kernel.w; ++tap) {
          const int oh = pixel / e[2] % e[1] * c.stride.h - c.pad.top + tap / c.kernel.w * c.dilation.h;
          const int ow = pixel % e[2] * c.stride.w - c.pad.left + tap % c.kernel.w * c.dilation.w;
          if (oh < 0 || ow < 0 || oh >= y[1] || ow >= y[2]) continue;
          const int at = ((pixel / e[2] / e[1] * y[1] + oh) * y[2] + ow) * y[3] + ic / icg * ocg + o;
          const int weight = (ic * ocg + o) * c.kernel.h * c.kernel.w + tap;
          sums[static_cast<std::size_t>(at)] += static_cast<float>(
              value(x, static_cast<std::size_t>(pixel * e[3] + ic)) * value(w, static_cast<std::size_t>(weight)));
        }
  return sums;
}

constexpr conv_transpose shapes[] = {
    {.out = 2},
    {.out = 4, .kernel = 2, .stride = 2},
    {.out = 3, .kernel = 4, .stride = 2, .pad = 1},
    {.out = 2, .kernel = 3, .stride = 2, .pad = 1, .output_padding = 1},
    {.out = 4, .kernel = {3, 2}, .stride = {1, 3}, .pad = {2, 0, 0, 1}, .output_padding = {0, 2}, .groups = 2},
    {.out = 8, .kernel = 3, .stride = 2, .pad = 2, .dilation = 2, .groups = 4},
    {.out = 4, .kernel = {2, 3}, .stride = {3, 2}, .dilation = {2, 3}, .groups = 4},
    {.out = 2, .kernel = 1, .stride = 3, .output_padding = {2, 0}}};  // outputs that no input reaches

dims by_input(const conv_transpose& c, int inputs) { return {inputs, c.out / c.groups, c.kernel.h, c.kernel.w}; }

tensor counted(const dims& extents) {
  tensor t(element::f32, extents);
  for (std::size_t i = 0; i < t.as<float>().size(); ++i) t.as<float>()[i] = static_cast<float>(i);
  return t;
}

/// The output, (N, H, W, 2), of a 3x3 image that counts from 0 and weights of 1, as ONNX's node tests have them.
tensor of_ones(const conv_transpose& c) {
  const op::conv_transpose2d o{c};
  tensor x = counted({1, 3, 3, 1}), w(element::f32, {2, 1, c.kernel.h, c.kernel.w});
  std::ranges::fill(w.as<float>(), 1.0f);
  const signature s{
      {{element::f32, x.extents(), {}}}, {element::f32, op::infer(o, x.extents()), {}}, {make_constant(std::move(w))}};
  return reference_output(o, s, list_of(std::move(x)));
}

void check_channels_equal(const tensor& y, const dims& extents, std::vector<float> expected) {
  REQUIRE(y.extents() == extents);
  REQUIRE(extents.rows() == expected.size());
  for (std::size_t i = 0; i < expected.size() * 2; ++i) CHECK(y.as<float>()[i] == expected[i / 2]);
}

}  // namespace

TEST_CASE("conv_transpose2d: ONNX's node tests convtranspose, _pads, _output_shape and _dilations") {
  check_channels_equal(of_ones({.out = 2, .kernel = 3}), {1, 5, 5, 2},
                       {0, 1, 3, 3, 2, 3, 8, 15, 12, 7, 9, 21, 36, 27, 15, 9, 20, 33, 24, 13, 6, 13, 21, 15, 8});
  check_channels_equal(of_ones({.out = 2, .kernel = 3, .stride = {3, 2}, .pad = {1, 2, 1, 2}}), {1, 7, 3, 2},
                       {1, 1, 3, 1, 1, 3, 7, 4, 9, 7, 4, 9, 7, 4, 9, 13, 7, 15, 13, 7, 15});
  check_channels_equal(of_ones({.out = 2, .kernel = 3, .stride = {3, 2}, .output_padding = 1}), {1, 10, 8, 2},
                       {0, 0, 1, 1, 3,  2, 2,  0, 0, 0, 1, 1, 3,  2, 2,  0, 0, 0, 1, 1, 3, 2, 2, 0,  3, 3,  7,
                        4, 9, 5, 5, 0,  3, 3,  7, 4, 9, 5, 5, 0,  3, 3,  7, 4, 9, 5, 5, 0, 6, 6, 13, 7, 15, 8,
                        8, 0, 6, 6, 13, 7, 15, 8, 8, 0, 6, 6, 13, 7, 15, 8, 8, 0, 0, 0, 0, 0, 0, 0,  0, 0});
  // convtranspose_dilations: one output channel.
  const op::conv_transpose2d o{{.out = 1, .kernel = 2, .dilation = 2}};
  const signature s{
      {{element::f32, {1, 3, 3, 1}, {}}}, {element::f32, {1, 5, 5, 1}, {}}, {values({1, 1, 2, 2}, {7, 2, 1, 9})}};
  const tensor x = tensor::of<float>({1, 3, 3, 1}, std::vector<float>{3, 8, 1, 9, 5, 7, 3, 2, 6});
  CHECK(std::ranges::equal(reference_output(o, s, list_of(x.reshaped(x.extents()))).as<float>(),
                           std::vector<float>{21, 56, 13, 16, 2,  63, 35, 67, 10, 14, 24, 22, 76,
                                              76, 21, 9,  5,  88, 45, 63, 3,  2,  33, 18, 54}));
}

TEST_CASE("conv_transpose2d: FP32 against the definition: small integers, whose sums are exact") {
  random_numbers random(1);
  for (const conv_transpose& c : shapes) {
    const op::conv_transpose2d o{c};
    CAPTURE(text(operation(o)));
    tensor x(element::f32, {2, 4, 5, 4}), w(element::f32, by_input(c, 4));
    for (tensor* t : {&x, &w})
      for (float& v : t->as<float>()) v = static_cast<float>(random.between(-9, 9));
    const dims y = op::infer(c, x.extents());
    const std::vector<float> expected = scattered(c, x, 0, w, y);
    const signature s{{{element::f32, x.extents(), {}}},
                      {element::f32, y, {}},
                      {make_constant(weights_by_output(w, c.groups)), nullptr}};
    CHECK(std::ranges::equal(reference_output(o, s, list_of(std::move(x))).as<float>(), expected));
  }
}

// With scales of 1 the FP32 output is the sum of (q - zero point) * w: each phase takes off its own share.
TEST_CASE("conv_transpose2d: INT8 against the definition") {
  random_numbers random(2);
  for (const conv_transpose& c : shapes)
    for (const int zero : {0, 128, 255}) {
      const op::conv_transpose2d o{c};
      CAPTURE(text(operation(o)));
      tensor x = random_tensor(element::u8, {2, 4, 5, 4}, random);
      tensor w = random_tensor(element::s8, by_input(c, 4), random);
      const dims y = op::infer(c, x.extents());
      const std::vector<float> expected = scattered(c, x, zero, w, y);
      tensor ones(element::f32, {c.out});
      std::ranges::fill(ones.as<float>(), 1.0f);
      const signature s{{{element::u8, x.extents(), {1.0f, zero}}},
                        {element::f32, y, {}},
                        {make_constant(weights_by_output(w, c.groups)), nullptr, make_constant(std::move(ones))}};
      CHECK(std::ranges::equal(reference_output(o, s, list_of(std::move(x))).as<float>(), expected));
    }
}

TEST_CASE("conv_transpose2d: what it refuses, by name") {
  op::conv_transpose2d o{{.out = 4, .kernel = 3, .stride = 2, .pad = 1}};
  signature s{{{element::f32, {1, 5, 5, 6}, {}}},
              {element::f32, {1, 9, 9, 4}, {}},
              {make_constant(tensor(element::f32, {4, 6, 3, 3})), nullptr}};
  const auto failure = [&] { return failure_of([&] { check(operation(o), s); }); };
  CHECK_FALSE(failure());
  SUBCASE("a sequence") {
    s.src[0].extents = {1, 5, 6};
    check_failure(failure(), "conv_transpose2d: input must be (N, H, W, C), found 1x5x6");
  }
  SUBCASE("a bounded height") {
    s.src[0].extents = {1, upto<5>, 5, 6};
    check_failure(failure(), "conv_transpose2d: only the batch may be bounded, found 1x<=5x5x6");
  }
  SUBCASE("groups") {
    o.groups = 4;
    check_failure(failure(), "conv_transpose2d: 4 groups do not divide 6 input and 4 output channels");
  }
  SUBCASE("padding by a rule") {
    o.pad = same;
    check_failure(failure(), "conv_transpose2d: kernel 3x3", "padding same explicit");
  }
  SUBCASE("as much output padding as stride") {
    o.output_padding = {0, 2};
    check_failure(failure(), "output padding 0x2 from 0 and less than stride or dilation");
  }
  SUBCASE("padding that leaves nothing") {
    o.pad = 6;
    check_failure(failure(), "conv_transpose2d: padding 6,6,6,6 leaves nothing");
  }
  SUBCASE("an output that is too large") {
    s.src[0].extents = {1, 1 << 29, 1, 6};
    o.stride = 8;
    check_failure(failure(), "or it is too large");
  }
  SUBCASE("weights as PyTorch has them") {
    s.constants[0] = make_constant(tensor(element::f32, {6, 4, 3, 3}));
    check_failure(failure(), "conv_transpose2d: weights must be f32[4x6x3x3], found f32[6x4x3x3]");
  }
  SUBCASE("a zero point's share out of range, though that of all weights together is 0") {
    tensor w(element::s8, {4, 6, 3, 3});
    for (std::size_t i = 0; i < w.as<std::int8_t>().size(); ++i)
      w.as<std::int8_t>()[i] = static_cast<std::int8_t>(i % 9 == 4 ? 0 : i % 2 ? 127 : -127);
    const float huge = 0x1p60f;
    s.constants = {make_constant(std::move(w)), nullptr, values({4}, {huge, huge, huge, huge})};
    s.src[0] = {element::u8, {1, 5, 5, 6}, {1.0f, 255}};
    check_failure(failure(), "conv_transpose2d: multiplier", "out of range");
  }
}

TEST_CASE("conv_transpose2d: weights (IC, OC/groups, KH, KW) as (OC, IC/groups, KH, KW)") {
  const tensor w = counted({4, 3, 1, 2}), y = weights_by_output(w, 2);
  REQUIRE(y.extents() == dims{6, 2, 1, 2});
  CHECK(std::ranges::equal(y.as<float>(), std::vector<float>{0,  1,  6,  7,  2,  3,  8,  9,  4,  5,  10, 11,
                                                             12, 13, 18, 19, 14, 15, 20, 21, 16, 17, 22, 23}));
  check_failure(failure_of([&] { weights_by_output(w, 3); }), "3 groups do not divide", "4x3x1x2");
}

TEST_CASE("conv_transpose2d: attributes") {
  const operation o(op::conv_transpose2d{
      {.out = 8, .kernel = 4, .stride = 2, .pad = 1, .output_padding = {1, 0}, .dilation = {1, 2}, .groups = 2}});
  CHECK(make_operation("conv_transpose2d", o.attributes()) == o);
  CHECK(text(o) == "conv_transpose2d kernel 4x4 out 8 stride 2x2 pad 1,1,1,1 output_padding 1x0 dilation 1x2 groups 2");
}

TEST_CASE(
    "conv_transpose2d: batch_norm, bias, residual and activation go into it; weights are read as PyTorch has them") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, nhwc<2, 4, 5, 6>>("x");
  auto y = batch_norm(conv_transpose2d<conv_transpose{.out = 4, .kernel = 2, .stride = 2, .groups = 2}>(x, w / "c"),
                      w / "bn");
  g.output(relu(bias_add(conv_transpose2d<conv_transpose{.out = 4, .kernel = 3, .pad = 1}>(y, w / "d"), w / "b") + y),
           "y");
  CHECK(same_bits(*g.nodes[1].constants[0], weights_by_output(*(w / "c").get("weight", {6, 2, 2, 2}), 2)));
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "conv_transpose2d conv_transpose2d");
  CHECK(folded.nodes[2].as<op::conv_transpose2d>()->residual);
  CHECK(folded.nodes[2].as<op::conv_transpose2d>()->act == relu_activation);
  check_close_output(g, folded, 1e-5f);  // each weight and bias is rounded once more
}

// Outputs meet different taps: a shift of the input is no shift of the bias.
TEST_CASE("conv_transpose2d: a batch_norm before it stays") {
  graph g;
  const params w = random_params(3);
  auto x = batch_norm(g.input<float, nhwc<1, 4, 4, 4>>("x"), w / "bn");
  g.output(conv_transpose2d<conv_transpose{.out = 4, .kernel = 3, .stride = 2}>(x, w / "c"), "y");
  CHECK(operators_of(fold(g)) == "batch_norm conv_transpose2d");
}
