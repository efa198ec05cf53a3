// The 3-d convolution's reference evaluation by hand, against conv2d and against the formula the other way round, what
// it refuses, and what passes fuse into it.
#include "octavo/op/conv3d.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// Every input scattered to the outputs that it reaches, in integers. `zero` is taken off x.
std::vector<float> scattered(const conv3& c, const tensor& x, int zero, const tensor& w, const dims& y) {
  const dims &e = x.extents(), &k = w.extents();
  const auto value = [&](const tensor& t, std::size_t i) {
    return t.type() == element::u8   ? t.as<std::uint8_t>()[i] - zero
           : t.type() == element::s8 ? t.as<std::int8_t>()[i]
                                     : static_cast<int>(t.as<float>()[i]);
  };
  const auto reached = [](int in, int before, int tap, int dilation, int stride, int outputs) {
    const int at = in + before - tap * dilation;
    return at < 0 || at % stride != 0 || at / stride >= outputs ? -1 : at / stride;
  };
  const int ocg = c.out / c.groups;
  std::vector<float> sums(y.count(), 0.0f);
  std::size_t from = 0;
  for (int n = 0; n < e[0]; ++n)
    for (int d = 0; d < e[1]; ++d)
      for (int h = 0; h < e[2]; ++h)
        for (int l = 0; l < e[3]; ++l)
          for (int ic = 0; ic < e[4]; ++ic, ++from)
            for (int tap = 0; tap < k[2] * k[3] * k[4]; ++tap) {
              const int od = reached(d, c.pad.front, tap / k[4] / k[3], c.dilation.d, c.stride.d, y[1]);
              const int oh = reached(h, c.pad.top, tap / k[4] % k[3], c.dilation.h, c.stride.h, y[2]);
              const int ow = reached(l, c.pad.left, tap % k[4], c.dilation.w, c.stride.w, y[3]);
              for (int o = 0; o < ocg && od >= 0 && oh >= 0 && ow >= 0; ++o) {
                const int oc = ic / k[1] * ocg + o;
                const int weight = (oc * k[1] + ic % k[1]) * k[2] * k[3] * k[4] + tap;
                sums[static_cast<std::size_t>((((n * y[1] + od) * y[2] + oh) * y[3] + ow) * y[4] + oc)] +=
                    static_cast<float>(value(x, from) * value(w, static_cast<std::size_t>(weight)));
              }
            }
  return sums;
}

constexpr conv3 shapes[] = {{.out = 3},
                            {.out = 2, .kernel = 3, .pad = 1},
                            {.out = 4, .kernel = {2, 1, 3}, .stride = {1, 2, 1}, .pad = {1, 0, 2, 0, 1, 0}},
                            {.out = 4, .kernel = {1, 3, 2}, .stride = {2, 1, 3}, .dilation = {1, 2, 3}, .groups = 2},
                            {.out = 8, .kernel = {3, 2, 2}, .pad = {2, 1, 1}, .dilation = {2, 1, 1}, .groups = 4},
                            {.out = 1, .kernel = 2, .pad = 4}};  // windows that see padding only

}  // namespace

