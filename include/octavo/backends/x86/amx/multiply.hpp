// Blocks of 32 pixels x 32 channels on AMX: up to 2x2 tiles of 16 x 16 sums.
#pragma once

#include "octavo/backends/x86/amx/tile.hpp"

#if OCTAVO_X86_64

#include "octavo/backends/blocking/memory_ahead.hpp"

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

inline constexpr int block_rows = 2 * tile_rows, block_channels = 32;
inline constexpr int sums_stride = block_channels * 4;  ///< bytes of a row of sums
inline constexpr int sums_bytes = block_rows * sums_stride;

/// Weights that will be needed soon, brought into L2 a few lines at a time.
struct prefetch : blocking::memory_ahead {
  int lines = 0;  ///< in each step
};

/// What a block multiplies.
struct factors {
  const std::byte* a[2];         ///< first pixel of either tile
  std::ptrdiff_t a_stride;       ///< bytes from pixel to pixel
  const std::ptrdiff_t* offset;  ///< bytes from a pixel to its 64 bytes of depth, for each step
  const std::byte* b;            // (steps, NT tiles of 16 groups x 16 channels x 4 bytes)
  int steps;
  std::byte* sums;  // (32 rows, 32 channels) of s32
};

/// Sums of MT x 16 pixels times NT x 16 channels.
template <int MT, int NT>
OCTAVO_TARGET_AMX inline void multiply(const factors& f, prefetch& next) noexcept {
  OCTAVO_TILE_FENCE;
  const std::byte *a0 = f.a[0], *a1 = f.a[1], *b = f.b;
  std::uintptr_t ahead = next.at;
  const std::ptrdiff_t stride = f.a_stride;
  const int lines = next.lines;
  OCTAVO_TILE_ZERO(0);
  if constexpr (NT > 1) OCTAVO_TILE_ZERO(1);
  if constexpr (MT > 1) OCTAVO_TILE_ZERO(2);
  if constexpr (MT > 1 && NT > 1) OCTAVO_TILE_ZERO(3);
  for (int k = 0; k < f.steps; ++k, b += NT * tile_bytes) {
    const std::ptrdiff_t at = f.offset[k];
    OCTAVO_TILE_LOAD(6, b, tile_row_bytes);
    OCTAVO_TILE_LOAD(4, a0 + at, stride);
    OCTAVO_TILE_MULTIPLY(0, 4, 6);
    if constexpr (MT > 1) {
      OCTAVO_TILE_LOAD(5, a1 + at, stride);
      OCTAVO_TILE_MULTIPLY(2, 5, 6);
    }
    if constexpr (NT > 1) {
      OCTAVO_TILE_LOAD(7, b + tile_bytes, tile_row_bytes);
      OCTAVO_TILE_MULTIPLY(1, 4, 7);
      if constexpr (MT > 1) OCTAVO_TILE_MULTIPLY(3, 5, 7);
    }
    if (ahead < next.end)
      for (int i = 0; i < lines; ++i, ahead += 64) _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
  }
  next.at = ahead;
}

/// Stores the sums of multiply<MT, NT>().
template <int MT, int NT>
OCTAVO_TARGET_AMX inline void store_sums(std::byte* sums) noexcept {
  OCTAVO_TILE_STORE(0, sums, sums_stride);
  if constexpr (NT > 1) OCTAVO_TILE_STORE(1, sums + 64, sums_stride);
  if constexpr (MT > 1) OCTAVO_TILE_STORE(2, sums + tile_rows * sums_stride, sums_stride);
  if constexpr (MT > 1 && NT > 1) OCTAVO_TILE_STORE(3, sums + tile_rows * sums_stride + 64, sums_stride);
}

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#endif
