// Every attention kernel against the reference evaluation, bit by bit.
#include "support/kernel_run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

constexpr element both[] = {element::u8, element::f32};

struct sizes {
  std::int64_t n;
  int t, s, heads, d, e;
};

/// With a mask of any extents that broadcast, and lengths, or without.
problem make_problem(const sizes& z, element src, element dst, random_numbers& random) {
  problem p;
  p.op = op::attention{z.heads, random.real(-0.05f, 0.2f)};
  for (const dims& x : {dims{z.n, z.t, z.heads * z.d}, {z.n, z.s, z.heads * z.d}, {z.n, z.s, z.heads * z.e}})
    p.src.push_back({src, x, random_affine(random)});
  p.dst = {dst, {z.n, z.t, z.heads * z.e}, random_affine(random)};
  const bool lengths = random.chance(50), mask = random.chance(50);
  if (mask || lengths) p.src.push_back(no_tensor);
  if (mask) {
    const dims some[] = {{z.n, z.heads, z.t, z.s}, {z.n, 1, 1, z.s}, {1, z.heads, z.t, z.s}, {z.t, z.s}, {z.s}};
    p.src[3] = {element::f32, some[random.below(5)], {}};
  }
  if (lengths) p.src.push_back({element::s32, {z.n}, {}});
  return p;
}

void check_all(const sizes& z, random_numbers& random, bool specials = false, int batch = 0) {
  for (element src : both)
    for (element dst : both) {
      if (src == element::f32 && dst == element::u8) continue;
      comparison how{0.0f, specials};
      how.prepare = [&](std::size_t i, const operand& lengths) {
        if (i == 4)
          for (int n = 0; n < lengths.extents[0]; ++n) lengths.as<std::int32_t>()[n] = random.between(-1, z.s + 1);
      };
      CHECK(check_kernels(make_problem(z, src, dst, random), random, how, batch) > 0);
    }
}

}  // namespace

TEST_CASE("attention kernels: random problems") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  const auto some = [&](int most) { return random.chance(20) ? 1 : random.between(1, most); };
  for (int i = 0; i < 60; ++i)
    check_all({random.between(1, 3), some(40), some(40), some(4), some(40), some(40)}, random, random.chance(20));
}

TEST_CASE("attention kernels: BERT's, several blocks of rows, one row, fewer than the bound") {
  random_numbers random(1);
  check_all({1, 128, 128, 2, 64, 64}, random);
  check_all({1, 70, 2048, 1, 8, 8}, random);
  check_all({2, 1, 99, 1, 64, 64}, random);
  check_all({-8, 3, 9, 2, 16, 16}, random, false, 5);
}
