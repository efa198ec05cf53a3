// Laying out an arena: buffers whose lifetimes do not overlap may share bytes.
// Greedy by size, the largest first, each at the lowest offset that is free during its life (Pisarchyk and Lee,
// arXiv 2001.03288).
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "octavo/base/aligned_memory.hpp"

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

/// Gives every buffer an offset that is a multiple of a cache line, such that no two that live at the same step overlap.
inline memory_layout lay_out(const std::vector<buffer_life>& buffers) {
  memory_layout layout{std::vector<std::size_t>(buffers.size()), 0, 0};
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return buffers[a].bytes > buffers[b].bytes; });
  std::vector<std::size_t> placed;  // in order of offset
  for (std::size_t i : order) {
    const std::size_t bytes = round_up(buffers[i].bytes, cache_line);
    std::size_t offset = 0;
    for (std::size_t other : placed) {
      if (buffers[other].last < buffers[i].first || buffers[i].last < buffers[other].first) continue;
      if (offset + bytes <= layout.offset[other]) break;
      offset = std::max(offset, layout.offset[other] + round_up(buffers[other].bytes, cache_line));
    }
    layout.offset[i] = offset;
    layout.bytes = std::max(layout.bytes, offset + bytes);
    layout.bytes_without_reuse += bytes;
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](auto a, auto b) { return layout.offset[a] < layout.offset[b]; }),
                  i);
  }
  return layout;
}

}  // namespace octavo
