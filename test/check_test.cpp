// What no operator takes: types that no tensor has, bounds that are no bounds, constants that are not there, innermost
// axes whose extent is not known. Each is an octavo::error before anything runs.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "octavo/exec/prepare.hpp"
#include "octavo/graph/builder.hpp"
#include "support/random.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr float nan_value = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
constexpr int largest = std::numeric_limits<int>::max(), smallest = std::numeric_limits<int>::min();
const affine q{0.5f, 10};

struct problem_to_break {
  operation op;
  signature s;
};

tensor_type f32(const dims& d) { return {element::f32, d, {}}; }
tensor_type u8(const dims& d) { return {element::u8, d, q}; }

constant s8_weights(const dims& d) {
  random_numbers random(1);
  return random_constant(element::s8, d, random);
}
constant positive(const dims& d) {
  random_numbers random(2);
  return random_constant(element::f32, d, random, 0.5f, 1.0f);
}

/// Every operator, INT8 and FP32 where it can be both, each as it can be run.
std::vector<problem_to_break> good_problems() {
  op::conv2d convolution;
  convolution.out = 6;
  convolution.kernel = 3;
  convolution.pad = 1;
  convolution.groups = 2;
  op::conv2d with_residual = convolution;
  with_residual.residual = true;
  op::pool2d average, max;
  average.kernel = max.kernel = 2;
  average.stride = max.stride = 2;
  average.kind = op::pool2d::average;
  const dims x{2, 4, 4, 4}, y{2, 4, 4, 6}, half{2, 2, 2, 4}, v{3, 4};
  const constant w = positive({6, 2, 3, 3}), w8 = s8_weights({6, 2, 3, 3}), c4 = positive({4}), c6 = positive({6});
  return {
      {convolution, {{f32(x)}, f32(y), {w, c6}}},
      {convolution, {{u8(x)}, u8(y), {w8, c6, c6}}},
      {with_residual, {{u8(x), u8(y)}, u8(y), {w8, c6, c6}}},
      {op::fc{.out = 6}, {{f32(v)}, f32({3, 6}), {positive({6, 4}), c6}}},
      {op::fc{.out = 6}, {{u8(v)}, f32({3, 6}), {s8_weights({6, 4}), c6, c6}}},
      {op::matmul{}, {{u8({2, 3, 4}), u8({2, 4, 5})}, u8({2, 3, 5}), {}}},
      {op::batch_norm{}, {{f32(x)}, f32(x), {c4, c4, c4, c4}}},
      {op::batch_norm{}, {{u8(x)}, u8(x), {c4, c4, c4, c4}}},
      {op::activate{relu_activation}, {{u8(x)}, u8(x), {}}},
      {op::bias_add{}, {{f32(x)}, f32(x), {c4}}},
      {op::add{}, {{u8(x), u8(x)}, u8(x), {}}},
      {average, {{u8(x)}, u8(half), {}}},
      {max, {{u8(x)}, u8(half), {}}},
      {op::concat{1}, {{u8(x), u8(x)}, u8({2, 8, 4, 4}), {}}},
      {op::pad{{0, 0, 0, 1}, {0, 0, 0, 1}}, {{u8(x)}, u8(y), {}}},
      {op::constant{}, {{}, f32({6}), {c6}}},
      {op::slice{{1}, {3}, {3}}, {{u8(x)}, u8({2, 4, 4, 2}), {}}},
      {op::transpose{{0, 3, 1, 2}}, {{u8(x)}, u8(x), {}}},
      {op::gather{}, {{u8({9, 4}), {element::s64, {2, 3}, {}}}, u8({2, 3, 4}), {}}},
      {op::expand{{5, 2, 4, 4, 4}}, {{u8(x)}, u8({5, 2, 4, 4, 4}), {}}},
      {op::tile{{1, 2, 1, 1}}, {{u8(x)}, u8({2, 8, 4, 4}), {}}},
      {op::shuffle_channel{2}, {{u8(x)}, u8(x), {}}},
      {op::space_to_depth{2}, {{u8(x)}, u8({2, 2, 2, 16}), {}}},
      {op::interp2d{.mode = op::interp2d::bilinear, .size = {5, 3}}, {{u8(x)}, u8({2, 5, 3, 4}), {}}},
      {op::depth_to_space{2}, {{u8(x)}, u8({2, 8, 8, 1}), {}}},
      {op::softmax{}, {{u8(x)}, f32(x), {}}},
      {op::layer_norm{}, {{u8(x)}, u8(x), {}}},
      {op::attention{2}, {{u8({2, 3, 4}), u8({2, 5, 4}), u8({2, 5, 6})}, u8({2, 3, 6}), {}}},
      {op::reshape{}, {{u8(x)}, u8({2, 64}), {}}},
      {op::convert{}, {{f32(x)}, u8(x), {}}},
  };
}

