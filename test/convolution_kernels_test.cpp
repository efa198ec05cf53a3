// Convolution and fully connected kernels against the reference evaluation: every kernel that this CPU runs, on random
// problems, at the ends of the integer ranges, on slices of wider tensors, in every split of the tasks.
#include <doctest/doctest.h>

#include <cstdlib>
#include <optional>
#include <random>
#include <string>

#include "support/guarded_buffer.hpp"
#include "support/kernel_run.hpp"

namespace {

using namespace octavo;
using test::all_kernels;
using test::guarded_buffer;
using test::kernels_for;

/// The seed of this run, printed once; OCTAVO_TEST_SEED repeats one.
unsigned seed() {
  static const unsigned s = [] {
    const char* given = std::getenv("OCTAVO_TEST_SEED");
    const unsigned chosen = given ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : std::random_device{}();
    MESSAGE("seed " << chosen);
    return chosen;
  }();
  return s;
}

using generator = std::mt19937;

int uniform(generator& r, int lower, int upper) { return std::uniform_int_distribution<int>(lower, upper)(r); }

template <class T>
T pick(generator& r, std::initializer_list<T> from) {
  return from.begin()[uniform(r, 0, static_cast<int>(from.size()) - 1)];
}

/// How values are drawn.
enum class values { any, ends, largest, least };  // largest: 255 x 127 everywhere, least: 255 x -127

/// A problem to be tried, with its input.
struct trial {
  bool fc = false;
  dims x{1, 1, 1, 1};
  dims most{};  ///< what x may be at most, bounded axes where it is planned for more than one run; of rank 0: x
  op::conv2d conv{};
  bool u8_src = true, u8_dst = true;
  values draw = values::any;
  double gain = 1;  ///< of the outputs' scale: with much, numbers before rounding leave s32
  int src_gap = 0, dst_gap = 0, residual_gap = 0;  ///< row stride beyond the channels
};

std::ostream& operator<<(std::ostream& os, const trial& t) {
  return os << (t.fc ? "fc " : "") << operation(t.conv) << " on " << t.x << " of " << t.most
            << (t.u8_src ? " u8" : " f32") << (t.u8_dst ? " -> u8" : " -> f32") << " draw " << static_cast<int>(t.draw)
            << " gain " << t.gain << " gaps " << t.src_gap << "," << t.dst_gap << "," << t.residual_gap;
}

std::uint8_t draw_u8(generator& r, values how) {
  if (how == values::largest || how == values::least) return 255;
  return static_cast<std::uint8_t>(how == values::ends ? pick(r, {0, 255}) : uniform(r, 0, 255));
}
std::int8_t draw_s8(generator& r, values how) {
  if (how == values::largest || how == values::least) return how == values::largest ? 127 : -127;
  return static_cast<std::int8_t>(how == values::ends ? pick(r, {-127, 127}) : uniform(r, -127, 127));
}
float draw_f32(generator& r) { return std::uniform_real_distribution<float>(-1.0f, 1.0f)(r); }

affine draw_affine(generator& r) {
  const int zero = pick(r, {0, 128, 255, uniform(r, 0, 255)});
  return {std::uniform_real_distribution<float>(0.002f, 0.05f)(r), zero};
}

/// Rows of `extents` at a stride, ending at a guard page, filled with random values; gaps hold canaries.
template <class T>
struct rows_buffer {
  dims extents;
  std::ptrdiff_t stride;
  guarded_buffer<T> memory;

  static constexpr T canary = static_cast<T>(0xab);

