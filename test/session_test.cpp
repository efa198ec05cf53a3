// Sessions: any batch up to the bound, strided and u8 arguments, wrong arguments, threads, profile.
#include "octavo/exec/session.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <sstream>
#include <thread>
#include <vector>

#include "octavo/exec/prepare.hpp"
#include "octavo/graph/builder.hpp"
#include "octavo/graph/pass/limit_batch.hpp"
#include "octavo/plan/compile.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "support/run.hpp"
#include "support/worker_threads.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// Image (N, 5, 4, 3) -> (N, 7) and (N, 5, 4, 8).
template <int N>
graph two_outputs() {
  graph g;
  const params w = random_params(5);
  auto x = g.input<float, nhwc<N, 5, 4, 3>>("x");
  auto a = relu(conv2d<conv{.out = 4, .kernel = 3, .pad = 1}>(x, w / "a"));
  auto b = concat(a, conv2d<conv{.out = 4}>(x, w / "b"));
  g.output(fc<7>(global_average_pool(b), w / "fc"), "logits");
  g.output(b, "features");
  return g;
}

/// x + y of (N, 4).
template <int N>
graph sum_of_two() {
  graph g;
  auto x = g.input<float, nc<N, 4>>("x");
  auto y = g.input<float, nc<N, 4>>("y");
  g.output(x + y, "sum");
  return g;
}

void check_status(const run_status& s, run_status::code_type code, const std::string& message) {
  CHECK(s.code() == code);
  CHECK(s.message() == message);
  CHECK(static_cast<bool>(s) == (code == run_status::ok));
}

}  // namespace

TEST_CASE("session: a bounded batch runs any number of images up to its bound") {
  constexpr int bound = 5;
  for (unsigned seed = 0; seed < 40; ++seed) {
    graph g = random_graph(seed, 12, -bound);
    if (seed % 2) g = quantized_graph(g);
    session run(plan_graph(g, {}));
    for (int n : {bound, 1, 3, 2, 4, bound}) {  // larger ones first: nothing of them may shine through
      CAPTURE(seed);
      CAPTURE(n);
      const std::vector<tensor> inputs = random_inputs(g, seed + 50, n);
      REQUIRE(same_bits(outputs_of(run, inputs, n), reference_outputs(pass::limit_batch(g, n), inputs)));
    }
  }
}

TEST_CASE("session: a bounded time axis, given by views or ranges") {
  graph g;
  auto x = g.input<float, ntc<2, upto<7>, 4>>("x");
  g.output(fc<3>(relu(x), random_params(1) / "fc"), "y");
  session run(plan_graph(g, {}));
  random_numbers random(1);
  for (int t = 7; t >= 1; --t) {
    const std::vector<tensor> inputs = list_of(random_tensor(element::f32, {2, t, 4}, random));
    graph exact = g;
    for (graph_value& v : exact.values) v.type.extents[1] = t;
    tensor y(element::f32, {2, t, 3});
    REQUIRE(
        run(view<const float>(inputs[0].as<float>().data(), {2, t, 4}), view<float>(y.as<float>().data(), {2, t, 3})));
    CHECK(same_bits(y, reference_outputs(exact, inputs)[0]));
  }
  std::vector<float> full(2 * 7 * 4), out(2 * 7 * 3), part(2 * 3 * 4, 1.0f), out_of_part(2 * 3 * 3), odd(2 * 3 * 4 + 4);
  CHECK(run(full, out));
  CHECK(run(part, out_of_part));
  check_status(run(part, out), run_status::wrong_extents, "argument 1 'y': expected f32[2x3x3], found 42 elements");
  check_status(run(odd, out), run_status::wrong_extents, "argument 0 'x': expected f32[2x<=7x4], found 28 elements");
}

