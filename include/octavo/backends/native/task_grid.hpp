// Splitting a step into tasks: blocks of output rows and, where a map has few rows, slices of channels.
#pragma once

#include <algorithm>

#include "octavo/backends/native/task_count.hpp"
#include "octavo/base/aligned_memory.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// Tasks over `rows` x `channels`, numbered with the slices of channels innermost.
struct task_grid {
  int rows = 0, channels = 0;
  int rows_per_task = 1, channels_per_task = 1;

  int slices() const { return ceil_div(channels, channels_per_task); }
  int count() const { return ceil_div(rows, rows_per_task) * slices(); }

  struct block {
    int row_begin, row_end, channel_begin, channel_end;
  };
  block at(int task) const {
    const int r = task / slices() * rows_per_task, c = task % slices() * channels_per_task;
    return {r, std::min(r + rows_per_task, rows), c, std::min(c + channels_per_task, channels)};
  }
};

/// The grid for `rows` rows, each of which moves `row_bytes`. A slice is a multiple of `channel_block` channels.
inline task_grid make_task_grid(int rows, std::ptrdiff_t row_bytes, int channels, int channel_block) {
  constexpr int enough = 8;  // tasks; more rows than that need no slices
  task_grid g{rows, channels, 1, channels};
  const int wanted = task_count({.bytes = static_cast<double>(row_bytes) * rows});
  g.rows_per_task = std::max(1, ceil_div(rows, wanted));
  const int row_tasks = std::max(1, ceil_div(rows, g.rows_per_task));
  const int slices = std::min(wanted / row_tasks, ceil_div(enough, row_tasks));
  if (row_tasks < enough && slices > 1)
    g.channels_per_task = ceil_div(ceil_div(channels, slices), channel_block) * channel_block;
  return g;
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
