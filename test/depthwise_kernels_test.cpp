// Every depthwise kernel against the reference evaluation, INT8 and FP32, bit by bit.
#include "support/kernel_run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

op::conv2d depthwise_conv(int channels, hw kernel, hw stride, padding pad) {
  op::conv2d c;
  c.out = c.groups = channels;
  c.kernel = kernel, c.stride = stride, c.pad = pad;
  return c;
}

problem make_problem(const op::conv2d& c, const dims& x, element src, element dst, random_numbers& random) {
  problem p;
  p.op = c;
  const dims y = infer(c, x);
  p.src.push_back({src, x, random_affine(random)});
  if (c.residual) p.src.push_back({dst, y, random_affine(random)});
  p.dst = {dst, y, random_affine(random)};
  const bool u8 = src == element::u8;
  p.constants = {random_constant(u8 ? element::s8 : element::f32, {c.out, 1, c.kernel.h, c.kernel.w}, random),
                 random.chance(70) ? random_constant(element::f32, {c.out}, random) : nullptr,
                 u8 ? random_constant(element::f32, {c.out}, random, 1e-4f, 0.02f) : nullptr};
  return p;
}

void check_all(const op::conv2d& c, const dims& x, element src, element dst, random_numbers& random,
               run_extents at_run = {}) {
  CHECK(check_kernels(make_problem(c, x, src, dst, random), random, {}, at_run) > 0);
}

constexpr std::pair<element, element> types[] = {
    {element::u8, element::u8}, {element::u8, element::f32}, {element::f32, element::f32}};

}  // namespace

TEST_CASE("depthwise kernels: random problems") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 600; ++i) {
    const auto [src, dst] = types[random.below(3)];
    const int channels = std::max(2, random_channels(random));
    const hw kernel = random.chance(50) ? hw(3) : hw(random.between(1, 5), random.between(1, 5));
    op::conv2d c = depthwise_conv(channels, kernel, {random.between(1, 3), random.between(1, 3)},
                                  {random.below(4), random.below(4), random.below(4), random.below(4)});
    if (random.chance(25)) c.dilation = {random.between(1, 3), random.between(1, 3)};
    c.act = random_activation(random);
    c.residual = random.chance(30);
    const dims x{random.between(1, 2), random.between(1, 10), random.between(1, 10), channels};
    if (const dims y = infer(c, x); y[1] < 1 || y[2] < 1) continue;
    dims most = x;  // height and width may be bounded
    for (int axis : {1, 2})
      if (random.chance(40)) most[axis] += random.below(30), most.bind(axis, {});
    check_all(c, most, src, dst, random, {0, x[1], x[2]});
  }
}

TEST_CASE("depthwise kernels: layers of MobileNet, reduced") {
  random_numbers random(1);
  struct {
    int size, channels, stride;
  } constexpr layers[] = {{28, 32, 1},  {28, 64, 2},  {14, 128, 1}, {14, 144, 2},
                          {14, 512, 1}, {7, 1024, 1}, {7, 960, 1}};
  for (const auto& l : layers)
    for (const auto& [src, dst] : types) {
      op::conv2d c = depthwise_conv(l.channels, 3, l.stride, 1);
      c.act = relu6_activation;
      check_all(c, {1, l.size, l.size, l.channels}, src, dst, random);
    }
}

TEST_CASE("depthwise kernels: large kernels and long rows") {
  random_numbers random(2);
  for (const auto& [src, dst] : types) {
    check_all(depthwise_conv(48, 9, 1, 4), {1, 9, 40, 48}, src, dst, random);
    check_all(depthwise_conv(40, {1, 7}, {1, 2}, {0, 3}), {1, 3, 200, 40}, src, dst, random);
    check_all(depthwise_conv(130, 3, 1, 1), {1, 2, 300, 130}, src, dst, random);  // more padding than is kept
    check_all(depthwise_conv(72, {5, 3}, 2, {2, 1}), {2, 6, 31, 72}, src, dst, random);
  }
}

TEST_CASE("depthwise kernels: fewer images than the bound") {
  random_numbers random(3);
  for (const auto& [src, dst] : types) check_all(depthwise_conv(33, 3, 1, 1), {-4, 6, 6, 33}, src, dst, random, 3);
}

TEST_CASE("depthwise kernels: 255 x 127 everywhere, either sign") {
  random_numbers random(4);
  for (int sign : {-1, 1})
    for (int channels : {16, 33, 64})
      for (int value : {0, 255}) {
        problem p =
            make_problem(depthwise_conv(channels, 3, 1, 1), {1, 5, 5, channels}, element::u8, element::f32, random);
        p.src[0].q.zero_point = 255 - value;
        tensor w(element::s8, {channels, 1, 3, 3});
        for (std::int8_t& v : w.as<std::int8_t>()) v = static_cast<std::int8_t>(127 * sign);
        p.constants[0] = make_constant(std::move(w));
        tensor x(element::u8, p.src[0].extents), expected(element::f32, p.dst->extents),
            got(element::f32, p.dst->extents);
        for (std::uint8_t& v : x.as<std::uint8_t>()) v = static_cast<std::uint8_t>(value);
        const auto view = [](tensor& t) { return operand{t.bytes().data(), t.extents(), t.extents().back()}; };
        const operand src[] = {view(x)};
        evaluate(p.op, p, {src, view(expected)});
        for (const kernel& k : kernels_for(p)) {
          const auto e = k.pack(p);
          run_in_portions(*e, {src, view(got)}, random);
          CHECK_MESSAGE(std::memcmp(got.bytes().data(), expected.bytes().data(), got.bytes().size()) == 0, k.name);
        }
      }
}
