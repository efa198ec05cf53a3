// How tiles of 32 channels in 512-bit registers end: residuals added, packed and stored, all channels or some.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include <immintrin.h>

#include "octavo/backends/blocking/direct_microkernel.hpp"
#include "octavo/backends/x86/target.hpp"

// GCC's own AVX-512 header initializes the unused operand of an unmasked instruction with itself (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

using blocking::direct_tile;

inline constexpr int strip = 7;

/// A bit for each of up to 32 channels.
inline std::uint32_t channel_mask(int channels) { return 0xffffffffu >> (32 - channels); }

/// Adds the residual to 16 channels of a row, clamps, and stores them as f32 or u8. The general way.
OCTAVO_AVX512 inline void end_row(const native::epilogue& e, __m512 x, __mmask16 lanes, std::byte* to,
                                  const std::byte* residual) noexcept {
  const __m512 lower = _mm512_set1_ps(e.lower), upper = _mm512_set1_ps(e.upper);
  if (e.type != element::u8) {
    if (residual) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(lanes, residual));
    // The bound comes first: of two operands one of which is NaN, min and max give the second, as std::max does.
    _mm512_mask_storeu_ps(to, lanes, _mm512_min_ps(upper, _mm512_max_ps(lower, x)));
    return;
  }
  if (residual) {
    const __m512i r = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, residual));
    x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(r, _mm512_set1_epi32(e.residual_zero_point))),
                        _mm512_set1_ps(e.residual_multiplier), x);
  }
  // The bound comes second: a NaN gives it.
  const __m512i q = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(x, lower), upper));
  _mm_mask_storeu_epi8(to, lanes, _mm512_cvtepi32_epi8(_mm512_add_epi32(q, _mm512_set1_epi32(e.u8.zero_point))));
}

/// Ends the rows of a tile one vector after the other. `x`: (rows, NV vectors).
template <int NV>
OCTAVO_AVX512 inline void end_rows(const direct_tile& t, const float* x, int rows) noexcept {
  const int bytes = t.epilogue->type == element::u8 ? 16 : 64;
  for (int m = 0; m < rows; ++m)
    for (int v = 0; v < NV; ++v, x += 16) {
      const std::byte* r = t.residual[m / strip];
      end_row(*t.epilogue, _mm512_loadu_ps(x), static_cast<__mmask16>(channel_mask(t.channels) >> (v * 16)),
              t.dst[m / strip] + m % strip * t.dst_stride + v * bytes,
              r ? r + m % strip * t.residual_stride + v * bytes : nullptr);
    }
}

/// Constants that make s32 into u8 whose clamp may come after packing.
struct packing {
  __m512i zero, lowest, highest, order;
  bool clamps;  ///< beyond what packing does: a bound of u8 needs no instruction

  OCTAVO_AVX512 OCTAVO_INLINE explicit packing(const native::epilogue& e)
      : zero(_mm512_set1_epi16(static_cast<std::int16_t>(e.u8.zero_point))),
        lowest(_mm512_set1_epi8(static_cast<char>(e.u8.lower))),
        highest(_mm512_set1_epi8(static_cast<char>(e.u8.upper))),
        // Packing works within 128-bit lanes: dword 4 i + v of the result holds channels 4 i .. 4 i + 3 of vector v.
        order(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)),
        clamps(e.u8.lower != 0 || e.u8.upper != 255) {}

  /// The bytes of q[0], then those of q[1], ...
  OCTAVO_AVX512 OCTAVO_INLINE __m512i pack(const __m512i (&q)[4]) const {
    const __m512i low = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), zero);
    const __m512i high = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), zero);
    __m512i y = _mm512_packus_epi16(low, high);
    if (clamps) y = _mm512_min_epu8(_mm512_max_epu8(y, lowest), highest);
    return _mm512_permutexvar_epi32(order, y);
  }
};

