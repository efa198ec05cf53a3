// The convolution's reference evaluation against cases by hand, ONNX's node tests, and the formulas written out.
#include "octavo/op/conv2d.hpp"

#include <doctest/doctest.h>

#include <functional>

#include "octavo/op/operation.hpp"
#include "support/onnx_vectors.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor tensor_of(const dims& extents, std::vector<float> list) { return tensor::of<float>(extents, list); }
tensor bytes_of_image(const dims& extents, std::vector<std::uint8_t> list) {
  return tensor::of<std::uint8_t>(extents, list);
}

op::conv2d convolution(const conv& c, const dims& x) {
  op::conv2d o{c};
  o.pad = resolve(c.pad, x[1], x[2], c.kernel, c.stride, c.dilation);
  return o;
}

/// FP32 convolution of x.
tensor convolved(const conv& c, const tensor& x, constant weights, constant bias = nullptr, activation act = {}) {
  op::conv2d o = convolution(c, x.extents());
  o.act = act;
  const signature s{{{element::f32, x.extents(), {}}}, {element::f32, op::infer(o, x.extents()), {}}, {weights, bias}};
  return reference_output(o, s, list_of(x.reshaped(x.extents())));
}

bool equal(const tensor& t, std::vector<float> expected) { return std::ranges::equal(t.as<float>(), expected); }

/// The INT8 convolution of the signature, from the formulas: every input pixel is scattered to the outputs it reaches,
/// in 64 bits, its zero point removed; then the zero point's share is put back, since the offset takes it away.
tensor integer_convolution(const op::conv2d& c, const signature& s, const std::vector<tensor>& src) {
  const dims &x = s.src[0].extents, &y = s.dst->extents;
  const auto weights = s.constants[0]->as<std::int8_t>();
  const auto w_scales = s.constants[2]->as<float>();
  const int icg = x[3] / c.groups, ocg = c.out / c.groups, taps = c.kernel.h * c.kernel.w, zp = s.src[0].q.zero_point;
  const auto weight = [&](int oc, int i, int kh, int kw) -> std::int64_t {
    return weights[static_cast<std::size_t>(((oc * icg + i) * c.kernel.h + kh) * c.kernel.w + kw)];
  };
  std::vector<std::int64_t> acc(y.count());
  std::size_t at = 0;
  for (int n = 0; n < x[0]; ++n)
    for (int ih = 0; ih < x[1]; ++ih)
      for (int iw = 0; iw < x[2]; ++iw)
        for (int ic = 0; ic < x[3]; ++ic, ++at) {
          const std::int64_t v = src[0].as<std::uint8_t>()[at] - zp;
          for (int kh = 0; kh < c.kernel.h; ++kh)
            for (int kw = 0; kw < c.kernel.w; ++kw) {
              const int h = ih + c.pad.top - kh * c.dilation.h, w = iw + c.pad.left - kw * c.dilation.w;
              if (h < 0 || w < 0 || h % c.stride.h || w % c.stride.w || h / c.stride.h >= y[1] ||
                  w / c.stride.w >= y[2])
                continue;
              for (int o = 0; o < ocg; ++o) {
                const int oc = ic / icg * ocg + o;
                acc[static_cast<std::size_t>(((n * y[1] + h / c.stride.h) * y[2] + w / c.stride.w) * y[3] + oc)] +=
                    v * weight(oc, ic % icg, kh, kw);
              }
            }
        }
  const output_grid grid{s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0, s.dst->q.zero_point,
                         static_cast<double>(c.act.lower), static_cast<double>(c.act.upper)};
  tensor out(s.dst->type, y);
  for (std::size_t i = 0; i < acc.size(); ++i) {
    const int oc = static_cast<int>(i) % y[3];
    std::int64_t sum = 0;
    for (int k = 0; k < icg * taps; ++k) sum += weights[static_cast<std::size_t>(oc * icg * taps + k)];
    const folded_channel fold(s.src[0].q.scale, zp, w_scales[static_cast<std::size_t>(oc)], sum,
                              s.constants[1] ? s.constants[1]->as<float>()[static_cast<std::size_t>(oc)] : 0.0f,
                              grid.scale);
    float v = fold(acc[i] + zp * sum);
    if (!s.dst->is_u8()) {
      if (c.residual) v += src[1].as<float>()[i];
      out.as<float>()[i] = std::fmin(std::fmax(v, c.act.lower), c.act.upper);
      continue;
    }
    if (c.residual) {
      const float m_r = static_cast<float>(static_cast<double>(s.src[1].q.scale) / grid.scale);
      v = fused_multiply_add(static_cast<float>(src[1].as<std::uint8_t>()[i] - s.src[1].q.zero_point), m_r, v);
    }
    out.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(grid(v));
  }
  return out;
}

