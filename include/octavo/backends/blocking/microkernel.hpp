// The innermost part of a blocked convolution, which is all that differs between instruction sets and types: a tile of
// MR pixels x NR output channels whose accumulators stay in registers.
//
// Panels and weights are f32, which hold the integers of INT8. Four values of depth (taps x input channels of a group)
// make a step, four steps a chunk. Both operands are padded with zeros to a whole number of steps.
//   panel:   (depth/chunk, MR, 16 values)   the pixels of a tile; one pointer and constant offsets reach all of it
//   weights: (depth, NR)                    so that one vector load brings several channels
#pragma once

#include <cstddef>
#include <span>

#include "octavo/backends/blocking/channel_epilogue.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

inline constexpr int group_bytes = 4;   ///< of depth: what one lane of a vector takes, an f32 or four u8
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
  const native::epilogue* epilogue;
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

/// What an instruction set offers for a pair of types. Tiles store whole vectors of channels.
struct microkernel {
  int vector;  ///< output channels in one vector
  pack_function pack;
  std::span<const tile_shape> tiles;  ///< by ascending rows, beginning with 1

  constexpr int largest_rows() const { return tiles.back().rows; }
};

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
