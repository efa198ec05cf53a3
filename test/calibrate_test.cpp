// Calibration: ranges and means of known data, and what it refuses.
#include "octavo/exec/calibrate.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <limits>
#include <type_traits>

#include "octavo/graph/builder.hpp"
#include "octavo/plan/compile.hpp"
#include "support/quantized_graph.hpp"
#include "support/worker_threads.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// Sample i is the given list.
sample_set samples_of(std::vector<std::vector<float>> lists) {
  return {static_cast<int>(lists.size()), [lists](int i, std::span<tensor> inputs) {
            std::copy(lists[static_cast<std::size_t>(i)].begin(), lists[static_cast<std::size_t>(i)].end(),
                      inputs[0].as<float>().begin());
          }};
}

/// x (1, 2) -> a = relu(x) -> b = concat(a, clip(x)) -> c = x + 1
graph known_graph() {
  graph g;
  auto x = g.input<float, nc<1, 2>>("x");
  auto a = relu(x);
  g.output(relu6(concat(a, clip(x, -1.5f, 0.0f))), "y");
  g.output(bias_add(x, params(std::make_shared<known_weights>(
                           std::map<std::string, constant>{{"one.bias", values({2}, {1, 1})}})) /
                           "one"),
           "z");
  return g;
}

}  // namespace

TEST_CASE("calibrate: ranges and means of all samples") {
  calibrate_options options;
  options.recipe = minmax{};
  const calibration c =
      calibrate(plan_graph(known_graph(), {}), samples_of({{1, -2}, {3, 0.5f}, {-0.25f, -1}}), options);
  const range_table& r = c.ranges;
  CHECK(r.at("x") == range{-2.0f, 3.0f});
  CHECK(r.at("x.relu") == range{0.0f, 3.0f});
  CHECK(r.at("x.clip") == range{-1.5f, 0.0f});
  CHECK(r.at("x.relu6") == range{0.0f, 3.0f});
  CHECK(r.at("one") == range{-1.0f, 4.0f});
  CHECK(c.means.at("x") == std::vector<float>{1.25f, -2.5f / 3});
  CHECK(c.means.at("x.relu") == std::vector<float>{4.0f / 3, 0.5f / 3});  // a slice of the concat's buffer: strided
  CHECK(c.means.at("x.clip") == std::vector<float>{-0.25f / 3, -2.5f / 3});
}

TEST_CASE("calibrate: a recipe for a single value") {
  calibrate_options options;
  options.recipe = minmax{};
  options.by_value["x"] = absmax{};
  const calibration c = calibrate(plan_graph(known_graph(), {}), samples_of({{1, -2}}), options);
  CHECK(c.ranges.at("x") == range{-2.0f, 2.0f});
  CHECK(c.ranges.at("one") == range{-1.0f, 2.0f});
}

TEST_CASE("calibrate: progress is told, samples come in order, threads change nothing") {
  std::vector<int> done;
  calibrate_options options;
  options.progress = [&](int n) { done.push_back(n); };
  const network net = plan_graph(known_graph(), std::span(&row_kernel, 1));
  worker_threads threads(3, 1);
  const calibration a = calibrate(net, random_samples(5), options, threads), b = calibrate(net, random_samples(5));
  CHECK(done == std::vector<int>{1, 2, 3, 4, 5});
  CHECK(a.ranges == b.ranges);
  CHECK(a.means == b.means);
}

TEST_CASE("calibrate: a bounded batch is calibrated at its bound, u8 values are left out") {
  graph g;
  auto u = g.input<std::uint8_t, nhwc<upto<2>, 2, 2, 1>>("u");
  auto x = g.input<float, nc<upto<2>, 1>>("x");
  g.output(max_pool2d<pool{.kernel = 2}>(u), "p");
  g.output(relu(x), "y");
  int elements = 0;
  const sample_set samples{1, [&](int, std::span<tensor> inputs) {
                             elements = static_cast<int>(inputs[0].as<std::uint8_t>().size());
                             inputs[1].as<float>()[0] = 2.0f;
                             inputs[1].as<float>()[1] = 4.0f;
                           }};
  const calibration c = calibrate(plan_graph(g, {}), samples);
  CHECK(elements == 8);
  CHECK(c.ranges.size() == 2);
  CHECK(c.means.at("x") == std::vector<float>{3.0f});
}

TEST_CASE("calibrate: samples may be smaller than their bounds") {
  graph g;
  g.output(max_pool2d<pool{.kernel = {1, 2}}>(g.input<float, nhwc<1, 1, upto<6>, 1>>("x")), "y");
  calibrate_options options;
  options.recipe = minmax{};
  const std::vector<float> lists[] = {{1, 2, 3}, {-5, 4, 6, 0, 1}};
  const network net = plan_graph(g, {});
  const calibration c = calibrate(net,
                                  {3,
                                   [&](int i, std::span<tensor> inputs) {
                                     CHECK(inputs[0].extents() == dims{1, 1, 6, 1});
                                     if (i < 2)
                                       inputs[0] = tensor::of<float>({1, 1, i == 0 ? 3 : 5, 1}, lists[i]);
                                     else
                                       inputs[0].as<float>()[5] = 9;
                                   }},
                                  options);
  CHECK(c.ranges.at("x") == range{-5, 9});
  CHECK(c.ranges.at(net->values.back().name) == range{0, 9});
  CHECK(c.means.at("x") == std::vector<float>{21.0f / 14});
  const auto failure = [&](const dims& e) {
    return failure_of([&] { calibrate(net, {1, [&](int, std::span<tensor> t) { t[0] = tensor(element::f32, e); }}); });
  };
  check_failure(failure({1, 1, 7, 1}), "input 'x' must be f32[1x1x<=6x1], found f32[1x1x7x1]");
  check_failure(failure({1, 2, 6, 1}), "found f32[1x2x6x1]");
  check_failure(failure({1, 1, 1, 1}), "axis2 >= 2");
}

