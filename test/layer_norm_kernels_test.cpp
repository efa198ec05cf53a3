// Every layer_norm kernel against the reference evaluation, bit by bit: the order of the sums is part of the rule.
#include "support/kernel_run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

constexpr element both[] = {element::u8, element::f32};

problem make_problem(const dims& x, element src, element dst, random_numbers& random) {
  const dims c{x.back()};
  problem p;
  p.op = op::layer_norm{.eps = random.chance(50) ? 1e-5f : 0.5f};
  p.src.push_back({src, x, random_affine(random)});
  p.dst = {dst, x, random_affine(random)};
  p.constants = {random.chance(80) ? random_constant(element::f32, c, random) : nullptr,
                 random.chance(80) ? random_constant(element::f32, c, random) : nullptr};
  return p;
}

void check_all(const dims& x, random_numbers& random, const comparison& how = {}, int batch = 0) {
  for (element src : both)
    for (element dst : both) CHECK(check_kernels(make_problem(x, src, dst, random), random, how, batch) > 0);
}

}  // namespace

TEST_CASE("layer_norm kernels: random problems") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 200; ++i)
    check_all({random.between(1, 10), random_channels(random)}, random, {0.0f, random.chance(30)});
}

TEST_CASE("layer_norm kernels: several tasks, fewer rows than the bound, the longest rows of u8") {
  random_numbers random(1);
  check_all({128, 768}, random);
  check_all({-8, 3, 49}, random, {}, 5);
  for (const bool largest : {false, true}) check_all({1, 33025}, random, {0.0f, false, largest});
}
