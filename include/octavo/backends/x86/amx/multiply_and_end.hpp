// A block multiplied while the one before it ends: tiles and vectors are units of their own, which work side by side.
#pragma once

#include "octavo/backends/x86/amx/epilogue.hpp"

#if OCTAVO_X86_64

// GCC's own AVX-512 header initializes the unused operand of an unmasked instruction with itself (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

/// multiply<2, 2>() and, between its instructions, which leave the vector units idle, the epilogue of 32 channels of
/// the block before.
template <bool Residual, clamping Clamp>
OCTAVO_TARGET_AMX inline void multiply_and_end(const factors& f, prefetch& next, const rows& t,
                                               const epilogue& e) noexcept {
  OCTAVO_TILE_FENCE;
  const std::byte *a0 = f.a[0], *a1 = f.a[1], *b = f.b;
  std::uintptr_t ahead = next.at;
  const std::ptrdiff_t stride = f.a_stride;
  const int lines = next.lines;
  u8_epilogue<Residual, Clamp, true> before(t, e);
  int pairs = before.pairs();
  const int together = ceil_div(pairs, 2 * f.steps);
  OCTAVO_TILE_ZERO(0);
  OCTAVO_TILE_ZERO(1);
  OCTAVO_TILE_ZERO(2);
  OCTAVO_TILE_ZERO(3);
  for (int k = 0; k < f.steps; ++k, b += 2 * tile_bytes) {
    const std::ptrdiff_t at = f.offset[k];
    OCTAVO_TILE_LOAD(6, b, tile_row_bytes);
    OCTAVO_TILE_LOAD(4, a0 + at, stride);
    OCTAVO_TILE_MULTIPLY(0, 4, 6);
    OCTAVO_TILE_LOAD(5, a1 + at, stride);
    OCTAVO_TILE_MULTIPLY(2, 5, 6);
    before.end_pairs(std::min(together, pairs));
    pairs -= std::min(together, pairs);
    OCTAVO_TILE_LOAD(7, b + tile_bytes, tile_row_bytes);
    OCTAVO_TILE_MULTIPLY(1, 4, 7);
    OCTAVO_TILE_MULTIPLY(3, 5, 7);
    before.end_pairs(std::min(together, pairs));
    pairs -= std::min(together, pairs);
    if (ahead < next.end)
      for (int i = 0; i < lines; ++i, ahead += 64) _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
  }
  next.at = ahead;
}

using multiplication_and_epilogue = void (*)(const factors&, prefetch&, const rows&, const epilogue&) noexcept;

/// What multiplies a block and ends the whole one before it as `end` says, or null where there is no such function.
inline multiplication_and_epilogue multiplication_and_epilogue_of(const epilogue& e, bool residual) noexcept {
  if (e.type != element::u8 || e.clamp == clamping::as_floats) return nullptr;
  if (e.clamp == clamping::by_packing)
    return residual ? multiply_and_end<true, clamping::by_packing> : multiply_and_end<false, clamping::by_packing>;
  return residual ? multiply_and_end<true, clamping::as_bytes> : multiply_and_end<false, clamping::as_bytes>;
}

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