TEST_CASE("session: two symbols in one network") {
  graph g;
  auto a = g.input<float, shape<upto<4>, upto<9, 'a'>, 2>>("a");
  auto b = g.input<float, shape<upto<4>, upto<9, 'b'>, 2>>("b");
  auto lengths = g.input<std::int32_t, shape<upto<4>>>("lengths");
  g.output(relu(a), "y");
  g.output(relu(b), "z");
  static_cast<void>(lengths);
  session run(plan_graph(g, {}));
  const std::vector<float> x(4 * 9 * 2, 1.0f);
  const auto part = [&](int n) { return std::span(x).first(static_cast<std::size_t>(n)); };
  std::vector<float> y(x.size()), z(x.size());
  const auto at = [](std::vector<float>& v, int n, int t) { return view<float>(v.data(), {n, t, 2}); };
  const std::vector<std::int32_t> two(2), three(3);
  CHECK(run(view(x.data(), {2, 9, 2}), view(x.data(), {2, 5, 2}), two, at(y, 2, 9), at(z, 2, 5)));
  CHECK(run(view(x.data(), {2, 3, 2}), part(2 * 7 * 2), two, at(y, 2, 3), at(z, 2, 7)));
  // A range of two unknown extents waits for the arguments after it.
  CHECK(run(part(2 * 3 * 2), part(2 * 7 * 2), two, at(y, 2, 3), at(z, 2, 7)));
  const auto refuse = [&](const run_status& s, const std::string& message) {
    check_status(s, run_status::wrong_extents, "argument " + message);
  };
  const auto wrong_z = view<float>(z.data(), {2, 6, 2});
  refuse(run(part(12), part(28), two, at(y, 2, 3), wrong_z), "1 'b': expected f32[2x6x2], found 28 elements");
  refuse(run(part(12), part(27), two, at(y, 2, 3), at(z, 2, 7)), "1 'b': expected f32[2x7x2], found 27 elements");
  refuse(run(part(12), part(28), three, at(y, 2, 3), at(z, 2, 7)),
         "3 'y': expected f32[3x<=9ax2], found 2x3x2, rows 2 apart");
  std::vector<float> y_range(12), z_range(28);
  CHECK(run(part(12), part(28), two, y_range, z_range));
  CHECK(std::ranges::count(y_range, 1.0f) == 12);
  CHECK(std::ranges::count(z_range, 1.0f) == 28);
  refuse(run(part(12), view(x.data(), {2, 10, 2}), two, y_range, z_range),
         "1 'b': expected f32[<=4x<=9bx2], found 2x10x2, rows 2 apart");
}

TEST_CASE("session: ranges of unknown extents that nothing tells are refused") {
  graph g;
  g.output(relu(g.input<float, shape<upto<4>, upto<9>, 2>>("x")), "y");
  session run(plan_graph(g, {}));
  std::vector<float> x(12), y(12), most(4 * 9 * 2), most_y(4 * 9 * 2);
  check_status(run(x, y), run_status::wrong_extents, "argument 0 'x': expected f32[<=4x<=9x2], found 12 elements");
  CHECK(run(x, view<float>(y.data(), {2, 3, 2})));
  CHECK(run(most, most_y));
}

TEST_CASE("session: rows of a bounded length follow each other in a range") {
  graph g;
  auto x = g.input<float, shape<2, upto<8>>>("x");
  g.output(reshape<shape<1, 2, decltype(x)::extents.encoded(1)>>(relu(x)), "y");
  session run(plan_graph(g, {}));
  const std::vector<float> in{1, -2, 3, 4, -5, 6};
  std::vector<float> out(6);
  REQUIRE(run(in, out));
  CHECK(out == std::vector<float>{1, 0, 3, 4, 0, 6});
}