std::optional<std::string> failure(const problem_to_break& p) {
  return failure_of([&] { prepare_operator(p.op, p.s, {}); });
}

/// Calls `visit(problem, type)` with a fresh copy of every problem and each of its types.
template <class Visit>
void for_each_type(Visit&& visit) {
  for (const problem_to_break& good : good_problems())
    for (std::size_t i = 0; i <= good.s.src.size(); ++i) {
      problem_to_break p = good;
      CAPTURE(text(p.op));
      CAPTURE(i);
      visit(p, i < p.s.src.size() ? p.s.src[i] : *p.s.dst);
    }
}

}  // namespace

TEST_CASE("check: the problems that are broken below can be run as they are") {
  for (const problem_to_break& p : good_problems()) {
    CAPTURE(text(p.op));
    CHECK_FALSE(failure(p).has_value());
  }
}

TEST_CASE("check: scales and zero points that no u8 tensor has") {
  int broken = 0;
  for_each_type([&](problem_to_break& p, tensor_type& t) {
    if (!t.is_u8()) return;
    for (const float scale : {nan_value, infinity, -infinity, 0.0f, -1.0f, 1e-45f}) {
      t.q = {scale, 0};
      check_failure(failure(p), "scale", scale);
    }
    for (const int zero_point : {-1, 256, 300, largest, smallest}) {
      t.q = {0.5f, zero_point};
      check_failure(failure(p), "zero point", zero_point);
    }
    ++broken;
  });
  CHECK(broken > 20);
}

TEST_CASE("check: extents that no tensor has") {
  for_each_type([&](problem_to_break& p, tensor_type& t) {
    const dims good = t.extents;
    for (int axis = 0; axis < good.rank; ++axis)
      for (const int extent : {0, -1, smallest}) {
        t.extents = good;
        t.extents[axis] = extent;
        check_failure(failure(p), "at least 1");
      }
    for (const dims& d : {dims{largest, largest, largest, 1}, dims{1 << 16, 1 << 16, 1, 4}}) {
      t.extents = d;
      CHECK(failure(p).has_value());
    }
    t.extents = {};
    const bool repeats_scalars = (p.op.is<op::expand>() || p.op.is<op::add>()) && &t != &*p.s.dst;
    CHECK(failure(p).has_value() == !repeats_scalars);
  });
}

TEST_CASE("check: bounds of activations") {
  int broken = 0;
  for (problem_to_break p : good_problems()) {
    CAPTURE(text(p.op));
    activation* act = fused_activation(p.op);
    if (!act) continue;
    for (const activation bad : {activation{nan_value, 1}, activation{0, nan_value}, activation{2, 1},
                                 activation{infinity, infinity}, activation{-infinity, -infinity}}) {
      *act = bad;
      check_failure(failure(p), "bound");
    }
    ++broken;
  }
  CHECK(broken > 8);
}

TEST_CASE("check: inputs and constants that are not there, and a bias that need not be") {
  for (const problem_to_break& good : good_problems()) {
    CAPTURE(text(good.op));
    problem_to_break p = good;
    while (!p.s.src.empty()) {
      p.s.src.pop_back();
      CHECK(failure(p).has_value());
    }
    for (std::size_t i = 0; i < good.s.constants.size(); ++i) {
      p = good;
      p.s.constants[i] = nullptr;
      CHECK(failure(p).has_value() == !(has_weights(p.op) && i == 1));
      p.s.constants[i] = make_constant(tensor());
      CHECK(failure(p).has_value());
      p.s.constants.resize(i);
      CHECK(failure(p).has_value() == !(has_weights(p.op) && i == 1 && p.s.src[0].type == element::f32));
    }
  }
}

TEST_CASE("check: weights without a place for the bias go through all passes") {
  graph g;
  const int x = g.append(op::input{}, "x", {}, f32({2, 4}));
  const int y = g.append(op::fc{.out = 4}, "fc", {x}, f32({2, 4}), {positive({4, 4})});
  const int z = g.append(op::bias_add{}, "bias", {y}, f32({2, 4}), {positive({4})});
  g.outputs.push_back({g.append(op::fc{.out = 3}, "last", {z}, f32({2, 3}), {positive({3, 4})}), "y"});
  CHECK(fold(g).nodes.size() == 3);
  calibration found;
  for (const graph_value& v : g.values) found.ranges[v.name] = {-1, 1};
  found.means["x"] = found.means["bias"] = {1, 1, 1, 1};
  CHECK(plan_graph(quantize_graph(g, found), {})->steps.size() == 3);
}

