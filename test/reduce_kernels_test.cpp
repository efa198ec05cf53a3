// Every kernel for reductions and for softmax along other axes against the reference evaluation, bit by bit: the order
// of sums is part of the rule.
#include "support/kernel_run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

void check_all(op::reduce r, const dims& x, random_numbers& random, int batch = 0) {
  r = op::resolved(r, x);
  constexpr element types[][2] = {
      {element::u8, element::u8}, {element::u8, element::f32}, {element::f32, element::f32}};
  for (const auto& [src, dst] : types) {
    if (r.kind == op::reduce::prod && src == element::u8) continue;
    if ((r.kind == op::reduce::max || r.kind == op::reduce::min) && src != dst) continue;
    problem p;
    p.op = r;
    p.src = {{src, x, random_affine(random)}};
    p.dst = {dst, op::infer(r, x), random_affine(random)};
    if (r.kind == op::reduce::max || r.kind == op::reduce::min) p.dst->q = p.src[0].q;
    CHECK(check_kernels(p, random, {0.0f, random.chance(30)}, batch) > 0);
  }
}

constexpr op::reduce::kind_type kinds[] = {op::reduce::mean, op::reduce::sum, op::reduce::prod, op::reduce::max,
                                           op::reduce::min};

template <class Operator>
void check_softmax(const dims& x, int axis, random_numbers& random, int batch = 0) {
  for (element src : {element::f32, element::u8})
    for (element dst : {element::f32, element::u8}) {
      if (axis == -1 && (src == element::u8 || dst == element::u8)) continue;  // softmax_kernels_test.cpp
      problem p;
      p.op = Operator{axis};
      p.src = {{src, x, random_affine(random)}};
      p.dst = {dst, x, {random.real(1e-3f, 0.1f), random_zero_point(random)}};
      CHECK(check_kernels(p, random, {0.0f, random.chance(30)}, batch) > 0);
    }
}

}  // namespace

TEST_CASE("reduce kernels: random axes") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 600; ++i) {
    dims x;
    for (int rank = random.between(0, 3); rank-- > 0;) x.push_back(random.chance(20) ? 1 : random.between(1, 6));
    x.push_back(random_channels(random));
    axis_numbers axes;
    for (int a = 0; a < x.rank; ++a)
      if (random.chance(50)) axes.push_back(a);
    check_all({kinds[random.below(5)], axes, random.chance(50)}, x, random);
  }
}

TEST_CASE("reduce kernels: every number of channels, and images") {
  random_numbers random(1);
  for (op::reduce::kind_type kind : kinds) {
    for (int n = 1; n <= 70; ++n) {
      check_all({kind, {1}, random.chance(50)}, {3, n}, random);
      check_all({kind, {0}, random.chance(50)}, {3, n}, random);
    }
    check_all({kind, {1, 2}, false}, {2, 14, 14, 96}, random);
    check_all({kind, {1, 2}, false}, {1, 31, 33, 512}, random);
    check_all({kind, {0, 2}, true}, {5, 6, 7, 40}, random);
    check_all({kind, {-1}, false}, {700, 130}, random);
    check_all({kind, {1, 3}, true}, {-4, 6, 5, 19}, random, 2);
    check_all({kind, {}, false}, {40, 50, 3}, random);
  }
}

TEST_CASE("reduce kernels: of zeros that differ in sign one and the same stays") {
  random_numbers random(6);
  comparison zeros;
  zeros.prepare = [&](std::size_t, const operand& x) {
    for (std::size_t i = 0; i < x.extents.count(); ++i) {
      const auto columns = static_cast<std::size_t>(x.extents.back());
      x.row<float>(i / columns)[i % columns] = random.chance(50) ? 0.0f : -0.0f;
    }
  };
  for (op::reduce::kind_type kind : kinds)
    for (int n : {2, 15, 16, 17, 40, 131})
      for (int axis : {0, 1}) {
        problem p;
        p.op = op::reduce{kind, {axis}, false};
        p.src = {{element::f32, {7, n}, {}}};
        p.dst = p.op.infer(p.src);
        CHECK(check_kernels(p, random, zeros) > 0);
      }
}

TEST_CASE("softmax kernels: other axes, and logarithms") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 200; ++i) {
    dims x{random.between(1, 6), random.between(1, 5), random_channels(random)};
    check_softmax<op::softmax>(x, random.below(2), random);
    check_softmax<op::log_softmax>(x, random.between(-1, 1), random);
  }
  check_softmax<op::softmax>({2, 100, 400}, 1, random);
  check_softmax<op::softmax>({3, 7, 1100}, 1, random);
  check_softmax<op::log_softmax>({3, 7, 1100}, 1, random);
  check_softmax<op::log_softmax>({50, 1000}, -1, random);
  check_softmax<op::log_softmax>({-4, 30, 17}, 1, random, 3);
}

TEST_CASE("selection kernel: the places of the reference, in slices") {
  random_numbers random(4);
  for (int i = 0; i < 60; ++i) {
    const dims x{random.between(1, 9), random.between(1, 400), random_channels(random)};
    for (element src : {element::u8, element::f32})
      for (const operation& o : {operation(op::argmax{.axis = random.between(-3, 2), .keep_dims = random.chance(50)}),
                                 operation(op::argmin{.axis = 1, .select_last = true})}) {
        problem p;
        p.op = o;
        p.src = {{src, x, random_affine(random)}};
        p.dst = o.infer(p.src);
        CHECK(check_kernels(p, random, {0.0f, random.chance(30)}) > 0);
      }
  }
}

TEST_CASE("selection kernel: both outputs of top_k") {
  random_numbers random(5);
  for (int axis : {0, 1, 2}) {
    problem p;
    p.op = op::top_k{.k = 3, .axis = axis};
    p.src = {{element::f32, {7, 30, 40}, {}}};
    p.dst = p.op.infer(p.src);
    const tensor x = random_tensor(element::f32, {7, 30, 40}, random);
    const operand src{const_cast<std::byte*>(x.bytes().data()), x.extents(), 40};
    std::vector<tensor> got, expected;
    for (const tensor_type& t : p.dst) got.emplace_back(t.type, t.extents), expected.emplace_back(t.type, t.extents);
    const auto operands = [](std::vector<tensor>& all) {
      std::vector<operand> list;
      for (tensor& t : all) list.push_back({t.bytes().data(), t.extents(), t.extents().back()});
      return list;
    };
    const std::vector<operand> to = operands(got), reference = operands(expected);
    evaluate(p.op, p, {std::span(&src, 1), std::span<const operand>(reference)});
    const kernel_list kernels = kernels_for(p);
    REQUIRE(kernels.size() == 1);
    run_in_portions(*kernels[0].pack(p), {std::span(&src, 1), std::span<const operand>(to)}, random);
    for (std::size_t i = 0; i < 2; ++i) CHECK(std::ranges::equal(got[i].bytes(), expected[i].bytes()));
  }
}
