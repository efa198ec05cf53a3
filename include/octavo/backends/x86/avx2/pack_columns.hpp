// Packing columns of a matrix for tiles (blocking/dynamic_matmul.hpp), 8 columns x 4 bytes of depth to a register. All
// x86 kernels with AVX2 or more use these.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include <immintrin.h>

#include "octavo/backends/blocking/dynamic_matmul.hpp"
#include "octavo/backends/x86/target.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

using blocking::column_pack;

/// How a register of 8 columns is stored: f32 as it is.
struct store_f32 {
  OCTAVO_AVX2 OCTAVO_INLINE void operator()(std::byte* to, __m256i x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x);
  }
  OCTAVO_AVX2 OCTAVO_INLINE void finish(const column_pack&, int) {}
};

/// u8 as s8, 128 lower, summed on the way.
template <bool pairs>
struct store_s8 {
  __m256i sum, negative;
  OCTAVO_AVX2 OCTAVO_INLINE store_s8() : sum(_mm256_setzero_si256()), negative(_mm256_setzero_si256()) {}
  OCTAVO_AVX2 OCTAVO_INLINE void operator()(std::byte* to, __m256i x) {
    const __m256i w = _mm256_xor_si256(x, _mm256_set1_epi8(static_cast<char>(0x80)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), w);
    sum = _mm256_add_epi32(sum, sum4(w));
    if constexpr (pairs) negative = _mm256_add_epi32(negative, sum4(_mm256_min_epi8(w, _mm256_setzero_si256())));
  }
  /// Writes the starts of the columns from `first` on.
  OCTAVO_AVX2 OCTAVO_INLINE void finish(const column_pack& p, int first) {
    const __m256i shifted = _mm256_add_epi32(sum, _mm256_set1_epi32(p.shift));
    __m256i start = _mm256_mullo_epi32(shifted, _mm256_set1_epi32(-p.a_zero));
    // 128 w for w >= 0, 127 w for w < 0
    if constexpr (pairs) start = _mm256_add_epi32(start, _mm256_sub_epi32(_mm256_slli_epi32(sum, 7), negative));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p.starts + first), start);
  }
  /// The four s8 of each lane.
  OCTAVO_AVX2 static OCTAVO_INLINE __m256i sum4(__m256i w) {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), w), _mm256_set1_epi16(1));
  }
};

/// 8 registers of 8 words: rows become columns.
OCTAVO_AVX2 OCTAVO_INLINE void transpose(__m256i (&x)[8]) {
  __m256i y[8];
  OCTAVO_UNROLL
  for (int i = 0; i < 8; i += 2) {
    y[i] = _mm256_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm256_unpackhi_epi32(x[i], x[i + 1]);
  }
  OCTAVO_UNROLL
  for (int i = 0; i < 8; i += 4) {
    OCTAVO_UNROLL
    for (int j = 0; j < 2; ++j) {
      x[i + 2 * j] = _mm256_unpacklo_epi64(y[i + j], y[i + j + 2]);
      x[i + 2 * j + 1] = _mm256_unpackhi_epi64(y[i + j], y[i + j + 2]);
    }
  }
  OCTAVO_UNROLL
  for (int i = 0; i < 4; ++i) {
    y[i] = _mm256_permute2x128_si256(x[i], x[i + 4], 0x20);
    y[i + 4] = _mm256_permute2x128_si256(x[i], x[i + 4], 0x31);
  }
  OCTAVO_UNROLL
  for (int i = 0; i < 8; ++i) x[i] = y[i];
}

/// Rows of b are columns: 8 rows at a time, 32 bytes of each.
template <class Store>
OCTAVO_AVX2 inline void pack_rows(const column_pack& p, int value_bytes) noexcept {
  const int bytes = p.depth * value_bytes, step = p.width * blocking::group_bytes;
  for (int first = 0; first < p.width; first += 8) {
    Store store;
    const std::byte* row[8];
    for (int i = 0; i < 8; ++i) row[i] = p.src + std::min(first + i, p.columns - 1) * p.stride;
    std::byte* to = p.to + first * blocking::group_bytes;
    int at = 0;
    for (; at + 32 <= bytes; at += 32) {
      __m256i x[8];
      OCTAVO_UNROLL
      for (int i = 0; i < 8; ++i) x[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row[i] + at));
      transpose(x);
      OCTAVO_UNROLL
      for (int i = 0; i < 8; ++i, to += step) store(to, x[i]);
    }
    for (; at < bytes; at += 4, to += step) {
      alignas(32) std::byte group[32];
      std::memset(group, 0x80, sizeof group);  // beyond the depth: 0 as s8
      for (int i = 0; i < 8; ++i) {
        if (bytes - at >= 4)
          std::memcpy(group + i * 4, row[i] + at, 4);
        else
          blocking::copy_run(group + i * 4, row[i] + at, static_cast<std::size_t>(bytes - at));
      }
      store(to, _mm256_load_si256(reinterpret_cast<const __m256i*>(group)));
    }
    store.finish(p, first);
  }
}

