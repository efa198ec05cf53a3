// Kernels for conv1d, conv3d and conv_transpose2d, which run on those for conv2d and fc, against the reference
// evaluation: every one that this CPU runs, on random problems. And networks of these operators.
#include <doctest/doctest.h>

#include "support/evaluate.hpp"
#include "support/kernel_run.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "support/run.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// A problem with random types, constants, activation and residual whose output uses the range of u8.
template <class Convolution>
problem random_problem(Convolution c, const dims& x, random_numbers& random) {
  const bool u8 = random.chance(70), u8_out = u8 && random.chance(70);
  const dims y = op::infer(c, x), weights = op::weight_extents(c, x);
  c.act = random_activation(random);
  c.residual = random.chance(40);
  problem p;
  p.op = c;
  p.src.push_back({u8 ? element::u8 : element::f32, x, random_affine(random)});
  p.dst = {u8_out ? element::u8 : element::f32, y, random_affine(random)};
  if (c.residual) p.src.push_back({p.dst->type, y, random_affine(random)});
  constant bias = random.chance(70) ? random_constant(element::f32, {c.out}, random) : nullptr;
  p.constants = {random_constant(u8 ? element::s8 : element::f32, weights, random), std::move(bias)};
  if (!u8) return p;
  // A sum of random products is about sqrt(depth) * 147 * 73; its spread becomes some 60 steps of the output.
  const double depth = static_cast<double>(weights.count()) / c.out;
  const double step = u8_out ? static_cast<double>(p.dst->q.scale) : 0.02;
  const auto scale =
      static_cast<float>(60 * step / (std::sqrt(depth) * 147 * 73 * static_cast<double>(p.src[0].q.scale)));
  p.constants.push_back(random_constant(element::f32, {c.out}, random, scale / 2, scale * 2));
  return p;
}

bool is_small(const dims& y, const dims& weights) {
  for (int i = 1; i < y.rank; ++i)
    if (y[i] < 1) return false;
  return y.count() * (weights.count() / static_cast<std::size_t>(weights[0])) < 400'000;
}

int groups_of(random_numbers& random) { return random.chance(60) ? 1 : random.between(2, 5); }

/// Tries `count` problems that `make(random)` draws; those that are too large or without outputs are drawn again. Some
/// have bounds on their first `bounded_axes` axes, at most 3, and run with less.
template <class Make>
void check_random(int count, unsigned seed, int bounded_axes, Make&& make) {
  random_numbers random(seed);
  for (int tried = 0; tried < count;) {
    auto [c, x] = make(random);
    run_extents at_run;
    if (random.chance(30)) {
      int* const extents[] = {&at_run.n, &at_run.h, &at_run.w};
      for (int axis = 0; axis < bounded_axes; ++axis) {
        x.bind(axis, axis_form::of(axis));
        *extents[axis] = random.between((x[axis] + 1) / 2, x[axis]);
      }
    }
    const dims weights = op::weight_extents(c, x);
    if (!is_small(op::infer(c, x), weights) || !is_small(op::infer(c, at_run(x)), weights)) continue;
    ++tried;
    CHECK(check_kernels(random_problem(c, x, random), random, {}, at_run) >= 1);
  }
}

}  // namespace

TEST_CASE("conv1d kernels") {
  check_random(300, 1, 2, [](random_numbers& random) {
    op::conv1d c;
    c.groups = groups_of(random);
    const int inputs = random_channels(random) * c.groups;
    c.out = random.chance(20) && c.groups > 1 ? inputs : random_channels(random) * c.groups;
    if (random.chance(20)) c.groups = c.out = inputs;
    c.kernel = random.between(1, 5), c.stride = random.between(1, 3), c.dilation = random.between(1, 2);
    c.pad = {random.between(0, 3), random.between(0, 3)};
    return std::pair(c, dims{random.between(1, 3), random.between(1, 40), inputs});
  });
}

TEST_CASE("conv3d kernels") {
  check_random(300, 2, 3, [](random_numbers& random) {
    const auto any = [&](int first, int last) {
      return dhw{random.between(first, last), random.between(first, last), random.between(first, last)};
    };
    op::conv3d c;
    c.groups = groups_of(random);
    const int inputs = random_channels(random) * c.groups;
    c.out = random_channels(random) * c.groups;
    c.kernel = any(1, 3), c.stride = any(1, 2), c.dilation = random.chance(50) ? dhw(1) : any(1, 2);
    const dhw before = any(0, 2), after = any(0, 2);
    c.pad = {before.d, before.h, before.w, after.d, after.h, after.w};
    return std::pair(
        c, dims{random.between(1, 2), random.between(1, 5), random.between(1, 7), random.between(1, 9), inputs});
  });
}

TEST_CASE("conv3d kernels: many outputs, in several pieces") {
  random_numbers random(3);
  op::conv3d c{{.out = 24, .kernel = {3, 3, 3}, .pad = 1}};
  for (int i = 0; i < 4; ++i) CHECK(check_kernels(random_problem(c, {1, 4, 14, 15, 17}, random), random) >= 1);
}

