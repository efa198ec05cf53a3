// Every elementwise kernel against the reference evaluation, bit by bit, NaNs and infinities included.
#include "support/kernel_run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

constexpr element both[] = {element::u8, element::f32};

dims random_extents(random_numbers& random) {
  const int c = random_channels(random);
  switch (random.below(3)) {
    case 0: return {random.between(1, 10), c};
    case 1: return {random.between(1, 3), random.between(1, 10), c};
    default: return {random.between(1, 2), random.between(1, 6), random.between(1, 6), c};
  }
}

problem make_problem(const operation& op, const dims& x, element src, element dst, random_numbers& random) {
  problem p;
  p.op = op;
  p.src.push_back({src, x, random_affine(random)});
  if (op.is<op::add>()) p.src.push_back({src, x, random_affine(random)});
  p.dst = {dst, x, random_affine(random)};
  const dims c{x.back()};
  if (op.is<op::bias_add>()) p.constants = {random_constant(element::f32, c, random)};
  if (op.is<op::scale>() && random.chance(70))
    p.constants = {random.chance(70) ? random_constant(element::f32, c, random) : nullptr,
                   random_constant(element::f32, c, random)};
  if (op.is<op::prelu>()) p.constants = {random_constant(element::f32, random.chance(70) ? c : dims{1}, random)};
  if (op.is<op::batch_norm>())
    p.constants = {random_constant(element::f32, c, random), random_constant(element::f32, c, random),
                   random_constant(element::f32, c, random), random_constant(element::f32, c, random, 0.1f, 1.0f)};
  return p;
}

void check_all(const operation& op, const dims& x, element src, element dst, random_numbers& random, int batch = 0) {
  CHECK(check_kernels(make_problem(op, x, src, dst, random), random, {0.0f, random.chance(50)}, batch) > 0);
}

operation random_operation(random_numbers& random) {
  const activation act = random_activation(random);
  switch (random.below(7)) {
    case 5: return op::scale{random.real(-2.0f, 2.0f), random.chance(50) ? 0.0f : random.real(-1.0f, 1.0f), act};
    case 6: return op::prelu{};
    case 0: return op::activate{act};
    case 1: return op::convert{};
    case 2: return op::bias_add{act};
    case 3: return op::batch_norm{1e-5f, act};
    default: return op::add{act};
  }
}

}  // namespace

TEST_CASE("elementwise kernels: random problems") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 1500; ++i) {
    const operation o = random_operation(random);
    const element src = both[random.below(2)];
    const element dst = o.is<op::add>() ? src : both[random.below(2)];
    check_all(o, random_extents(random), src, dst, random);
  }
}

TEST_CASE("elementwise kernels: several tasks, fewer rows than the bound") {
  random_numbers random(1);
  for (int i = 0; i < 20; ++i) {
    const operation o = random_operation(random);
    for (element e : both) {
      check_all(o, {1, 37, 41, 67}, e, e, random);
      check_all(o, {40000, 1}, e, e, random);
      check_all(o, {-5, 9, 33}, e, e, random, 2);
    }
  }
}
