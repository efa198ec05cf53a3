// Every kernel for gru and lstm against the reference evaluation, bit by bit: all outputs, sequences of any length,
// tasks in any order.
#include "support/evaluate.hpp"
#include "support/kernel_run.hpp"
#include "support/run.hpp"
#include "support/worker_threads.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

/// A random layer.
struct recurrent_case {
  int batch, steps, hidden, projected;
  octavo::direction direction;
  bool int8, u8_output, lengths, states, flag, other_flag;  ///< flags of the operator

  explicit recurrent_case(random_numbers& random)
      : batch(random.chance(50) ? random.between(1, 3) : random.between(4, 40)),
        steps(random.between(1, 5)),
        hidden(random_channels(random)),
        projected(random.chance(30) ? random_channels(random) : 0),
        direction(static_cast<octavo::direction>(random.below(3))),
        int8(random.chance(60)),
        u8_output(int8 && random.chance(60)),
        lengths(random.chance(50)),
        states(random.chance(50)),
        flag(random.chance(50)),
        other_flag(random.chance(50)) {}

  int directions() const { return count_of(direction); }
};

/// Adds weights, bias and scales of `rows` by `depth`.
void add_weights(problem& p, const recurrent_case& c, int rows, int depth, bool bias, random_numbers& random) {
  p.constants.push_back(c.int8 ? random_constant(element::s8, {rows, depth}, random)
                               : random_constant(element::f32, {rows, depth}, random));
  if (bias) p.constants.push_back(random.chance(50) ? random_constant(element::f32, {rows}, random) : nullptr);
  p.constants.push_back(c.int8 ? random_constant(element::f32, {rows}, random, 1e-3f, 1e-2f) : nullptr);
}

void add_types(problem& p, const recurrent_case& c, int gates, int state, const affine& state_map,
               random_numbers& random) {
  const int d = c.directions();
  p.src = {{element::f32, {c.batch, c.steps, d * gates * c.hidden}, {}}};
  p.src.push_back(c.lengths ? tensor_type{element::s32, {c.batch}, {}} : no_tensor);
  const tensor_type h{element::f32, {c.batch, d * state}, {}};
  p.src.push_back(c.states ? h : no_tensor);
  // The map of y is that of the state, as quantization has it, or another.
  const affine y = random.chance(50) ? state_map : random_affine(random);
  p.dst = std::vector<tensor_type>{{c.u8_output ? element::u8 : element::f32, {c.batch, c.steps, d * state}, {}}, h};
  if (c.u8_output) p.dst[0].q = y;
}

affine random_state_map(random_numbers& random) {
  return random.chance(50) ? unit_map : affine{random.real(0.002f, 0.02f), random_zero_point(random)};
}

/// Checks `p` with lengths up to `steps` where it has any.
int check(const problem& p, int steps, random_numbers& random, bool specials) {
  comparison how{0.0f, specials};
  how.prepare = [&](std::size_t input, const operand& o) {
    if (input == 1)
      for (int n = 0; n < o.extents[0]; ++n) o.as<std::int32_t>()[n] = random.between(0, steps);
  };
  return check_kernels(p, random, how);
}

int check_gru(const recurrent_case& c, random_numbers& random, bool specials = false) {
  problem p;
  const op::gru g{c.hidden, c.direction, c.flag, c.other_flag, random_state_map(random)};
  p.op = g;
  add_types(p, c, 3, c.hidden, g.state, random);
  add_weights(p, c, c.directions() * 3 * c.hidden, c.hidden, true, random);
  return check(p, c.steps, random, specials);
}

int check_lstm(const recurrent_case& c, random_numbers& random, bool specials = false) {
  problem p;
  const op::lstm l{c.hidden, c.projected, c.direction, c.flag ? 0.75f : 0.0f, random_state_map(random)};
  p.op = l;
  const int d = c.directions();
  const tensor_type cells{element::f32, {c.batch, d * c.hidden}, {}};
  add_types(p, c, 4, l.state_size(), l.state, random);
  if (c.states) p.src.push_back(cells);
  p.dst.push_back(cells);
  add_weights(p, c, d * 4 * c.hidden, l.state_size(), true, random);
  p.constants.push_back(c.other_flag ? random_constant(element::f32, {d * 3 * c.hidden}, random) : nullptr);
  if (c.projected > 0) add_weights(p, c, d * c.projected, c.hidden, false, random);
  return check(p, c.steps, random, specials);
}

}  // namespace

