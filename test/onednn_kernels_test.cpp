// oneDNN's kernel against the reference evaluation: u8 within one step, f32 within the rounding of its sums.
#include "octavo/backends/onednn/kernels.hpp"

#include <filesystem>
#include <thread>

#include "octavo/graph/builder.hpp"
#include "octavo/octavo.hpp"
#include "support/kernel_run.hpp"
#include "support/quantized_graph.hpp"
#include "support/run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

// One step of u8: oneDNN adds the zero point before rounding and the bias before scaling, so a number within a few
// 2^-24 of the middle between two steps may go to the other.
constexpr int steps = 1;

// f32 sums of up to 1152 products of at most 8 * 1: each of the n roundings, there and in the reference's own order, is
// at most 2^-24 of a partial sum. Typical errors grow with the square root of n: 34 * 8 * 2^-24 = 2e-5 of a partial
// sum.
constexpr float f32_tolerance = 2e-4f;

constexpr std::pair<element, element> types[] = {
    {element::u8, element::u8}, {element::u8, element::f32}, {element::f32, element::f32}};

/// Whether oneDNN's INT8 is exact: the codes of its instruction sets are sets of bits.
bool has_vnni() {
  constexpr auto vnni = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_vnni);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & vnni) == vnni;
}

/// Random weights. Without VNNI oneDNN adds pairs of products in 16 bits: 2 * 255 * 63 still fits.
constant random_weights_of(element type, const dims& extents, random_numbers& random) {
  tensor w = random_tensor(type, extents, random);
  if (type == element::s8 && !has_vnni())
    for (std::int8_t& v : w.as<std::int8_t>()) v = static_cast<std::int8_t>(v / 2);
  return make_constant(std::move(w));
}

/// A layer with weights on random numbers.
problem make_problem(const operation& o, const dims& x, const dims& y, const dims& weights, element src, element dst,
                     random_numbers& random) {
  problem p;
  p.op = o;
  p.src.push_back({src, x, random_affine(random)});
  if (*fused_residual(o)) p.src.push_back({dst, y, random_affine(random)});
  p.dst = {dst, y, random_affine(random)};
  const bool u8 = src == element::u8;
  const dims channels{weights[0]};
  p.constants = {random_weights_of(u8 ? element::s8 : element::f32, weights, random),
                 random.chance(70) ? random_constant(element::f32, channels, random) : nullptr,
                 u8 ? random_constant(element::f32, channels, random, 1e-4f, 0.02f) : nullptr};
  return p;
}

/// For an f32 result of u8 x s8 products: some roundings of 2^-24 of the largest term, which may cancel another.
float tolerance_of(const problem& p) {
  if (!p.src[0].is_u8()) return f32_tolerance;
  const auto depth = static_cast<float>(p.at(0)->extents().count()) / static_cast<float>(p.at(0)->extents()[0]);
  return 4 * 0x1p-24f * 255 * 127 * depth * 0.02f * p.src[0].q.scale;
}

/// How many problems oneDNN took, of how many. What it takes on CPUs other than these is not known.
struct tally {
  int supported = 0, all = 0;
  bool took_some() const { return supported > 0 || !x86::runs(isa::avx2); }
  bool took_all() const { return supported == all || !x86::runs(isa::avx2); }
  ~tally() { MESSAGE("oneDNN took ", supported, " of ", all, " problems"); }
};

void check_problem(const problem& p, random_numbers& random, tally& count, int batch = 0) {
  static const kernel_list list = onednn::kernels();
  const float tolerance = has_weights(p.op) ? tolerance_of(p) : f32_tolerance;
  count.supported += check_kernels(p, random, {.tolerance = tolerance, .steps = steps}, batch, list);
  ++count.all;
}

void check_convolution(const op::conv2d& c, const dims& x, element src, element dst, random_numbers& random,
                       tally& count, int batch = 0) {
  check_problem(make_problem(c, x, infer(c, x), weight_extents(c, x), src, dst, random), random, count, batch);
}

op::conv2d make_conv(int out, hw kernel, hw stride, padding pad, int groups = 1) {
  op::conv2d c;
  c.out = out, c.kernel = kernel, c.stride = stride, c.pad = pad, c.groups = groups;
  return c;
}

}  // namespace