/// Ends the rows of a tile as f32.
template <bool Residual, class Type, int Rows, int NV>
OCTAVO_AVX512 OCTAVO_INLINE void end_f32(const direct_tile& t, const typename Type::sum (&acc)[Rows][NV],
                                         const __m512 (&multiplier)[NV], const __m512 (&offset)[NV]) {
  const __m512 lower = _mm512_set1_ps(t.epilogue->lower), upper = _mm512_set1_ps(t.epilogue->upper);
  const std::uint32_t channels = channel_mask(t.channels);
  std::byte* const dst[2] = {t.dst[0], t.dst[1]};
  const std::byte* const residual[2] = {t.residual[0], t.residual[1]};
  const std::ptrdiff_t dst_stride = t.dst_stride, residual_stride = t.residual_stride;
  OCTAVO_UNROLL
  for (int m = 0; m < Rows; ++m) {
    OCTAVO_UNROLL
    for (int v = 0; v < NV; ++v) {
      const auto lanes = static_cast<__mmask16>(channels >> (v * 16));
      __m512 x = Type::scaled(acc[m][v], multiplier[v], offset[v]);
      if constexpr (Residual)
        x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(lanes, residual[m / strip] + m % strip * residual_stride + v * 64));
      // A NaN stays: see end_row().
      _mm512_mask_storeu_ps(dst[m / strip] + m % strip * dst_stride + v * 64, lanes,
                            _mm512_min_ps(upper, _mm512_max_ps(lower, x)));
    }
  }
}

/// Ends the rows of a tile as u8 whose clamp may come after packing. Two vectors make 32 bytes of a row.
template <bool Residual, class Type, int Rows, int NV>
OCTAVO_AVX512 OCTAVO_INLINE void end_u8(const direct_tile& t, const typename Type::sum (&acc)[Rows][NV],
                                        const __m512 (&multiplier)[NV], const __m512 (&offset)[NV]) {
  const native::epilogue e = *t.epilogue;
  const packing bytes(e);
  const __m512i residual_zero = _mm512_set1_epi32(e.residual_zero_point);
  const __m512 residual_multiplier = _mm512_set1_ps(e.residual_multiplier);
  const std::uint32_t channels = channel_mask(t.channels);
  const bool whole = t.channels == NV * 16;  // goes without the mask: see lanes.hpp
  // Copies, which no store of bytes can change.
  std::byte* const dst[2] = {t.dst[0], t.dst[1]};
  const std::byte* const residual[2] = {t.residual[0], t.residual[1]};
  const std::ptrdiff_t dst_stride = t.dst_stride, residual_stride = t.residual_stride;
  constexpr int rows = 4 / NV;  // that make 64 bytes
  OCTAVO_UNROLL
  for (int first = 0; first < Rows; first += rows) {
    __m512i q[4];
    OCTAVO_UNROLL
    for (int i = 0; i < 4; ++i) {
      const int m = std::min(first + i / NV, Rows - 1), v = i % NV;
      __m512 x = Type::scaled(acc[m][v], multiplier[v], offset[v]);
      if constexpr (Residual) {
        const std::byte* from = residual[m / strip] + m % strip * residual_stride + v * 16;
        const __m128i r = whole ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))
                                : _mm_maskz_loadu_epi8(static_cast<__mmask16>(channels >> (v * 16)), from);
        x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_cvtepu8_epi32(r), residual_zero)),
                            residual_multiplier, x);
      }
      q[i] = _mm512_cvtps_epi32(x);
    }
    const __m512i y = bytes.pack(q);
    OCTAVO_UNROLL
    for (int i = 0; i < rows; ++i) {
      const int m = first + i;
      if (m >= Rows) continue;
      std::byte* to = dst[m / strip] + m % strip * dst_stride;
      const __m256i half = i < rows / 2 ? _mm512_castsi512_si256(y) : _mm512_extracti64x4_epi64(y, 1);
      if constexpr (NV == 2) {
        _mm256_mask_storeu_epi8(to, channels, half);
      } else {
        const __m128i quarter = i % 2 ? _mm256_extracti128_si256(half, 1) : _mm256_castsi256_si128(half);
        _mm_mask_storeu_epi8(to, static_cast<__mmask16>(channels), quarter);
      }
    }
  }
}

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
