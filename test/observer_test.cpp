// Observers and their histograms: exact cases by hand, known distributions, invariance under order, batches and merges,
// and the divergence against its definition written out.
#include "octavo/quant/observer.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace {

using namespace octavo;
using side = histogram::side;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float greatest = std::numeric_limits<float>::max();
constexpr unsigned seed = 20240607;

const std::vector<calibration_recipe> all_recipes{absmax{}, minmax{}, percentile{}, percentile{.fraction = 0.9},
                                                  entropy{}};

range result_of(const calibration_recipe& recipe, const std::vector<float>& values) {
  auto o = make_observer(recipe);
  o->observe(values);
  return o->result();
}

std::vector<float> drawn(std::size_t count, const std::function<float(std::mt19937&)>& draw) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& x : values) x = draw(random);
  return values;
}

std::vector<float> normal_values(std::size_t count, float scale = 1.0f) {
  std::normal_distribution<float> normal(0.0f, scale);
  return drawn(count, [&](std::mt19937& random) { return normal(random); });
}

std::vector<float> relu(std::vector<float> values) {
  for (float& x : values) x = std::max(x, 0.0f);
  return values;
}

std::vector<float> scaled(std::vector<float> values, float factor) {
  for (float& x : values) x *= factor;
  return values;
}

histogram histogram_of(int bins, const std::vector<float>& values) {
  histogram h(bins);
  h.add(values, summarize(values));
  return h;
}

void check_equal(const histogram& a, const histogram& b) {
  CHECK(a.width() == b.width());
  CHECK(a.zeros() == b.zeros());
  CHECK(a.counts(side::positive) == b.counts(side::positive));
  CHECK(a.counts(side::negative) == b.counts(side::negative));
}

std::uint64_t total(const histogram& h) {
  const auto counts = h.magnitude_counts();
  return std::accumulate(counts.begin(), counts.end(), h.zeros());
}

// The definition of the divergence, with every distribution written out.
double slow_divergence(const std::vector<std::uint64_t>& counts, std::size_t levels, std::size_t n) {
  std::vector<double> slice(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(n)), p = slice, q(n, 0.0);
  for (std::size_t i = n; i < counts.size(); ++i) p[n - 1] += static_cast<double>(counts[i]);
  const double level_width = static_cast<double>(n) / static_cast<double>(levels);
  for (std::size_t j = 0; j < levels; ++j) {
    const double from = static_cast<double>(j) * level_width, to = from + level_width;
    std::vector<double> overlap(n);
    double sum = 0.0, occupied = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      const double low = static_cast<double>(i);
      const double width = std::min(to, low + 1.0) - std::max(from, low);
      overlap[i] = width > 1e-9 ? width : 0.0;
      sum += overlap[i] * slice[i];
      if (p[i] > 0.0) occupied += overlap[i];
    }
    for (std::size_t i = 0; i < n; ++i)
      if (p[i] > 0.0 && occupied > 0.0) q[i] += overlap[i] * sum / occupied;
  }
  const double p_sum = std::accumulate(p.begin(), p.end(), 0.0), q_sum = std::accumulate(q.begin(), q.end(), 0.0);
  double divergence = 0.0;
  for (std::size_t i = 0; i < n; ++i)
    if (p[i] > 0.0) divergence += p[i] / p_sum * std::log(p[i] / p_sum * std::max(q_sum, 1e-4) / std::max(q[i], 1e-4));
  return divergence;
}

}  // namespace

TEST_CASE("summarize finds count, zeros and extremes at every block boundary") {
  CHECK(summarize({}) == value_summary{});
  for (std::size_t n : {1u, 2u, 3u, 255u, 256u, 257u, 511u, 512u, 513u, 1000u}) {
    CAPTURE(n);
    std::vector<float> values(n, 0.5f);
    for (std::size_t low : {std::size_t{0}, n / 2, n - 1})
      for (std::size_t high : {std::size_t{0}, n / 3, n - 1}) {
        auto v = values;
        v[low] = -3.0f;
        v[high] = 7.0f;
        const value_summary s = summarize(v);
        CHECK(s.count == n);
        CHECK(s.zeros == 0);
        CHECK(s.extremes == range{low != high ? -3.0f : n > 1 ? 0.5f : 7.0f, 7.0f});
      }
    values[n - 1] = -0.0f;
    CHECK(summarize(values).zeros == 1);
    CHECK_FALSE(std::signbit(summarize(values).extremes.lower));
  }
  CHECK(summarize(std::vector{-3.0f, -1.0f}).extremes == range{-3.0f, -1.0f});
  CHECK(summarize(std::vector{-3.0f, -1.0f}).largest_magnitude() == 3.0f);
  CHECK(summarize(std::vector{greatest, -greatest, 0.0f}).extremes == range{-greatest, greatest});
}

