// Observers: each watches the values of one edge over any number of batches, in constant memory, and then names the
// range of real numbers that the 8-bit values of this edge shall cover.
//
// With lo and hi the least and the greatest value seen:
//                 lo >= 0 (u8 with zero point 0)   otherwise
//   absmax        [0, hi]                          [-t, t], t = max |x|
//   minmax        [0, hi]                          [lo, hi]
//   percentile    [0, upper quantile]              [lower quantile, upper quantile], widened to contain 0
//   entropy       [0, t]                           [-t, t], t of least Kullback-Leibler divergence
// choose_affine (affine.hpp) turns [0, t] into zero point 0 and 255 steps, [-t, t] into zero point 128 and 127 steps a
// side.
//
// Entropy: S. Migacz, "8-bit inference with TensorRT", GTC 2017. See entropy_bins for the formula.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "octavo/base/error.hpp"
#include "octavo/quant/affine.hpp"
#include "octavo/quant/histogram.hpp"

namespace octavo {

/// The largest magnitude: nothing is clipped, the range is symmetric.
struct absmax {
  static constexpr std::string_view name = "absmax";
  friend bool operator==(const absmax&, const absmax&) = default;
};

/// The least and the greatest value: nothing is clipped, the zero point is free.
struct minmax {
  static constexpr std::string_view name = "minmax";
  friend bool operator==(const minmax&, const minmax&) = default;
};

/// Quantiles, zeros included: at each end at most the share 1 - fraction of all values is clipped.
struct percentile {
  static constexpr std::string_view name = "percentile";
  double fraction = 0.99999;  // in (0.5, 1]
  friend bool operator==(const percentile&, const percentile&) = default;
};

/// The threshold of least Kullback-Leibler divergence between the values and their quantized image.
struct entropy {
  static constexpr std::string_view name = "entropy";
  // Bins of the histogram of |x|, a power of two from 512 to 65536. Half of them or more are in use.
  int bins = 2048;
  // Thresholds below this share of the largest magnitude are not tried; in [0, 1]. With less than a half a few large
  // outliers count for nothing: log-normal values then lose 8 dB of signal-to-noise ratio.
  double smallest_share = 0.5;
  friend bool operator==(const entropy&, const entropy&) = default;
};

/// How to find the range of an edge.
using calibration_recipe = std::variant<absmax, minmax, percentile, entropy>;

/// absmax, minmax, percentile or entropy.
inline std::string_view name_of(const calibration_recipe& recipe) {
  return std::visit([](const auto& r) { return r.name; }, recipe);
}

/// Writes the name, and behind it the parameters: `entropy(bins 2048, smallest share 0.5)`.
inline std::ostream& operator<<(std::ostream& out, const calibration_recipe& recipe) {
  out << name_of(recipe);
  if (const auto* p = std::get_if<percentile>(&recipe)) {
    const auto precision = out.precision(12);  // six digits would print 0.9999999 as 1
    out << "(fraction " << p->fraction << ")";
    out.precision(precision);
  }
  if (const auto* e = std::get_if<entropy>(&recipe))
    out << "(bins " << e->bins << ", smallest share " << e->smallest_share << ")";
  return out;
}

/// The recipe of that name with its default parameters. Throws octavo::error, with the names there are, for others.
inline calibration_recipe recipe_named(std::string_view name) {
  const std::array<calibration_recipe, 4> recipes{absmax{}, minmax{}, percentile{}, entropy{}};
  for (const auto& recipe : recipes)
    if (name_of(recipe) == name) return recipe;
  fail("no calibration recipe is called '", name, "': there are absmax, minmax, percentile and entropy");
}

/// Watches the values of one edge. Not for concurrent use: let each thread have its own and merge them.
class observer {
 public:
  virtual ~observer() = default;

  /// Takes one batch into account; none at all is fine. Throws octavo::error, and leaves the observer as it was, when
  /// a value is not finite.
  void observe(std::span<const float> values) {
    const value_summary summary = summarize(values);
    if (summary.count == 0) return;
    tally(values, summary);
    seen_.merge(summary);
  }

