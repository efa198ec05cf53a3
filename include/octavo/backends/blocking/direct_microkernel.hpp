// The innermost part of a direct convolution, which is all that differs between instruction sets and types: a tile of
// one or two strips of pixels x NR output channels whose accumulators stay in registers. No panels: a tile reads pixels
// where they lie, with one stride between them.
#pragma once

#include "octavo/backends/blocking/memory_ahead.hpp"
#include "octavo/backends/blocking/microkernel.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// The work of a direct tile: a pixel or one or two strips of pixels, times one or two vectors of channels.
/// Strides are in bytes.
///
/// Depth is counted in groups of 4 bytes (1 f32 or 4 u8 values), in runs that lie together in memory.
struct direct_tile {
  const std::byte* src[2];  ///< the first pixel of either strip
  std::ptrdiff_t src_stride;
  const std::ptrdiff_t* runs;  ///< from a pixel to each run of its depth
  int run_count, run_groups;
  /// For kernels that sum pairs of products in s16. (runs, groups): where each group of a run lies, in bytes. The first
  /// `exact` of a run, for each run, have weights whose pairs cannot saturate. The others are to be multiplied as
  /// |w| * (x - 128) where w >= 0 and |w| * (127 - x) where w < 0, which cannot either; `start` makes up for that.
  const std::int32_t* order;
  const std::int32_t* exact;
  const std::byte* weights;          // (runs, groups, NR, 4 bytes)
  const std::int32_t* start;         // (NR) what the sums begin with
  const std::int32_t* row_start[2];  ///< what those of either strip's pixels begin with beyond that, or null
  const float *multiplier, *offset;
  std::byte* dst[2];  // (strip, channels)
  std::ptrdiff_t dst_stride;
  const std::byte* residual[2];  // (strip, channels) of dst's type, or null
  std::ptrdiff_t residual_stride;
  int channels;  ///< how many of the NR channels exist; no others are stored
  const native::epilogue* epilogue;
  std::uintptr_t ahead;       ///< for each group a tile brings the line there into L2: see memory_ahead
  std::uintptr_t ahead_step;  ///< and goes on by this
};

using direct_function = void (*)(const direct_tile&) noexcept;

/// What an instruction set offers for a pair of types.
struct direct_microkernel {
  int vector;                   ///< output channels in one vector
  int vectors;                  ///< the most that a tile has: 1 or 2
  int strip;                    ///< pixels
  bool pairs;                   ///< products are summed in pairs of s16 first: see direct_tile::order
  direct_function tiles[3][2];  ///< of a pixel, one strip or two, times one or two vectors
};

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
