// The innermost part of a blocked convolution, which is all that differs between instruction sets and types: a tile of
// MR pixels x NR output channels whose accumulators stay in registers.
//
// Depth (taps x input channels of a group) is counted in groups of 4 bytes: 1 f32, 2 s16 or 4 u8 values. Four groups
// make a step, four steps a chunk. Both operands are padded with zeros to a whole number of steps.
//   panel:   (depth/chunk, MR, 64 bytes)   the pixels of a tile; one pointer and constant offsets reach all of it
//   weights: (depth/group, NR, 4 bytes)    so that one vector load brings a group of several channels
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "octavo/backends/blocking/output_stage.hpp"

namespace octavo::blocking {

inline constexpr int group_bytes = 4;   ///< of depth: what one lane of a vector takes
inline constexpr int step_bytes = 16;   ///< depth is padded to a multiple of this
inline constexpr int chunk_bytes = 64;  ///< of one pixel that lie together in a panel

/// One tile's work. Strides are in bytes.
struct tile {
  const std::byte* panel;
  const std::byte* weights;
  int steps;                ///< depth in steps
  const float* multiplier;  // (NR)
  const float* offset;      // (NR)
  std::byte* dst;           // (rows, channels)
  std::ptrdiff_t dst_stride;
  const std::byte* residual;  // (rows, channels) of dst's type, or null
  std::ptrdiff_t residual_stride;
  int rows;      ///< how many of the MR pixels exist
  int channels;  ///< how many of the NR channels exist
  const ending* end;
};

using tile_function = void (*)(const tile&) noexcept;

/// Writes `n` values of a pixel, starting at `position` of its depth, to its row of a panel of `rows` pixels. Position
/// and n are whole steps.
using pack_function = void (*)(std::byte* row, int rows, int position, const std::byte* src, int n) noexcept;

/// The tiles with so many rows: one vector wide and two vectors wide.
struct tile_shape {
  int rows;
  tile_function run[2];
};

/// The largest tile: rows x channels.
inline constexpr int largest_tile = 16 * 32;

/// What an instruction set offers for a pair of types.
struct microkernel {
  int values;   ///< in a group of depth: 1 means f32, 2 s16, 4 u8 panels with s8 weights
  int vector;   ///< output channels in one vector
  bool masked;  ///< tiles store only `channels` channels; otherwise they store whole vectors
  pack_function pack;
  std::span<const tile_shape> tiles;  ///< by ascending rows, beginning with 1

  constexpr int largest_rows() const { return tiles.back().rows; }
};

/// How many sets of accumulators a tile of `registers` accumulators needs, so that `wanted` independent sums hide the
/// latency of a multiply-add: 1, 2 or 4, at which successive groups of depth take turns.
constexpr int accumulator_sets(int registers, int wanted) {
  return registers * 2 > wanted ? 1 : registers * 4 > wanted ? 2 : 4;
}

}  // namespace octavo::blocking
