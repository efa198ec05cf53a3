// Every pooling kernel against the reference evaluation, bit by bit: the order of binary32 sums is part of the rule.
#include "support/kernel_run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

struct types {
  op::pool2d::kind_type kind;
  element src, dst;
};
constexpr types all_types[] = {{op::pool2d::max, element::u8, element::u8},
                               {op::pool2d::max, element::f32, element::f32},
                               {op::pool2d::average, element::u8, element::u8},
                               {op::pool2d::average, element::u8, element::f32},
                               {op::pool2d::average, element::f32, element::f32}};

void check_all(op::pool2d o, const types& t, const dims& x, random_numbers& random, run_extents at_run = {},
               bool largest = false) {
  o.kind = t.kind;
  problem p;
  p.op = o;
  p.src.push_back({t.src, x, random_affine(random)});
  p.dst = {t.dst, infer(o, x), t.kind == op::pool2d::max ? p.src[0].q : random_affine(random)};
  CHECK(check_kernels(p, random, {0.0f, t.kind == op::pool2d::max && random.chance(50), largest}, at_run) > 0);
}

op::pool2d make_pool(hw kernel, hw stride, padding pad) {
  op::pool2d o;
  o.kernel = kernel, o.stride = stride, o.pad = pad;
  return o;
}

}  // namespace

TEST_CASE("pool kernels: random problems") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 600; ++i) {
    const hw k{random.between(1, 5), random.between(1, 5)};
    op::pool2d o = make_pool(k, {random.between(1, 3), random.between(1, 3)},
                             {random.below(k.h), random.below(k.w), random.below(k.h), random.below(k.w)});
    o.ceil_mode = random.chance(30);
    o.count_padding = random.chance(30);
    const dims x{random.between(1, 2), random.between(1, 10), random.between(1, 10), random_channels(random)};
    if (const dims y = infer(o, x); y[1] < 1 || y[2] < 1) continue;
    dims most = x;  // height and width may be bounded
    for (int axis : {1, 2})
      if (random.chance(40)) most[axis] += random.below(30), most.bind(axis, {});
    check_all(o, all_types[random.below(5)], most, random, {0, x[1], x[2]});
  }
}

TEST_CASE("pool kernels: global windows, more pixels than 16-bit sums hold") {
  random_numbers random(1);
  for (const types& t : all_types)
    for (const dims& x : {dims{1, 7, 7, 1024}, dims{2, 7, 7, 65}, dims{1, 17, 19, 40}, dims{1, 40, 40, 33}})
      for (bool largest : {false, true}) check_all(make_pool({x[1], x[2]}, 1, 0), t, x, random, 0, largest);
}

TEST_CASE("pool kernels: layers of ResNet and VGG, reduced; fewer images than the bound") {
  random_numbers random(2);
  for (const types& t : all_types) {
    check_all(make_pool(3, 2, 1), t, {1, 28, 28, 64}, random);
    check_all(make_pool(2, 2, 0), t, {1, 14, 14, 512}, random);
    check_all(make_pool(2, 2, 0), t, {-4, 6, 6, 48}, random, 3);
  }
}