TEST_CASE("recurrent kernels: random layers") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 200; ++i) {
    CHECK(check_gru(recurrent_case(random), random, random.chance(10)) > 0);
    CHECK(check_lstm(recurrent_case(random), random, random.chance(10)) > 0);
  }
}

TEST_CASE("recurrent kernels: enough work for several tasks, and the ends of s8 and u8") {
  random_numbers random(1);
  for (bool int8 : {true, false}) {
    recurrent_case c(random);
    c.batch = 61, c.steps = 7, c.hidden = 96, c.projected = 0, c.int8 = c.u8_output = int8;
    CHECK(check_gru(c, random) > 0);
    CHECK(check_lstm(c, random) > 0);
    c.projected = 50;
    CHECK(check_lstm(c, random) > 0);
  }
}

TEST_CASE("recurrent kernels: with the layer before them, so large that a task takes some units after the other") {
  constexpr int batch = 41, steps = 3, inputs = 17, hidden = 243;
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, ntc<upto<batch>, steps, inputs>>("x");
  const auto lengths = g.input<std::int32_t, shape<upto<batch>>>("lengths");
  constexpr lstm_options plain{.hidden = hidden, .direction = direction::both},
      projected{.hidden = hidden, .projected = 30, .direction = direction::reverse, .peepholes = true};
  const auto a = lstm<plain>(x, w / "a", {.lengths = lengths});
  g.output(lstm<projected>(a.y, w / "b", {.lengths = lengths}).y, "lstm");
  g.output(gru<gru_options{.hidden = hidden}>(x, w / "c", {.lengths = lengths}).y, "gru");
  const auto draw = [](int i, std::span<tensor> in) {
    random_numbers random(static_cast<unsigned>(i));
    for (float& v : in[0].as<float>()) v = random.real(-1, 1);
    for (std::int32_t& n : in[1].as<std::int32_t>()) n = random.between(0, steps);
  };
  std::vector<tensor> given;
  given.emplace_back(element::f32, dims{batch, steps, inputs});
  given.emplace_back(element::s32, dims{batch});
  draw(7, given);
  const graph fp32 = fold(g), int8 = quantize_graph(g, calibrate(plan_graph(fp32, native_kernels()), {2, draw}));
  for (const graph* planned : {&fp32, &int8}) {
    const std::vector<tensor> expected = outputs_of(plan_graph(*planned, {}), given);
    int sets = 0;
    for (isa i : {isa::portable, isa::avx2, isa::avx_vnni, isa::avx512_vnni, isa::amx}) {
      if (!x86::runs(i)) continue;
      CAPTURE(name_of(i));
      const network net = plan_graph(*planned, native_kernels(i));
      const auto fused = std::count_if(net->steps.begin(), net->steps.end(),
                                       [](const step& s) { return s.kernel.starts_with("fc_"); });
      CHECK(fused == 3);
      CHECK(same_bits(outputs_of(net, given), expected));
      worker_threads threads(3, 1);
      session parallel(net, threads);
      CHECK(same_bits(outputs_of(parallel, given), expected));
      ++sets;
    }
    CHECK(sets > 0);
  }
}

TEST_CASE("recurrent kernels: lengths that are not possible refuse the run and read nothing outside") {
  random_numbers random(1);
  problem p;
  p.op = op::gru{4};
  p.src = {{element::f32, {2, 3, 12}, {}}, {element::s32, {2}, {}}};
  p.dst = std::vector<tensor_type>{{element::f32, {2, 3, 4}, {}}, {element::f32, {2, 4}, {}}};
  p.constants = {random_constant(element::f32, {12, 4}, random)};
  const tensor x = random_tensor(element::f32, {2, 3, 12}, random);
  int kernels = 0;
  for (const kernel& k : kernels_for(p)) {
    ++kernels;
    for (std::int32_t bad :
         {-1, 4, std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()}) {
      guarded_operand in(element::f32, {2, 3, 12}, 12, false), lengths(element::s32, {2}, 2, false),
          y(element::f32, {2, 3, 4}, 4, false), h(element::f32, {2, 4}, 4, false);
      in.randomize(random, false);
      lengths.view().as<std::int32_t>()[0] = 2, lengths.view().as<std::int32_t>()[1] = bad;
      std::atomic<bool> refused{false};
      const operand src[] = {in.view(), lengths.view()}, dst[] = {y.view(), h.view()};
      const std::unique_ptr<const executable> e = k.pack(p);
      run_in_portions(*e, {src, std::span<const operand>(dst), {}, 0, nullptr, &refused}, random);
      CHECK_MESSAGE(refused, k.name, " took the length ", bad);
    }
  }
  CHECK(kernels > 0);
}
