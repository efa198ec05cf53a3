// Pixels gathered into rows of depth, or interleaved, by whole vectors.
#pragma once

#include "octavo/backends/x86/amx/tile.hpp"

#if OCTAVO_X86_64

#include <cstring>

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

/// Copies at least n bytes, reading and writing whole vectors of 32.
OCTAVO_TARGET_AMX OCTAVO_INLINE void copy_vectors(std::byte* to, const std::byte* from, int n) noexcept {
  for (int i = 0; i < n; i += 32)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
}

/// Gathers the depth of one pixel: `count` runs of `bytes` each. Touches up to 31 bytes beyond either end.
OCTAVO_TARGET_AMX inline void gather_pixel(std::byte* to, const std::byte* from, const std::ptrdiff_t* offset,
                                           int count, int bytes) noexcept {
  for (int i = 0; i < count; ++i, to += bytes) copy_vectors(to, from + offset[i], bytes);
}

/// Interleaves `lines` lines: (positions, lines, bytes). Touches up to 31 bytes beyond either end.
OCTAVO_TARGET_AMX inline void interleave(std::byte* to, const std::byte* from, std::ptrdiff_t line, int lines,
                                         int bytes, int positions) noexcept {
  for (; positions > 0; --positions, from += bytes) {
    const std::byte* at = from;
    if (bytes <= 8)  // the usual first layer: two pixels of three channels
      for (int i = 0; i < lines; ++i, to += bytes, at += line) std::memcpy(to, at, 8);
    else
      for (int i = 0; i < lines; ++i, to += bytes, at += line) copy_vectors(to, at, bytes);
  }
}

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#endif