TEST_CASE("session: extents that follow from others, and the least that leaves something") {
  graph g;
  auto x = g.input<float, nhwc<1, 4, upto<40, 'w'>, 3>>("x");
  auto y = max_pool2d<pool{.kernel = {4, 5}, .stride = {1, 2}}>(x);
  static_assert(decltype(y)::extents == dims{1, 1, dims::code(18, {symbol_of('w'), 1, -3, 2}), 3});
  g.output(y, "y");
  session run(plan_graph(g, {}));
  std::vector<float> in(40 * 12, 1.0f), out(18 * 3);
  const auto with = [&](int wide, int outputs) {
    return run(view<float>(in.data(), {1, 4, wide, 3}), view<float>(out.data(), {1, 1, outputs, 3}));
  };
  for (int wide = 5; wide <= 40; ++wide) CHECK(with(wide, (wide - 5) / 2 + 1));
  check_status(with(40, 17), run_status::wrong_extents,
               "argument 1 'y': expected f32[1x1x18x3], found 1x1x17x3, rows 3 apart");
  check_status(with(4, 1), run_status::wrong_extents,
               "argument 0 'x': expected f32[1x4x<=40wx3] with w >= 5, found 1x4x4x3, rows 3 apart");
  CHECK(run(std::span(in).first(12 * 13), std::span(out).first(15)));
  const tensor_argument seven[] = {view<float>(in.data(), {1, 4, 7, 3})},
                        none[] = {view<float>(in.data(), {1, 4, 4, 3})};
  CHECK(run.output_extents(seven) == std::vector{dims{1, 1, 2, 3}});
  check_failure(failure_of([&] { run.output_extents(none); }), "argument 0 'x'", "w >= 5");
  check_failure(failure_of([&] { run.output_extents({}); }), "expected 1 inputs, found 0");
  CHECK_FALSE(run(std::span(in).first(12 * 4), std::span(out).first(3)));
}

TEST_CASE("session: a symbol that no number suits is refused when the network is planned") {
  graph g;
  auto x = g.input<float, nhwc<1, 4, upto<40, 'w'>, 3>>("x");
  g.output(relu(g.input<float, nc<upto<4, 'w'>, 3>>("short")), "z");
  g.output(max_pool2d<pool{.kernel = {1, 5}}>(x), "y");
  check_failure(failure_of([&] { plan_graph(g, {}); }), "max_pool", "suits no w, which must be from 1 to 4");
}

TEST_CASE("session: ranges and views as arguments") {
  graph g = sum_of_two<2>();
  session run(plan_graph(g, {}));
  std::vector<float> x{1, 2, 3, 4, 5, 6, 7, 8};
  const std::array<float, 8> y{10, 20, 30, 40, 50, 60, 70, 80};
  float sum[8] = {};
  const float expected[] = {11, 22, 33, 44, 55, 66, 77, 88};
  SUBCASE("vector, array, C array") { REQUIRE(run(x, y, sum)); }
  SUBCASE("spans") { REQUIRE(run(std::span(x), std::span(y), std::span(sum))); }
  SUBCASE("views") {
    REQUIRE(run(view<float>(x.data(), {2, 4}), view<const float>(y.data(), {2, 4}), view<float>(sum, {2, 4})));
  }
  SUBCASE("a list") {
    const tensor_argument list[] = {x, y, sum};
    REQUIRE(run.run(list));
  }
  for (int i = 0; i < 8; ++i) CHECK(sum[i] == expected[i]);
}

TEST_CASE("session: strided views as inputs and outputs") {
  const graph g = two_outputs<2>();
  const std::vector<tensor> inputs = random_inputs(g, 9), expected = reference_outputs(g, inputs);
  session run(plan_graph(g, {}));
  std::vector<float> x(40 * 5, 1e9f), logits(2 * 11, -7.0f), features(40 * 9, -7.0f);
  for (std::size_t r = 0; r < 40; ++r)
    for (std::size_t c = 0; c < 3; ++c) x[r * 5 + c] = inputs[0].as<float>()[r * 3 + c];
  REQUIRE(run(view<const float>(x.data(), {2, 5, 4, 3}, 5), view<float>(logits.data(), {2, 7}, 11),
              view<float>(features.data(), {2, 5, 4, 8}, 9)));
  for (std::size_t r = 0; r < 2; ++r)
    for (std::size_t c = 0; c < 11; ++c)
      CHECK(logits[r * 11 + c] == (c < 7 ? expected[0].as<float>()[r * 7 + c] : -7.0f));
  for (std::size_t r = 0; r < 40; ++r)
    for (std::size_t c = 0; c < 9; ++c)
      CHECK(features[r * 9 + c] == (c < 8 ? expected[1].as<float>()[r * 8 + c] : -7.0f));
}