TEST_CASE("calibrate: errors") {
  const network net = plan_graph(known_graph(), {});
  check_failure(failure_of([&] { calibrate(net, samples_of({})); }), "at least one sample");
  calibrate_options options;
  options.by_value["nobody"] = minmax{};
  check_failure(failure_of([&] { calibrate(net, samples_of({{1, 2}}), options); }), "no value 'nobody'");
  check_failure(failure_of([&] {
                  calibrate(net, samples_of({{1, 2}, {std::numeric_limits<float>::infinity(), 2}}));
                }),
                "value 'x'", "sample 1");
  check_failure(failure_of([&] {
                  calibrate(net, samples_of({{1, std::numeric_limits<float>::quiet_NaN()}}));
                }),
                "value 'x'", "sample 0");
}

TEST_CASE("calibrate: a callback may assign tensors of its own") {
  const network net = plan_graph(known_graph(), {});
  const calibration filled = calibrate(net, samples_of({{1, -2}, {3, 4}}));
  const std::vector<float> lists[] = {{1, -2}, {3, 4}};
  const calibration assigned = calibrate(net, {2, [&](int i, std::span<tensor> inputs) {
                                                 inputs[0] = tensor::of<float>({1, 2}, lists[i]);
                                               }});
  CHECK(assigned.ranges == filled.ranges);
  CHECK(assigned.means == filled.means);
  const auto failure = [&](const tensor& t) {
    return failure_of([&] { calibrate(net, {1, [&](int, std::span<tensor> inputs) { inputs[0] = t; }}); });
  };
  check_failure(failure(tensor(element::f32, {1, 3})), "sample 0", "input 'x' must be f32[1x2]", "found f32[1x3]");
  check_failure(failure(tensor(element::f32, {2, 1})), "input 'x' must be f32[1x2]", "found f32[2x1]");
  check_failure(failure(tensor(element::u8, {1, 2})), "input 'x' must be f32[1x2]", "found u8[1x2]");
  check_failure(failure(tensor()), "input 'x' must be f32[1x2]", "found an empty tensor");
  check_failure(failure_of([&] {
                  calibrate(net, {1, [](int, std::span<tensor> inputs) { const tensor t = std::move(inputs[0]); }});
                }),
                "input 'x' must be f32[1x2]", "found an empty tensor");
}

TEST_CASE("calibrate: callbacks that are missing or throw, networks that are null") {
  const network net = plan_graph(known_graph(), {});
  check_failure(failure_of([&] { calibrate(net, {1, {}}); }), "no callback");
  check_failure(failure_of([&] { calibrate(nullptr, random_samples()); }), "the network is null");
  CHECK_THROWS_AS(calibrate(net, {1, [](int, std::span<tensor>) { throw std::bad_function_call(); }}),
                  std::bad_function_call);
}

TEST_CASE("calibrate: a quantized network is refused") {
  graph g;
  const params w(
      std::make_shared<known_weights>(std::map<std::string, constant>{{"f.weight", values({1, 2}, {1, 1})}}));
  auto x = g.input<float, nc<1, 2>>("x");
  g.output(fc<1>(relu(x), w / "f"), "y");
  const graph int8 = quantized_graph(g);
  check_failure(failure_of([&] { calibrate(plan_graph(int8, {}), random_samples()); }), "quantized already",
                "calibrate the FP32 network");
}

TEST_CASE("calibrate: samples that are all zero are refused") {
  graph g;
  auto x = g.input<float, nc<1, 2>>("x"), state = g.input<float, nc<1, 2>>("state");
  g.output(relu(x) + state, "y");
  const network net = plan_graph(g, {});
  const sample_set zeros{3, [](int, std::span<tensor>) {}};
  check_failure(failure_of([&] { calibrate(net, zeros); }), "input 'x'", "is 0 in all samples");
  // One input that is zero, as the first state of a sequence is, is nothing to complain about; nor one sample of many.
  const calibration found = calibrate(net, {3, [](int i, std::span<tensor> inputs) {
                                              if (i == 2) inputs[0].as<float>()[0] = 1;
                                            }});
  CHECK(found.ranges.at("state") == range{0.0f, 0.0f});
}

TEST_CASE("calibrate: what was found about another graph is refused by the values that differ") {
  const auto composed = []<int Width>(std::integral_constant<int, Width>) {
    graph g;
    auto x = g.input<float, nc<1, 4>>("x");
    g.output(fc<2>(relu(fc<Width>(x, random_params(1) / "a")), random_params(1) / "b"), "y");
    return g;
  };
  const graph narrow = composed(std::integral_constant<int, 3>()), wide = composed(std::integral_constant<int, 300>());
  const calibration of_narrow = random_calibration(narrow);
  check_failure(failure_of([&] { quantize_graph(wide, of_narrow); }), "value 'a.relu' has 300 channels", "3 means");
  calibration bad = of_narrow;
  bad.means["a.relu"][1] = std::numeric_limits<float>::quiet_NaN();
  check_failure(failure_of([&] { quantize_graph(narrow, bad); }), "value 'a.relu'", "nan");
  for (const range r : {range{0, std::numeric_limits<float>::quiet_NaN()}, range{2, 1},
                        range{0, std::numeric_limits<float>::infinity()}}) {
    bad = of_narrow;
    bad.ranges["a.relu"] = r;
    check_failure(failure_of([&] { quantize_graph(narrow, bad); }), "value 'a.relu'", "range");
  }
}
