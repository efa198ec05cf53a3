// Into how many tasks a step is split, and that they cover all of it once.
#include <doctest/doctest.h>

#include <vector>

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/backends/native/task_count.hpp"
#include "octavo/backends/native/task_grid.hpp"

using namespace octavo;
using namespace octavo::native;

TEST_CASE("task_count: by multiply-adds, weights or bytes") {
  CHECK(task_count({}) == 1);
  CHECK(task_count({.multiply_adds = 511.0 * 1024}) == 1);
  CHECK(task_count({.multiply_adds = 512.0 * 1024}) == 2);
  CHECK(task_count({.multiply_adds = 1.0, .weight_bytes = 1024.0 * 1024}) == 4);
  CHECK(task_count({.multiply_adds = 1e12}) == 16);
  CHECK(task_count({.bytes = 32.0 * 1024}) == 2);
  CHECK(task_count({.bytes = 1024.0 * 1024}) == 64);
  CHECK(task_count({.bytes = 1e18}) == 1 << 30);
}

TEST_CASE("task_grid: every row and channel is in one task, slices are whole blocks") {
  for (const int rows : {1, 2, 7, 8, 14, 50, 112})
    for (const int channels : {1, 31, 32, 33, 64, 320, 2048})
      for (const std::ptrdiff_t row_bytes : {1, 100, 5000, 16 * 1024, 300 * 1024}) {
        CAPTURE(rows);
        CAPTURE(channels);
        CAPTURE(row_bytes);
        const task_grid g = make_task_grid(rows, row_bytes, channels, 32);
        std::vector<int> seen(static_cast<std::size_t>(rows * channels));
        for (int t = 0; t < g.count(); ++t) {
          const task_grid::block b = g.at(t);
          CHECK(b.channel_begin % 32 == 0);
          for (int r = b.row_begin; r < b.row_end; ++r)
            for (int c = b.channel_begin; c < b.channel_end; ++c) ++seen[static_cast<std::size_t>(r * channels + c)];
        }
        CHECK(seen == std::vector<int>(seen.size(), 1));
        CHECK(g.count() <= std::max(task_count({.bytes = static_cast<double>(rows * row_bytes)}), 1));
      }
  CHECK(make_task_grid(1, 100 * 1024, 2048, 64).count() == 6);  // one pixel: slices of channels
  CHECK(make_task_grid(112, 14 * 1024, 64, 64).count() == 56);  // two rows each
}

TEST_CASE("row_grid: every number is in one piece, of whole blocks where rows do not matter") {
  for (const int rows : {1, 3, 100})
    for (const int columns : {1, 63, 1000, 40000})
      for (const bool flat : {false, true}) {
        CAPTURE(rows);
        CAPTURE(columns);
        CAPTURE(flat);
        const row_grid g = make_row_grid({rows, columns}, 8, flat);
        std::vector<int> seen(static_cast<std::size_t>(rows * columns));
        for_each_piece(g, 0, g.tasks(), [&](std::ptrdiff_t row, std::ptrdiff_t column, std::ptrdiff_t n) {
          if (flat) CHECK(column % 64 == 0);
          for (std::ptrdiff_t i = 0; i < n; ++i) ++seen[static_cast<std::size_t>(row * columns + column + i)];
        });
        CHECK(seen == std::vector<int>(seen.size(), 1));
      }
  CHECK(make_row_grid({100, 40000}, 8, true).tasks() > 1);
  CHECK(make_row_grid({100, 40000}, 8, false).tasks() > 1);
}