  rows_buffer(const dims& e, int gap)
      : extents(e),
        stride(e.back() + gap),
        memory((e.rows() - 1) * static_cast<std::size_t>(stride) + static_cast<std::size_t>(e.back())) {
    for (T& v : memory.span()) v = canary;
  }
  operand view() { return {memory.data(), extents, stride}; }
  T& at(std::size_t row, int channel) {
    return memory[row * static_cast<std::size_t>(stride) + static_cast<std::size_t>(channel)];
  }
  template <class Draw>
  void fill(Draw draw) {
    for (std::size_t i = 0; i < extents.rows(); ++i)
      for (int c = 0; c < extents.back(); ++c) at(i, c) = draw();
  }
  bool canaries_live() {
    for (std::size_t i = 0; i + 1 < extents.rows(); ++i)
      for (std::ptrdiff_t c = extents.back(); c < stride; ++c)
        if (at(i, static_cast<int>(c)) != canary) return false;
    return true;
  }
};

/// The output's extents for an input of extents `x`.
dims output_of(const trial& t, const dims& x) { return t.fc ? dims{t.x[0], t.conv.out} : op::infer(t.conv, x); }

/// A problem with random constants whose output uses the range of u8 well.
problem make_problem(const trial& t, generator& r) {
  problem p;
  const dims most = t.most.rank == 0 ? t.x : t.most;
  const dims x = t.fc ? dims{t.x[0], t.x[3]} : most, y = output_of(t, most);
  const dims weights = t.fc ? dims{t.conv.out, t.x[3]} : op::weight_extents(t.conv, t.x);
  const auto outputs = static_cast<std::size_t>(t.conv.out);
  const double depth = static_cast<double>(weights.count()) / t.conv.out;
  if (t.fc) {
    op::fc f;
    f.out = t.conv.out, f.act = t.conv.act, f.residual = t.conv.residual;
    p.op = f;
  } else {
    p.op = t.conv;
  }
  p.src.push_back({t.u8_src ? element::u8 : element::f32, x, draw_affine(r)});
  p.dst = {t.u8_dst ? element::u8 : element::f32, y, draw_affine(r)};
  if (t.conv.residual) p.src.push_back({p.dst->type, y, draw_affine(r)});
  tensor bias(element::f32, {t.conv.out}), scales(element::f32, {t.conv.out});
  for (float& b : bias.as<float>()) b = draw_f32(r);
  if (t.u8_src) {
    tensor w(element::s8, weights);
    for (std::int8_t& v : w.as<std::int8_t>()) v = draw_s8(r, t.draw);
    // A sum of random products is about sqrt(depth) * 147 * 73; its spread becomes some 60 steps of the output.
    const bool uniform_sign = t.draw == values::largest || t.draw == values::least;
    const double spread = uniform_sign ? depth * 255 * 127 / 3 : std::sqrt(depth) * 147 * 73;
    const double step = t.gain * (t.u8_dst ? static_cast<double>(p.dst->q.scale) : 0.02);
    for (float& s : scales.as<float>())
      s = static_cast<float>(60 * step / (spread * static_cast<double>(p.src[0].q.scale)) * uniform(r, 50, 200) / 100);
    p.constants = {make_constant(std::move(w)), nullptr, make_constant(std::move(scales))};
  } else {
    tensor w(element::f32, weights);
    for (float& v : w.as<float>()) v = draw_f32(r);
    p.constants = {make_constant(std::move(w)), nullptr};
  }
  if (outputs % 3 != 0) p.constants[1] = make_constant(std::move(bias));
  return p;
}

/// The tasks in random ranges, in random order.
void run_split(const executable& e, const arguments& a, generator& r) {
  std::vector<int> cuts{0, e.tasks(a)};
  for (int i = uniform(r, 0, 3); i > 0; --i) cuts.push_back(uniform(r, 0, e.tasks(a)));
  std::ranges::sort(cuts);
  std::vector<std::pair<int, int>> ranges;
  for (std::size_t i = 1; i < cuts.size(); ++i) ranges.emplace_back(cuts[i - 1], cuts[i]);
  std::ranges::shuffle(ranges, r);
  // Scratch ends at a guard page too, rounded up to keep it aligned, and begins with rubbish.
  guarded_buffer<std::byte> scratch(round_up(e.scratch_bytes(), cache_line));
  std::fill_n(scratch.data(), scratch.size(), std::byte{0xff});
  for (const auto& [begin, end] : ranges) e.run(a, begin, end, scratch.data());
}

/// Runs every kernel on the trial and compares with the reference. X and Y: element types of src and dst.
template <class X, class Y>
void compare(const trial& t, generator& r) {
  CAPTURE(text(t));
  const problem p = make_problem(t, r);
  check(p.op, p);
  const dims y = output_of(t, t.x);
  rows_buffer<X> src(t.fc ? p.src[0].extents : t.x, t.src_gap);
  std::optional<rows_buffer<Y>> residual;
  const auto draw = [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_same_v<T, std::uint8_t>)
      return draw_u8(r, t.draw);
    else
      return draw_f32(r);
  };
  src.fill([&] { return draw(X{}); });
  std::vector<operand> operands{src.view()};
  if (t.conv.residual) {
    residual.emplace(y, t.residual_gap).fill([&] { return draw(Y{}); });
    operands.push_back(residual->view());
  }
  rows_buffer<Y> expected(y, 0);
  evaluate(p.op, p, {operands, expected.view()});