TEST_CASE("conv_transpose2d kernels") {
  check_random(400, 4, 1, [](random_numbers& random) {
    const auto any = [&](int first, int last) { return hw{random.between(first, last), random.between(first, last)}; };
    op::conv_transpose2d c;
    c.groups = groups_of(random);
    const int inputs = random_channels(random) * c.groups;
    c.out = random_channels(random) * c.groups;
    c.kernel = any(1, 5), c.stride = any(1, 3), c.dilation = random.chance(50) ? hw(1) : any(1, 3);
    const hw before = any(0, 2), after = any(0, 2);
    c.pad = {before.h, before.w, after.h, after.w};
    c.output_padding = {random.below(std::max(c.stride.h, c.dilation.h)),
                        random.below(std::max(c.stride.w, c.dilation.w))};
    return std::pair(c, dims{random.between(1, 3), random.between(1, 7), random.between(1, 9), inputs});
  });
}

TEST_CASE("conv_transpose2d kernels: many outputs, in several pieces") {
  random_numbers random(5);
  op::conv_transpose2d c{{.out = 32, .kernel = 4, .stride = 2, .pad = 1}};
  for (int i = 0; i < 4; ++i) CHECK(check_kernels(random_problem(c, {1, 20, 21, 33}, random), random) >= 1);
}

TEST_CASE("the largest sums: 255 times 127 or -127") {
  random_numbers random(6);
  const auto check_largest = [&](const auto& c, const dims& x) {
    for (const int weight : {127, -127}) {
      problem p = random_problem(c, x, random);
      while (!p.src[0].is_u8()) p = random_problem(c, x, random);
      tensor w(element::s8, op::weight_extents(c, x));
      std::ranges::fill(w.as<std::int8_t>(), static_cast<std::int8_t>(weight));
      p.constants[0] = make_constant(std::move(w));
      CHECK(check_kernels(p, random, {.largest = true}) >= 1);
    }
  };
  check_largest(op::conv1d{{.out = 20, .kernel = 3, .pad = 1}}, {1, 9, 70});
  check_largest(op::conv3d{{.out = 20, .kernel = 3, .pad = 1}}, {1, 3, 4, 5, 70});
  check_largest(op::conv_transpose2d{{.out = 20, .kernel = 3, .stride = 2, .pad = 1}}, {1, 4, 5, 70});
}

TEST_CASE("every instruction set that this CPU has brings kernels for conv1d, conv3d and conv_transpose2d") {
  random_numbers random(7);
  const auto check_sets = [&](const auto& c, const dims& x) {
    problem p = random_problem(c, x, random);
    while (!p.src[0].is_u8()) p = random_problem(c, x, random);
    for (const isa i : {isa::portable, isa::avx2, isa::avx_vnni, isa::avx512_vnni, isa::amx}) {
      CAPTURE(name_of(i));
      const auto brings = [&](const kernel& k) { return k.needs == i && k.supports(p); };
      CHECK(std::ranges::any_of(all_kernels(), brings) == x86::runs(i));
    }
  };
  check_sets(op::conv1d{{.out = 8, .kernel = 3}}, {1, 9, 8});
  check_sets(op::conv3d{{.out = 8, .kernel = 3}}, {1, 4, 4, 4, 8});
  check_sets(op::conv_transpose2d{{.out = 8, .kernel = 2, .stride = 2}}, {1, 4, 4, 8});
}

// What is planned has the bits of the reference, in FP32 and INT8, and every convolution a kernel.
TEST_CASE("networks of conv1d, conv3d and conv_transpose2d") {
  graph g;
  const params w = random_params(8);
  SUBCASE("sequences") {
    auto x = g.input<float, ntc<upto<2>, 20, 16>>("x");
    auto y = relu(batch_norm(conv1d<conv1{.out = 16, .kernel = 3, .pad = {2, 0}}>(x, w / "a"), w / "bn"));
    g.output(relu(conv1d<conv1{.out = 16, .kernel = 3, .pad = 1, .groups = 16}>(y, w / "b") + x), "y");
  }
  SUBCASE("volumes") {
    auto x = g.input<float, shape<upto<2>, 4, 6, 6, 8>>("x");
    auto y = relu(batch_norm(conv3d<conv3{.out = 8, .kernel = 3, .pad = 1}>(x, w / "a"), w / "bn"));
    g.output(relu(conv3d<conv3{.out = 8, .kernel = {1, 3, 3}, .pad = {0, 1, 1}}>(y, w / "b") + x), "y");
  }
  SUBCASE("upsampling") {
    auto x = g.input<float, nhwc<upto<2>, 6, 6, 8>>("x");
    auto down = relu(conv2d<conv{.out = 16, .kernel = 3, .stride = 2, .pad = 1}>(x, w / "down"));
    auto up = conv_transpose2d<conv_transpose{.out = 8, .kernel = 4, .stride = 2, .pad = 1}>(down, w / "up");
    g.output(relu(batch_norm(up, w / "bn") + x), "y");
  }
  for (const graph& planned : {fold(g), quantized_graph(g)}) {
    const std::vector<tensor> inputs = random_inputs(planned, 9);
    REQUIRE(!inputs.empty());
    const network net = plan_graph(planned, native_kernels());
    for (const step& s : net->steps) CHECK(s.kernel != reference_kernel.name);
    CHECK(same_bits(outputs_of(net, inputs, 2), reference_outputs(planned, inputs)));
  }
}