TEST_CASE("check: numbers of windows") {
  for (const problem_to_break& good : good_problems()) {
    CAPTURE(text(good.op));
    const auto refused = [&](const auto& change) {
      problem_to_break p = good;
      if (op::conv2d* c = p.op.as<op::conv2d>()) change(static_cast<hw&>(c->kernel), c->stride, c->pad);
      if (op::pool2d* c = p.op.as<op::pool2d>()) change(static_cast<hw&>(c->kernel), c->stride, c->pad);
      if (p.op != good.op) CHECK(failure(p).has_value());
    };
    for (const int bad : {0, -1, largest, smallest}) {
      refused([&](hw& kernel, hw&, padding&) { kernel.h = bad; });
      refused([&](hw& kernel, hw&, padding&) { kernel.w = bad; });
      refused([&](hw&, hw& stride, padding&) { stride.h = bad; });
      refused([&](hw&, hw& stride, padding&) { stride.w = bad; });
      if (bad == 0) continue;
      refused([&](hw&, hw&, padding& pad) { pad.top = bad; });
      refused([&](hw&, hw&, padding& pad) { pad.right = bad; });
    }
    problem_to_break p = good;
    if (op::conv2d* c = p.op.as<op::conv2d>()) {
      for (const int bad : {0, -1, largest, smallest}) {
        *c = *good.op.as<op::conv2d>();
        c->groups = bad;
        CHECK(failure(p).has_value());
        *c = *good.op.as<op::conv2d>();
        c->out = bad;
        CHECK(failure(p).has_value());
        *c = *good.op.as<op::conv2d>();
        c->dilation.h = bad;
        CHECK(failure(p).has_value());
      }
    }
  }
}

TEST_CASE("check: numbers of other operators") {
  const dims x{2, 4};
  const constant c = positive({4}), negative = values({4}, {1, -1, 1, 1}), bad = values({4}, {1, nan_value, 1, 1});
  for (const float eps : {nan_value, infinity, -1.0f})
    check_failure(failure({op::batch_norm{.eps = eps}, {{f32(x)}, f32(x), {c, c, c, c}}}), "eps");
  for (std::size_t i = 0; i < 4; ++i) {
    std::vector<constant> constants{c, c, c, c};
    constants[i] = bad;
    CHECK(failure({op::batch_norm{}, {{f32(x)}, f32(x), constants}}).has_value());
  }
  for (const constant& scales : {negative, bad, values({4}, {1, 0, 1, 1}), values({4}, {1, infinity, 1, 1})})
    check_failure(failure({op::fc{.out = 4}, {{u8(x)}, f32(x), {s8_weights({4, 4}), nullptr, scales}}}), "fc",
                  "out of range");
  CHECK(failure({op::fc{.out = 4}, {{u8(x)}, f32(x), {s8_weights({4, 4}), bad, c}}}).has_value());
  for (const int out : {0, -1, smallest})
    CHECK(failure({op::fc{.out = out}, {{f32(x)}, f32(x), {positive({4, 4})}}}).has_value());
  for (const int axis : {-1, 2, largest, smallest})
    check_failure(failure({op::concat{axis}, {{f32(x)}, f32(x), {}}}), "axis");
  check_failure(failure({op::concat{0}, {{f32({largest, 4}), f32({largest, 4})}, f32(x), {}}}), "concat");
  for (const auto& [before, after] : {std::pair{-1, 2}, {largest, largest}, {smallest, 0}, {0, smallest}})
    CHECK(failure({op::channel_padding(2, before, after), {{f32(x)}, f32(x), {}}}).has_value());
}

TEST_CASE("check: an innermost axis without a fixed extent, where rows or channels must be known") {
  for (problem_to_break p : good_problems()) {
    CAPTURE(text(p.op));
    if (p.s.src.empty()) continue;
    for (tensor_type* t : {&p.s.src[0], &p.s.src.back(), &*p.s.dst})
      t->extents.bounded = static_cast<std::uint8_t>(1u << (t->extents.rank - 1));
    const bool works = p.op.is<op::activate>() || p.op.is<op::add>() || p.op.is<op::convert>() ||
                       p.op.is<op::concat>() || p.op.is<op::tile>();
    const bool moves_axes = p.op.is<op::transpose>() || p.op.is<op::gather>();  // it is bounded elsewhere then
    if (works)
      CHECK_FALSE(failure(p).has_value());
    else if (moves_axes)
      check_failure(failure(p), "output must be");
    else
      check_failure(failure(p), "bounded");
  }
}

TEST_CASE("check: a bounded innermost axis through the operators that take it") {
  graph g;
  auto x = g.input<float, shape<2, upto<8>>>("x");
  g.output(concat<0>(relu(x), x + x), "y");
  session run(plan_graph(g, {}));
  const std::vector<float> in{1, -2, 3, 4, -5, 6};
  std::vector<float> out(12);
  REQUIRE(run(view<const float>(in.data(), {2, 3}), view<float>(out.data(), {4, 3})));
  CHECK(out == std::vector<float>{1, 0, 3, 4, 0, 6, 2, -4, 6, 8, -10, 12});
}