  for (const kernel& k : kernels_for(p)) {
    CAPTURE(k.name);
    const std::unique_ptr<const executable> e = k.pack(p);
    rows_buffer<Y> dst(y, t.dst_gap);
    run_split(*e, {operands, dst.view()}, r);
    CHECK(dst.canaries_live());
    std::size_t wrong = 0;
    for (std::size_t row = 0; row < y.rows(); ++row)
      for (int c = 0; c < t.conv.out; ++c) {
        const Y got = dst.at(row, c), want = expected.at(row, c);
        if (std::memcmp(&got, &want, sizeof got) != 0 && wrong++ == 0)
          MESSAGE(k.name << " row " << row << " channel " << c << ": " << +got << ", expected " << +want);
      }
    CHECK(wrong == 0);
    rows_buffer<Y> again(y, t.dst_gap);
    std::vector<operand> in_place = operands;
    if (residual) {  // the sum overwrites it
      for (std::size_t row = 0; row < y.rows(); ++row)
        for (int c = 0; c < t.conv.out; ++c) again.at(row, c) = residual->at(row, c);
      in_place[1] = again.view();
    }
    run_split(*e, {in_place, again.view()}, r);
    CHECK(std::memcmp(again.memory.data(), dst.memory.data(), again.memory.size() * sizeof(Y)) == 0);
  }
}

void compare_any(const trial& t, generator& r) {
  if (!t.u8_src)
    compare<float, float>(t, r);
  else if (t.u8_dst)
    compare<std::uint8_t, std::uint8_t>(t, r);
  else
    compare<std::uint8_t, float>(t, r);
}

/// Random types, activation, residual and gaps.
void decorate(trial& t, generator& r) {
  t.u8_src = uniform(r, 0, 3) != 0;
  t.u8_dst = t.u8_src && uniform(r, 0, 3) != 0;
  t.draw = pick(r, {values::any, values::any, values::ends});
  t.conv.act = pick(r, {no_activation, relu_activation, relu6_activation, activation{-0.5f, 1.0f}});
  t.conv.residual = uniform(r, 0, 2) == 0;
  t.gain = uniform(r, 0, 7) == 0 ? 1e9 : 1;
  if (uniform(r, 0, 1))
    t.src_gap = uniform(r, 0, 20), t.dst_gap = uniform(r, 0, 20), t.residual_gap = uniform(r, 0, 20);
  if (t.fc || uniform(r, 0, 1)) return;
  t.most = t.x;
  for (const auto& [axis, more] : {std::pair{0, 2}, {1, 12}, {2, 40}})
    if (uniform(r, 0, 2) != 0) t.most[axis] += uniform(r, 0, more), t.most.bind(axis, {});
}

bool fits(const trial& t) {
  const dims y = op::infer(t.conv, t.x);
  if (y[1] < 1 || y[2] < 1) return false;
  return y.count() * static_cast<std::size_t>(t.x[3] / t.conv.groups * t.conv.kernel.h * t.conv.kernel.w) < 300'000;
}

}  // namespace

TEST_CASE("every instruction set that this CPU has brings kernels") {
  for (isa i : {isa::portable, isa::avx2, isa::avx_vnni, isa::avx512_vnni, isa::amx}) {
    CAPTURE(name_of(i));
    const auto is_convolution = [&](const kernel& k) {
      return k.needs == i && (k.name.starts_with("conv") || k.name.starts_with("winograd"));
    };
    CHECK(std::ranges::any_of(all_kernels(), is_convolution) == x86::runs(i));
  }
}