/// Brings into the first cache what packing reads 16 rows further on, which may lie beyond the last: rows that are far
/// apart are not what hardware foresees.
OCTAVO_INLINE void prefetch_rows(const std::byte* row, std::ptrdiff_t stride, int rows, int bytes) {
  for (int i = 0; i < rows; ++i)
    for (int line = 0; line < bytes; line += cache_line)
      _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(row) +
                                                 static_cast<std::uintptr_t>((16 + i) * stride + line)),
                   _MM_HINT_T0);
}

/// Four rows of u8 are a group of depth: 32 columns of each, 16 or 8.
template <bool pairs, int Columns>
OCTAVO_AVX2 inline void pack_u8_columns(const column_pack& p) noexcept {
  constexpr int registers = Columns / 8;
  store_s8<pairs> store[registers];
  alignas(32) std::byte rest[4][Columns];
  std::byte* to = p.to;
  for (int k = 0; k < p.depth; k += 4) {
    const std::byte* row = p.src + k * p.stride;
    std::ptrdiff_t stride = p.stride;
    prefetch_rows(row, stride, 4, 1);
    if (k + 4 > p.depth || p.columns < Columns) {
      std::memset(rest, 0x80, sizeof rest);  // beyond the depth: 0 as s8
      for (int i = 0; i < std::min(4, p.depth - k); ++i)
        blocking::copy_run(rest[i], row + i * stride, static_cast<std::size_t>(p.columns));
      row = rest[0], stride = Columns;
    }
    __m256i x[registers];
    if constexpr (Columns == 32) {
      __m256i r[4];
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i) r[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i * stride));
      const __m256i low01 = _mm256_unpacklo_epi8(r[0], r[1]), high01 = _mm256_unpackhi_epi8(r[0], r[1]),
                    low23 = _mm256_unpacklo_epi8(r[2], r[3]), high23 = _mm256_unpackhi_epi8(r[2], r[3]);
      // Columns 0-3 and 16-19, 4-7 and 20-23, ...
      const __m256i y[4] = {_mm256_unpacklo_epi16(low01, low23), _mm256_unpackhi_epi16(low01, low23),
                            _mm256_unpacklo_epi16(high01, high23), _mm256_unpackhi_epi16(high01, high23)};
      OCTAVO_UNROLL
      for (int i = 0; i < 2; ++i) {
        x[i] = _mm256_permute2x128_si256(y[2 * i], y[2 * i + 1], 0x20);
        x[2 + i] = _mm256_permute2x128_si256(y[2 * i], y[2 * i + 1], 0x31);
      }
    } else {
      OCTAVO_UNROLL
      for (int v = 0; v < registers; ++v) {
        __m128i r[4];
        OCTAVO_UNROLL
        for (int i = 0; i < 4; ++i) r[i] = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + i * stride + v * 8));
        const __m128i low = _mm_unpacklo_epi8(r[0], r[1]), high = _mm_unpacklo_epi8(r[2], r[3]);
        x[v] = _mm256_set_m128i(_mm_unpackhi_epi16(low, high), _mm_unpacklo_epi16(low, high));
      }
    }
    OCTAVO_UNROLL
    for (int v = 0; v < registers; ++v, to += 32) store[v](to, x[v]);
  }
  OCTAVO_UNROLL
  for (int v = 0; v < registers; ++v) store[v].finish(p, v * 8);
}

/// u8 to s8. `pairs`: with corrections.
template <bool pairs>
inline void pack_u8(const column_pack& p) noexcept {
  if (p.transposed) return pack_rows<store_s8<pairs>>(p, 1);
  if (p.width == 32) return pack_u8_columns<pairs, 32>(p);
  p.width == 16 ? pack_u8_columns<pairs, 16>(p) : pack_u8_columns<pairs, 8>(p);
}

OCTAVO_AVX2 inline void pack_f32(const column_pack& p) noexcept {
  if (p.transposed) return pack_rows<store_f32>(p, 4);
  const auto bytes = static_cast<std::size_t>(p.columns) * 4, padded = static_cast<std::size_t>(p.width) * 4;
  std::byte* to = p.to;
  for (int k = 0; k < p.depth; ++k, to += padded) {
    prefetch_rows(p.src + k * p.stride, p.stride, 1, p.width * 4);
    const std::byte* row = p.src + k * p.stride;
    if (bytes == padded)
      for (std::size_t i = 0; i < bytes; i += 32)
        store_f32{}(to + i, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i)));
    else
      blocking::copy_run(to, row, bytes);
    if (bytes < padded) std::memset(to + bytes, 0, padded - bytes);
  }
}

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
