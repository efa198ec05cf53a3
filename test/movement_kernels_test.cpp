// Every kernel of operators that only move elements against the reference evaluation: every byte, all types.
#include "support/kernel_run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

constexpr element all_types[] = {element::u8, element::f32, element::s8, element::s32, element::s64};

/// Small extents, now and then one around the 16 and 64 bytes of tiles.
dims random_extents(random_numbers& random, int rank) {
  dims e;
  const int longest = rank > 0 && random.chance(60) ? random.below(rank) : -1;
  for (int i = 0; i < rank; ++i) e.push_back(i == longest ? random.between(1, 70) : random.between(1, 4));
  return e;
}

axis_numbers random_permutation(random_numbers& random, int rank) {
  axis_numbers p;
  for (int i = 0; i < rank; ++i) p.push_back(i);
  for (int i = rank; i-- > 1;) std::swap(p[i], p[random.below(i + 1)]);
  return p;
}

op::slice random_slice(random_numbers& random, const dims& x) {
  op::slice s;
  for (int i = 0; i < x.rank; ++i) {
    if (random.chance(40)) continue;
    const int first = random.below(x[i]), last = random.between(first, x[i] - 1), step = random.between(1, 3);
    const bool backwards = random.chance(30);
    s.axes.push_back(random.chance(50) ? i : i - x.rank);
    s.starts.push_back(backwards ? last : random.chance(50) ? first : first - x[i]);
    s.ends.push_back(backwards ? (first == 0 ? -x[i] - 1 : first - 1) : last + 1);
    s.steps.push_back(backwards ? -step : step);
  }
  return s;
}

op::pad random_padding(random_numbers& random, const dims& x) {
  op::pad p;
  p.mode = static_cast<op::pad::mode_type>(random.below(3));
  p.value = static_cast<float>(random.between(-3, 3));
  for (int i = 0; i < x.rank; ++i) {
    const int most = p.mode == op::pad::reflect ? x[i] - 1 : 3;
    const auto some = [&] { return random.chance(40) ? 0 : random.between(0, std::min(most, 3)); };
    const int cut = x[i] > 1 && random.chance(20) ? random.between(1, x[i] - 1) : 0;
    p.before.push_back(cut > 0 ? -cut : some());
    p.after.push_back(cut > 0 ? std::min(some(), x[i] - 1) : some());
  }
  return p;
}

/// An operator for one input of extents `x`.
operation random_operation(random_numbers& random, const dims& x) {
  switch (random.below(6)) {
    case 0: return random_slice(random, x);
    case 1: return op::transpose{random_permutation(random, x.rank)};
    case 2: return random_padding(random, x);
    case 3: {
      op::tile t;
      for (int i = 0; i < x.rank; ++i) t.repeats.push_back(random.between(1, 3));
      return t;
    }
    case 4: {
      op::expand e;
      if (x.rank < 5 && random.chance(50)) e.to.push_back(random.between(1, 3));
      for (int i = 0; i < x.rank; ++i) e.to.push_back(x[i] == 1 ? random.between(1, 20) : x[i]);
      return e;
    }
    default: {
      int groups = random.between(1, x.back());
      while (x.back() % groups != 0) --groups;
      return op::shuffle_channel{groups};
    }
  }
}

problem problem_of(const operation& o, element type, const dims& x, random_numbers& random) {
  problem p;
  p.op = o;
  p.src.push_back({type, x, random_affine(random)});
  p.dst = o.infer(p.src);
  return p;
}

void check_movement(const operation& o, element type, const dims& x, random_numbers& random, int batch = 0) {
  CHECK(check_kernels(problem_of(o, type, x, random), random, {0.0f, random.chance(50)}, batch) > 0);
}

}  // namespace

TEST_CASE("movement kernels: random operators of ranks 1 to 6") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 4000; ++i) {
    const dims x = random_extents(random, random.between(1, 6));
    check_movement(random_operation(random, x), all_types[random.below(5)], x, random);
  }
}

TEST_CASE("movement kernels: matrices around tiles and blocks, transposed") {
  random_numbers random(1);
  for (element type : all_types)
    for (int rows : {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130})
      for (int columns : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33, 64, 67})
        check_movement(op::transpose{{0, 2, 1}}, type, {2, rows, columns}, random);
}

TEST_CASE("movement kernels: images to planes and back, fewer of them than the bound") {
  random_numbers random(2);
  for (element type : {element::u8, element::f32})
    for (int c : {1, 2, 3, 4, 16, 20}) {
      check_movement(op::transpose{{0, 3, 1, 2}}, type, {upto<5>, 7, 9, c}, random, 3);
      check_movement(op::transpose{{0, 2, 3, 1}}, type, {upto<5>, c, 7, 9}, random, 3);
      check_movement(op::pad{{0, 1, 1, 0}, {0, 1, 2, 0}}, type, {upto<5>, 7, 9, c}, random, 2);
      check_movement(op::slice{{1, 1}, {-1, -1}, {1, 2}}, type, {upto<5>, 7, 9, c}, random, 2);
      for (bool channels_first : {false, true}) {
        check_movement(op::space_to_depth{2, channels_first}, type, {upto<5>, 6, 8, c}, random, 2);
        check_movement(op::depth_to_space{2, channels_first}, type, {upto<5>, 6, 5, 4 * c}, random, 2);
        check_movement(op::depth_to_space{3, channels_first}, type, {2, 2, 5, 9 * c}, random);
      }
    }
}

