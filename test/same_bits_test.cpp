// The same bits everywhere: whole networks, FP32 and INT8, each planned for every instruction set that this CPU has and
// with any number of threads, give what the reference evaluation gives; and that gives, with every compiler, flag and
// processor, the bytes whose hashes are written here. So calibration finds the same ranges everywhere too.
#include <doctest/doctest.h>

#include <cstdlib>

#include "octavo/model/embedded.hpp"
#include "octavo/model/mobilenet.hpp"
#include "octavo/model/resnet.hpp"
#include "octavo/octavo.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "support/recurrent_graph.hpp"
#include "support/run.hpp"
#include "support/worker_threads.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// The instruction sets to test; says, once, which are missing.
const std::vector<isa>& instruction_sets() {
  static const std::vector<isa> sets = [] {
    std::vector<isa> available;
    for (isa i : {isa::portable, isa::avx2, isa::avx_vnni, isa::avx512_vnni, isa::amx}) {
      if (x86::runs(i))
        available.push_back(i);
      else
        MESSAGE("skipped: this CPU has no " << name_of(i));
    }
    return available;
  }();
  return sets;
}

bool same_bytes(const std::vector<tensor>& a, const std::vector<tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const tensor& x, const tensor& y) {
    return x.extents() == y.extents() && std::ranges::equal(x.bytes(), y.bytes());
  });
}

/// FNV-1a of all bytes, going on from `hash`.
std::uint64_t hash_of(const std::vector<tensor>& tensors, std::uint64_t hash = 0xcbf29ce484222325) {
  for (const tensor& t : tensors)
    for (std::byte b : t.bytes()) hash = (hash ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
  return hash;
}

/// Plans the graph for every instruction set and compares with the first or the given outputs.
void check_all(const graph& g, const std::vector<tensor>& inputs, std::vector<tensor> expected = {}) {
  for (isa i : instruction_sets()) {
    CAPTURE(name_of(i));
    const network net = plan_graph(g, native_kernels(i));
    const std::vector<tensor> serial_outputs = outputs_of(net, inputs);
    if (expected.empty()) expected = outputs_of(net, inputs);
    CHECK(same_bytes(serial_outputs, expected));
    worker_threads threads(3, 1);
    session parallel(net, threads);
    CHECK(same_bytes(outputs_of(parallel, inputs), expected));
  }
}

template <class Build>
void check_model(Build&& build, int side) {
  graph g;
  build(g);
  const sample_set samples = random_samples(2);
  const calibration found = calibrate(octavo::compile(g), samples);
  for (isa i : instruction_sets()) {
    CAPTURE(name_of(i));
    const calibration here = calibrate(octavo::compile(g, native_kernels(i)), samples);
    CHECK(here.ranges == found.ranges);
    CHECK(here.means == found.means);
  }
  std::vector<tensor> inputs;
  inputs.emplace_back(element::f32, dims{1, side, side, 3});
  samples.read(7, inputs);
  check_all(fold(g), inputs);
  check_all(quantize_graph(g, found), inputs);
}

}  // namespace

TEST_CASE("random graphs give the reference's bits") {
  std::uint64_t int8_hash = hash_of({}), fp32_hash = hash_of({});
  const auto check = [](const graph& g, unsigned seed, std::uint64_t& hash) {
    CAPTURE(seed);
    const std::vector<tensor> inputs = random_inputs(g, seed);
    std::vector<tensor> expected = outputs_of(plan_graph(g, {}), inputs);
    hash = hash_of(expected, hash);
    check_all(g, inputs, std::move(expected));
  };
  for (unsigned seed = 0; seed < 60; ++seed) {
    const graph g = random_graph(seed, 14);
    check(fold(g), seed, fp32_hash);
    check(quantized_graph(g), seed, int8_hash);
  }
  CHECK(fp32_hash == 0x2fc7bdcdf5ae1559u);
  CHECK(int8_hash == 0xe6c11b8877b650a8u);
}

TEST_CASE("random graphs as exporters write them give the reference's bits, folded") {
  for (unsigned seed = 0; seed < 30; ++seed) {
    CAPTURE(seed);
    const graph g = random_exported_graph(seed, 10), fp32 = fold(g), int8 = quantized_graph(g);
    const std::vector<tensor> inputs = random_inputs(g, seed);
    for (const graph* planned : {&fp32, &int8})
      check_all(*planned, inputs, outputs_of(plan_graph(*planned, {}), inputs));
  }
}

TEST_CASE("the embedded network gives the same bits") {
  graph g;
  g.output(model::embedded(g.input<float, nhwc<1, 32, 32, 3>>("image"), random_params(1)), "y");
  const graph fp32 = fold(g), int8 = quantize_graph(g, calibrate(octavo::compile(g), random_samples()));
  const std::vector<tensor> inputs = random_inputs(int8, 1);
  for (const auto& [planned, hash] :
       {std::pair{&fp32, std::uint64_t{0xff4ee053dc33adc3}}, {&int8, 0x3106b7a99af36724u}}) {
    std::vector<tensor> expected = outputs_of(plan_graph(*planned, {}), inputs);
    CHECK(hash_of(expected) == hash);
    check_all(*planned, inputs, std::move(expected));
  }
}

TEST_CASE("recurrent layers give the reference's bits, alone and with the layer before them") {
  const graph g = recurrent_graph(), fp32 = fold(g), int8 = quantized_graph(g);
  const std::vector<tensor> inputs = random_inputs(g, 1);
  for (const auto& [planned, hash] :
       {std::pair{&fp32, std::uint64_t{0xee2958f066f20a0d}}, {&int8, 0x890cf75e574e15fbu}}) {
    std::vector<tensor> expected = outputs_of(plan_graph(*planned, {}), inputs);
    CHECK(hash_of(expected) == hash);
    check_all(*planned, inputs, std::move(expected));
  }
  // Where kernels are chosen by name, a pair of nodes that one kernel runs is two steps.
  for (isa i : instruction_sets()) {
    CAPTURE(name_of(i));
    const network together = plan_graph(int8, native_kernels(i));
    kernel_choices choices;
    for (const step& s : together->steps)
      if (s.kernel.starts_with("fc_")) choices.by_node[s.name] = s.kernel.substr(3);
    CHECK(choices.by_node.size() == 4);
    const network apart = plan_graph(int8, native_kernels(i), choices);
    CHECK(apart->steps.size() == together->steps.size() + 4);
    CHECK(same_bytes(outputs_of(apart, inputs), outputs_of(together, inputs)));
  }
}

TEST_CASE("a CIFAR ResNet gives the same bits") {
  check_model(
      [](graph& g) {
        g.output(model::cifar_resnet(g.input<float, nhwc<1, 32, 32, 3>>("image"), 3, random_params(2)), "y");
      },
      32);
}

TEST_CASE("MobileNet-V1 gives the same bits") {
  check_model(
      [](graph& g) {
        constexpr model::mobilenet_v1_options quarter{.width_percent = 25, .relu6 = true, .pad = same};
        g.output(model::mobilenet_v1<quarter>(g.input<float, nhwc<1, 96, 96, 3>>("image"), random_params(3)), "y");
      },
      96);
}

TEST_CASE("a bottleneck gives the same bits") {
  check_model(
      [](graph& g) {
        const params w = random_params(4);
        auto x = conv2d<conv{.out = 64, .kernel = 7, .stride = 2, .pad = 3}>(
            g.input<float, nhwc<1, 28, 28, 3>>("image"), w / "stem");
        g.output(model::bottleneck_stage<64, 2>(relu(x), 2, w / "stage"), "y");
      },
      28);
}
