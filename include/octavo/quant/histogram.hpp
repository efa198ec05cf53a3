// Histograms of the values on one edge, in constant memory over any number of batches.
//
// Bin i of a side holds the counts of i w <= |x| < (i + 1) w; there is a side for x >= 0 and one for x < 0.
// The width w is the least power of two that fits the largest magnitude seen so far into the bins. So
//   - values map to bins without rounding (a product with 1/w is exact);
//   - when the range grows, whole groups of 2^d bins merge and every count stays exact;
//   - the histogram depends on the values only, not on their order, their batches or how histograms were merged.
// Between half of the bins and all of them are in use.
//
// Exact zeros are counted apart. After a relu half of the values or more are 0, and 0 is represented exactly whatever
// the scale, so they carry no information for the choice of a scale (see entropy_bins).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "octavo/base/error.hpp"
#include "octavo/quant/affine.hpp"

namespace octavo {

/// What one pass over some values finds. `extremes` of no values is [inf, -inf], the neutral element of merging.
struct value_summary {
  std::uint64_t count = 0;
  std::uint64_t zeros = 0;
  range extremes{std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};

  /// Takes up what another summary found.
  void merge(const value_summary& other) {
    count += other.count;
    zeros += other.zeros;
    extremes.lower = std::min(extremes.lower, other.extremes.lower);
    extremes.upper = std::max(extremes.upper, other.extremes.upper);
  }

  /// max |x|; 0 when nothing was seen.
  float largest_magnitude() const { return count == 0 ? 0.0f : std::max(-extremes.lower, extremes.upper); }

  friend bool operator==(const value_summary&, const value_summary&) = default;
};

namespace detail {

// The loops over values run in blocks of this many: a constant trip count is what g++ 12 vectorises at -O2.
inline constexpr std::size_t value_block = 256;

// Integers in the order of the floats they stand for; NaNs lie beyond the infinities. Compilers vectorise integer
// minima, but not those of floats, where NaN and -0 forbid it. The map is its own inverse.
constexpr std::int32_t ordered_bits(std::int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }

struct bit_extremes {
  std::int32_t lower = std::numeric_limits<std::int32_t>::max();
  std::int32_t upper = std::numeric_limits<std::int32_t>::min();
  std::int32_t zeros = 0;
};

template <std::size_t N>
void scan_values(const float* x, bit_extremes& found) {
  bit_extremes f = found;
  for (std::size_t i = 0; i < N; ++i) {
    const std::int32_t key = ordered_bits(std::bit_cast<std::int32_t>(x[i]));
    f.lower = key < f.lower ? key : f.lower;
    f.upper = key > f.upper ? key : f.upper;
    f.zeros += x[i] == 0.0f;
  }
  found = f;
}

[[noreturn]] inline void refuse_not_finite(std::span<const float> values) {
  const auto bad = [](float x) { return !std::isfinite(x); };
  const auto first = std::find_if(values.begin(), values.end(), bad);
  fail("cannot calibrate on values that are not finite: ", std::count_if(first, values.end(), bad), " of ",
       values.size(), ", the first (", *first, ") at position ", first - values.begin());
}

}  // namespace detail

/// Count, zeros and extremes of `values`. Throws octavo::error when some are not finite: it tells how many of them
/// there are, and where the first one is.
inline value_summary summarize(std::span<const float> values) {
  using namespace detail;
  constexpr std::int32_t infinity = std::bit_cast<std::int32_t>(std::numeric_limits<float>::infinity());
  constexpr std::int32_t minus_infinity =
      ordered_bits(std::bit_cast<std::int32_t>(-std::numeric_limits<float>::infinity()));
  if (values.empty()) return {};

  value_summary out{.count = values.size()};
  bit_extremes found;
  const float *x = values.data(), *const end = x + values.size();
  for (; static_cast<std::size_t>(end - x) >= value_block; x += value_block) {
    scan_values<value_block>(x, found);
    out.zeros += static_cast<std::uint64_t>(found.zeros);
    found.zeros = 0;
  }
  for (; x != end; ++x) scan_values<1>(x, found);
  if (found.lower <= minus_infinity || found.upper >= infinity) refuse_not_finite(values);
  out.zeros += static_cast<std::uint64_t>(found.zeros);
  // + 0.0f: a lowest value of -0 becomes +0.
  out.extremes = {std::bit_cast<float>(ordered_bits(found.lower)) + 0.0f,
                  std::bit_cast<float>(ordered_bits(found.upper)) + 0.0f};
  return out;
}

/// The counts of |x|, values of either sign apart. Memory: 32 bytes per bin.
class histogram {
 public:
  enum class side { positive, negative };

  /// `bins` on each side, a power of two. Throws octavo::error for others.
  explicit histogram(int bins) : bins_(static_cast<std::size_t>(bins)) {
    require(bins >= 2 && bins <= (1 << 20) && std::has_single_bit(bins_), "a histogram of ", bins,
            " bins: the number must be a power of two from 2 to 2^20");
    for (auto& lane : lanes_) lane.resize(2 * bins_);
  }