TEST_CASE("session: u8 inputs and outputs") {
  graph g;
  const affine q{0.5f, 128};
  const int x = g.append(op::input{}, "x", {}, {element::u8, {upto<2>, 3}, q});
  const int doubled = g.append(op::add{}, "add", {x, x}, {element::u8, {upto<2>, 3}, q});
  g.outputs.push_back({doubled, "doubled"});
  g.outputs.push_back({g.append(op::convert{}, "real", {x}, {element::f32, {upto<2>, 3}, {}}), "real"});
  session run(plan_graph(g, {}));
  const std::vector<std::uint8_t> bytes{0, 128, 130};
  std::vector<std::uint8_t> twice(3);
  std::vector<float> real(3);
  REQUIRE(run(bytes, twice, real));
  CHECK(twice == std::vector<std::uint8_t>{0, 128, 132});
  CHECK(real == std::vector<float>{-64.0f, 0.0f, 1.0f});
  check_status(run(real, twice, real), run_status::wrong_type, "argument 0 'x': expected u8, found f32");
}

TEST_CASE("session: wrong arguments give a status, and nothing is written") {
  session fixed(plan_graph(sum_of_two<2>(), {})), bounded(plan_graph(sum_of_two<upto<4>>(), {}));
  std::vector<float> x(8, 1.0f), y(8, 1.0f), sum(8, -1.0f), short_x(7), half(4), empty, twice_as_long(32);
  std::vector<std::uint8_t> bytes(8);
  const auto wrong = run_status::wrong_extents;
  const std::string all = "expected the arguments x, y; sum; found ";
  check_status(fixed(x, y), run_status::wrong_count, all + "2");
  check_status(fixed(x, y, sum, sum), run_status::wrong_count, all + "4");
  check_status(fixed(x, bytes, sum), run_status::wrong_type, "argument 1 'y': expected f32, found u8");
  check_status(fixed(x, y, bytes), run_status::wrong_type, "argument 2 'sum': expected f32, found u8");
  const auto refuse = [&](const run_status& s, const std::string& argument, const std::string& found) {
    check_status(s, wrong, "argument " + argument + ", found " + found);
  };
  const std::string fixed_x = "0 'x': expected f32[2x4]", bounded_x = "0 'x': expected f32[<=4x4]";
  refuse(fixed(short_x, y, sum), fixed_x, "7 elements");
  refuse(fixed(x, half, sum), "1 'y': expected f32[2x4]", "4 elements");
  refuse(fixed(x, y, empty), "2 'sum': expected f32[2x4]", "0 elements");
  refuse(fixed(view<float>(x.data(), {4, 2}), y, sum), fixed_x, "4x2, rows 2 apart");
  refuse(fixed(view<float>(x.data(), {8}), y, sum), fixed_x, "8, rows 8 apart");
  refuse(fixed(view<float>(x.data(), {2, 4}, 3), y, sum), fixed_x, "2x4, rows 3 apart");
  refuse(fixed(view<float>(x.data(), {2, 4}, 0), y, sum), fixed_x, "2x4, rows 0 apart");
  refuse(fixed(view<float>(), y, sum), fixed_x, "0 elements");
  refuse(bounded(empty, y, sum), bounded_x, "0 elements");
  refuse(bounded(short_x, y, sum), bounded_x, "7 elements");
  refuse(bounded(twice_as_long, y, sum), bounded_x, "32 elements");
  refuse(bounded(x, half, sum), "1 'y': expected f32[2x4]", "4 elements");  // 2 images before
  refuse(bounded(x, y, half), "2 'sum': expected f32[2x4]", "4 elements");
  refuse(bounded(view<float>(x.data(), {5, 4}), y, sum), bounded_x, "5x4, rows 4 apart");
  CHECK(sum == std::vector<float>(8, -1.0f));
  check_status(bounded(x, y, sum), run_status::ok, "ok");
  check_status(bounded(half, half, half), run_status::ok, "ok");
  fixed(x, y, sum).or_throw();
  check_failure(failure_of([&] { fixed(x, y, bytes).or_throw(); }), "argument 2 'sum': expected f32, found u8");
}

TEST_CASE("session: a scalar") {
  graph g;
  auto x = g.input<float, shape<>>("x");
  g.output(relu(x), "y");
  session run(plan_graph(g, {}));
  const float value = 3.0f;
  float result = 0.0f;
  REQUIRE(run(std::span(&value, 1), view<float>(&result, {})));
  CHECK(result == 3.0f);
  std::vector<float> two(2);
  CHECK(run(two, two).code() == run_status::wrong_extents);
}