  /// The range that the quantized values shall cover, in the unit of the values (see the table above). Throws
  /// octavo::error when nothing was observed.
  range result() const {
    require(seen_.count > 0, name_of(recipe_), ": cannot choose a range, no value was observed");
    return choose();
  }

  /// Takes over what `other` has seen, as if its batches had been observed here: the result is the same to the last
  /// bit. Throws octavo::error when `other` follows another recipe or the same one with other parameters.
  void merge(const observer& other) {
    require(recipe_ == other.recipe_, "cannot merge an observer of kind ", other.recipe_, " into one of kind ",
            recipe_);
    absorb(other);
    seen_.merge(other.seen_);
  }

  const calibration_recipe& recipe() const { return recipe_; }

  /// Count, zeros and extremes of all that was observed.
  const value_summary& seen() const { return seen_; }

 protected:
  explicit observer(calibration_recipe recipe) : recipe_(std::move(recipe)) {}
  observer(const observer&) = default;
  observer& operator=(const observer&) = default;

 private:
  virtual void tally(std::span<const float>, const value_summary&) {}
  virtual void absorb(const observer&) {}  // `other` has the same recipe, hence the same type
  virtual range choose() const = 0;

  calibration_recipe recipe_;
  value_summary seen_;
};

namespace detail {

// The divergences of entropy_bins, each in O(levels) from prefix sums over the bins. Sums of counts are exact in
// double up to 2^53 values.
class divergence_table {
 public:
  divergence_table(std::span<const std::uint64_t> counts, std::size_t levels)
      : levels_(levels), density_(levels + 1), count_(counts.begin(), counts.end()) {
    for (double c : count_) {
      sum_.push_back(sum_.back() + c);
      occupied_.push_back(occupied_.back() + (c > 0.0 ? 1.0 : 0.0));
      c_log_c_.push_back(c_log_c_.back() + (c > 0.0 ? c * std::log(c) : 0.0));
    }
  }

  // KL(P || Q) when the lower n bins are kept, levels <= n <= bins.
  double divergence(std::size_t n) {
    fill_densities(n);
    const double total = sum_.back(), kept = sum_[n], last = count_[n - 1] + (total - kept);
    double p_log_q = 0.0;  // over all bins but the last
    for (std::size_t j = 0; j < levels_; ++j) {
      const place from = boundary(j, n), to = boundary(j + 1, n);
      const std::size_t first = from.bin + (from.part > 0.0), end = std::min(to.bin, n - 1);
      const double whole = end > first ? sum_[end] - sum_[first] : 0.0;
      if (whole > 0.0) p_log_q += whole * std::log(density_[j]);
      if (to.part > 0.0 && count_[to.bin] > 0.0)  // a level is at least one bin wide: the bin meets no third level
        p_log_q += count_[to.bin] * std::log(to.part * density_[j] + (1.0 - to.part) * density_[j + 1]);
    }
    const double p_log_p = c_log_c_[n - 1] + (last > 0.0 ? last * std::log(last) : 0.0);
    if (last > 0.0) p_log_q += last * std::log(std::max(density_[levels_ - 1], smoothing));
    return (p_log_p - p_log_q) / total + std::log(std::max(kept, smoothing) / total);
  }

 private:
  static constexpr double smoothing = 1e-4;  // of a count

  struct place {
    std::size_t bin;
    double part;  // of this bin, in [0, 1)
  };

  // The lower end of level j, j n/levels, in bins.
  place boundary(std::size_t j, std::size_t n) const {
    const std::size_t scaled = j * n;
    return {scaled / levels_, static_cast<double>(scaled % levels_) / static_cast<double>(levels_)};
  }

