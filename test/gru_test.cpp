// gru, and what all recurrent layers share: directions, lengths, streams, quantization.
#include "octavo/op/gru.hpp"

#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr int batch = 3, steps = 6, inputs = 5, units = 20;
using sequences = ntc<upto<batch>, upto<steps, 't'>, inputs>;

/// A stack of two layers, with all that can be given.
graph two_layers() {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, sequences>("x");
  const auto lengths = g.input<std::int32_t, shape<upto<batch>>>("lengths");
  const auto h0 = g.input<float, nc<upto<batch>, units>>("h0");
  const auto [y, h] = gru<gru_options{.hidden = units}>(x, w / "first", {.lengths = lengths, .h0 = h0});
  const auto second = gru<gru_options{.hidden = units, .reset_after = true, .origin_mode = true}>(y, w / "second");
  g.output(second.y, "y");
  g.output(h, "h");
  return g;
}

sample_set samples() {
  return {20, [](int i, std::span<tensor> in) {
            random_numbers random(static_cast<unsigned>(i));
            for (float& v : in[0].as<float>()) v = random.real(-2, 2);
            for (std::int32_t& n : in[1].as<std::int32_t>()) n = random.between(0, in[0].extents()[1]);
            for (float& v : in[2].as<float>()) v = random.real(-1, 1);
          }};
}

/// FP32 and INT8.
std::vector<network> both(const graph& g) {
  const network fp32 = octavo::compile(g);
  return {fp32, quantize(g, calibrate(fp32, samples()))};
}

std::optional<std::string> failure(const op::gru& o, signature s) {
  return failure_of([&] { check(operation(o), s); });
}

}  // namespace

TEST_CASE("gru: a stream cut into pieces gives the bits of the whole") {
  random_numbers random(3);
  const tensor x = random_tensor(element::f32, {1, steps, inputs}, random), zeros(element::f32, {1, units});
  graph g;
  const params w = random_params(1);
  const auto h0 = g.input<float, nc<1, units>>("h0");
  const auto lengths = g.input<std::int32_t, shape<1>>("lengths");
  const auto [y, h] = gru<gru_options{.hidden = units}>(g.input<float, ntc<1, upto<steps, 't'>, inputs>>("x"),
                                                        w / "gru", {.lengths = lengths, .h0 = h0});
  g.output(y, "y");
  g.output(h, "h");
  const sample_set draw{10, [](int i, std::span<tensor> in) {
                          random_numbers some(static_cast<unsigned>(i));
                          for (float& v : in[2].as<float>()) v = some.real(-1, 1);
                          in[1].as<std::int32_t>()[0] = in[2].extents()[1];
                        }};
  const network fp32 = octavo::compile(g);
  for (const network& net : {fp32, quantize(g, calibrate(fp32, draw))}) {
    session run(net);
    const auto piece = [&](int first, int count, const tensor& state, tensor& y_out, tensor& h_out) {
      tensor part(element::f32, {1, count, inputs});
      std::ranges::copy(x.as<float>().subspan(static_cast<std::size_t>(first * inputs), part.extents().count()),
                        part.as<float>().begin());
      const std::vector<std::int32_t> all{count};
      run(state, all, part, y_out, h_out).or_throw();
    };
    tensor whole(element::f32, {1, steps, units}), last(element::f32, {1, units}), begin(element::f32, {1, 2, units}),
        middle(element::f32, {1, units}), end(element::f32, {1, steps - 2, units}), last_too(element::f32, {1, units});
    piece(0, steps, zeros, whole, last);
    piece(0, 2, zeros, begin, middle);
    piece(2, steps - 2, middle, end, last_too);
    CHECK(same_bits(last, last_too));
    CHECK(largest_magnitude(last) > 0.01f);
    CHECK(std::ranges::equal(whole.as<float>().first(2 * units), begin.as<float>()));
    CHECK(std::ranges::equal(whole.as<float>().subspan(2 * units), end.as<float>()));
  }
}