TEST_CASE("session: several sessions of one network, each on a thread, give equal bits") {
  const graph g = quantized_graph(random_graph(17, 20));
  const network net = plan_graph(g, {});
  constexpr int threads = 4, runs = 8;
  std::vector<std::vector<tensor>> inputs, expected;
  for (unsigned i = 0; i < threads * runs; ++i) {
    inputs.push_back(random_inputs(g, i));
    expected.push_back(outputs_of(net, inputs.back()));
  }
  std::array<int, threads> wrong{};
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t)
    pool.emplace_back([&, t] {
      session own(net);
      for (int r = 0; r < runs; ++r) {
        const auto i = static_cast<std::size_t>(t * runs + r);
        wrong[static_cast<std::size_t>(t)] += !same_bits(outputs_of(own, inputs[i]), expected[i]);
      }
    });
  for (std::thread& t : pool) t.join();
  for (int w : wrong) CHECK(w == 0);
}

TEST_CASE("session: any number of workers and any split give equal bits") {
  for (unsigned seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    const graph g = seed % 2 ? quantized_graph(random_graph(seed, 14)) : random_graph(seed, 14);
    const std::vector<tensor> inputs = random_inputs(g, seed), expected = reference_outputs(g, inputs);
    const network net = plan_graph(g, std::span(&row_kernel, 1));
    for (int workers : {1, 2, 3, 8}) {
      worker_threads threads(workers, seed);
      session run(net, threads);
      CHECK(run.memory_bytes() == net->arena_bytes + static_cast<std::size_t>(workers) * net->scratch_bytes);
      CHECK(same_bits(outputs_of(run, inputs), expected));
      CHECK(same_bits(outputs_of(run, inputs), expected));
    }
  }
  CHECK(scratch_conflicts == 0);
}

TEST_CASE("session: the profile counts calls and times of each step") {
  const graph g = two_outputs<2>();
  session run(plan_graph(g, {}));
  const std::vector<tensor> inputs = random_inputs(g, 1);
  outputs_of(run, inputs);
  for (const step_profile& s : run.profile()) CHECK(s.time.calls == 0);
  run.enable_profile(true);
  for (int i = 0; i < 3; ++i) outputs_of(run, inputs);
  run.enable_profile(false);
  outputs_of(run, inputs);
  const std::vector<step_profile> profile = run.profile();
  REQUIRE(profile.size() == run.planned()->steps.size());
  for (std::size_t i = 0; i < profile.size(); ++i) {
    CHECK(profile[i].name == run.planned()->steps[i].name);
    CHECK(profile[i].kernel == "reference");
    CHECK(profile[i].time.calls == 3);
    CHECK(profile[i].time.min >= 0);
    CHECK(profile[i].time.min <= profile[i].time.max);
    CHECK(profile[i].time.total >= 3 * profile[i].time.min);
    CHECK(profile[i].time.total <= 3.001 * profile[i].time.max);
  }
  std::ostringstream table;
  write_profile(table, profile);
  const std::string printed = table.str();
  CHECK(printed.starts_with("event"));
  CHECK(printed.find("conv2d kernel 3x3 out 4 pad 1,1,1,1") != std::string::npos);
  CHECK(printed.find("by kernel\nreference") != std::string::npos);
  CHECK(printed.find("100.00%") != std::string::npos);
}

TEST_CASE("session: one operator alone") {
  random_numbers random(3);
  const tensor_type x{element::u8, {2, 3, 3, 4}, {0.02f, 3}}, y{element::u8, {2, 3, 3, 5}, {0.05f, 11}};
  op::conv2d c;
  c.out = 5, c.kernel = 3, c.pad = 1, c.residual = true;
  const signature s{{x, y},
                    y,
                    {random_constant(element::s8, {5, 4, 3, 3}, random), random_constant(element::f32, {5}, random),
                     random_constant(element::f32, {5}, random, 0.001f, 0.01f)}};
  const std::vector<tensor> src = random_sources(s, random);
  session run = prepare_operator(c, s, {});
  CHECK(same_bits(outputs_of(run, src)[0], reference_output(c, s, src)));
  signature wrong = s;
  wrong.src[1].extents = {2, 3, 3, 4};
  check_failure(failure_of([&] { prepare_operator(c, wrong, {}); }), "conv2d", "residual must be u8[2x3x3x5]");
}