TEST_CASE("small convolutions of every kind") {
  generator r(seed());
  for (int i = 0; i < 1500; ++i) {
    trial t;
    op::conv2d& c = t.conv;
    c.groups = pick(r, {1, 1, 1, 2, 3, uniform(r, 1, 20)});
    const int icg = uniform(r, 0, 4) == 0 ? 1 : uniform(r, 1, 10), ocg = uniform(r, 1, 10);
    c.out = ocg * c.groups;
    c.kernel = {uniform(r, 1, 5), uniform(r, 1, 5)};
    c.stride = {uniform(r, 1, 3), uniform(r, 1, 3)};
    c.dilation = {uniform(r, 1, 3), uniform(r, 1, 3)};
    if (uniform(r, 0, 1)) c.dilation = 1;
    c.pad = {uniform(r, 0, 3), uniform(r, 0, 3), uniform(r, 0, 3), uniform(r, 0, 3)};
    t.x = {uniform(r, 1, 3), uniform(r, 1, 10), uniform(r, 1, 10), icg * c.groups};
    if (!fits(t)) continue;
    decorate(t, r);
    compare_any(t, r);
  }
}

TEST_CASE("channels and pixels about the sizes of tiles and steps") {
  generator r(seed() + 1);
  const auto near = [&] {
    return std::max(1, pick(r, {4, 6, 8, 12, 14, 16, 24, 28, 32, 48, 64, 96, 128}) + uniform(r, -1, 1));
  };
  for (int i = 0; i < 600; ++i) {
    trial t;
    t.conv.out = near();
    t.conv.kernel = pick(r, {1, 1, 3});
    t.conv.pad = padding(t.conv.kernel.h / 2);
    t.x = {uniform(r, 1, 2), uniform(r, 1, 4), near(), near()};
    if (!fits(t)) continue;
    decorate(t, r);
    compare_any(t, r);
  }
}

TEST_CASE("fully connected layers") {
  generator r(seed() + 2);
  for (int i = 0; i < 300; ++i) {
    trial t;
    t.fc = true;
    t.x = {pick(r, {1, 1, 2, 3, 5, 7, 13, 29}), 1, 1,
           pick(r, {1, 3, 15, 16, 17, 63, 64, 65, 255, 256, 512, 513, 1025})};
    t.conv.out = pick(r, {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 257});
    if (!fits(t)) continue;
    decorate(t, r);
    compare_any(t, r);
  }
}

TEST_CASE("layers of networks, reduced") {
  generator r(seed() + 3);
  struct layer {
    int h, w, ic, out, kernel, stride, groups;
  };
  for (const layer& l :
       {layer{23, 23, 3, 16, 7, 2, 1}, layer{17, 17, 3, 24, 3, 2, 1}, layer{7, 7, 64, 40, 3, 1, 1},
        layer{7, 7, 256, 24, 1, 1, 1}, layer{14, 14, 48, 32, 1, 2, 1}, layer{8, 8, 32, 32, 3, 2, 1},
        layer{9, 9, 48, 48, 3, 1, 48}, layer{12, 12, 32, 32, 5, 2, 32}, layer{7, 7, 128, 128, 3, 1, 32},
        layer{4, 31, 24, 40, 3, 1, 1}, layer{1, 49, 144, 24, 1, 1, 1}, layer{3, 3, 600, 9, 3, 1, 1}})
    for (int i = 0; i < 4; ++i) {
      trial t;
      t.x = {1, l.h, l.w, l.ic};
      t.conv.out = l.out, t.conv.kernel = l.kernel, t.conv.stride = l.stride, t.conv.groups = l.groups;
      t.conv.pad = padding(l.kernel / 2);
      decorate(t, r);
      t.u8_src = i != 3;
      t.u8_dst = i < 2;
      compare_any(t, r);
    }
}