TEST_CASE("onednn: random convolutions") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  tally count;
  for (int i = 0; i < 300; ++i) {
    const auto [src, dst] = types[random.below(3)];
    const int groups = random.chance(70) ? 1 : random.between(2, 4);
    const int ic = groups * random.between(1, 32), out = groups * random.between(1, 48);
    const hw kernel{random.between(1, 5), random.between(1, 5)}, stride{random.between(1, 3), random.between(1, 3)};
    const int h = std::min(kernel.h, 3), w = std::min(kernel.w, 3);
    op::conv2d c =
        make_conv(out, kernel, stride, {random.below(h), random.below(w), random.below(h), random.below(w)}, groups);
    if (random.chance(25)) c.dilation = {random.between(1, 3), random.between(1, 3)};
    c.act = random_activation(random);
    c.residual = random.chance(30);
    const dims x{random.between(1, 3), random.between(1, 10), random.between(1, 10), ic};
    if (const dims y = infer(c, x); y[1] < 1 || y[2] < 1) continue;
    check_convolution(c, x, src, dst, random, count);
  }
}

TEST_CASE("onednn: depthwise convolutions") {
  random_numbers random(1);
  tally count;
  for (int i = 0; i < 100; ++i) {
    const auto [src, dst] = types[random.below(3)];
    const int channels = std::max(2, random_channels(random));
    op::conv2d c = make_conv(channels, 3, random.between(1, 2), random.below(2), channels);
    c.act = random_activation(random);
    c.residual = random.chance(30);
    check_convolution(c, {random.between(1, 2), random.between(3, 12), random.between(3, 12), channels}, src, dst,
                      random, count);
  }
}

TEST_CASE("onednn: layers that it must take") {
  random_numbers random(2);
  tally count;
  for (const auto& [src, dst] : types) {
    op::conv2d c = make_conv(64, 3, 1, 1);
    c.act = relu_activation;
    c.residual = true;
    problem p = make_problem(c, {1, 14, 14, 64}, {1, 14, 14, 64}, {64, 64, 3, 3}, src, dst, random);
    p.src[0].q.zero_point = 0;
    check_problem(p, random, count);
    check_problem(make_problem(op::fc{.out = 10}, {2, 64}, {2, 10}, {10, 64}, src, dst, random), random, count);
  }
  CHECK(count.took_all());
}

TEST_CASE("onednn: fewer images than the bound") {
  random_numbers random(3);
  tally count;
  for (const auto& [src, dst] : types)
    for (const int batch : {1, 2, 5, 7, 9}) {
      op::conv2d c = make_conv(16, 3, 1, 1);
      c.residual = true;
      check_convolution(c, {-9, 5, 5, 16}, src, dst, random, count, batch);
      check_problem(make_problem(op::fc{.out = 24}, {-9, 32}, {-9, 24}, {24, 32}, src, dst, random), random, count,
                    batch);
    }
  CHECK(count.took_some());
}

TEST_CASE("onednn: fully connected layers of any rank, with residuals") {
  random_numbers random(4);
  tally count;
  for (int i = 0; i < 60; ++i) {
    const auto [src, dst] = types[random.below(3)];
    dims x;
    for (int axes = random.below(4); axes > 0; --axes) x.push_back(random.between(1, 4));
    x.push_back(random.between(1, 200));
    const op::fc f{.out = random.between(1, 100), .act = random_activation(random), .residual = random.chance(40)};
    check_problem(make_problem(f, x, infer(f, x), {f.out, x.back()}, src, dst, random), random, count);
  }
  CHECK(count.took_some());
}

TEST_CASE("onednn: pooling") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  tally count;
  for (int i = 0; i < 200; ++i) {
    op::pool2d o;
    o.kind = random.chance(50) ? op::pool2d::max : op::pool2d::average;
    o.kernel = {random.between(1, 4), random.between(1, 4)};
    o.stride = {random.between(1, 3), random.between(1, 3)};
    o.pad = {random.below(o.kernel.h), random.below(o.kernel.w), random.below(o.kernel.h), random.below(o.kernel.w)};
    o.ceil_mode = random.chance(30);
    o.count_padding = random.chance(30);
    const dims x{random.between(1, 2), random.between(1, 9), random.between(1, 9), random_channels(random)};
    const dims y = infer(o, x);
    if (y[1] < 1 || y[2] < 1) continue;
    const auto [src, dst] = types[random.below(3)];
    problem p;
    p.op = o;
    p.src.push_back({src, x, random_affine(random)});
    const bool max = o.kind == op::pool2d::max;
    p.dst = {max ? src : dst, y, max || random.chance(30) ? p.src[0].q : random_affine(random)};
    check_problem(p, random, count);
  }
  CHECK(count.took_some());
}

