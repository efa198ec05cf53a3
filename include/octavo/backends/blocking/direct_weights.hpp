// The weights of a direct convolution, packed in the order in which its tiles read them, and what the sums begin with.
//
// Output channels are cut into columns of NR, the channels of one tile; the last column of each group of the
// convolution may be a vector narrower.
//   weights: (groups, columns, runs, groups of depth, NR, 4 bytes)
//   starts:  (ranges of runs inside the image, groups, columns, NR) of s32
#pragma once

#include <algorithm>

#include "octavo/backends/blocking/direct_microkernel.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// How the depth of a pixel, (kh, kw, i) for one group of a convolution, is cut into runs that lie together where tiles
/// read it.
struct depth_runs {
  int taps;    ///< of a run
  int count;   ///< of runs
  int groups;  ///< of 4 bytes in a run

  depth_runs(hw kernel, int run_taps, int tap_bytes)
      : taps(run_taps), count(kernel.h * kernel.w / taps), groups(ceil_div(taps * tap_bytes, group_bytes)) {}
};

/// Runs [first, last) of the depth.
struct run_range {
  int first, last;

  friend bool operator==(const run_range&, const run_range&) = default;
};

/// The packed weights of a layer. A column is counted from the first of its group.
class direct_weights {
 public:
  /// `inside`: the runs that output lines have inside the image where others are skipped; the same may come repeatedly.
  direct_weights(const direct_microkernel& kernel, const dense_problem& s, const depth_runs& depth,
                 std::span<const run_range> inside)
      : depth_(depth),
        vector_(kernel.vector),
        block_(kernel.vectors * kernel.vector),
        group_outputs_(s.conv.out / s.conv.groups),
        group_columns_(ceil_div(group_outputs_, block_)),
        all_columns_(s.conv.groups * group_columns_),
        orders_(kernel.pairs),
        ranges_{{0, depth.count}},
        weight_bytes_(static_cast<std::size_t>(all_columns_) * static_cast<std::size_t>(column_bytes())) {
    const std::size_t runs = static_cast<std::size_t>(all_columns_) * static_cast<std::size_t>(depth_.count);
    const std::size_t orders = orders_ ? runs * static_cast<std::size_t>(depth_.groups + 1) : 0;
    const auto fill = [&](std::byte* to) {
      const tensor& w = *s.at(op::conv2d::weights);
      w.type() == element::f32 ? pack<float>(w, to) : pack<std::int8_t>(w, to);
      if (orders_) order_groups(to);
    };
    packed_ = s.blocks.make("weights", weight_bytes_ + orders * sizeof(std::int32_t), fill);
    if (orders_ && !has_order()) packed_ = make_block(packed_.size(), fill);
    const int zero = s.src[0].is_u8() ? s.src[0].q.zero_point : 0;
    for (const run_range& r : inside)
      if ((zero != 0 || kernel.pairs) && std::ranges::find(ranges_, r) == ranges_.end()) ranges_.push_back(r);
    starts_ = s.blocks.make("starts", ranges_.size() * static_cast<std::size_t>(range_starts()) * sizeof(std::int32_t),
                            [&](std::byte* to) {
                              if (s.src[0].is_u8()) set_starts(zero, reinterpret_cast<std::int32_t*>(to));
                            });
  }

  int group_outputs() const noexcept { return group_outputs_; }
  int group_columns() const noexcept { return group_columns_; }
  int all_columns() const noexcept { return all_columns_; }
  /// The first channel of a column within its group, how many there are, and in how many vectors.
  int first_channel(int column) const noexcept { return column * block_; }
  int channels(int column) const noexcept { return std::min(group_outputs_ - column * block_, block_); }
  int vectors(int column) const noexcept { return ceil_div(channels(column), vector_); }

  std::ptrdiff_t column_bytes() const noexcept {
    return static_cast<std::ptrdiff_t>(depth_.count * depth_.groups) * block_ * group_bytes;
  }
  const std::byte* at(int group, int column) const noexcept { return memory_of(group * group_columns_ + column); }
  std::span<const std::byte> packed() const noexcept { return {packed_.data(), weight_bytes_}; }
  std::size_t bytes() const noexcept { return packed_.size() + starts_.size(); }

  /// Where the starts of sums over the runs `r` are, the others being outside the image: for point_at.
  int start_of(const run_range& r) const noexcept {
    const auto found = std::ranges::find(ranges_, r);
    return found == ranges_.end() ? 0 : static_cast<int>(found - ranges_.begin()) * range_starts();
  }

  /// Sets what tile `t` multiplies by, from run `first_run` on, and what its sums begin with.
  void point_at(direct_tile& t, int group, int column, int first_run, int start) const noexcept {
    const int index = group * group_columns_ + column;
    t.channels = channels(column);
    t.weights = memory_of(index) + static_cast<std::ptrdiff_t>(first_run) * depth_.groups * width_bytes(column);
    t.start = starts_.as<std::int32_t>() + start + index * block_;
    if (!orders_) return;
    const std::ptrdiff_t run = static_cast<std::ptrdiff_t>(index) * depth_.count + first_run;
    t.order = order() + run * depth_.groups;
    t.exact = exact() + run;
  }

 private:
  const std::byte* memory_of(int index) const noexcept { return packed_.data() + index * column_bytes(); }
  /// See direct_tile; for kernels that sum pairs. Both lie behind the weights.
  const std::int32_t* order() const noexcept {
    return reinterpret_cast<const std::int32_t*>(packed_.data() + weight_bytes_);
  }
  const std::int32_t* exact() const noexcept {
    return order() + static_cast<std::ptrdiff_t>(all_columns_) * depth_.count * depth_.groups;
  }
  /// Bytes of a column's weights for one group of depth.
  int width_bytes(int column) const noexcept { return vectors(column) * vector_ * group_bytes; }
  int range_starts() const noexcept { return all_columns_ * block_; }