TEST_CASE("gru: a batch with lengths gives what each sequence gives alone, then zeros") {
  for (const network& net : both(two_layers())) {
    session run(net);
    random_numbers random(5);
    const tensor x = random_tensor(element::f32, {batch, steps, inputs}, random),
                 h0 = random_tensor(element::f32, {batch, units}, random);
    tensor y(element::f32, {batch, steps, units}), h(element::f32, {batch, units});
    const std::vector<std::int32_t> lengths{steps, 2, 0};
    run(x, lengths, h0, y, h).or_throw();
    for (int n = 0; n < batch; ++n) {
      const auto length = static_cast<std::size_t>(lengths[static_cast<std::size_t>(n)]),
                 row = static_cast<std::size_t>(n);
      const auto state = h.as<float>().subspan(row * units, units);
      if (length == 0) {
        CHECK(std::ranges::equal(state, h0.as<float>().subspan(row * units, units)));
        continue;
      }
      tensor one(element::f32, {1, static_cast<int>(length), inputs}), state0(element::f32, {1, units}),
          y1(element::f32, {1, static_cast<int>(length), units}), h1(element::f32, {1, units});
      std::ranges::copy(x.as<float>().subspan(row * steps * inputs, length * inputs), one.as<float>().begin());
      std::ranges::copy(h0.as<float>().subspan(row * units, units), state0.as<float>().begin());
      const std::vector<std::int32_t> whole{static_cast<std::int32_t>(length)};
      run(one, whole, state0, y1, h1).or_throw();
      CHECK(std::ranges::equal(state, h1.as<float>()));
      CHECK(std::ranges::equal(y.as<float>().subspan(row * steps * units, length * units), y1.as<float>()));
    }
    const std::vector<std::int32_t> too_long{steps, steps + 1, 0};
    CHECK(run(x, too_long, h0, y, h).code() == run_status::refused_data);
  }
}

TEST_CASE("gru: both directions are a forward and a reverse layer side by side") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, ntc<2, steps, inputs>>("x");
  g.output(gru<gru_options{.hidden = units, .direction = direction::both}>(x, w / "gru").y, "both");
  g.output(gru<gru_options{.hidden = units}>(x, w / "gru.forward").y, "forward");
  g.output(gru<gru_options{.hidden = units, .direction = direction::reverse}>(x, w / "gru.reverse").y, "reverse");
  random_numbers random(1);
  const std::vector<tensor> y =
      outputs_of(octavo::compile(g), list_of(random_tensor(element::f32, {2, steps, inputs}, random)));
  for (std::size_t row = 0; row < 2 * steps; ++row) {
    const auto both = y[0].as<float>().subspan(row * 2 * units, 2 * units);
    CHECK(std::ranges::equal(both.first(units), y[1].as<float>().subspan(row * units, units)));
    CHECK(std::ranges::equal(both.last(units), y[2].as<float>().subspan(row * units, units)));
  }
}

TEST_CASE("gru: PyTorch's order of gates") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, ntc<2, steps, inputs>>("x");
  g.output(gru<torch_gru(units)>(x, w / "gru").y, "y");
  const node& steps_node = g.nodes.back();
  const tensor& weights = *steps_node.constants[0];
  const constant given = (w / "gru").get("weight_hh", {3 * units, units});
  constexpr std::size_t block = units * units;
  CHECK(std::ranges::equal(weights.as<float>().first(block), given->as<float>().subspan(block, block)));
  CHECK(std::ranges::equal(weights.as<float>().subspan(block, block), given->as<float>().first(block)));
  CHECK(std::ranges::equal(weights.as<float>().last(block), given->as<float>().last(block)));
}

