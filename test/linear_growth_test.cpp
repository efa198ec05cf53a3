// Composing, folding, quantizing and planning take work in proportion to the number of nodes. Work is counted, not
// timed: this file is compiled with -fsanitize-coverage=trace-pc, which calls the function below at every branch, those
// of the library's headers and of the containers in them included.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>

#include "octavo/graph/builder.hpp"
#include "octavo/plan/compile.hpp"
#include "support/random.hpp"

namespace {
std::uint64_t steps_taken = 0;
}

#if defined(__clang__)
extern "C" __attribute__((no_sanitize("coverage"))) void __sanitizer_cov_trace_pc() { ++steps_taken; }
#else
extern "C" __attribute__((no_sanitize_coverage)) void __sanitizer_cov_trace_pc() { ++steps_taken; }
#endif

namespace {

using namespace octavo;
using namespace octavo::test;

using vectors = nc<1, 1>;
using handle = value<float, vectors>;

/// A kernel that does nothing for any problem: packing is no part of what is measured.
class idle : public executable {
 public:
  void run(const arguments&, int, int, std::byte*) const noexcept override {}
};
constexpr kernel idle_kernel{
    "idle", isa::portable, [](const problem&) { return true; },
    [](const problem&) -> std::unique_ptr<const executable> { return std::make_unique<idle>(); }};

/// Residual blocks in a chain, whose nodes have names of their own.
handle blocks(handle x, int nodes, const params& w) {
  for (int i = 0; i < nodes / 5; ++i)
    x = relu(fc<1>(relu(batch_norm(fc<1>(x, w / "a" / i), w / "bn" / i)), w / "b" / i) + x);
  return x;
}

/// A chain of nodes without names, none of which folds into another.
handle unnamed(handle x, int nodes, const params&) {
  for (int i = 0; i < nodes / 2; ++i) x = relu(softmax(x));
  return x;
}

/// As many readers of one value, summed up.
handle one_value_with_many_readers(handle x, int nodes, const params& w) {
  handle sum = x;
  for (int i = 0; i < nodes / 3; ++i) sum = sum + relu(fc<1>(x, w / i));
  return sum;
}

/// Pairs that are concatenated and reshaped.
handle moved_bytes(handle x, int nodes, const params& w) {
  for (int i = 0; i < nodes / 5; ++i) {
    auto both = reshape<nc<1, 2>>(reshape<shape<1, 1, 2>>(concat(relu(x), clip(x, -1.0f, 0.5f))));
    x = fc<1>(both, w / i);
  }
  return x;
}

using network_of = handle (*)(handle, int, const params&);

struct work {
  std::uint64_t compose, fold, quantize, plan;
};

/// The steps that each part takes.
work work_of(network_of make, int nodes) {
  const params w = random_params(1);
  work steps{};
  const auto count = [](std::uint64_t& total, auto&& part) {
    const std::uint64_t before = steps_taken;
    part();
    total = steps_taken - before;
  };
  graph g, folded, int8;
  count(steps.compose, [&] { g.output(make(g.input<float, vectors>("x"), nodes, w), "y"); });
  CHECK(static_cast<int>(g.nodes.size()) > nodes * 9 / 10);
  count(steps.fold, [&] { folded = fold(g); });
  calibration found;
  for (const graph_value& v : folded.values) {
    found.ranges[v.name] = {-1, 1};
    found.means[v.name].assign(static_cast<std::size_t>(v.type.extents.back()), 0.5f);
  }
  quantize_options options;
  for (std::size_t i = 0; i < folded.nodes.size(); i += 10) options.keep_fp32.insert(folded.nodes[i].name);
  count(steps.quantize, [&] { int8 = quantize_graph(g, found, options); });
  network net;
  count(steps.plan, [&] { net = plan_graph(int8, std::span(&idle_kernel, 1)); });
  count(steps.plan, [&] { plan_graph(int8, std::span(&idle_kernel, 1), choices_of(net)); });
  return steps;
}

}  // namespace

TEST_CASE("linear growth: four times the nodes take four times the work") {
  const network_of networks[] = {blocks, unnamed, one_value_with_many_readers, moved_bytes};
  for (std::size_t i = 0; i < std::size(networks); ++i) {
    CAPTURE(i);
    const work small = work_of(networks[i], 1250), large = work_of(networks[i], 5000);
    // Names are looked up in trees and lives are sorted: four times the nodes make those log(5000) / log(1250) = 1.2
    // times as deep. Work in proportion to the square would be 16 times as much.
    const auto growth = [](std::uint64_t from, std::uint64_t to) {
      REQUIRE(from > 1250);
      return static_cast<double>(to) / static_cast<double>(from);
    };
    CHECK(growth(small.compose, large.compose) < 5);
    CHECK(growth(small.fold, large.fold) < 5);
    CHECK(growth(small.quantize, large.quantize) < 5);
    CHECK(growth(small.plan, large.plan) < 5);
  }
}
