// AMX tiles: their configuration, and the few instructions on them by literal number.
//
// Eight tile registers hold up to 16 rows of 64 bytes. A multiplication takes A (rows, 4 k) of u8 and B (k, columns) of
// groups of 4 s8 into C (rows, columns) of s32. Here tiles 0-3 are C, 4 and 5 are A, 6 and 7 are B.
// Source: Intel SDM volume 1, chapter "Programming with Intel AMX".
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86_64

#include <immintrin.h>

#include "octavo/backends/x86/target.hpp"

#define OCTAVO_TARGET_AMX OCTAVO_TARGET("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,amx-tile,amx-int8")

// GCC 12 puts the number of a tile into the name of the register as text: only a literal will do, no constant.
#define OCTAVO_TILE_LOAD(tile, from, stride) _tile_loadd(tile, from, stride)
#define OCTAVO_TILE_STORE(tile, to, stride) _tile_stored(tile, to, stride)
#define OCTAVO_TILE_ZERO(tile) _tile_zero(tile)
#define OCTAVO_TILE_MULTIPLY(c, a, b) _tile_dpbusd(c, a, b)

/// Before tile loads: makes the compiler finish earlier stores. GCC 12's tile loads do not say that they read memory.
#if defined(__GNUC__) || defined(__clang__)
#define OCTAVO_TILE_FENCE __asm__ volatile("" ::: "memory")
#else
#define OCTAVO_TILE_FENCE (void)0
#endif

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

inline constexpr int tile_rows = 16, tile_row_bytes = 64, tile_bytes = tile_rows * tile_row_bytes;

/// The operand of ldtilecfg.
struct alignas(64) tile_configuration {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(tile_configuration) == 64);

OCTAVO_TARGET_AMX inline void load_configuration(const tile_configuration& c) noexcept { _tile_loadconfig(&c); }
OCTAVO_TARGET_AMX inline void release_tiles() noexcept { _tile_release(); }

/// This thread's tiles for products of `rows` rows and `depth` bytes of depth (a multiple of 4, at most 64), from
/// construction to destruction. Tiles released are tiles that a context switch need not save.
class tile_region {
 public:
  tile_region(int rows, int depth) noexcept {
    tile_configuration c;
    for (int i = 0; i < 6; ++i) {
      c.rows[i] = static_cast<std::uint8_t>(rows);
      c.row_bytes[i] = static_cast<std::uint16_t>(i < 4 ? tile_row_bytes : depth);
    }
    for (int i = 6; i < 8; ++i) {
      c.rows[i] = static_cast<std::uint8_t>(depth / 4);
      c.row_bytes[i] = tile_row_bytes;
    }
    load_configuration(c);
  }
  ~tile_region() { release_tiles(); }
  tile_region(const tile_region&) = delete;
  tile_region& operator=(const tile_region&) = delete;
};

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#endif
