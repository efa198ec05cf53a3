// Every kernel for products of two activations against the reference evaluation: random problems, sizes about those of
// tiles, the ends of the integer ranges, slices of wider tensors, in every split of the tasks.
#include "support/kernel_run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

/// Extents of a product and its types.
struct trial {
  dims batch{};
  int m = 1, k = 1, n = 1;
  bool u8_src = true, u8_dst = true;
  affine a{0.01f, 0}, b{0.01f, 0};
  bool may_broadcast = true;
};

problem make_problem(const trial& t, random_numbers& random) {
  op::matmul f{random.chance(50), random_activation(random)};
  f.transpose_a = random.chance(25);
  if (random.chance(25)) f.alpha = random.real(-2.0f, 2.0f);
  dims a, b;
  for (int i = 0; i < t.batch.rank; ++i) {  // one of both is broadcast, or has no such axis
    const bool broadcast = t.may_broadcast && random.chance(40), left = random.chance(50);
    if (!broadcast || !left || a.rank > 0) a.push_back(broadcast && left ? 1 : t.batch.encoded(i));
    if (!broadcast || left || b.rank > 0) b.push_back(broadcast && !left ? 1 : t.batch.encoded(i));
  }
  // Read and written as they lie before a transpose of the heads, or after.
  f.interleave_y = t.batch.rank > 0 && random.chance(40);
  f.interleave_a = a.rank > 0 && (random.chance(30) || (f.interleave_y && random.chance(50)));
  f.interleave_b = b.rank > 0 && random.chance(40);
  a.push_back(f.transpose_a ? t.k : t.m), a.push_back(f.transpose_a ? t.m : t.k);
  b.push_back(f.transpose_b ? t.n : t.k), b.push_back(f.transpose_b ? t.k : t.n);
  problem p;
  p.op = f;
  const element src = t.u8_src ? element::u8 : element::f32;
  a = op::matrices_of(a, f.interleave_a), b = op::matrices_of(b, f.interleave_b);
  p.src = {{src, a, t.a}, {src, b, t.b}};
  // The spread of a sum of random products becomes some 60 steps of the output.
  const float step = std::sqrt(static_cast<float>(t.k)) * 100 * 100 * t.a.scale * t.b.scale / 60;
  f.residual = random.chance(30);
  p.op = f;
  p.dst = {t.u8_dst ? element::u8 : element::f32, op::infer(f, a, b), {step, random_zero_point(random)}};
  if (f.residual) p.src.push_back({p.dst->type, p.dst->extents, {p.dst->q.scale * 0.7f, random_zero_point(random)}});
  return p;
}

/// Random types and zero points, mostly INT8.
void decorate(trial& t, random_numbers& random) {
  t.u8_src = random.chance(75);
  t.u8_dst = t.u8_src && random.chance(70);
  t.a = random_affine(random), t.b = random_affine(random);
}

void check_all(const trial& t, random_numbers& random, const comparison& how = {}, int batch = 0) {
  CHECK(check_kernels(make_problem(t, random), random, how, batch) > 0);
}

}  // namespace

TEST_CASE("matmul kernels: random problems") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 1500; ++i) {
    trial t{{}, random.chance(15) ? 1 : random.between(1, 40), random.between(1, 40), random.between(1, 40)};
    for (int axes = random.below(3); axes > 0; --axes) t.batch.push_back(random.between(1, 3));
    decorate(t, random);
    check_all(t, random);
  }
}

TEST_CASE("matmul kernels: sizes about those of tiles and steps of depth") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  const auto near = [&] {
    constexpr int sizes[] = {6, 7, 8, 14, 16, 21, 28, 32, 48, 64, 96, 128};
    return sizes[random.below(12)] + random.between(-1, 1);
  };
  for (int i = 0; i < 400; ++i) {
    trial t{{random.between(1, 2)}, near(), near(), near()};
    decorate(t, random);
    check_all(t, random);
  }
}