  // Q in each level: its counts over the number of its bins that are not empty in P.
  void fill_densities(std::size_t n) {
    const bool last_only_clipped = count_[n - 1] == 0.0 && sum_[n] < sum_.back();
    double sum_before = 0.0, occupied_before = 0.0;
    for (std::size_t j = 0; j < levels_; ++j) {
      const place to = boundary(j + 1, n);
      double sum = sum_[to.bin], occupied = occupied_[to.bin];
      if (to.part > 0.0) {
        sum += to.part * count_[to.bin];
        occupied += count_[to.bin] > 0.0 ? to.part : 0.0;
      }
      if (j + 1 == levels_ && last_only_clipped) occupied += 1.0;
      density_[j] = sum > sum_before ? (sum - sum_before) / (occupied - occupied_before) : 0.0;
      sum_before = sum;
      occupied_before = occupied;
    }
  }

  std::size_t levels_;
  std::vector<double> density_;                                    // (levels), and a 0 behind
  std::vector<double> count_, sum_{0}, occupied_{0}, c_log_c_{0};  // (bins), the sums (bins + 1)
};

}  // namespace detail

/// How many of the lower bins to keep, so that the distribution P of the clipped values and the distribution Q of their
/// quantized images differ least. For each candidate n, in bins:
///   P = counts[0, n), all later counts added to its last bin: those are the values that would be clipped;
///   Q = counts[0, n) without them, merged into `levels` levels of n/levels bins each and spread back evenly over
///       those bins where P is not 0; KL(P || Q) = sum P log(P/Q), both normalised to 1.
/// The fewer bins, the finer are the levels and the more is clipped. A level boundary inside a bin splits this bin in
/// proportion; levels of floor(n/levels) bins, as often seen, leave a last level of up to twice the width and make the
/// divergence jump with n. Where Q would be 0 it is one ten-thousandth of a count; that can only be the last bin.
///
/// Candidates run from max(smallest, levels) to the last bin that is not empty; of equal ones the greatest is taken.
/// With `levels` bins or fewer, none of which can be clipped for a gain, all of those are kept.
///
/// `counts` leave out exact zeros. As a part of bin 0 they would be a peak that the lowest level smears over its other
/// bins, although every scale represents 0 exactly, and the divergence would favour ever fewer bins per level: for
/// half-normal values up to 5.0, half of them zeros, the threshold (u8) is 4.5 without the zeros, which is near the
/// least mean square error, and 2.5 with them. As a level of their own they would only multiply every divergence by
/// the same factor.
///
/// O(counts + candidates * levels), by prefix sums. Throws octavo::error when levels is 0.
inline std::size_t entropy_bins(std::span<const std::uint64_t> counts, std::size_t levels, std::size_t smallest) {
  require(levels > 0, "entropy: a quantized type needs at least one level");
  std::size_t used = counts.size();
  while (used > 0 && counts[used - 1] == 0) --used;
  std::size_t best = used;
  if (used <= levels) return best;
  detail::divergence_table table(counts.first(used), levels);
  double least = table.divergence(used);
  for (std::size_t n = used - 1; n >= std::max(smallest, levels); --n)
    if (const double d = table.divergence(n); d < least) {
      least = d;
      best = n;
    }
  return best;
}

namespace detail {

class extremes_observer final : public observer {
 public:
  explicit extremes_observer(absmax recipe) : observer(recipe), symmetric_(true) {}
  explicit extremes_observer(minmax recipe) : observer(recipe), symmetric_(false) {}

 private:
  range choose() const override {
    const auto [lower, upper] = seen().extremes;
    if (lower >= 0.0f) return {0.0f, upper};
    const float t = seen().largest_magnitude();
    return symmetric_ ? range{-t, t} : range{lower, upper};
  }

  bool symmetric_;
};

class percentile_observer final : public observer {
 public:
  explicit percentile_observer(percentile recipe) : observer(recipe), fraction_(recipe.fraction) {
    require(fraction_ > 0.5 && fraction_ <= 1.0, "percentile: the fraction is ", fraction_,
            ", it must be greater than 0.5 and at most 1");
  }

