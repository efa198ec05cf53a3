// lstm: what it has besides what gru_test.cpp tests of all recurrent layers.
#include "octavo/op/lstm.hpp"

#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr int steps = 6, inputs = 5, units = 20, projected = 9;

std::optional<std::string> failure(const op::lstm& o, signature s) {
  return failure_of([&] { check(operation(o), s); });
}

sample_set draw() {
  return {10, [](int i, std::span<tensor> in) {
            random_numbers random(static_cast<unsigned>(i));
            for (tensor& t : in)
              for (float& v : t.as<float>()) v = random.real(-1, 1);
          }};
}

}  // namespace

TEST_CASE("lstm: one step by hand") {
  graph g;
  const std::vector<float> x{0.5f, -1.0f, 0.25f, 2.0f}, w{0.1f, 0.2f, 0.3f, 0.4f}, peepholes{0.5f, -0.5f, 0.25f};
  const int in = *g.append(op::input{}, "x", {}, tensor_type{element::f32, {1, 1, 4}, {}});
  const int h0 = *g.append(op::input{}, "h0", {}, tensor_type{element::f32, {1, 1}, {}});
  const int c0 = *g.append(op::input{}, "c0", {}, tensor_type{element::f32, {1, 1}, {}});
  const auto y = g.append(op::lstm{.hidden = 1, .clip = 0.3f}, "lstm", {in, -1, h0, c0},
                          {make_constant(tensor::of<float>({4, 1}, w)), nullptr, nullptr,
                           make_constant(tensor::of<float>({3}, peepholes))});
  for (int v : y) g.outputs.push_back({v, text("y", v)});
  const float h = 0.8f, c = 0.6f;
  const auto sigmoid = [](double v) { return 1.0 / (1.0 + std::exp(-v)); };
  const double i = sigmoid(0.5 + 0.1 * h + 0.5 * c), f = sigmoid(-1.0 + 0.2 * h - 0.5 * c),
               t = std::tanh(0.25 + 0.3 * h);
  const double cell = std::min(f * c + i * t, 0.3), o = sigmoid(2.0 + 0.4 * h + 0.25 * cell);
  CHECK(f * c + i * t > 0.3);  // it is clipped
  const std::vector<tensor> found = outputs_of(
      octavo::compile(g), list_of(tensor::of<float>({1, 1, 4}, x), tensor::of<float>({1, 1}, std::vector<float>{h}),
                                  tensor::of<float>({1, 1}, std::vector<float>{c})));
  // The numbers above are in double; a few roundings of numbers below 1.
  CHECK(found[0].as<float>()[0] == doctest::Approx(o * std::tanh(cell)).epsilon(1e-6));
  CHECK(found[1].as<float>()[0] == found[0].as<float>()[0]);
  CHECK(found[2].as<float>()[0] == 0.3f);
}

TEST_CASE("lstm: peepholes and a projection, quantized, and cut into pieces") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, ntc<1, upto<steps, 't'>, inputs>>("x");
  const auto h0 = g.input<float, nc<1, projected>>("h0");
  const auto c0 = g.input<float, nc<1, units>>("c0");
  constexpr lstm_options layer{.hidden = units, .projected = projected, .peepholes = true};
  const auto [y, h, c] = lstm<layer>(x, w / "lstm", {.h0 = h0, .c0 = c0});
  g.output(fc<3>(y, w / "fc"), "y");
  g.output(h, "h");
  g.output(c, "c");
  const network fp32 = octavo::compile(g);
  const calibration found = calibrate(fp32, draw());
  const graph int8 = quantize_graph(g, found);
  int layers = 0;
  for (const node& n : int8.nodes)
    if (const op::lstm* l = n.as<op::lstm>()) {
      ++layers;
      CHECK(l->state == int8.type(n.dst[0]).q);
      REQUIRE(n.constants.size() == 6);
      CHECK(n.constants[op::lstm::projection]->type() == element::s8);
      CHECK(n.constants[op::lstm::projection_scales]->extents() == dims{projected});
    }
  CHECK(layers == 1);
  random_numbers random(7);
  const tensor all = random_tensor(element::f32, {1, steps, inputs}, random), zero_h(element::f32, {1, projected}),
               zero_c(element::f32, {1, units});
  std::vector<tensor> fp32_y;
  for (const network& net : {fp32, plan_graph(int8, native_kernels())}) {
    session run(net);
    const auto piece = [&](int first, int count, const tensor& h_in, const tensor& c_in) {
      tensor part(element::f32, {1, count, inputs});
      std::ranges::copy(all.as<float>().subspan(static_cast<std::size_t>(first * inputs), part.extents().count()),
                        part.as<float>().begin());
      std::vector<tensor> out = list_of(tensor(element::f32, {1, count, 3}), tensor(element::f32, {1, projected}),
                                        tensor(element::f32, {1, units}));
      run(part, h_in, c_in, out[0], out[1], out[2]).or_throw();
      return out;
    };
    std::vector<tensor> whole = piece(0, steps, zero_h, zero_c);
    const std::vector<tensor> first = piece(0, 4, zero_h, zero_c), second = piece(4, steps - 4, first[1], first[2]);
    CHECK(same_bits(whole[1], second[1]));
    CHECK(same_bits(whole[2], second[2]));
    CHECK(std::ranges::equal(whole[0].as<float>().first(12), first[0].as<float>()));
    CHECK(std::ranges::equal(whole[0].as<float>().subspan(12), second[0].as<float>()));
    fp32_y.push_back(std::move(whole[0]));
  }
  // Two steps of 8 bits of numbers of about 1.
  CHECK(largest_difference(fp32_y[0], fp32_y[1]) < 0.02f * std::max(1.0f, largest_magnitude(fp32_y[0])));
  CHECK(largest_difference(fp32_y[0], fp32_y[1]) > 0.0f);
}

TEST_CASE("lstm: what it refuses, by name") {
  const op::lstm o{4};
  random_numbers random(1);
  const tensor_type h{element::f32, {2, 4}, {}};
  signature s{{{element::f32, {2, 3, 16}, {}}},
              std::vector<tensor_type>{{element::f32, {2, 3, 4}, {}}, h, h},
              {random_constant(element::f32, {16, 4}, random)}};
  CHECK_FALSE(failure(o, s));
  check_failure(failure(op::lstm{.hidden = 4, .clip = -1.0f}, s),
                "lstm: projected and clip must not be negative, found 0 and -1");
  signature bad = s;
  bad.src.insert(bad.src.end(), {no_tensor, h, {element::f32, {2, 3}, {}}});
  check_failure(failure(o, bad), "lstm: a state must be f32[2x4], found f32[2x3]");
  bad = s, bad.dst[2].extents = {2, 3};
  check_failure(failure(o, bad), "lstm: the last cells must be f32[2x4], found f32[2x3]");
  bad = s, bad.constants.insert(bad.constants.end(), {nullptr, nullptr, random_constant(element::f32, {8}, random)});
  check_failure(failure(o, bad), "lstm: peepholes must be f32[12], found f32[8]");
  bad = s, bad.dst[0].extents = {2, 3, 3}, bad.dst[1].extents = {2, 3};
  bad.constants = {random_constant(element::f32, {16, 3}, random)};
  check_failure(failure(op::lstm{.hidden = 4, .projected = 3}, bad),
                "lstm: the projection's: weights must be f32[3x4], found none");
}