  /// Counts finite `values`; `summary` is summarize(values), so that all range checks were made there.
  void add(std::span<const float> values, const value_summary& summary) {
    zeros_ += summary.zeros;
    if (summary.zeros == summary.count) return;  // before the first magnitude there is no bin width
    grow(exponent_for(summary.largest_magnitude()));
    const float* x = values.data();
    std::size_t left = values.size();
    for (; left >= detail::value_block; left -= detail::value_block, x += detail::value_block)
      count<detail::value_block>(x);
    for (; left >= lane_count; left -= lane_count, x += lane_count) count<lane_count>(x);
    for (; left > 0; --left, ++x) count<1>(x);
    // The zeros were counted in positive bin 0, as that costs nothing. A single lane may wrap below 0 here, and the
    // sum over the lanes is still right: arithmetic is modulo 2^64.
    lanes_[0][0] -= summary.zeros;
  }

  /// Adds the counts of `other`, exactly; the finer of the two is coarsened. Throws octavo::error when the numbers of
  /// bins differ.
  void merge(const histogram& other) {
    require(bins_ == other.bins_, "cannot merge histograms of ", bins_, " and ", other.bins_, " bins");
    zeros_ += other.zeros_;
    if (other.exponent_ == no_exponent) return;
    grow(other.exponent_);
    const int shift = std::min(exponent_ - other.exponent_, 31);
    for (std::size_t l = 0; l < lane_count; ++l)
      for (std::size_t i = 0; i < bins_; ++i) {
        lanes_[l][i >> shift] += other.lanes_[l][i];
        lanes_[l][bins_ + (i >> shift)] += other.lanes_[l][bins_ + i];
      }
  }

  std::size_t bins() const { return bins_; }

  /// The number of exact zeros; no bin counts them.
  std::uint64_t zeros() const { return zeros_; }

  /// The width of a bin in the unit of the values, a power of two; 0 before the first value other than 0.
  double width() const { return exponent_ == no_exponent ? 0.0 : std::ldexp(1.0, exponent_); }

  /// The counts of one side, bin 0 first.                                                            // (bins)
  std::vector<std::uint64_t> counts(side s) const {
    std::vector<std::uint64_t> sum(bins_, 0);
    const std::size_t start = s == side::negative ? bins_ : 0;
    for (const auto& lane : lanes_)
      for (std::size_t i = 0; i < bins_; ++i) sum[i] += lane[start + i];
    return sum;
  }

  /// The counts of |x|, bin 0 first.                                                                 // (bins)
  std::vector<std::uint64_t> magnitude_counts() const {
    auto sum = counts(side::positive);
    const auto negative = counts(side::negative);
    for (std::size_t i = 0; i < bins_; ++i) sum[i] += negative[i];
    return sum;
  }

 private:
  // Neighbouring values often fall into the same bin; counting them in turn in several copies keeps the processor
  // from waiting for the store of one increment before it loads for the next.
  static constexpr std::size_t lane_count = 2;
  static constexpr int no_exponent = std::numeric_limits<int>::min();
  // Below it 1/w would leave binary32. Edges whose values are all smaller than bins * 2^-126 use fewer bins.
  static constexpr int smallest_exponent = -126;

  // w = 2^exponent is the least width with magnitude < bins * w.
  int exponent_for(float magnitude) const {
    return std::max(std::ilogb(magnitude) + 1 - std::countr_zero(bins_), smallest_exponent);
  }

  void grow(int exponent) {
    if (exponent <= exponent_) return;
    if (exponent_ != no_exponent) {
      const int shift = std::min(exponent - exponent_, 31);
      for (auto& lane : lanes_)
        for (std::size_t start : {std::size_t{0}, bins_})
          for (std::size_t i = 1; i < bins_; ++i) {
            const std::uint64_t moved = lane[start + i];
            lane[start + i] = 0;
            lane[start + (i >> shift)] += moved;  // i >> shift < i: a bin that is already empty or being filled
          }
    }
    exponent_ = exponent;
    reciprocal_ = std::ldexp(1.0f, -exponent);
  }

  template <std::size_t N>
  void count(const float* x) {
    std::int32_t index[N];
    const float reciprocal = reciprocal_;
    const std::int32_t bins = static_cast<std::int32_t>(bins_);
    for (std::size_t i = 0; i < N; ++i) {
      const std::int32_t negative = x[i] < 0.0f ? bins : 0;  // not the sign bit: -0 belongs to the other zeros
      index[i] = static_cast<std::int32_t>(std::fabs(x[i]) * reciprocal) + negative;
    }
    for (std::size_t i = 0; i < N; i += lane_count)
      for (std::size_t l = 0; l < std::min(lane_count, N); ++l) ++lanes_[l][static_cast<std::size_t>(index[i + l])];
  }

  std::size_t bins_;
  int exponent_ = no_exponent;
  float reciprocal_ = 0.0f;  // 1/w
  std::uint64_t zeros_ = 0;
  std::array<std::vector<std::uint64_t>, lane_count> lanes_;  // of 2 * bins: the positive side, the negative side
};

}  // namespace octavo