TEST_CASE("session: an output must be writable") {
  session run(plan_graph(sum_of_two<1>(), {}));
  const std::vector<float> x(4, 1.0f), y(4, 2.0f), constant_sum(4);
  std::vector<float> sum(4);
  check_status(run(x, y, constant_sum), run_status::read_only, "argument 2 'sum' is an output and read-only");
  check_status(run(x, y, view<const float>(sum.data(), {1, 4})), run_status::read_only,
               "argument 2 'sum' is an output and read-only");
  run(x, y, view<float>(sum.data(), {1, 4})).or_throw();
  CHECK(sum == std::vector<float>(4, 3.0f));
}

TEST_CASE("session: it moves, and is not copied") {
  static_assert(!std::is_copy_constructible_v<session> && !std::is_copy_assignable_v<session>);
  session first(plan_graph(sum_of_two<2>(), {}));
  std::vector<float> x(8, 1.0f), y(8, 2.0f), sum(8);
  session second = std::move(first);
  REQUIRE(second(x, y, sum));
  CHECK(sum == std::vector<float>(8, 3.0f));
  sum.assign(8, -1.0f);
  check_status(first(x, y, sum), run_status::no_network, "the session was moved from");
  check_failure(failure_of([&] { first(x, y, sum).or_throw(); }), "session: the session was moved from");
  CHECK(sum == std::vector<float>(8, -1.0f));
  CHECK(first.planned() == nullptr);
  CHECK(first.profile().empty());
  CHECK(first.memory_bytes() == 0);
  first = std::move(second);
  CHECK(first(x, y, sum));
  CHECK_FALSE(second(x, y, sum));
}

TEST_CASE("session: what is null gives an error or a status") {
  check_failure(failure_of([] { session run{network()}; }), "session: the network is null");
  check_failure(failure_of([] { choices_of(network()); }), "the network is null");
  session run(plan_graph(sum_of_two<2>(), {}));
  std::vector<float> x(8), sum(8);
  const auto null = "has no elements: a null pointer";
  check_status(run(view<float>(nullptr, {2, 4}), x, sum), run_status::no_data, text("argument 0 'x' ", null));
  check_status(run(x, std::span<float>(static_cast<float*>(nullptr), 8), sum), run_status::no_data,
               text("argument 1 'y' ", null));
  check_status(run(x, x, view<float>(nullptr, {2, 4})), run_status::no_data, text("argument 2 'sum' ", null));
  tensor moved(element::f32, {2, 4});
  const tensor kept = std::move(moved);
  CHECK(run(kept, x, sum));
  CHECK(run(moved, x, sum).code() == run_status::wrong_extents);
  // A network of one number: a view of nothing has as many extents.
  graph g;
  g.output(relu(g.input<float, shape<>>("x")), "y");
  session scalar(plan_graph(g, {}));
  float one = -1, out = -1;
  CHECK(scalar(std::span(&one, 1), std::span(&out, 1)));
  CHECK(out == 0);
  CHECK(scalar(view<float>(), std::span(&out, 1)).code() == run_status::wrong_extents);
  CHECK(scalar(tensor(), std::span(&out, 1)).code() == run_status::no_data);
}

TEST_CASE("session: views whose extents or strides have no place in memory") {
  session run(plan_graph(sum_of_two<2>(), {}));
  std::vector<float> x(8), sum(8);
  constexpr int most = std::numeric_limits<int>::max();
  constexpr std::ptrdiff_t far = std::numeric_limits<std::ptrdiff_t>::max();
  CHECK(run(view<float>(x.data(), {most, most, most, most}), x, sum).code() == run_status::wrong_extents);
  CHECK(run(view<float>(x.data(), {2, 4}, far), x, sum).code() == run_status::wrong_extents);
  CHECK(run(view<float>(x.data(), {2, 4}, -far), x, sum).code() == run_status::wrong_extents);
}