TEST_CASE("movement kernels: several tasks") {
  random_numbers random(3);
  for (element type : {element::u8, element::f32}) {
    check_movement(op::transpose{{1, 0}}, type, {300, 411}, random);
    check_movement(op::transpose{{0, 2, 1, 3}}, type, {2, 50, 12, 64}, random);
    check_movement(op::slice{{1}, {-1}, {0}}, type, {3, 100003}, random);
    check_movement(op::pad{{2, 2, 0}, {2, 2, 0}, op::pad::reflect}, type, {60, 70, 33}, random);
    check_movement(op::shuffle_channel{2}, type, {1, 28, 28, 116}, random);
    check_movement(op::space_to_depth{2}, type, {1, 100, 120, 3}, random);
    check_movement(op::expand{{40, 3000}}, type, {40, 1}, random);
  }
}

TEST_CASE("movement kernels: concat along any axis") {
  random_numbers random(4);
  for (int i = 0; i < 500; ++i) {
    problem p;
    dims x = random_extents(random, random.between(1, 6));
    const op::concat c{random.below(x.rank)};
    const affine q = random_affine(random);
    const element type = all_types[random.below(5)];
    for (int k = random.between(1, 4); k > 0; --k) {
      x[c.axis] = random.between(1, 5);
      p.src.push_back({type, x, q});
    }
    p.op = c;
    p.dst = p.op.infer(p.src);
    CHECK(check_kernels(p, random) > 0);
  }
}

TEST_CASE("movement kernels: reshape between rows of any lengths, strided or not") {
  random_numbers random(5);
  const dims some[] = {{12, 30}, {6, 60}, {360}, {8, 45}, {24, 15}, {2, 3, 60}, {18, 20}, {1, 360}, {360, 1}, {40, 9}};
  for (const dims& x : some)
    for (const dims& y : some)
      for (element type : {element::u8, element::f32})
        for (int i = 0; i < 4; ++i)
          CHECK(check_kernels({{{{type, x, {}}}, {type, y, {}}, {}}, op::reshape{}}, random) > 0);
}

TEST_CASE("movement kernels: gather, where some ids are out of range") {
  random_numbers random(6);
  for (int i = 0; i < 1000; ++i) {
    const dims x = random_extents(random, random.between(1, 4)), ids = random_extents(random, random.between(0, 2));
    const op::gather g{random.below(2 * x.rank) - x.rank};
    const element type = all_types[random.below(5)], id_type = random.chance(50) ? element::s32 : element::s64;
    problem p;
    p.op = g;
    p.src = {{type, x, random_affine(random)}, {id_type, ids, {}}};
    p.dst = p.op.infer(p.src);
    const int n = x[axis_of(g.axis, x.rank)];
    const auto set_ids = [&](const operand& o) {
      for (std::size_t r = 0; r < o.extents.rows(); ++r)
        for (int c = 0; c < o.extents.back(); ++c) {
          const int id = random.between(-n - (random.chance(10) ? 1 : 0), random.chance(10) ? n : n - 1);
          if (id_type == element::s32)
            o.row<std::int32_t>(r)[c] = id;
          else
            o.row<std::int64_t>(r)[c] = random.chance(3) ? std::int64_t{1} << 40 : id;
        }
    };
    CHECK(check_kernels(p, random, {.prepare = [&](std::size_t input, const operand& o) {
                          if (input == 1) set_ids(o);
                        }}) > 0);
  }
}

TEST_CASE("movement kernels: interp2d, nearest of any type and bilinear") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  random_numbers random(seed);
  for (int i = 0; i < 1500; ++i) {
    op::interp2d o;
    o.mode = static_cast<op::interp2d::mode_type>(random.below(2));
    o.coordinates = static_cast<op::interp2d::coordinates_type>(random.below(4));
    o.rounding = static_cast<op::interp2d::rounding_type>(random.below(4));
    const dims x{random.between(1, 2), random.between(1, 6), random.between(1, 6), random_channels(random)};
    if (random.chance(50)) o.size.h = random.between(1, 12);
    if (random.chance(50)) o.size.w = random.between(1, 12);
    o.scale_h = random.real(1.0f, 3.0f), o.scale_w = random.real(1.0f, 3.0f);
    check_movement(o, all_types[random.below(o.mode == op::interp2d::bilinear ? 2 : 5)], x, random);
  }
  op::interp2d o{.mode = op::interp2d::bilinear, .size = {40, 50}};
  for (element type : {element::u8, element::f32}) check_movement(o, type, {upto<4>, 20, 30, 33}, random, 3);
}