TEST_CASE("matmul kernels: several tasks and sets of columns") {
  random_numbers random(1);
  const int sizes[][3] = {{70, 1030, 100}, {130, 257, 9}, {300, 64, 40}, {1, 3000, 70}, {1, 301, 4100}, {9, 2048, 33}};
  for (const auto& [m, k, n] : sizes)
    for (int i = 0; i < 6; ++i) {
      trial t{{1}, m, k, n};
      decorate(t, random);
      if (i == 0) t.u8_src = t.u8_dst = false;
      check_all(t, random);
    }
}

TEST_CASE("matmul kernels: every zero point, and the ends of the integer ranges") {
  random_numbers random(2);
  for (int zero = 0; zero < 256; ++zero) {
    trial t{{}, random.between(1, 16), random.between(1, 70), random.between(1, 36)};
    t.a.zero_point = zero, t.b.zero_point = random_zero_point(random);
    check_all(t, random);
    std::swap(t.a, t.b);
    check_all(t, random);
  }
  for (const int k : {1, 64, 513, 33'025})
    for (const int m : {1, 8})
      for (const int a : {0, 128, 255})
        for (const int b : {0, 128, 255}) {
          trial t{{}, m, k, 9};
          t.u8_dst = random.chance(50);
          t.a.zero_point = a, t.b.zero_point = b;
          check_all(t, random, {.largest = true});
        }
}

TEST_CASE("matmul kernels: fewer batch slices, or rows, than their bounds") {
  random_numbers random(4);
  for (int batch = 1; batch <= 5; ++batch)
    for (int i = 0; i < 10; ++i) {
      trial slices{{upto<5>, 2}, 9, 30, 20};
      decorate(slices, random);
      check_all(slices, random, {}, batch);
    }
  problem p;
  p.op = op::matmul{};
  p.src = {{element::u8, {upto<50>, 33}, {0.1f, 3}}, {element::u8, {33, 40}, {0.1f, 100}}};
  p.dst = {element::f32, {upto<50>, 40}, {}};
  check(p.op, p);
  for (const kernel& k : kernels_for(p)) {
    const auto e = k.pack(p);
    for (int rows : {1, 6, 7, 20, 50}) {
      guarded_operand a(element::u8, {rows, 33}, 33, false), b(element::u8, {33, 40}, 40, false);
      guarded_operand expected(element::f32, {rows, 40}, 40, false), got(element::f32, {rows, 40}, 40, false);
      a.randomize(random, false), b.randomize(random, false);
      const operand src[] = {a.view(), b.view()};
      evaluate(p.op, p, {src, expected.view()});
      run_in_portions(*e, {src, got.view()}, random);
      CHECK_MESSAGE(first_difference(got, expected, {}) < 0, k.name, ", ", rows, " rows");
    }
  }
}

TEST_CASE("matmul kernels: the same bits in every split of the tasks") {
  random_numbers random(5);
  problem p;
  p.op = op::matmul{.transpose_b = true};
  p.src = {{element::f32, {2, 150, 200}, {}}, {element::f32, {2, 70, 200}, {}}};
  p.dst = {element::f32, {2, 150, 70}, {}};
  for (const kernel& k : kernels_for(p)) {
    const auto e = k.pack(p);
    guarded_operand a(element::f32, p.src[0].extents, 200, false), b(element::f32, p.src[1].extents, 200, false);
    guarded_operand expected(element::f32, p.dst->extents, 70, false), got(element::f32, p.dst->extents, 70, false);
    a.randomize(random, false), b.randomize(random, false);
    const operand src[] = {a.view(), b.view()};
    aligned_memory scratch(e->scratch_bytes());
    CHECK(e->tasks({src, got.view()}) > 2);
    e->run({src, expected.view()}, 0, e->tasks({src, got.view()}), scratch.data());
    for (int i = 0; i < 5; ++i) {
      got.fill(0xa5);
      run_in_portions(*e, {src, got.view()}, random);
      CHECK_MESSAGE(first_difference(got, expected, {}) < 0, k.name);
    }
  }
}
