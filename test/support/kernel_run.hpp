// Running kernels against the reference evaluation: operands with gaps between their rows that end at a guard page,
// tasks in random portions and order, every byte compared.
#pragma once

#include <doctest/doctest.h>

#include <bit>
#include <functional>
#include <memory>

#include "octavo/octavo.hpp"
#include "support/guarded_buffer.hpp"
#include "support/random.hpp"

namespace octavo::test {

/// Rows of a tensor, `stride` elements apart. The last one ends at a guard page, or the first one begins after one.
class guarded_operand {
 public:
  guarded_operand(element type, const dims& extents, std::ptrdiff_t stride, bool guard_first)
      : type_(type),
        size_(((extents.rows() - 1) * static_cast<std::size_t>(stride) + static_cast<std::size_t>(extents.back())) *
              size_of(type)),
        bytes_(guard_first ? round_up(size_, static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) : size_) {
    view_ = {bytes_.data(), extents, stride};
    view_.extents.bounded = 0;
  }

  const operand& view() const { return view_; }
  element type() const { return type_; }
  std::byte* row(std::size_t i) const {
    return view_.as<std::byte>() +
           static_cast<std::ptrdiff_t>(i) * view_.stride * static_cast<std::ptrdiff_t>(size_of(type_));
  }
  std::span<std::uint8_t> bytes() const { return bytes_.span().first(size_); }

  void fill(std::uint8_t value) { std::memset(bytes_.data(), value, size_); }

  /// Random elements, also in the gaps; integers have any bytes. f32 lie in [-8, 8]; with `specials` some are zeros,
  /// infinities and NaNs.
  void randomize(random_numbers& random, bool specials) {
    if (type_ != element::f32) {
      for (std::uint8_t& v : bytes()) v = random.byte();
      return;
    }
    constexpr float inf = std::numeric_limits<float>::infinity();
    constexpr float some[] = {0.0f, -0.0f, inf, -inf, std::numeric_limits<float>::quiet_NaN(), 1e30f, -1e30f, 0.5f};
    for (std::size_t i = 0; i < size_ / 4; ++i) {
      float& v = view_.as<float>()[i];
      v = specials && random.chance(10) ? some[random.below(8)] : random.real(-8.0f, 8.0f);
    }
  }

 private:
  element type_;
  std::size_t size_;
  guarded_buffer<std::uint8_t> bytes_;
  operand view_;
};

/// How results are compared: u8 exactly, or within a number of steps; f32 exactly too (any NaN equals any other),
/// unless a tolerance is given, relative to max(1, |expected|).
struct comparison {
  float tolerance = 0.0f;
  bool specials = false;                                       ///< f32 inputs hold zeros, infinities and NaNs
  bool largest = false;                                        ///< u8 inputs are all 255
  int steps = 0;                                               ///< that u8 may differ by
  std::function<void(std::size_t, const operand&)> prepare{};  ///< called with each input after it was filled
};

inline bool equal(float a, float b, float tolerance) {
  if (std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (std::isnan(a) && std::isnan(b)))
    return true;
  return tolerance > 0.0f && std::fabs(a - b) <= tolerance * std::max(1.0f, std::fabs(b));
}

/// Place of the first difference, or -1.
inline std::ptrdiff_t first_difference(const guarded_operand& got, const guarded_operand& expected,
                                       const comparison& how) {
  const std::size_t size = got.type() == element::f32 ? 4 : 1, count = got.bytes().size() / size;
  for (std::size_t i = 0; i < count; ++i) {
    const bool same = size == 1 ? std::abs(got.bytes()[i] - expected.bytes()[i]) <= how.steps
                                : equal(got.view().as<float>()[i], expected.view().as<float>()[i], how.tolerance);
    if (!same) return static_cast<std::ptrdiff_t>(i);
  }
  return -1;
}

/// Every native kernel that this CPU runs, whatever OCTAVO_ISA says. Tells once which instruction sets are missing.
inline const kernel_list& all_kernels() {
  static const kernel_list list = [] {
    for (isa i : {isa::avx2, isa::avx_vnni, isa::avx512_vnni, isa::amx})
      if (!x86::runs(i)) MESSAGE("skipped: this CPU has no ", std::string(name_of(i)));
    return native_kernels(isa::amx);
  }();
  return list;
}

/// Those of all_kernels() that support `p`; there must be one.
inline kernel_list kernels_for(const problem& p) {
  kernel_list list;
  std::copy_if(all_kernels().begin(), all_kernels().end(), std::back_inserter(list),
               [&](const kernel& k) { return k.supports(p); });
  REQUIRE_MESSAGE(!list.empty(), "no kernel supports ", text(p.op));
  return list;
}

inline void run_phase_in_portions(const executable& e, const arguments& a, std::byte* scratch, random_numbers& random) {
  const int tasks = e.tasks(a);
  REQUIRE(tasks >= 1);
  std::vector<std::pair<int, int>> portions;
  for (int begin = 0; begin < tasks;) {
    const int end = std::min(tasks, begin + 1 + random.below(tasks));
    portions.push_back({begin, end});
    begin = end;
  }
  while (!portions.empty()) {
    const auto at = portions.begin() + random.below(static_cast<int>(portions.size()));
    std::fill_n(scratch, e.scratch_bytes(), std::byte{random.byte()});
    e.run(a, at->first, at->second, scratch);
    portions.erase(at);
  }
}

/// Runs all tasks of each phase of `e` in random portions and order.
inline void run_in_portions(const executable& e, arguments a, random_numbers& random) {
  aligned_memory scratch(e.scratch_bytes()), shared(e.shared_bytes());
  a.shared = shared.data();
  std::fill_n(shared.data(), shared.size(), std::byte{random.byte()});
  for (a.phase = 0; a.phase < e.phases(); ++a.phase) run_phase_in_portions(e, a, scratch.data(), random);
}

/// What bounded axes 0, 1 and 2 of the inputs are at a run, and what follows from them: 0 for the bound.
struct run_extents {
  int n = 0, h = 0, w = 0;
  run_extents(int batch = 0, int height = 0, int width = 0) : n(batch), h(height), w(width) {}