 private:
  // Finer than for entropy: quantiles are known to a bin's width, and only the two tails are ever looked at.
  static constexpr int bins = 4096;

  void tally(std::span<const float> values, const value_summary& summary) override { histogram_.add(values, summary); }
  void absorb(const observer& other) override {
    histogram_.merge(static_cast<const percentile_observer&>(other).histogram_);
  }

  range choose() const override {
    const auto [lower, upper] = seen().extremes;
    return {std::max(-tail(histogram::side::negative), std::min(lower, 0.0f)),
            std::min(tail(histogram::side::positive), std::max(upper, 0.0f))};
  }

  // The magnitude beyond which at most floor((1 - fraction) count) values of this side lie, evenly spread in their
  // bins; 0 if the side has no more values than that.
  float tail(histogram::side side) const {
    const double all = static_cast<double>(seen().count);
    double cut = all - std::ceil(fraction_ * all);
    const auto counts = histogram_.counts(side);
    for (std::size_t i = counts.size(); i-- > 0;) {
      const double here = static_cast<double>(counts[i]);
      if (cut < here) return static_cast<float>(histogram_.width() * (static_cast<double>(i) + 1.0 - cut / here));
      cut -= here;
    }
    return 0.0f;
  }

  double fraction_;
  histogram histogram_{bins};
};

class entropy_observer final : public observer {
 public:
  explicit entropy_observer(entropy recipe)
      : observer(recipe), smallest_share_(recipe.smallest_share), histogram_(checked_bins(recipe)) {}

 private:
  static int checked_bins(const entropy& recipe) {
    // Half of the bins are in use at least: at 512 those are the 256 levels of u8.
    require(recipe.bins >= 512 && recipe.bins <= 65536 && (recipe.bins & (recipe.bins - 1)) == 0,
            "entropy: ", recipe.bins, " bins, it must be a power of two from 512 to 65536");
    require(recipe.smallest_share >= 0.0 && recipe.smallest_share <= 1.0, "entropy: the smallest share is ",
            recipe.smallest_share, ", it must be from 0 to 1");
    return recipe.bins;
  }

  void tally(std::span<const float> values, const value_summary& summary) override { histogram_.add(values, summary); }
  void absorb(const observer& other) override {
    histogram_.merge(static_cast<const entropy_observer&>(other).histogram_);
  }

  range choose() const override {
    const bool is_signed = seen().extremes.lower < 0.0f;
    const float t = threshold(is_signed ? 128 : 256);  // the magnitudes 0..127, the values 0..255
    return {is_signed ? -t : 0.0f, t};
  }

  // (b + 0.5) w for the last bin b that is kept; the largest magnitude itself when nothing is to be clipped.
  float threshold(std::size_t levels) const {
    const double largest = static_cast<double>(seen().largest_magnitude()), width = histogram_.width();
    if (largest == 0.0) return 0.0f;
    const auto smallest = static_cast<std::size_t>(std::ceil(smallest_share_ * largest / width));
    const std::size_t used = static_cast<std::size_t>(largest / width) + 1;
    const std::size_t kept = entropy_bins(histogram_.magnitude_counts(), levels, smallest);
    return static_cast<float>(kept >= used ? largest : (static_cast<double>(kept) - 0.5) * width);
  }

  double smallest_share_;
  histogram histogram_;
};

}  // namespace detail

/// A new observer that has seen nothing. Throws octavo::error when a parameter of the recipe is out of its range.
inline std::unique_ptr<observer> make_observer(const calibration_recipe& recipe) {
  return std::visit(
      []<class Recipe>(const Recipe& r) -> std::unique_ptr<observer> {
        if constexpr (std::is_same_v<Recipe, percentile>)
          return std::make_unique<detail::percentile_observer>(r);
        else if constexpr (std::is_same_v<Recipe, entropy>)
          return std::make_unique<detail::entropy_observer>(r);
        else
          return std::make_unique<detail::extremes_observer>(r);
      },
      recipe);
}

}  // namespace octavo