TEST_CASE("session: more workers than memory has room for") {
  class many : public parallel_for {
    int workers() const noexcept override { return std::numeric_limits<int>::max(); }
  } threads;
  class greedy : public executable {
    void run(const arguments&, int, int, std::byte*) const noexcept override {}
    std::size_t scratch_bytes() const noexcept override { return std::size_t{1} << 40; }
  };
  const kernel k{"greedy", isa::portable, reference_kernel.supports,
                 [](const problem&) -> std::unique_ptr<const executable> { return std::make_unique<greedy>(); }};
  const network net = plan_graph(sum_of_two<2>(), std::span(&k, 1));
  check_failure(failure_of([&] { session run(net, threads); }), "workers");
}

TEST_CASE("session: arguments by name") {
  graph g;
  auto x = g.input<float, nc<1, 2>>("x"), y = g.input<float, nc<1, 2>>("y");
  g.output(concat(x, y), "both");
  session run(plan_graph(g, {}));
  const std::vector<float> one{1, 2}, two{3, 4};
  std::vector<float> both(4);
  CHECK(run({{"both", both}, {"y", two}, {"x", one}}));
  CHECK(both == std::vector<float>{1, 2, 3, 4});
  const auto message = [&](std::initializer_list<named_argument> list) { return run(list).message(); };
  CHECK(message({{"both", both}, {"x", one}}) == "expected the arguments x, y; both; found 2");
  CHECK(message({{"both", both}, {"z", two}, {"x", one}}) ==
        "argument 1 is called 'z': expected the arguments x, y; both");
  CHECK(message({{"both", both}, {"x", two}, {"x", one}}) ==
        "argument 2 is called 'x': expected the arguments x, y; both, each of them once");
  CHECK(message({{"both", both}, {"x", both}, {"y", two}}) == "argument 0 'x': expected f32[1x2], found 4 elements");
  const std::string long_name(100, 'n');
  CHECK(message({{long_name, both}, {"x", one}, {"y", two}}).find(long_name.substr(0, 63) + "'") != std::string::npos);
}

namespace {

/// y = x - max x over all elements, in two phases: the maximum of each row, then what all rows need.
class from_largest : public executable {
 public:
  int phases() const noexcept override { return 2; }
  int tasks(const arguments& a) const noexcept override { return static_cast<int>(a.dst->extents.rows()); }
  std::size_t shared_bytes() const noexcept override { return 64 * sizeof(float); }
  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    const auto largest = reinterpret_cast<float*>(a.shared);
    const auto rows = static_cast<std::size_t>(tasks(a)), columns = static_cast<std::size_t>(a.dst->extents.back());
    for (auto r = static_cast<std::size_t>(begin); r < static_cast<std::size_t>(end); ++r) {
      const float* x = a.src[0].row<float>(r);
      if (a.phase == 0)
        largest[r] = *std::max_element(x, x + columns);
      else
        for (std::size_t c = 0; c < columns; ++c)
          a.dst->row<float>(r)[c] = x[c] - *std::max_element(largest, largest + rows);
    }
  }
};

}  // namespace

TEST_CASE("session: the phases of a step follow one another, and share memory") {
  graph g;
  auto x = g.input<float, nc<upto<64>, 5>>("x");
  g.output(relu(x), "y");
  const kernel k{"from_largest", isa::portable, reference_kernel.supports,
                 [](const problem&) -> std::unique_ptr<const executable> { return std::make_unique<from_largest>(); }};
  const network net = plan_graph(g, std::span(&k, 1));
  CHECK(net->shared_bytes == 64 * sizeof(float));
  worker_threads threads(3, 1);
  session serial_run(net), threaded_run(net, threads);
  for (const std::size_t rows : {1u, 2u, 17u, 64u}) {
    CAPTURE(rows);
    std::vector<float> in(rows * 5), out(rows * 5), threaded(rows * 5);
    random_numbers random(static_cast<unsigned>(rows));
    for (float& v : in) v = random.real(-1, 1);
    const float largest = *std::max_element(in.begin(), in.end());
    CHECK(serial_run(in, out));
    CHECK(threaded_run(in, threaded));
    CHECK(out == threaded);
    CHECK(std::ranges::equal(out, in, {}, {}, [&](float v) { return v - largest; }));
  }
}