TEST_CASE("gru: quantized, a stack stays u8 between its layers") {
  graph g;
  auto x = g.input<float, ntc<2, steps, inputs>>("x");
  constexpr gru_options layer{.hidden = units, .direction = direction::both};
  g.output(fc<4>(multi_gru<layer, 3>(x, random_params(3) / "stack").y, random_params(4) / "fc"), "y");
  const sample_set draw{10, [](int i, std::span<tensor> in) {
                          random_numbers some(static_cast<unsigned>(i));
                          for (float& v : in[0].as<float>()) v = some.real(-1, 1);
                        }};
  const graph int8 = quantize_graph(g, calibrate(octavo::compile(g), draw));
  int layers = 0, conversions = 0;
  for (const node& n : int8.nodes) {
    if (n.as<op::convert>()) ++conversions;
    const op::gru* o = n.as<op::gru>();
    if (!o) continue;
    ++layers;
    CHECK(int8.type(n.dst[0]).is_u8());
    CHECK(o->state == int8.type(n.dst[0]).q);
    CHECK(int8.type(n.dst[1]).type == element::f32);
    CHECK(n.constants[0]->type() == element::s8);
  }
  CHECK(layers == 3);
  CHECK(conversions == 1);  // of the input
}

TEST_CASE("gru: what it refuses, by name") {
  const op::gru o{4};
  random_numbers random(1);
  signature s{{{element::f32, {2, 3, 12}, {}}},
              std::vector<tensor_type>{{element::f32, {2, 3, 4}, {}}, {element::f32, {2, 4}, {}}},
              {random_constant(element::f32, {12, 4}, random)}};
  CHECK_FALSE(failure(o, s));
  signature bad = s;
  bad.src[0].extents = {2, 3, 11};
  check_failure(failure(o, bad),
                "gru: input must have 12 channels, 3 gates of 4 units for each direction, found 2x3x11");
  bad.src[0].extents = {2, 12};
  check_failure(failure(o, bad), "gru: input must be f32 (N, T, C), found f32[2x12]");
  bad = s, bad.src.push_back({element::f32, {2}, {}});
  check_failure(failure(o, bad), "gru: lengths must be s32 or s64, found f32[2]");
  bad.src[1] = {element::s64, {3}, {}};
  check_failure(failure(o, bad), "gru: lengths must be of 2, one for each sequence, found 3");
  bad = s, bad.src.insert(bad.src.end(), {no_tensor, {element::f32, {2, 5}, {}}});
  check_failure(failure(o, bad), "gru: a state must be f32[2x4], found f32[2x5]");
  bad = s, bad.constants[0] = random_constant(element::f32, {12, 5}, random);
  check_failure(failure(o, bad), "gru: weights must be f32[12x4], found f32[12x5]");
  bad = s, bad.dst[0].type = element::u8;
  check_failure(failure(o, bad), "gru: f32 weights need f32 output");
  bad = s, bad.dst[1].extents = {2, 3};
  check_failure(failure(o, bad), "gru: the last state must be f32[2x4], found f32[2x3]");
  check_failure(failure(op::gru{0}, s), "gru: needs at least one hidden unit, found 0");
  bad = s, bad.constants = {random_constant(element::s8, {12, 4}, random)};
  check_failure(failure(o, bad), "gru: s8 weights need f32[12] scales");
  bad.constants = {random_constant(element::s8, {12, 4}, random), nullptr,
                   random_constant(element::f32, {12}, random, 0.01f, 0.1f)};
  CHECK_FALSE(failure(o, bad));
  check_failure(failure(op::gru{.hidden = 4, .state = {0.0f, 128}}, bad), "scale 0 is out of range");

  graph g;
  auto x = g.input<float, ntc<2, 3, 5>>("x");
  const auto wrong = g.input<float, nc<2, 5>>("wrong");
  check_failure(failure_of([&] { gru<gru_options{.hidden = 4}>(x, random_params(1) / "layer", {.h0 = wrong}); }),
                "node 'layer': gru: a state must be f32[2x4], found f32[2x5]");
}
