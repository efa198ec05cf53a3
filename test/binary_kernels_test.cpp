// Every kernel for arithmetic of two tensors against the reference evaluation, bit by bit, for every kind of
// broadcasting, NaNs and infinities included.
#include "support/kernel_run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

operation random_operation(random_numbers& random) {
  const activation act = random_activation(random);
  switch (random.below(6)) {
    case 0: return op::add{act};
    case 1: return op::sub{act};
    case 2: return op::mul{act};
    case 3: return op::div{act};
    case 4: return op::min{act};
    default: return op::max{act};
  }
}

void check_all(const operation& o, const dims& x0, const dims& x1, random_numbers& random, int batch = 0) {
  constexpr element types[][2] = {
      {element::u8, element::u8}, {element::u8, element::f32}, {element::f32, element::f32}};
  for (const auto& [src, dst] : types) {
    problem p;
    p.op = o;
    p.src = {{src, x0, random_affine(random)}, {src, x1, random_affine(random)}};
    p.dst = {dst, op::broadcast(x0, x1), random_affine(random)};
    CHECK(check_kernels(p, random, {0.0f, random.chance(50)}, batch) > 0);
  }
}

/// `d` with some axes 1, and some of the outermost left out.
dims repeated(const dims& d, random_numbers& random) {
  dims some;
  for (int i = random.chance(30) ? random.between(0, d.rank) : 0; i < d.rank; ++i)
    some.push_back(random.chance(40) ? 1 : d[i]);
  return some;
}

}  // namespace

TEST_CASE("binary kernels: random operands") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 700; ++i) {
    dims all;
    for (int rank = random.between(0, 5); rank-- > 0;) all.push_back(random.chance(20) ? 1 : random.between(1, 4));
    all.push_back(random_channels(random));
    check_all(random_operation(random), repeated(all, random), repeated(all, random), random);
  }
}

TEST_CASE("binary kernels: one row, every length") {
  random_numbers random(1);
  for (int n = 1; n <= 70; ++n) {
    check_all(random_operation(random), {n}, {n}, random);
    check_all(random_operation(random), {3, n}, {1}, random);
    check_all(random_operation(random), {3, 1}, {3, n}, random);
  }
}

TEST_CASE("binary kernels: networks' operands, several tasks, fewer rows than the bound") {
  random_numbers random(2);
  for (const operation& o : {operation(op::add{}), operation(op::sub{relu_activation}), operation(op::mul{}),
                             operation(op::div{}), operation(op::min{}), operation(op::max{})}) {
    check_all(o, {1, 37, 41, 67}, {1, 37, 41, 67}, random);
    check_all(o, {2, 28, 28, 96}, {2, 1, 1, 96}, random);  // squeeze and excite
    check_all(o, {2, 28, 28, 96}, {28, 28, 1}, random);
    check_all(o, {2, 28, 28, 96}, {96}, random);
    check_all(o, {}, {2, 28, 28, 96}, random);
    check_all(o, {2, 1, 1, 1}, {2, 60, 60, 32}, random);
    check_all(o, {4000, 1}, {1, 30}, random);
    check_all(o, {-5, 9, 33}, {-5, 1, 33}, random, 2);
  }
}

TEST_CASE("binary kernels: results beyond 32 bits saturate") {
  random_numbers random(7);
  for (const operation& o : {operation(op::add{}), operation(op::sub{}), operation(op::mul{}), operation(op::max{})})
    for (float scale : {1.0f, 3e2f, 3e4f}) {
      problem p;
      p.op = o;
      p.src = {{element::u8, {3, 70}, {scale, 0}}, {element::u8, {3, 70}, {scale, 128}}};
      p.dst = {element::u8, {3, 70}, {1e-3f, 100}};
      CHECK(check_kernels(p, random) > 0);
    }
}