struct int8_case {
  conv c;
  dims x;
  affine q_x{0.02f, 0}, q_y{0.05f, 0}, q_r{0.03f, 0};
  activation act{};
  bool residual = false, f32_out = false, bias = true;
};

/// Random weights and pixels, extremes among them.
void check_int8(const int8_case& k, unsigned seed) {
  random_numbers random(seed);
  op::conv2d o = convolution(k.c, k.x);
  o.act = k.act;
  o.residual = k.residual;
  const dims y = op::infer(o, k.x);
  const element out = k.f32_out ? element::f32 : element::u8;
  const affine q_y = k.f32_out ? affine{} : k.q_y;
  signature s{{{element::u8, k.x, k.q_x}}, {out, y, q_y}, {}};
  if (k.residual) s.src.push_back({out, y, k.f32_out ? affine{} : k.q_r});
  s.constants = {random_constant(element::s8, op::weight_extents(o, k.x), random),
                 k.bias ? random_constant(element::f32, {o.out}, random, -3.0f, 3.0f) : nullptr,
                 random_constant(element::f32, {o.out}, random, 0.0005f, 0.002f)};
  const std::vector<tensor> src = random_sources(s, random);
  CHECK(same_bits(reference_output(o, s, src), integer_convolution(o, s, src)));
}

}  // namespace