TEST_CASE("values that are not finite are refused by count and position, and change nothing") {
  for (const auto& recipe : all_recipes)
    for (float bad : {infinity, -infinity, not_a_number, -not_a_number})
      for (std::size_t at : {std::size_t{0}, std::size_t{17}, std::size_t{255}, std::size_t{256}, std::size_t{299}}) {
        auto o = make_observer(recipe);
        o->observe(std::vector{1.0f, 2.0f});
        const range before = o->result();
        std::vector<float> values(300, 100.0f);
        values[at] = bad;
        CHECK_THROWS_AS(o->observe(values), error);
        CHECK(o->result() == before);
        CHECK(o->seen().count == 2);
      }
  std::vector<float> values(1000, 1.0f);
  values[17] = values[500] = values[999] = infinity;
  CHECK_THROWS_WITH_AS(make_observer(absmax{})->observe(values),
                       "cannot calibrate on values that are not finite: 3 of 1000, the first (inf) at position 17",
                       error);
}

TEST_CASE("bin widths are the least power of two that fits, and every value is in its bin") {
  // 8 bins: [4, 8) * 2^k of magnitude have width 2^k.
  CHECK(histogram_of(8, {7.99f}).width() == 1.0);
  CHECK(histogram_of(8, {8.0f}).width() == 2.0);
  CHECK(histogram_of(8, {-4.0f}).width() == 1.0);
  CHECK(histogram_of(8, {3.99f}).width() == 0.5);
  CHECK(histogram_of(8, {0.0f, -0.0f}).width() == 0.0);

  const histogram h = histogram_of(8, {0.0f, -0.0f, 0.5f, 1.0f, 1.99f, 2.0f, 7.0f, -0.5f, -1.0f, -6.5f});
  using counts = std::vector<std::uint64_t>;
  CHECK(h.zeros() == 2);
  CHECK(h.counts(side::positive) == counts{1, 2, 1, 0, 0, 0, 0, 1});
  CHECK(h.counts(side::negative) == counts{1, 1, 0, 0, 0, 0, 1, 0});
  CHECK(h.magnitude_counts() == counts{2, 3, 1, 0, 0, 0, 1, 1});

  const auto values = normal_values(3001);
  const histogram wide = histogram_of(2048, values);
  counts positive(2048), negative(2048);
  for (float x : values)
    ++(x < 0 ? negative : positive)[static_cast<std::size_t>(std::fabs(static_cast<double>(x)) / wide.width())];
  CHECK(wide.counts(side::positive) == positive);
  CHECK(wide.counts(side::negative) == negative);
}

TEST_CASE("a growing range merges bins and keeps every count") {
  histogram h(8);
  const auto add = [&](std::vector<float> values) { h.add(values, summarize(values)); };
  using counts = std::vector<std::uint64_t>;
  add({0.0f, 1.0f, 2.0f, 3.0f, 7.0f, -5.0f});
  add({8.0f});  // width 2
  CHECK(h.counts(side::positive) == counts{1, 2, 0, 1, 1, 0, 0, 0});
  CHECK(h.counts(side::negative) == counts{0, 0, 1, 0, 0, 0, 0, 0});
  add({0.0f, 100.0f});  // width 16
  CHECK(h.counts(side::positive) == counts{5, 0, 0, 0, 0, 0, 1, 0});
  CHECK(h.zeros() == 2);
  add({greatest});
  CHECK(h.counts(side::positive) == counts{6, 0, 0, 0, 0, 0, 0, 1});
  CHECK(h.counts(side::negative) == counts{1, 0, 0, 0, 0, 0, 0, 0});
  CHECK(total(h) == 10);
}

