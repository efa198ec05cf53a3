// Laying out an arena: buffers whose lifetimes do not overlap may share bytes.
// Greedy by size, the largest first, each at the lowest offset that is free during its life (Pisarchyk and Lee,
// arXiv 2001.03288).
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "octavo/base/aligned_memory.hpp"
#include "octavo/base/error.hpp"

namespace octavo {

/// A buffer that is needed from step `first` to step `last`, both included.
struct buffer_life {
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
};

/// Where each buffer begins, and what the arena costs.
struct memory_layout {
  std::vector<std::size_t> offset;
  std::size_t bytes = 0;                ///< of the arena
  std::size_t bytes_without_reuse = 0;  ///< the sum of all buffers
};

namespace detail {

/// The buffers that were placed already, found by the steps at which they live: a network of n layers has n buffers,
/// and few of them live at the same time.
class placed_buffers {
 public:
  explicit placed_buffers(const std::vector<buffer_life>& buffers) : buffers_(buffers) {
    for (const buffer_life& b : buffers) starts_.push_back(b.first);
    std::sort(starts_.begin(), starts_.end());
    starts_.erase(std::unique(starts_.begin(), starts_.end()), starts_.end());
    starting_.resize(starts_.size());
    living_.resize(starts_.size());
  }

  void add(std::size_t buffer) {
    const std::size_t first = rank(buffers_[buffer].first);
    starting_[first].push_back(buffer);
    for (std::size_t i = first; i < starts_.size() && starts_[i] <= buffers_[buffer].last; ++i)
      living_[i].push_back(buffer);
  }

  /// Those that live at a step at which `buffer` does: they live when it starts, or start later.
  std::vector<std::size_t> beside(std::size_t buffer) const {
    const std::size_t first = rank(buffers_[buffer].first);
    std::vector<std::size_t> found = living_[first];
    for (std::size_t i = first + 1; i < starts_.size() && starts_[i] <= buffers_[buffer].last; ++i)
      found.insert(found.end(), starting_[i].begin(), starting_[i].end());
    return found;
  }

 private:
  std::size_t rank(int step) const {
    return static_cast<std::size_t>(std::lower_bound(starts_.begin(), starts_.end(), step) - starts_.begin());
  }

  const std::vector<buffer_life>& buffers_;
  std::vector<int> starts_;                         // the steps at which any buffer begins to live
  std::vector<std::vector<std::size_t>> starting_;  // the buffers that begin there
  std::vector<std::vector<std::size_t>> living_;    // those that live there
};

}  // namespace detail

/// Gives every buffer an offset that is a multiple of a cache line, such that no two that live at the same step
/// overlap. Throws octavo::error when a buffer ends before it begins, or the sum of all has more bytes than any memory.
inline memory_layout lay_out(const std::vector<buffer_life>& buffers) {
  memory_layout layout{std::vector<std::size_t>(buffers.size()), 0, 0};
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const buffer_life& b = buffers[i];
    require(b.first <= b.last, "buffer ", i, " lives from step ", b.first, " to ", b.last);
    require(b.bytes <= most_bytes && layout.bytes_without_reuse <= most_bytes, "buffer ", i, " of ", b.bytes,
            " bytes: the arena would be larger than any memory");
    layout.bytes_without_reuse += round_up(b.bytes, cache_line);
  }
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return buffers[a].bytes > buffers[b].bytes; });
  detail::placed_buffers placed(buffers);
  for (std::size_t i : order) {
    const std::size_t bytes = round_up(buffers[i].bytes, cache_line);
    std::vector<std::size_t> others = placed.beside(i);
    std::sort(others.begin(), others.end(), [&](auto a, auto b) { return layout.offset[a] < layout.offset[b]; });
    std::size_t offset = 0;
    for (std::size_t other : others) {
      if (offset + bytes <= layout.offset[other]) break;
      offset = std::max(offset, layout.offset[other] + round_up(buffers[other].bytes, cache_line));
    }
    layout.offset[i] = offset;
    layout.bytes = std::max(layout.bytes, offset + bytes);
    placed.add(i);
  }
  return layout;
}

}  // namespace octavo