TEST_CASE("conv2d: FP32 by hand") {
  const tensor x = tensor_of({1, 3, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  SUBCASE("1x1 is a factor") {
    CHECK(equal(convolved({.out = 1}, x, values({1, 1, 1, 1}, {2})), {2, 4, 6, 8, 10, 12, 14, 16, 18}));
  }
  SUBCASE("kernels are not flipped") {
    CHECK(equal(convolved({.out = 1, .kernel = 2}, x, values({1, 1, 2, 2}, {1, 10, 100, 1000})),
                {5421, 6532, 8754, 9865}));
  }
  SUBCASE("padding is 0") {
    CHECK(equal(convolved({.out = 1, .kernel = 3, .pad = 1}, x, values({1, 1, 3, 3}, {1, 1, 1, 1, 1, 1, 1, 1, 1})),
                {12, 21, 16, 27, 45, 33, 24, 39, 28}));
  }
  SUBCASE("asymmetric padding") {
    CHECK(equal(convolved({.out = 1, .kernel = 2, .pad = {1, 0, 0, 1}}, x, values({1, 1, 2, 2}, {1, 2, 3, 4})),
                {11, 18, 9, 4 * 5 + 3 * 4 + 2 * 2 + 1, 4 * 6 + 3 * 5 + 2 * 3 + 2, 3 * 6 + 3, 4 * 8 + 3 * 7 + 2 * 5 + 4,
                 4 * 9 + 3 * 8 + 2 * 6 + 5, 3 * 9 + 6}));
  }
  SUBCASE("stride") { CHECK(equal(convolved({.out = 1, .stride = 2}, x, values({1, 1, 1, 1}, {1})), {1, 3, 7, 9})); }
  SUBCASE("stride of height and width") {
    CHECK(equal(convolved({.out = 1, .stride = {1, 2}}, x, values({1, 1, 1, 1}, {1})), {1, 3, 4, 6, 7, 9}));
  }
  SUBCASE("dilation") {
    CHECK(
        equal(convolved({.out = 1, .kernel = 2, .dilation = 2}, x, values({1, 1, 2, 2}, {1, 10, 100, 1000})), {9731}));
  }
  SUBCASE("bias, then activation") {
    CHECK(equal(convolved({.out = 1}, x, values({1, 1, 1, 1}, {1}), values({1}, {-4}), {-1.0f, 3.5f}),
                {-1, -1, -1, 0, 1, 2, 3, 3.5f, 3.5f}));
  }
}

TEST_CASE("conv2d: FP32 channels and groups by hand") {
  const tensor x = tensor_of({1, 1, 2, 2}, {1, 2, 3, 4});  // pixels (1, 2) and (3, 4)
  CHECK(equal(convolved({.out = 3}, x, values({3, 2, 1, 1}, {1, 0, 0, 1, 1, 10})), {1, 2, 21, 3, 4, 43}));
  CHECK(equal(convolved({.out = 4, .groups = 2}, x, values({4, 1, 1, 1}, {1, 2, 3, 4})), {1, 2, 6, 8, 3, 6, 12, 16}));
  CHECK(equal(convolved({.out = 2, .groups = 2}, x, values({2, 1, 1, 1}, {5, 7})), {5, 14, 15, 28}));
}

TEST_CASE("conv2d: FP32 residual is added before the activation") {
  op::conv2d o;
  o.out = 1, o.residual = true, o.act = relu_activation;
  const tensor_type t{element::f32, {1, 1, 3, 1}, {}};
  const signature s{{t, t}, t, {values({1, 1, 1, 1}, {2}), values({1}, {1})}};
  CHECK(equal(reference_output(o, s, list_of(tensor_of(t.extents, {1, -1, 2}), tensor_of(t.extents, {-5, 0, 10}))),
              {0, 0, 15}));
}

// Not expressible: nothing; all node tests of Conv in two dimensions are here (those in one and three dimensions have
// no vectors of their own).
TEST_CASE("conv2d: ONNX Conv") {
  for (const onnx_vector& v : onnx_vectors({"basic_conv_with_padding", "basic_conv_without_padding",
                                            "conv_with_autopad_same", "conv_with_strides_and_asymmetric_padding",
                                            "conv_with_strides_no_padding", "conv_with_strides_padding"})) {
    CAPTURE(v.name);
    const dims& w = v.x(1).extents();
    const conv c{w[0],
                 {w[2], w[3]},
                 v.pair("strides", 1),
                 v.padding_of_window(),
                 v.pair("dilations", 1),
                 v.attribute("group", 1)};
    CHECK(same_bits(convolved(c, channels_last(v.x()), v.inputs[1]), channels_last(v.y())));  // small integers: exact
  }
}

// u8 weights minus their zero point, with scales of 1: the FP32 output is the 32-bit sum.
TEST_CASE("conv2d: ONNX ConvInteger") {
  for (const onnx_vector& v : onnx_vectors({"convinteger_with_padding", "convinteger_without_padding"})) {
    CAPTURE(v.name);
    const tensor x = channels_last(v.x());
    const dims& w = v.x(1).extents();
    tensor weights(element::s8, w);
    for (std::size_t i = 0; i < w.count(); ++i) {
      const std::size_t oc = i / (w.count() / static_cast<std::size_t>(w[0]));
      weights.as<std::int8_t>()[i] =
          static_cast<std::int8_t>(integer_at(v.x(1), i) - (v.has(3) ? integer_at(v.x(3), oc) : 0));
    }
    const op::conv2d o = convolution({.out = w[0], .kernel = {w[2], w[3]}, .pad = v.padding_of_window()}, x.extents());
    tensor ones(element::f32, {w[0]});
    std::ranges::fill(ones.as<float>(), 1.0f);
    const signature s{{{element::u8, x.extents(), {1.0f, integer_at(v.x(2), 0)}}},
                      {element::f32, op::infer(o, x.extents()), {}},
                      {make_constant(std::move(weights)), nullptr, make_constant(std::move(ones))}};
    const tensor y = reference_output(o, s, list_of(x.reshaped(x.extents()))), expected = channels_last(v.y());
    for (std::size_t i = 0; i < y.extents().count(); ++i)
      CHECK(y.as<float>()[i] == static_cast<float>(expected.as<std::int32_t>()[i]));
  }
}

// Its one weight is 0 with zero point 255, so -255 and no s8: it is taken as -1 with 255 times the scale.
TEST_CASE("conv2d: ONNX QLinearConv") {
  for (const onnx_vector& v : onnx_vectors({"qlinearconv"})) {
    const tensor x = channels_last(v.x());
    const op::conv2d o = convolution({.out = 1}, x.extents());
    tensor weights(element::s8, {1, 1, 1, 1});
    weights.as<std::int8_t>()[0] = -1;
    const float scale = v.x(4).as<float>()[0] * static_cast<float>(integer_at(v.x(5), 0) - integer_at(v.x(3), 0));
    const signature s{{{element::u8, x.extents(), map_of(v.x(1), v.x(2))}},
                      {element::u8, x.extents(), map_of(v.x(6), v.x(7))},
                      {make_constant(std::move(weights)), nullptr, values({1}, {scale})}};
    CHECK(same_bits(reference_output(o, s, list_of(x.reshaped(x.extents()))), channels_last(v.y())));
  }
}

TEST_CASE("conv2d: INT8 by hand") {
  // Real: x = 0.5 (q - 10), w = 0.25 q_w, y = 1 (q - 100). Padding is real 0.
  op::conv2d o;
  o.out = 1, o.kernel = {1, 3}, o.pad = {0, 1};
  tensor w(element::s8, {1, 1, 1, 3});
  w.as<std::int8_t>()[0] = 127, w.as<std::int8_t>()[1] = -2, w.as<std::int8_t>()[2] = 1;
  const dims e{1, 1, 3, 1};
  signature s{{{element::u8, e, {0.5f, 10}}},
              {element::u8, e, {1.0f, 100}},
              {make_constant(std::move(w)), values({1}, {0.5f}), values({1}, {0.25f})}};
  const auto run = [&] { return reference_output(o, s, list_of(bytes_of_image(e, {10, 14, 13}))); };
  // Real x: 0, 2, 1.5. y: 0*-0.5 + 2*0.25 + 0.5 = 1;  0*31.75 - 1 + 0.375 + 0.5 = -0.125;  2*31.75 - 0.75 + 0.5 = 63.25
  CHECK(std::ranges::equal(run().as<std::uint8_t>(), std::vector<std::uint8_t>{101, 100, 163}));
  s.dst->q = {0.5f, 0};  // 2, -0.25, 126.5: a tie, to even
  CHECK(std::ranges::equal(run().as<std::uint8_t>(), std::vector<std::uint8_t>{2, 0, 126}));
  s.dst->q = {0.125f, 0};  // 8, -1 below the grid, 506 above it
  CHECK(std::ranges::equal(run().as<std::uint8_t>(), std::vector<std::uint8_t>{8, 0, 255}));
  s.dst = {element::f32, e, {}};
  CHECK(equal(run(), {1.0f, -0.125f, 63.25f}));
}

TEST_CASE("conv2d: INT8 against the formulas") {
  const conv shapes[] = {{.out = 5},
                         {.out = 3, .kernel = 3, .pad = 1},
                         {.out = 4, .kernel = {2, 3}, .stride = 2, .pad = same},
                         {.out = 4, .kernel = 3, .pad = {2, 0, 1, 3}},
                         {.out = 6, .kernel = 3, .pad = 2, .dilation = 2},
                         {.out = 6, .kernel = {3, 1}, .stride = {1, 3}, .pad = {1, 0}, .groups = 2},
                         {.out = 4, .kernel = 3, .pad = 1, .groups = 4},
                         {.out = 8, .kernel = 5, .stride = 2, .pad = same_lower, .groups = 4},
                         {.out = 1, .kernel = 3, .pad = 5}};  // windows that see padding only
  unsigned seed = 0;
  for (const conv& c : shapes)
    for (int zero_point : {0, 1, 127, 128, 254, 255}) {
      CAPTURE(seed);
      int8_case k{.c = c, .x = {2, 5, 6, 4}};
      k.q_x.zero_point = zero_point;
      check_int8(k, ++seed);
      k.act = relu_activation;
      check_int8(k, ++seed);
      k.q_y.zero_point = 255 - zero_point;
      k.act = seed % 2 ? activation{} : activation{-1.0f, 2.0f};
      check_int8(k, ++seed);
      k.residual = true;
      k.q_r.zero_point = zero_point;
      k.bias = false;
      check_int8(k, ++seed);
      k.f32_out = true;
      check_int8(k, ++seed);
      k.residual = false;
      k.act = relu6_activation;
      check_int8(k, ++seed);
    }
}

TEST_CASE("conv2d: INT8 at the extremes: 255 x 127 everywhere, and -127") {
  for (int weight : {127, -127})
    for (int pixel : {0, 255})
      for (int zero_point : {0, 128, 255}) {
        op::conv2d o;
        o.out = 2, o.kernel = 3, o.pad = 1;
        tensor w(element::s8, {2, 64, 3, 3}), x(element::u8, {1, 4, 4, 64});
        std::ranges::fill(w.as<std::int8_t>(), static_cast<std::int8_t>(weight));
        std::ranges::fill(x.as<std::uint8_t>(), static_cast<std::uint8_t>(pixel));
        const dims y{1, 4, 4, 2};
        signature s{{{element::u8, x.extents(), {0.01f, zero_point}}},
                    {element::f32, y, {}},
                    {make_constant(std::move(w)), nullptr, values({2}, {0.5f, 0.001f})}};
        const std::vector<tensor> src = list_of(std::move(x));
        const tensor real = reference_output(o, s, src);
        CHECK(same_bits(real, integer_convolution(o, s, src)));
        // The pixel in the middle by hand: 576 products. Scales, the zero point's share and the result are rounded to
        // 24 bits, each by 2^-24 of 576 * 127 * 255 * 0.005 at most.
        const double middle = 576.0 * weight * (pixel - zero_point) * 0.01 * 0.5;
        CHECK(std::fabs(static_cast<double>(real.as<float>()[(1 * 4 + 1) * 2]) - middle) <=
              4 * 0x1p-24 * 576 * 127 * 255 * 0.005);
        s.dst = {element::u8, y, {100.0f, 128}};
        CHECK(same_bits(reference_output(o, s, src), integer_convolution(o, s, src)));
      }
}

TEST_CASE("conv2d: a strided input, residual and output") {
  random_numbers random(5);
  op::conv2d o;
  o.out = 3, o.kernel = 3, o.pad = 1, o.residual = true;
  const tensor_type x{element::u8, {1, 4, 4, 2}, {0.02f, 3}}, y{element::u8, {1, 4, 4, 3}, {0.1f, 50}};
  const signature s{{x, y},
                    y,
                    {random_constant(element::s8, {3, 2, 3, 3}, random), nullptr,
                     random_constant(element::f32, {3}, random, 0.01f, 0.02f)}};
  const std::vector<tensor> src = random_sources(s, random);
  const tensor expected = reference_output(o, s, src);
  std::vector<std::uint8_t> wide_x(16 * 7, 77), wide_r(16 * 5, 77), wide_y(16 * 4, 77);
  for (std::size_t r = 0; r < 16; ++r) {
    for (std::size_t c = 0; c < 2; ++c) wide_x[r * 7 + c] = src[0].as<std::uint8_t>()[r * 2 + c];
    for (std::size_t c = 0; c < 3; ++c) wide_r[r * 5 + c] = src[1].as<std::uint8_t>()[r * 3 + c];
  }
  const operand operands[] = {{wide_x.data(), x.extents, 7}, {wide_r.data(), y.extents, 5}};
  op::evaluate(o, s, {operands, operand{wide_y.data(), y.extents, 4}});
  for (std::size_t r = 0; r < 16; ++r)
    for (std::size_t c = 0; c < 4; ++c)
      CHECK(wide_y[r * 4 + c] == (c < 3 ? expected.as<std::uint8_t>()[r * 3 + c] : 77));
}

TEST_CASE("conv2d: what it refuses, by name") {
  op::conv2d o;
  o.out = 4, o.kernel = 3, o.pad = 1;
  const dims x{1, 5, 5, 6}, y{1, 5, 5, 4};
  signature f{
      {{element::f32, x, {}}}, {element::f32, y, {}}, {make_constant(tensor(element::f32, {4, 6, 3, 3})), nullptr}};
  signature q{{{element::u8, x, {}}},
              {element::u8, y, {}},
              {make_constant(tensor(element::s8, {4, 6, 3, 3})), nullptr, values({4}, {1, 1, 1, 1})}};
  const auto failure = [&](const signature& s) { return failure_of([&] { check(operation(o), s); }); };
  CHECK_FALSE(failure(f));
  CHECK_FALSE(failure(q));
  SUBCASE("weights of another shape") {
    f.constants[0] = make_constant(tensor(element::f32, {4, 3, 3, 6}));
    check_failure(failure(f), "conv2d: weights must be f32[4x6x3x3], found f32[4x3x3x6]");
  }
  SUBCASE("weights of another type") {
    f.constants[0] = q.constants[0];
    check_failure(failure(f), "conv2d: weights must be f32[4x6x3x3], found s8[4x6x3x3]");
    q.constants[0] = make_constant(tensor(element::f32, {4, 6, 3, 3}));
    check_failure(failure(q), "conv2d: weights must be s8[4x6x3x3], found f32[4x6x3x3]");
  }
  SUBCASE("no weights") {
    f.constants.clear();
    check_failure(failure(f), "conv2d: weights must be", "found none");
  }
  SUBCASE("a bias of another length") {
    f.constants[1] = values({3}, {1, 2, 3});
    check_failure(failure(f), "conv2d: bias must be f32[4]");
  }
  SUBCASE("no weight scales") {
    q.constants[2] = nullptr;
    check_failure(failure(q), "conv2d: s8 weights need f32[4] scales");
    q.constants.pop_back();
    check_failure(failure(q), "conv2d: s8 weights need f32[4] scales");
  }
  SUBCASE("groups that do not divide") {
    o.groups = 4;
    check_failure(failure(f), "conv2d: 4 groups do not divide 6 input and 4 output channels");
    o.groups = 3;
    check_failure(failure(f), "conv2d: 3 groups do not divide 6 input and 4 output channels");
    o.groups = 0;
    check_failure(failure(f), "groups must be at least 1");
  }
  SUBCASE("another output") {
    f.dst->extents = {1, 5, 4, 4};
    check_failure(failure(f), "conv2d: output must be 1x5x5x4, found 1x5x4x4");
  }
  SUBCASE("a kernel that does not fit") {
    o.kernel = 8;
    check_failure(failure(f), "conv2d: kernel 8x8 does not fit input 1x5x5x6 with padding 1,1,1,1");
  }
  SUBCASE("padding by a rule, or negative") {
    o.pad = same;
    check_failure(failure(f), "padding must be explicit");
    o.pad = -1;
    check_failure(failure(f), "padding must be explicit and not negative");
  }
  SUBCASE("an input of another rank, of other numbers, or none") {
    f.src[0].extents = {5, 5, 6};
    check_failure(failure(f), "conv2d: input must be (N, H, W, C), found 5x5x6");
    f.src[0] = {element::s32, x, {}};
    check_failure(failure(f), "conv2d: input must be f32 or u8");
    f.src.clear();
    check_failure(failure(f), "conv2d: input must be f32 or u8");
  }
  SUBCASE("bounded channels") {
    q.src[0].extents = {1, 5, 5, upto<6>};
    check_failure(failure(q), "conv2d: the innermost axis cannot be bounded, found 1x5x5x<=6");
  }
  SUBCASE("padding that depends on a bounded width") {
    o.pad = same, o.stride = 2, f.src[0].extents = {1, 5, upto<5>, 6};
    check_failure(failure(f), "conv2d: padding 'same' with stride 2x2 depends on the extents of 1x5x<=5x6");
  }
  SUBCASE("a missing, unexpected or other residual") {
    o.residual = true;
    check_failure(failure(f), "conv2d: expected 2 inputs, found 1");
    f.src.push_back({element::u8, y, {}});
    check_failure(failure(f), "conv2d: residual must be f32[1x5x5x4], found u8[1x5x5x4]");
    o.residual = false;
    check_failure(failure(f), "conv2d: expected 1 inputs, found 2");
  }
  SUBCASE("u8 from f32") {
    f.dst = q.dst;
    check_failure(failure(f), "conv2d: f32 input needs f32 output");
  }
  SUBCASE("scales out of range") {
    q.dst->q.scale = 0.0f;
    check_failure(failure(q), "scale 0 is out of range");
    q.dst->q.scale = 1.0f;
    q.constants[2] = values({4}, {1, 1, std::numeric_limits<float>::quiet_NaN(), 1});
    check_failure(failure(q), "conv2d: multiplier", "out of range");
  }
}

TEST_CASE("conv2d: a sum that could leave 32 bits is refused, the deepest that cannot is right") {
  op::conv2d o;
  o.out = 1;
  const auto deep = [](int depth, int last) {
    tensor w(element::s8, {1, depth, 1, 1});
    std::ranges::fill(w.as<std::int8_t>(), std::int8_t{127});
    w.as<std::int8_t>()[static_cast<std::size_t>(depth - 1)] = static_cast<std::int8_t>(last);
    return make_constant(std::move(w));
  };
  // 2^31 - 1 = 255 * 8421504 + 127;  8421504 = 127 * 66311 + 7
  signature s{{{element::u8, {1, 1, 1, 66312}, {1.0f, 0}}},
              {element::f32, {1, 1, 1, 1}, {}},
              {deep(66312, 8), nullptr, values({1}, {1})}};
  check_failure(failure_of([&] { check(operation(o), s); }),
                "conv2d: channel 0 of depth 66312 could overflow its 32-bit sum", "2147483775 > 2147483647");
  s.constants[0] = deep(66312, 7);
  tensor x(element::u8, {1, 1, 1, 66312});
  std::ranges::fill(x.as<std::uint8_t>(), std::uint8_t{255});
  CHECK(equal(reference_output(o, s, list_of(std::move(x))), {255.0f * 8421504.0f}));
}
