// Every softmax kernel against the reference evaluation, bit by bit: the order of the sum is part of the rule.
#include "support/kernel_run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

void check_all(const operation& o, const dims& x, random_numbers& random, bool specials, int batch = 0) {
  for (element src : {element::f32, element::u8})
    for (element dst : {element::f32, element::u8}) {
      problem p;
      p.op = o;
      p.src.push_back({src, x, random_affine(random)});
      // Powers of near 1 down to 0 over one or many channels: scales that use the range of u8 and that overflow it.
      p.dst = {dst, x, {random.chance(50) ? 1.0f / 255 : random.real(1e-5f, 1e-3f), random_zero_point(random)}};
      CHECK(check_kernels(p, random, {0.0f, specials}, batch) > 0);
      if (!o.is<op::softmax>()) continue;
      p.src.push_back({element::s32, dims{x.encoded(0)}, {}});
      comparison with_lengths{0.0f, specials};
      with_lengths.prepare = [&](std::size_t i, const operand& lengths) {
        if (i == 1)
          for (int n = 0; n < lengths.extents[0]; ++n) lengths.as<std::int32_t>()[n] = random.between(-1, x.back() + 1);
      };
      CHECK(check_kernels(p, random, with_lengths, batch) > 0);
    }
}

void check_all(const dims& x, random_numbers& random, bool specials, int batch = 0) {
  check_all(op::softmax{}, x, random, specials, batch);
  check_all(op::log_softmax{}, x, random, specials, batch);
}

}  // namespace

TEST_CASE("softmax kernels: random problems") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 300; ++i) check_all({random.between(1, 10), random_channels(random)}, random, random.chance(30));
}

TEST_CASE("softmax kernels: classifiers, several tasks, fewer rows than the bound") {
  random_numbers random(1);
  check_all({1, 1000}, random, false);
  check_all({50, 1000}, random, false);
  check_all({2, 128, 128}, random, false);
  check_all({-8, 3, 49}, random, false, 5);
}
