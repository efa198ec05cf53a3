// The 1-d convolution's reference evaluation by hand and against conv2d, what it refuses, and what passes fuse into it.
#include "octavo/op/conv1d.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// FP32 convolution of x.
tensor convolved(const conv1& c, const tensor& x, constant weights, constant bias = nullptr) {
  const op::conv1d o{c};
  const signature s{{{element::f32, x.extents(), {}}}, {element::f32, op::infer(o, x.extents()), {}}, {weights, bias}};
  return reference_output(o, s, list_of(x.reshaped(x.extents())));
}

bool equal(const tensor& t, std::vector<float> expected) { return std::ranges::equal(t.as<float>(), expected); }

}  // namespace

TEST_CASE("conv1d: by hand") {
  const tensor x = tensor::of<float>({1, 4, 1}, std::vector<float>{1, 2, 3, 4});
  const constant w = values({1, 1, 3}, {1, 10, 100});
  CHECK(equal(convolved({.out = 1, .kernel = 3}, x, w), {321, 432}));
  CHECK(equal(convolved({.out = 1, .kernel = 3, .pad = 1}, x, w), {210, 321, 432, 43}));
  CHECK(equal(convolved({.out = 1, .kernel = 3, .pad = {2, 0}}, x, w), {100, 210, 321, 432}));  // causal
  CHECK(equal(convolved({.out = 1, .kernel = 3, .stride = 2, .pad = 1}, x, w), {210, 432}));
  CHECK(equal(convolved({.out = 1, .kernel = 3, .pad = {0, 1}, .dilation = 2}, x, w, values({1}, {0.5f})), {31.5f}));
  // Two groups of one input and one output each.
  const tensor pairs = tensor::of<float>({1, 2, 2}, std::vector<float>{1, 2, 3, 4});
  CHECK(equal(convolved({.out = 2, .kernel = 2, .groups = 2}, pairs, values({2, 1, 2}, {1, 10, 1, 100})), {31, 402}));
}

TEST_CASE("conv1d: the bits of conv2d on images of height 1") {
  random_numbers random(1);
  for (const conv1& c : {conv1{.out = 5}, conv1{.out = 4, .kernel = 3, .stride = 2, .pad = {2, 1}, .groups = 2},
                         conv1{.out = 6, .kernel = 4, .pad = 3, .dilation = 2, .groups = 6}}) {
    const tensor x = random_tensor(element::f32, {2, 9, 6}, random);
    const constant w = random_constant(element::f32, op::weight_extents(c, x.extents()), random);
    op::conv2d image;
    image.out = c.out, image.kernel = {1, c.kernel}, image.stride = {1, c.stride}, image.dilation = {1, c.dilation};
    image.pad = {0, c.pad.before, 0, c.pad.after}, image.groups = c.groups;
    const tensor images = x.reshaped({2, 1, 9, 6});
    const dims y = op::infer(image, images.extents()), &e = w->extents();
    const signature s{{{element::f32, images.extents(), {}}},
                      {element::f32, y, {}},
                      {make_constant(w->reshaped({e[0], e[1], 1, e[2]})), nullptr}};
    const tensor expected = reference_output(image, s, list_of(images.reshaped(images.extents())));
    CHECK(same_bits(convolved(c, x, w), expected.reshaped({y[0], y[2], y[3]})));
  }
}

TEST_CASE("conv1d: what it refuses, by name") {
  op::conv1d o;
  o.out = 4, o.kernel = 3, o.pad = 1;
  signature s{{{element::f32, {1, 5, 6}, {}}},
              {element::f32, {1, 5, 4}, {}},
              {make_constant(tensor(element::f32, {4, 6, 3})), nullptr}};
  const auto failure = [&] { return failure_of([&] { check(operation(o), s); }); };
  CHECK_FALSE(failure());
  SUBCASE("an image") {
    s.src[0].extents = {1, 5, 5, 6};
    check_failure(failure(), "conv1d: input must be (N, T, C), found 1x5x5x6");
  }
  SUBCASE("bounded channels") {
    s.src[0].extents = {1, 5, upto<6>};
    check_failure(failure(), "conv1d: the innermost axis cannot be bounded, found 1x5x<=6");
  }
  SUBCASE("groups") {
    o.groups = 4;
    check_failure(failure(), "conv1d: 4 groups do not divide 6 input and 4 output channels");
  }
  SUBCASE("a window out of range") {
    o.pad = {-1, 1};
    check_failure(failure(), "conv1d: kernel 3", "padding -1,1");
  }
  SUBCASE("a kernel that does not fit") {
    o.kernel = 8;
    check_failure(failure(), "conv1d: kernel 8 does not fit input 1x5x6 with padding 1,1");
  }
  SUBCASE("weights of another shape") {
    s.constants[0] = make_constant(tensor(element::f32, {4, 3, 6}));
    check_failure(failure(), "conv1d: weights must be f32[4x6x3], found f32[4x3x6]");
  }
}

TEST_CASE("conv1d: attributes") {
  const operation o(op::conv1d{{.out = 8, .kernel = 5, .stride = 2, .pad = {4, 0}, .dilation = 3, .groups = 2}});
  CHECK(make_operation("conv1d", o.attributes()) == o);
  CHECK(text(o) == "conv1d kernel 5 out 8 stride 2 pad 4,0 dilation 3 groups 2");
  check_failure(failure_of([] {
                  make_operation("conv1d", {{"pad", std::vector<std::int64_t>{1}}});
                }),
                "'pad'", "before and after");
}

TEST_CASE("conv1d: batch_norm, bias, residual and activation go into it") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, ntc<2, 7, 4>>("x");
  auto y = batch_norm(conv1d<conv1{.out = 4, .kernel = 3, .pad = 1}>(x, w / "c"), w / "bn");
  g.output(relu(bias_add(conv1d<conv1{.out = 4, .kernel = 3, .pad = {2, 0}}>(y, w / "d"), w / "b") + x), "y");
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "conv1d conv1d");
  CHECK(folded.nodes[2].as<op::conv1d>()->residual);
  CHECK(folded.nodes[2].as<op::conv1d>()->act == relu_activation);
  check_close_output(g, folded, 1e-5f);  // each weight and bias is rounded once more
}

// Shifts do not fold through padding, which is 0 after the normalisation.
TEST_CASE("conv1d: a batch_norm before it folds where nothing is padded") {
  for (const bool padded : {false, true}) {
    graph g;
    const params w = random_params(3);
    auto x = batch_norm(g.input<float, ntc<1, 7, 4>>("x"), w / "bn");
    if (padded)
      g.output(conv1d<conv1{.out = 4, .kernel = 3, .pad = 1}>(x, w / "c"), "y");
    else
      g.output(conv1d<conv1{.out = 4, .kernel = 3}>(x, w / "c"), "y");
    const graph folded = fold(g);
    CHECK(operators_of(folded) == (padded ? "batch_norm conv1d" : "conv1d"));
    check_close_output(g, folded, 1e-5f);
  }
}