  /// `e` at the run.
  dims operator()(dims e) const {
    for (int i = 0; i < e.rank; ++i) {
      const int symbol = e.form(i).symbol, actual = symbol == 0 ? n : symbol == 1 ? h : symbol == 2 ? w : 0;
      if (e.is_bounded(i) && actual > 0) e.fix(i, static_cast<int>(e.form(i).at(actual)));
    }
    e.bounded = 0;
    return e;
  }
};

/// Checks each kernel of `list` that supports `p` against evaluate(), on random inputs. Returns how many do.
inline int check_kernels(const problem& p, random_numbers& random, const comparison& how = {}, run_extents at_run = {},
                         std::span<const kernel> list = all_kernels()) {
  check(p.op, p);
  const auto stride = [&](const dims& e) { return e.back() + (random.chance(50) ? 0 : random.between(1, 40)); };
  std::vector<std::unique_ptr<guarded_operand>> src;
  std::vector<operand> views;
  for (const tensor_type& t : p.src) {
    src.push_back(nullptr), views.emplace_back();
    if (t.type == element::none) continue;
    src.back() = std::make_unique<guarded_operand>(t.type, at_run(t.extents), stride(t.extents), random.chance(30));
    src.back()->randomize(random, how.specials);
    if (how.largest && t.is_u8()) src.back()->fill(255);
    if (how.prepare) how.prepare(src.size() - 1, src.back()->view());
    views.back() = src.back()->view();
  }
  std::vector<std::unique_ptr<guarded_operand>> expected, got;
  std::vector<operand> expected_views, got_views;
  for (const tensor_type& t : p.dst) {
    const std::ptrdiff_t apart = stride(at_run(t.extents));
    const bool guard_first = random.chance(30);
    for (auto* all : {&expected, &got}) {
      all->push_back(std::make_unique<guarded_operand>(t.type, at_run(t.extents), apart, guard_first));
      all->back()->fill(0xa5);
    }
    expected_views.push_back(expected.back()->view()), got_views.push_back(got.back()->view());
  }
  aligned_memory workspace(p.op.workspace_bytes(p));
  evaluate(p.op, p, {views, std::span<const operand>(expected_views), {}, 0, workspace.data()});
  int supporting = 0;
  for (const kernel& k : list) {
    if (!k.supports(p)) continue;
    ++supporting;
    for (const auto& y : got) y->fill(0xa5);
    const std::unique_ptr<const executable> e = k.pack(p);
    run_in_portions(*e, {views, std::span<const operand>(got_views)}, random);
    for (std::size_t i = 0; i < got.size(); ++i) {
      const std::ptrdiff_t wrong = first_difference(*got[i], *expected[i], how);
      CHECK_MESSAGE(wrong < 0, k.name, ": ", text(p.op, " on ", p.src[0], " to ", p.dst[i]),
                    ": differs first at element ", wrong, " of rows ", got_views[i].stride, " apart");
    }
    const bool* residual = fused_residual(p.op);
    if (!residual || !*residual) continue;
    std::vector<operand> in_place = views;  // the sum overwrites its residual
    const dims y = at_run(p.dst->extents);
    const std::size_t row_bytes = static_cast<std::size_t>(y.back()) * size_of(p.dst->type);
    for (std::size_t i = 0; i < y.rows(); ++i) std::memcpy(got[0]->row(i), src.back()->row(i), row_bytes);
    in_place.back() = got_views[0];
    run_in_portions(*e, {in_place, got_views[0]}, random);
    CHECK_MESSAGE(first_difference(*got[0], *expected[0], how) < 0, k.name,
                  " in place: ", text(p.op, " on ", p.src[0], " to ", *p.dst));
  }
  return supporting;
}

/// A zero point: mostly one of the ends or the middle.
inline std::int32_t random_zero_point(random_numbers& random) {
  constexpr std::int32_t ends[] = {0, 128, 255};
  return random.chance(75) ? ends[random.below(3)] : random.below(256);
}
inline affine random_affine(random_numbers& random) { return {random.real(0.01f, 0.1f), random_zero_point(random)}; }

/// None, relu, relu6 or a clip.
inline activation random_activation(random_numbers& random) {
  const activation some[] = {no_activation, relu_activation, relu6_activation, {-1.5f, 2.25f}};
  return some[random.below(4)];
}

/// A number of channels around the widths of vectors, or small.
inline int random_channels(random_numbers& random) {
  constexpr int near[] = {8, 16, 32, 48, 64, 96, 128};
  return random.chance(40) ? random.between(1, 10) : near[random.below(7)] + random.between(-1, 1);
}

}  // namespace octavo::test
