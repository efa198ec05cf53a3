// AVX2: tables of 256 bytes, 32 lookups at a time. A shuffle looks up in 16 bytes and gives 0 where an index has its
// highest bit set, so 16 shuffles, each of which leaves the indices of the others out, make the whole table.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/table.hpp"
#include "octavo/backends/x86/avx2/lanes.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

inline OCTAVO_AVX2 void look_up(const std::uint8_t* table, const std::uint8_t* x, std::uint8_t* y,
                                std::ptrdiff_t n) noexcept {
  std::ptrdiff_t i = 0;
  for (; i + 32 <= n; i += 32) {
    __m256i index = load32(x + i), found = _mm256_setzero_si256();
    OCTAVO_UNROLL
    for (int part = 0; part < 256; part += 16) {
      const __m256i bytes = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(table + part)));
      // 0 to 15 become 0x70 to 0x7f, all others 0x80 and more.
      const __m256i within = _mm256_adds_epu8(index, _mm256_set1_epi8(0x70));
      found = _mm256_or_si256(found, _mm256_shuffle_epi8(bytes, within));
      index = _mm256_sub_epi8(index, _mm256_set1_epi8(16));
    }
    store32(y + i, found);
  }
  for (; i < n; ++i) y[i] = table[x[i]];
}

/// Kernels for tables.
inline constexpr kernel table_kernels[] = {
    {"table_u8_avx2", isa::avx2, native::is_table<std::uint8_t>, native::make_table<std::uint8_t, look_up>},
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
