// AVX512-VBMI, which not every CPU with AVX512-VNNI has: tables of 256 bytes in four registers, 64 lookups at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/table.hpp"
#include "octavo/backends/x86/avx512_vnni/lanes.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

inline OCTAVO_AVX512_VBMI void look_up(const std::uint8_t* table, const std::uint8_t* x, std::uint8_t* y,
                                       std::ptrdiff_t n) noexcept {
  const __m512i a = _mm512_load_si512(table), b = _mm512_load_si512(table + 64);
  const __m512i c = _mm512_load_si512(table + 128), d = _mm512_load_si512(table + 192);
  for (std::ptrdiff_t i = 0; i < n; i += 64) {
    const __mmask64 bytes = first_channels(n - i);
    const __m512i index = n - i >= 64 ? _mm512_loadu_si512(x + i) : _mm512_maskz_loadu_epi8(bytes, x + i);
    const __m512i low = _mm512_permutex2var_epi8(a, index, b), high = _mm512_permutex2var_epi8(c, index, d);
    const __m512i found = _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high);
    if (n - i >= 64)
      _mm512_storeu_si512(y + i, found);
    else
      _mm512_mask_storeu_epi8(y + i, bytes, found);
  }
}

/// Kernels for tables; quicker than arithmetic.
inline constexpr kernel table_kernels[] = {
    {"table_u8_avx512_vbmi", isa::avx512_vnni,
     [](const problem& p) { return runs_avx512_vbmi() && native::is_table<std::uint8_t>(p); },
     native::make_table<std::uint8_t, look_up>},
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