TEST_CASE("onednn: sums and softmax") {
  random_numbers random(5);
  tally count;
  for (int i = 0; i < 100; ++i) {
    const dims x{random.between(1, 3), random.between(1, 6), random_channels(random)};
    const auto type = [&](element e) { return tensor_type{e, x, random_affine(random)}; };
    problem sum;
    sum.op = op::add{random_activation(random)};
    const auto [src, dst] = types[random.below(3)];
    sum.src = {type(src), type(random.chance(80) ? src : element::f32)};
    sum.dst = type(dst);
    check_problem(sum, random, count);
    problem softmax;
    softmax.op = op::softmax{};
    softmax.src = {type(element::f32)};
    softmax.dst = type(element::f32);
    check_problem(softmax, random, count);
  }
  CHECK(count.took_some());
}

TEST_CASE("onednn: a problem that is cut along more than its batch goes to another kernel") {
  random_numbers random(6);
  const dims x{-2, -3, 16}, y{-2, -3, 8};
  const kernel k = onednn::kernels()[0];
  CHECK_FALSE(k.supports(make_problem(op::fc{.out = 8}, x, y, {8, 16}, element::f32, element::f32, random)));
  CHECK(
      k.supports(make_problem(op::fc{.out = 8}, {-2, 3, 16}, {-2, 3, 8}, {8, 16}, element::f32, element::f32, random)));
}

TEST_CASE("onednn: threads share a network, and get the bits of one") {
  graph g;
  const params w = random_params(7);
  auto x = g.input<float, nhwc<upto<3>, 12, 12, 8>>("x");
  auto a = relu(batch_norm(conv2d<conv{.out = 16, .kernel = 3, .pad = 1}>(x, w / "a"), w / "a_bn"));
  auto b = relu(conv2d<conv{.out = 16, .kernel = 3, .pad = 1}>(a, w / "b") + a);
  auto both = concat(b, relu6(conv2d<conv{.out = 24}>(a, w / "c")));  // two slices: their rows lie apart
  g.output(fc<10>(global_average_pool(max_pool2d<pool{.kernel = 2}>(both)), w / "fc"), "y");
  const kernel_list kernels = join(onednn::kernels(), native_kernels());
  const network net = quantize(g, random_calibration(g), {}, kernels);
  const auto by_onednn = [](const step& s) { return s.kernel == "onednn"; };
  CHECK(std::count_if(net->steps.begin(), net->steps.end(), by_onednn) >= 3);

  std::vector<tensor> x3, x2;
  random_numbers random(8);
  x3.push_back(random_tensor(element::f32, {3, 12, 12, 8}, random));
  x2.push_back(random_tensor(element::f32, {2, 12, 12, 8}, random));
  const std::vector<tensor> y3 = outputs_of(net, x3, 3), y2 = outputs_of(net, x2, 2);
  std::atomic<int> wrong{0};
  const auto work = [&](const std::vector<tensor>& in, const std::vector<tensor>& expected, int batch) {
    session own(net);
    for (int i = 0; i < 100; ++i) {
      tensor y(element::f32, {batch, 10});
      if (!own(in[0], y) || std::memcmp(y.bytes().data(), expected[0].bytes().data(), y.bytes().size()) != 0) ++wrong;
    }
  };
  std::thread first(work, std::cref(x3), std::cref(y3), 3), second(work, std::cref(x2), std::cref(y2), 2);
  first.join(), second.join();
  CHECK(wrong == 0);
}

#if DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP && defined(__linux__)
TEST_CASE("onednn: a run starts no threads, and the caller's number of OpenMP threads is as before") {
  const auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  const auto before = threads();
  omp_set_num_threads(3);
  random_numbers random(9);
  tally count;
  check_convolution(make_conv(64, 3, 1, 1), {2, 28, 28, 64}, element::f32, element::f32, random, count);
  CHECK(threads() == before);
  CHECK(omp_get_max_threads() == 3);
}
#endif