TEST_CASE("conv3d: by hand") {
  const op::conv3d o{{.out = 1, .kernel = {2, 1, 2}}};
  const signature s{{{element::f32, {1, 2, 2, 2, 1}, {}}},
                    {element::f32, {1, 1, 2, 1, 1}, {}},
                    {values({1, 1, 2, 1, 2}, {1, 10, 100, 1000}), values({1}, {0.5f})}};
  const std::vector<tensor> x = list_of(tensor::of<float>({1, 2, 2, 2, 1}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
  CHECK(std::ranges::equal(reference_output(o, s, x).as<float>(), std::vector<float>{6521.5f, 8743.5f}));
}

TEST_CASE("conv3d: FP32 against the formula the other way round: small integers, whose sums are exact") {
  random_numbers random(1);
  for (const conv3& c : shapes) {
    const op::conv3d o{c};
    CAPTURE(text(operation(o)));
    tensor x(element::f32, {2, 4, 5, 6, 4}), w(element::f32, op::weight_extents(c, x.extents()));
    for (tensor* t : {&x, &w})
      for (float& v : t->as<float>()) v = static_cast<float>(random.between(-9, 9));
    const dims y = op::infer(c, x.extents());
    const std::vector<float> expected = scattered(c, x, 0, w, y);
    const signature s{{{element::f32, x.extents(), {}}}, {element::f32, y, {}}, {make_constant(std::move(w)), nullptr}};
    CHECK(std::ranges::equal(reference_output(o, s, list_of(std::move(x))).as<float>(), expected));
  }
}

// With scales of 1 the FP32 output is the sum of (q - zero point) * w.
TEST_CASE("conv3d: INT8 against the formula the other way round") {
  random_numbers random(2);
  for (const conv3& c : shapes)
    for (const int zero : {0, 128, 255}) {
      const op::conv3d o{c};
      CAPTURE(text(operation(o)));
      tensor x = random_tensor(element::u8, {1, 4, 5, 6, 4}, random);
      tensor w = random_tensor(element::s8, op::weight_extents(c, x.extents()), random);
      const dims y = op::infer(c, x.extents());
      const std::vector<float> expected = scattered(c, x, zero, w, y);
      tensor ones(element::f32, {c.out});
      std::ranges::fill(ones.as<float>(), 1.0f);
      const signature s{{{element::u8, x.extents(), {1.0f, zero}}},
                        {element::f32, y, {}},
                        {make_constant(std::move(w)), nullptr, make_constant(std::move(ones))}};
      CHECK(std::ranges::equal(reference_output(o, s, list_of(std::move(x))).as<float>(), expected));
    }
}

TEST_CASE("conv3d: one slice has the bits of conv2d") {
  random_numbers random(3);
  op::conv3d o{{.out = 6, .kernel = {1, 3, 3}, .stride = {1, 2, 1}, .pad = {0, 1, 2}, .groups = 2}};
  op::conv2d plane{{.out = 6, .kernel = 3, .stride = {2, 1}, .pad = {1, 2}, .groups = 2}};
  o.act = plane.act = relu_activation;
  const constant w = random_constant(element::f32, {6, 4, 1, 3, 3}, random),
                 b = random_constant(element::f32, {6}, random);
  const tensor x = random_tensor(element::f32, {3, 1, 7, 6, 8}, random);
  const dims y = op::infer(plane, {3, 7, 6, 8});
  const signature s{{{element::f32, x.extents(), {}}}, {element::f32, {y[0], 1, y[1], y[2], y[3]}, {}}, {w, b}};
  const signature s2{
      {{element::f32, {3, 7, 6, 8}, {}}}, {element::f32, y, {}}, {make_constant(w->reshaped({6, 4, 3, 3})), b}};
  const tensor expected = reference_output(plane, s2, list_of(x.reshaped({3, 7, 6, 8})));
  CHECK(same_bits(reference_output(o, s, list_of(x.reshaped(x.extents()))).reshaped(y), expected));
}

TEST_CASE("conv3d: what it refuses, by name") {
  op::conv3d o{{.out = 4, .kernel = 3, .pad = 1}};
  signature s{{{element::f32, {1, 5, 5, 5, 6}, {}}},
              {element::f32, {1, 5, 5, 5, 4}, {}},
              {make_constant(tensor(element::f32, {4, 6, 3, 3, 3})), nullptr}};
  const auto failure = [&] { return failure_of([&] { check(operation(o), s); }); };
  CHECK_FALSE(failure());
  SUBCASE("an image") {
    s.src[0].extents = {1, 5, 5, 6};
    check_failure(failure(), "conv3d: input must be (N, D, H, W, C), found 1x5x5x6");
  }
  SUBCASE("bounded channels") {
    s.src[0].extents = {1, 5, 5, 5, upto<6>};
    check_failure(failure(), "conv3d: the innermost axis cannot be bounded, found 1x5x5x5x<=6");
  }
  SUBCASE("groups") {
    o.groups = 4;
    check_failure(failure(), "conv3d: 4 groups do not divide 6 input and 4 output channels");
  }
  SUBCASE("a window out of range") {
    o.stride = {0, 1, 1};
    check_failure(failure(), "conv3d: kernel 3x3x3, stride 0x1x1");
  }
  SUBCASE("a kernel that does not fit") {
    o.kernel = {8, 3, 3};
    check_failure(failure(), "conv3d: kernel 8x3x3 does not fit input 1x5x5x5x6 with padding 1,1,1,1,1,1");
  }
  SUBCASE("weights of another shape") {
    s.constants[0] = make_constant(tensor(element::f32, {4, 3, 3, 3, 6}));
    check_failure(failure(), "conv3d: weights must be f32[4x6x3x3x3], found f32[4x3x3x3x6]");
  }
  SUBCASE("a missing residual") {
    o.residual = true;
    check_failure(failure(), "conv3d: expected 2 inputs, found 1");
  }
}

TEST_CASE("conv3d: attributes") {
  const operation o(
      op::conv3d{{.out = 8, .kernel = {3, 1, 1}, .stride = 2, .pad = {1, 0, 0}, .dilation = {1, 2, 1}, .groups = 2}});
  CHECK(make_operation("conv3d", o.attributes()) == o);
  CHECK(text(o) == "conv3d kernel 3x1x1 out 8 stride 2x2x2 pad 1,0,0,1,0,0 dilation 1x2x1 groups 2");
  check_failure(failure_of([] {
                  make_operation("conv3d", {{"kernel", std::vector<std::int64_t>{1, 2}}});
                }),
                "'kernel'", "depth, height and width, found 2");
  check_failure(failure_of([] {
                  make_operation("conv3d", {{"pad", std::vector<std::int64_t>{1, 2}}});
                }),
                "'pad'", "found 2");
}

TEST_CASE("conv3d: batch_norm, bias, residual and activation go into it") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, shape<1, 3, 4, 5, 4>>("x");
  auto y = batch_norm(conv3d<conv3{.out = 4, .kernel = 3, .pad = 1}>(x, w / "c"), w / "bn");
  g.output(relu(bias_add(conv3d<conv3{.out = 4}>(y, w / "d"), w / "b") + x), "y");
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "conv3d conv3d");
  CHECK(folded.nodes[2].as<op::conv3d>()->residual);
  CHECK(folded.nodes[2].as<op::conv3d>()->act == relu_activation);
  check_close_output(g, folded, 1e-5f);  // each weight and bias is rounded once more
}

TEST_CASE("conv3d: a batch_norm before it folds where nothing is padded") {
  for (const bool padded : {false, true}) {
    graph g;
    const params w = random_params(3);
    auto x = batch_norm(g.input<float, shape<1, 3, 3, 3, 4>>("x"), w / "bn");
    if (padded)
      g.output(conv3d<conv3{.out = 4, .kernel = 3, .pad = 1}>(x, w / "c"), "y");
    else
      g.output(conv3d<conv3{.out = 4, .kernel = 2}>(x, w / "c"), "y");
    const graph folded = fold(g);
    CHECK(operators_of(folded) == (padded ? "batch_norm conv3d" : "conv3d"));
    check_close_output(g, folded, 1e-5f);
  }
}