  /// From (channels, i, kh, kw). Channels of a column are written one after the other, and each of their rows is read
  /// from its beginning to its end: other orders take several times as long.
  template <class T>
  void pack(const tensor& w, std::byte* weights) const {
    const int inputs = w.extents()[1], step = depth_.count * depth_.taps;  // from one input's weights to the next's
    std::vector<std::ptrdiff_t> from;                                      // where each value of a run comes from
    for (int tap = 0; tap < depth_.taps; ++tap)
      for (int i = 0; i < inputs; ++i) from.push_back(std::ptrdiff_t{i} * step + tap);
    constexpr std::size_t together = group_bytes / sizeof(T);
    const std::ptrdiff_t row = std::ptrdiff_t{inputs} * step;
    const T* rows = w.as<T>().data();
    for (int index = 0; index < all_columns_; ++index) {
      const int column = index % group_columns_;
      for (int run = 0; run < depth_.count; ++run) {
        std::byte* to = weights + index * column_bytes() + std::ptrdiff_t{run} * depth_.groups * width_bytes(column);
        for (std::size_t v = 0; v < from.size(); v += together, to += width_bytes(column)) {
          const std::size_t values = std::min(together, from.size() - v);
          const T* src = rows + run * depth_.taps;
          T* dst = reinterpret_cast<T*>(to);
          for (int channel = 0; channel < channels(column); ++channel, src += row, dst += together)
            if (step == 1 && values == together)
              std::memcpy(dst, src + from[v], group_bytes);
            else
              for (std::size_t i = 0; i < values; ++i) dst[i] = src[from[v + i]];
        }
      }
      rows += channels(column) * row;
    }
  }

  /// Whether no pair of weights of a group of depth, for all channels of a column, can leave s16: 255 * 128 < 2^15.
  static bool is_exact(std::span<const std::byte> weights) {
    for (std::size_t i = 0; i < weights.size(); i += 2) {
      const int a = std::to_integer<std::int8_t>(weights[i]), b = std::to_integer<std::int8_t>(weights[i + 1]);
      if (std::max(a, 0) + std::max(b, 0) > 128 || std::min(a, 0) + std::min(b, 0) < -128) return false;
    }
    return true;
  }

  /// Within each run, puts the groups whose pairs are exact first.
  void order_groups(std::byte* packed) const {
    auto* order = reinterpret_cast<std::int32_t*>(packed + weight_bytes_);
    auto* exact = order + static_cast<std::ptrdiff_t>(all_columns_) * depth_.count * depth_.groups;
    std::vector<std::byte> ordered(static_cast<std::size_t>(depth_.groups * block_ * group_bytes));
    for (int index = 0; index < all_columns_; ++index) {
      const auto bytes = static_cast<std::size_t>(width_bytes(index % group_columns_));
      for (int run = 0; run < depth_.count; ++run) {
        const std::span<std::byte> all(
            packed + index * column_bytes() + static_cast<std::size_t>(run * depth_.groups) * bytes,
            static_cast<std::size_t>(depth_.groups) * bytes);
        std::size_t to = 0;
        for (const bool wanted : {true, false}) {
          for (int group = 0; group < depth_.groups; ++group) {
            const auto weights = all.subspan(static_cast<std::size_t>(group) * bytes, bytes);
            if (is_exact(weights) != wanted) continue;
            std::ranges::copy(weights, ordered.begin() + static_cast<std::ptrdiff_t>(to));
            to += bytes;
            *order++ = group * group_bytes;
          }
          if (wanted) *exact++ = static_cast<std::int32_t>(to / bytes);
        }
        std::copy_n(ordered.begin(), all.size(), all.begin());
      }
    }
  }

  /// Whether order and exact are within bounds: a store may have kept anything, and these are places in memory.
  bool has_order() const {
    const auto runs = static_cast<std::size_t>(all_columns_) * static_cast<std::size_t>(depth_.count);
    const auto within = [](std::span<const std::int32_t> all, int most) {
      return std::ranges::all_of(all, [&](std::int32_t v) { return v >= 0 && v <= most; });
    };
    return within({order(), runs * static_cast<std::size_t>(depth_.groups)}, (depth_.groups - 1) * group_bytes) &&
           within({exact(), runs}, depth_.groups);
  }

  /// Adds what runs outside the image would have given, all of whose pixels are `zero`, and what makes up for groups of
  /// depth that are not multiplied as they are.
  void set_starts(int zero, std::int32_t* to) const {
    for (const run_range& r : ranges_)
      for (int index = 0; index < all_columns_; ++index, to += block_) {
        const std::byte* from = memory_of(index);
        const int bytes = width_bytes(index % group_columns_);
        for (int run = 0; run < depth_.count; ++run) {
          const bool outside = run < r.first || run >= r.last;
          const int whole = orders_ ? exact()[index * depth_.count + run] : depth_.groups;
          for (int group = 0; group < depth_.groups; ++group, from += bytes)
            for (int i = 0; i < bytes && (outside || group >= whole); ++i) {
              const int w = std::to_integer<std::int8_t>(from[i]);
              to[i / group_bytes] += w * (outside ? zero : w < 0 ? 127 : 128);
            }
        }
      }
  }

  depth_runs depth_;
  int vector_, block_;  ///< channels
  int group_outputs_, group_columns_, all_columns_;
  bool orders_;                    ///< whether groups are put in order: for kernels that sum pairs
  std::vector<run_range> ranges_;  ///< all runs, then others
  std::size_t weight_bytes_;       ///< of the weights; behind them lie order and exact
  packed_block packed_, starts_;
};

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