TEST_CASE("3x3 at stride 1, where Winograd's algorithm may be used") {
  generator r(seed() + 7);
  const auto decorate_u8 = [&](trial& t) {
    decorate(t, r);
    t.u8_src = true;
    t.u8_dst = uniform(r, 0, 3) != 0;
  };
  const auto pad = [&] { return pick(r, {0, 1, 2, 3, 6}); };  // with 6, tiles of nothing but padding
  for (int i = 0; i < 120; ++i) {
    trial t;
    t.conv.out = pick(r, {16, 32, 64, 96});
    t.conv.kernel = 3;
    t.conv.pad = {pad(), pad(), pad(), pad()};
    t.x = {uniform(r, 1, 3), uniform(r, 1, 20), uniform(r, 1, 20), pick(r, {16, 32, 64, 96})};
    const dims y = op::infer(t.conv, t.x);
    if (y[1] < 1 || y[2] < 1) continue;
    decorate_u8(t);
    compare_any(t, r);
  }
  // Several chunks of tiles: with weights that are kept from one to the next and that are not, with input channels in
  // several parts, the last one smaller, and with chunks of the fewest tiles. And few tiles of many outputs.
  struct layer {
    int n, h, w, ic, out;
  };
  for (const layer& l : {layer{2, 29, 30, 32, 64}, layer{2, 25, 33, 32, 96}, layer{3, 17, 18, 160, 32},
                         layer{1, 2, 110, 512, 32}, layer{1, 1, 61, 1536, 32}, layer{1, 5, 3, 288, 224}})
    for (int i = 0; i < 2; ++i) {
      trial t;
      t.conv.out = l.out, t.conv.kernel = 3, t.conv.pad = 1;
      t.x = {l.n, l.h, l.w, l.ic};
      decorate_u8(t);
      t.conv.residual = i == 0;
      compare_any(t, r);
    }
  // The largest sums: of 255 x 127, 255 x -127, and 0 or 255 x -127 or 127.
  for (const values draw : {values::largest, values::least, values::ends})
    for (const bool u8_dst : {true, false}) {
      trial t;
      t.conv.out = 32, t.conv.kernel = 3, t.conv.pad = {1, 0, 2, 1};
      t.x = {1, 4, 5, 1824};
      t.draw = draw, t.u8_dst = u8_dst;
      compare_any(t, r);
    }
}

TEST_CASE("Winograd's algorithm is for sums below 2^29") {
  generator r(seed() + 8);
  const auto supporting = [&](int channels) {
    trial t;
    t.conv.out = 32, t.conv.kernel = 3;
    t.x = {1, 3, 3, channels};
    const problem p = make_problem(t, r);
    return std::ranges::count_if(all_kernels(),
                                 [&](const kernel& k) { return k.name.starts_with("winograd") && k.supports(p); });
  };
  CHECK(supporting(1824) ==
        std::ranges::count_if(all_kernels(), [](const kernel& k) { return k.name.starts_with("winograd"); }));
  CHECK(supporting(1856) == 0);
}

TEST_CASE("the ends of the integer ranges") {
  generator r(seed() + 4);
  for (const values draw : {values::largest, values::ends})
    for (const int depth : {1, 16, 64, 513, 2048, 4608})
      for (const bool u8_dst : {true, false})
        for (const int rows : {1, 2, 7}) {
          trial t;
          t.fc = true;
          t.x = {rows, 1, 1, depth};
          t.conv.out = 19;
          t.draw = draw;
          t.u8_dst = u8_dst;
          t.conv.residual = rows == 7;
          compare_any(t, r);
        }
}

TEST_CASE("a batch below its bound") {
  generator r(seed() + 5);
  for (const auto& [channels, outputs] : {std::pair{9, 20}, std::pair{32, 64}}) {
    trial t;
    t.x = {5, 6, 7, channels};
    t.conv.out = outputs, t.conv.kernel = 3, t.conv.pad = 1;
    const problem p = make_problem(t, r);
    for (const kernel& k : kernels_for(p)) {
      CAPTURE(k.name);
      const auto e = k.pack(p);
      for (int n = 1; n <= 5; ++n) {
        const dims x{n, 6, 7, channels}, y{n, 6, 7, outputs};
        rows_buffer<std::uint8_t> src(x, 0), dst(y, 0), expected(y, 0);
        src.fill([&] { return draw_u8(r, values::any); });
        const operand operands[]{src.view()};
        evaluate(p.op, p, {operands, expected.view()});
        run_split(*e, {operands, dst.view()}, r);
        CHECK(std::ranges::equal(dst.memory.span(), expected.memory.span()));
      }
    }
  }
}

TEST_CASE("a depth that could overflow is refused by name") {
  generator r(seed() + 6);
  trial t;
  t.fc = true;
  t.x = {1, 1, 1, 70'000};
  t.conv.out = 1;
  t.draw = values::largest;
  const problem p = make_problem(t, r);
  for (const kernel& k : kernels_for(p))
    CHECK_THROWS_WITH_AS((void)k.pack(p), doctest::Contains("fc: channel 0 of depth 70000"), error);
}
