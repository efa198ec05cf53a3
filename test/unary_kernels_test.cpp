// Every kernel for functions of one number against the reference evaluation, bit by bit, NaNs and infinities included.
#include "support/kernel_run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

/// All functions, some with other attributes than the usual.
std::vector<operation> functions() {
  std::vector<operation> all{op::swish{{}, -1.5f}, op::gelu{{}, true}, op::pow{{}, 3},         op::pow{{}, 0.5f},
                             op::pow{{}, 1.7f},    op::pow{{}, -5},    op::leaky_relu{{}, -2}, op::elu{{}, 0.3f}};
  for (const auto& [name, o] : builtin_operators())
    if (op::visit(op::unary_functions(), o, [](const auto&) {})) all.push_back(o);
  return all;
}

problem make_problem(const operation& o, const dims& x, element src, element dst, random_numbers& random) {
  problem p;
  p.op = o;
  p.src.push_back({src, x, random_affine(random)});
  p.dst = {dst, x, random_affine(random)};
  return p;
}

}  // namespace

TEST_CASE("unary kernels: every function, every length") {
  REQUIRE(functions().size() >= 34);
  random_numbers random(1);
  for (const operation& o : functions())
    for (element src : {element::f32, element::u8})
      for (element dst : {element::f32, element::u8}) {
        for (int n = 1; n <= 70; n += random.between(1, 3)) {
          const dims x = random.chance(50) ? dims{n} : dims{random.between(1, 5), n};
          CHECK(check_kernels(make_problem(o, x, src, dst, random), random, {0.0f, random.chance(50)}) > 0);
        }
        for (int n : {127, 128, 129, 255, 256, 257, 1000})
          CHECK(check_kernels(make_problem(o, {2, n}, src, dst, random), random, {0.0f, true}) > 0);
      }
}

TEST_CASE("unary kernels: numbers of all sizes") {
  for (const operation& o : functions()) {
    std::vector<float> x;
    for (std::uint64_t bits = 0; bits < 0x100000000; bits += 2'000'003)
      x.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
    const dims extents{static_cast<int>(x.size())};
    problem p;
    p.op = o;
    p.src = {{element::f32, extents, {}}};
    p.dst = {element::f32, extents, {}};
    std::vector<float> expected(x.size()), got(x.size());
    const operand src[] = {{x.data(), extents, extents[0]}};
    evaluate(p.op, p, {src, operand{expected.data(), extents, extents[0]}});
    for (const kernel& k : kernels_for(p)) {
      random_numbers random(1);
      run_in_portions(*k.pack(p), {src, operand{got.data(), extents, extents[0]}}, random);
      const auto wrong = static_cast<std::size_t>(
          std::ranges::mismatch(got, expected, [](float g, float e) { return equal(g, e, 0.0f); }).in1 - got.begin());
      CHECK_MESSAGE(wrong == x.size(), k.name, ": ", text(o), " of ", wrong == x.size() ? 0.0f : x[wrong]);
    }
  }
}

TEST_CASE("unary kernels: several tasks, fewer rows than the bound") {
  random_numbers random(2);
  for (const operation& o : {operation(op::tanh{}), operation(op::hard_swish{}),
                             operation(op::activate{relu_activation}), operation(op::convert{})})
    for (element src : {element::f32, element::u8})
      for (element dst : {element::f32, element::u8}) {
        CHECK(check_kernels(make_problem(o, {1, 37, 41, 67}, src, dst, random), random) > 0);
        CHECK(check_kernels(make_problem(o, {-5, 9, 33}, src, dst, random), random, {}, 2) > 0);
      }
}

TEST_CASE("unary kernels: no function is left to the reference") {
  random_numbers random(3);
  for (isa i : {isa::portable, isa::avx2, isa::avx512_vnni}) {
    if (!x86::runs(i)) continue;
    for (const operation& o : functions())
      for (element src : {element::f32, element::u8})
        for (element dst : {element::f32, element::u8}) {
          const problem p = make_problem(o, {3, 5}, src, dst, random);
          const kernel_list kernels = native_kernels(i);
          CHECK(choose_kernel(kernels, p).name != reference_kernel.name);
        }
  }
}