TEST_CASE("a histogram does not depend on order, batches or merges") {
  // Magnitudes from 1e-6 to 1e6, both signs, some zeros: the range grows many times.
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> exponent(-6.0f, 6.0f);
  const auto values = drawn(5000, [&](std::mt19937& r) {
    const float x = std::pow(10.0f, exponent(r));
    return r() % 5 == 0 ? 0.0f : r() % 2 == 0 ? x : -x;
  });
  const histogram whole = histogram_of(512, values);
  CHECK(total(whole) == values.size());

  for (int round = 0; round < 20; ++round) {
    auto v = values;
    if (round == 0)
      std::sort(v.begin(), v.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    else
      std::shuffle(v.begin(), v.end(), random);
    histogram parts(512), left(512), right(512);
    for (std::size_t i = 0, n = 0; i < v.size(); i += n) {
      n = std::min<std::size_t>(1 + random() % 700, v.size() - i);
      const std::span<const float> batch(v.data() + i, n);
      const auto summary = summarize(batch);
      parts.add(batch, summary);
      (random() % 2 == 0 ? left : right).add(batch, summary);
    }
    check_equal(parts, whole);
    histogram both = left;
    both.merge(right);
    check_equal(both, whole);
    right.merge(left);
    check_equal(right, whole);
  }
}

TEST_CASE("histograms merge whichever is finer, empty ones too") {
  const histogram fine = histogram_of(8, {1.0f, 3.0f, -7.0f, 0.0f}), coarse = histogram_of(8, {100.0f});
  const histogram expected = histogram_of(8, {1.0f, 3.0f, -7.0f, 0.0f, 100.0f});
  histogram a = fine, b = coarse, empty(8), zeros = histogram_of(8, {0.0f});
  a.merge(coarse);
  b.merge(fine);
  check_equal(a, expected);
  check_equal(b, expected);
  empty.merge(fine);
  check_equal(empty, fine);
  empty.merge(histogram(8));
  check_equal(empty, fine);
  zeros.merge(fine);
  CHECK(zeros.zeros() == 2);
  CHECK(total(zeros) == 5);
  a.merge(a);
  CHECK(total(a) == 10);
  CHECK_THROWS_WITH_AS(a.merge(histogram(16)), "cannot merge histograms of 8 and 16 bins", error);
  for (int bins : {-8, 0, 1, 3, 100}) CHECK_THROWS_AS(histogram{bins}, error);
}

TEST_CASE("observers do not depend on order, batches or merges, to the last bit") {
  std::mt19937 random(seed);
  for (const auto& data : {normal_values(4000), relu(normal_values(4000)), scaled(normal_values(4000), 1e-3f)})
    for (const auto& recipe : all_recipes) {
      CAPTURE(text(recipe));
      const range expected = result_of(recipe, data);
      auto v = data;
      std::shuffle(v.begin(), v.end(), random);
      auto one = make_observer(recipe), left = make_observer(recipe), right = make_observer(recipe);
      for (std::size_t i = 0, n = 0; i < v.size(); i += n) {
        n = std::min<std::size_t>(random() % 600, v.size() - i);  // empty batches too
        const std::span<const float> batch(v.data() + i, n);
        one->observe(batch);
        (i < v.size() / 3 ? left : right)->observe(batch);
      }
      CHECK(one->result() == expected);
      left->merge(*right);
      CHECK(left->result() == expected);
      CHECK(left->seen() == one->seen());
      left->merge(*make_observer(recipe));  // has seen nothing
      CHECK(left->result() == expected);
    }
}

TEST_CASE("observers of different kinds or parameters do not merge") {
  auto o = make_observer(entropy{});
  CHECK_THROWS_WITH_AS(o->merge(*make_observer(percentile{})),
                       "cannot merge an observer of kind percentile(fraction 0.99999) into one of kind "
                       "entropy(bins 2048, smallest share 0.5)",
                       error);
  CHECK_THROWS_AS(o->merge(*make_observer(entropy{.bins = 1024})), error);
  CHECK_THROWS_AS(make_observer(absmax{})->merge(*make_observer(minmax{})), error);
}

TEST_CASE("an observer that has seen nothing has no result") {
  for (const auto& recipe : all_recipes) {
    auto o = make_observer(recipe);
    CHECK_THROWS_AS(o->result(), error);
    o->observe({});
    CHECK_THROWS_AS(o->result(), error);
  }
  CHECK_THROWS_WITH_AS(make_observer(absmax{})->result(), "absmax: cannot choose a range, no value was observed",
                       error);
}

TEST_CASE("single values, zeros and constants") {
  for (const auto& recipe : all_recipes) {
    CAPTURE(text(recipe));
    for (std::size_t n : {1u, 2u, 300u}) {
      CHECK(result_of(recipe, std::vector<float>(n, 0.0f)) == range{0.0f, 0.0f});
      CHECK(result_of(recipe, std::vector<float>(n, -0.0f)) == range{0.0f, 0.0f});
      for (float x : {1.0f, 3.14159f, 255.0f, 1e-30f, 1e30f, greatest, 1e-38f, 1e-42f}) {
        CAPTURE(x);
        const std::vector<float> equal(n, x), negative(n, -x);
        // Of 300 equal values percentile 0.9 may cut 30: within the bin they are taken as evenly spread.
        const bool cuts = recipe == calibration_recipe{percentile{.fraction = 0.9}} && n == 300;
        const float tolerance = cuts ? x / 2048.0f : 0.0f;
        if (cuts && x < 1e-35f) continue;  // below the smallest bin width
        CHECK(result_of(recipe, equal).lower == 0.0f);
        CHECK(std::fabs(result_of(recipe, equal).upper - x) <= tolerance);
        CHECK(std::fabs(result_of(recipe, negative).lower + x) <= tolerance);
      }
    }
  }
  CHECK(result_of(absmax{}, {-2.0f}) == range{-2.0f, 2.0f});
  CHECK(result_of(entropy{}, {-2.0f}) == range{-2.0f, 2.0f});
  CHECK(result_of(minmax{}, {-2.0f}) == range{-2.0f, -2.0f});
  CHECK(result_of(percentile{}, {-2.0f}) == range{-2.0f, 0.0f});
}

TEST_CASE("the unsigned rule: lower is 0 unless something negative was seen") {
  const std::vector<float> positive{1.0f, 5.0f, 2.0f}, with_negative{1.0f, 5.0f, -2.0f};
  for (const auto& recipe : {calibration_recipe{absmax{}}, {minmax{}}, {percentile{}}, {entropy{}}}) {
    CAPTURE(text(recipe));
    CHECK(result_of(recipe, positive) == range{0.0f, 5.0f});
    auto o = make_observer(recipe);
    o->observe(positive);
    CHECK(o->result().lower == 0.0f);
    o->observe(std::vector{-2.0f});
    CHECK(o->result().lower < 0.0f);
  }
  CHECK(result_of(absmax{}, with_negative) == range{-5.0f, 5.0f});
  CHECK(result_of(minmax{}, with_negative) == range{-2.0f, 5.0f});
  CHECK(result_of(percentile{}, with_negative) == range{-2.0f, 5.0f});
  CHECK(result_of(entropy{}, with_negative) == range{-5.0f, 5.0f});
}

TEST_CASE("percentile: exact counts are cut from both tails") {
  // 1..100 and fraction 0.9: 10 values are cut, 91..100. Half of a bin is 100/8192 at most.
  std::vector<float> ramp(100);
  std::iota(ramp.begin(), ramp.end(), 1.0f);
  const range up = result_of(percentile{.fraction = 0.9}, ramp);
  CHECK(up.lower == 0.0f);
  CHECK(up.upper == doctest::Approx(90.0).epsilon(5e-4));
  CHECK(result_of(percentile{.fraction = 1.0}, ramp) == range{0.0f, 100.0f});
  CHECK(result_of(percentile{.fraction = 0.9}, scaled(ramp, -1.0f)).lower == doctest::Approx(-90.0).epsilon(5e-4));

  const auto uniform =
      drawn(200000, [u = std::uniform_real_distribution<float>(-1.0f, 3.0f)](std::mt19937& r) mutable { return u(r); });
  const range both = result_of(percentile{.fraction = 0.99}, uniform);
  CHECK(both.lower == doctest::Approx(-0.96).epsilon(0.005));
  CHECK(both.upper == doctest::Approx(2.96).epsilon(0.002));

  // Zeros count: of 1000 values 900 are 0, a fraction of 0.95 cuts half of the others.
  std::vector<float> sparse(1000, 0.0f);
  for (std::size_t i = 0; i < 100; ++i) sparse[i] = static_cast<float>(i + 1);
  CHECK(result_of(percentile{.fraction = 0.95}, sparse).upper == doctest::Approx(50.0).epsilon(1e-3));
  CHECK(result_of(percentile{.fraction = 0.9}, sparse).upper == 0.0f);

  // Positive values only in the cut: the range still contains 0.
  std::vector<float> mostly_negative(1000, -1.0f);
  mostly_negative[3] = 5.0f;
  CHECK(result_of(percentile{.fraction = 0.99}, mostly_negative).upper == 0.0f);

  const float tail = result_of(percentile{.fraction = 0.999}, normal_values(1000000)).upper;
  CHECK(tail == doctest::Approx(3.0902).epsilon(0.01));  // the 0.999 quantile of the normal distribution
}

TEST_CASE("divergences by hand") {
  using counts = std::vector<std::uint64_t>;
  const counts a{4, 0, 2, 1};
  // Two levels of two bins: Q = 4, 0, 1.5, 1.5.
  CHECK(detail::divergence_table(a, 2).divergence(4) ==
        doctest::Approx((2 * std::log(2 / 1.5) + std::log(1 / 1.5)) / 7));
  // P = 4, 0, 3 of 7; two levels of 1.5 bins: Q = 4, 0, 2 of 6.
  CHECK(detail::divergence_table(a, 2).divergence(3) ==
        doctest::Approx((4 * std::log(4.0 / 7 * 6 / 4) + 3 * std::log(3.0 / 7 * 6 / 2)) / 7));
  // The middle bin is halved by the level boundary: Q = 8/3 everywhere.
  CHECK(detail::divergence_table(counts{2, 4, 2}, 2).divergence(3) ==
        doctest::Approx((4 * std::log(2 * 3 / 8.0) + 4 * std::log(4 * 3 / 8.0)) / 8));
  // The last level holds clipped values only: Q is 1e-4 there.
  CHECK(detail::divergence_table(counts{3, 0, 0, 5}, 2).divergence(2) ==
        doctest::Approx((3 * std::log(3.0 / 8 * 3 / 3) + 5 * std::log(5.0 / 8 * 3 / 1e-4)) / 8));

  CHECK(entropy_bins(counts{1, 1, 1, 1}, 2, 0) == 4);
  CHECK(entropy_bins(counts{}, 2, 0) == 0);
  CHECK(entropy_bins(counts{0, 0, 0}, 2, 0) == 0);
  CHECK(entropy_bins(counts{5, 1, 0}, 2, 0) == 2);  // not more bins than levels
  CHECK(entropy_bins(counts{0, 0, 0, 0, 9, 0}, 2, 0) == 5);
  // One outlier beyond a steep slope: clip it, unless small thresholds are not wanted.
  const counts outlier{4000, 400, 40, 4, 0, 0, 0, 1};
  CHECK(entropy_bins(outlier, 4, 0) == 4);
  CHECK(entropy_bins(outlier, 4, 8) == 8);
  CHECK_THROWS_AS(entropy_bins(outlier, 0, 0), error);
}

TEST_CASE("divergences agree with the definition written out") {
  std::mt19937 random(seed);
  for (std::size_t levels : {16u, 128u, 256u})
    for (int round = 0; round < 4; ++round) {
      std::vector<std::uint64_t> counts(700);
      for (std::size_t i = 0; i < counts.size(); ++i)  // falling, with gaps: all the more of them in later rounds
        counts[i] = static_cast<int>(random() % 5) < round ? 0 : random() % (100000 / (i + 1) + 2);
      detail::divergence_table table(counts, levels);
      double least = std::numeric_limits<double>::infinity();
      std::size_t best = 0, used = counts.size();
      while (counts[used - 1] == 0) --used;
      for (std::size_t n = levels; n <= used; n += round == 0 ? 1 : 13) {
        CAPTURE(levels);
        CAPTURE(n);
        const double slow = slow_divergence(counts, levels, n);
        CHECK(table.divergence(n) == doctest::Approx(slow).epsilon(1e-8));
        if (slow <= least) least = slow, best = n;
      }
      if (round == 0) CHECK(entropy_bins(counts, levels, 0) == best);
    }
}

TEST_CASE("entropy on known distributions") {
  const auto share_of_max = [](const std::vector<float>& values, const entropy& recipe = {}) {
    return result_of(recipe, values).upper / result_of(absmax{}, values).upper;
  };
  // Uniform: every level is full, clipping only harms.
  std::uniform_real_distribution<float> unit(0.0f, 1.0f);
  CHECK(share_of_max(drawn(200000, [&](std::mt19937& r) { return unit(r); })) > 0.99f);

  // Normal: symmetric, and only the thin end of the tail is clipped.
  const range normal = result_of(entropy{}, normal_values(200000));
  CHECK(normal.lower == -normal.upper);
  CHECK(normal.upper > 3.5f);
  CHECK(normal.upper < 5.0f);

  // Exact zeros change nothing: half-normal values with and without a relu's zeros.
  auto half_normal = normal_values(200000);
  for (float& x : half_normal) x = std::fabs(x);
  auto with_zeros = half_normal;
  with_zeros.resize(1000000, 0.0f);
  CHECK(result_of(entropy{}, with_zeros) == result_of(entropy{}, half_normal));
  CHECK(result_of(entropy{}, half_normal).upper > 3.5f);

  // Outliers: one value in ten thousand is eight times as large. They are clipped; how far is up to smallest_share.
  auto outliers = normal_values(200000);
  for (std::size_t i = 0; i < outliers.size(); i += 10000) outliers[i] *= 8.0f;
  outliers[0] = 24.0f;
  CHECK(share_of_max(outliers) < 0.75f);
  CHECK(share_of_max(outliers) >= 0.5f - 1.0f / 1024);
  CHECK(share_of_max(outliers, {.smallest_share = 0.0}) < 0.35f);
  CHECK(share_of_max(outliers, {.smallest_share = 1.0}) == 1.0f);

  // The threshold is the middle of the last bin that is kept.
  const histogram h = histogram_of(2048, outliers);
  const auto first = static_cast<std::size_t>(std::ceil(0.5 * 24.0 / h.width()));
  const double kept = static_cast<double>(entropy_bins(h.magnitude_counts(), 128, first));
  CHECK(result_of(entropy{}, outliers).upper == static_cast<float>((kept - 0.5) * h.width()));

  // A power of two as factor moves nothing but the exponent.
  const auto values = relu(normal_values(50000));
  const float t = result_of(entropy{}, values).upper;
  for (int k : {-90, -10, 3, 100})
    CHECK(result_of(entropy{}, scaled(values, std::ldexp(1.0f, k))).upper == std::ldexp(t, k));
  for (float factor : {1e-30f, 1e30f}) CHECK(share_of_max(scaled(values, factor)) > 0.6f);
}

TEST_CASE("recipes by name") {
  for (const char* name : {"absmax", "minmax", "percentile", "entropy"}) {
    CHECK(name_of(recipe_named(name)) == name);
    CHECK(make_observer(recipe_named(name))->recipe() == recipe_named(name));
  }
  CHECK(recipe_named("entropy") == calibration_recipe{entropy{}});
  CHECK_THROWS_WITH_AS(recipe_named("kl"),
                       "no calibration recipe is called 'kl': there are absmax, minmax, percentile and entropy", error);
  CHECK(text(recipe_named("absmax")) == "absmax");
  CHECK(text(calibration_recipe{percentile{.fraction = 0.9999999}}) == "percentile(fraction 0.9999999)");
  CHECK(text(recipe_named("entropy")) == "entropy(bins 2048, smallest share 0.5)");
}

TEST_CASE("parameters out of range are refused") {
  for (int bins : {-1, 0, 256, 1000, 131072}) CHECK_THROWS_AS(make_observer(entropy{.bins = bins}), error);
  for (double share : {-0.1, 1.1, std::nan("")})
    CHECK_THROWS_AS(make_observer(entropy{.smallest_share = share}), error);
  for (double fraction : {0.0, 0.5, 1.1, std::nan("")})
    CHECK_THROWS_AS(make_observer(percentile{.fraction = fraction}), error);
  for (int bins : {512, 65536}) {
    CAPTURE(bins);
    CHECK(result_of(entropy{.bins = bins}, {1.0f, 2.0f, 3.0f}) == range{0.0f, 3.0f});
  }
}
