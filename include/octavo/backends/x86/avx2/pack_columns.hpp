// Packing columns of a matrix for tiles (blocking/dynamic_matmul.hpp), 8 columns x 4 bytes of depth to a register, and
// sums of rows. All x86 kernels with AVX2 or more use these.
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
  /// Writes the sums of the columns from `first` on.
  OCTAVO_AVX2 OCTAVO_INLINE void finish(const column_pack& p, int first) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p.sums + first), sum);
    // 128 w for w >= 0, 127 w for w < 0
    const __m256i correction = _mm256_sub_epi32(_mm256_slli_epi32(sum, 7), negative);
    if constexpr (pairs) _mm256_storeu_si256(reinterpret_cast<__m256i*>(p.corrections + first), correction);
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

/// Four rows of u8 are a group of depth: `Vectors` times 8 columns of each.
template <bool pairs, int Vectors>
OCTAVO_AVX2 inline void pack_u8_columns(const column_pack& p) noexcept {
  store_s8<pairs> store[Vectors];
  alignas(32) std::byte rest[4][Vectors * 8];
  std::memset(rest, 0x80, sizeof rest);  // beyond the depth: 0 as s8
  std::byte* to = p.to;
  for (int k = 0; k < p.depth; k += 4) {
    const std::byte* row = p.src + k * p.stride;
    std::ptrdiff_t stride = p.stride;
    if (k + 4 > p.depth || p.columns < Vectors * 8) {
      std::memset(rest, 0x80, sizeof rest);
      for (int i = 0; i < std::min(4, p.depth - k); ++i)
        blocking::copy_run(rest[i], row + i * stride, static_cast<std::size_t>(p.columns));
      row = rest[0], stride = Vectors * 8;
    }
    OCTAVO_UNROLL
    for (int v = 0; v < Vectors; ++v, to += 32) {
      __m128i x[4];
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i) x[i] = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + i * stride + v * 8));
      const __m128i low = _mm_unpacklo_epi8(x[0], x[1]), high = _mm_unpacklo_epi8(x[2], x[3]);
      store[v](to, _mm256_set_m128i(_mm_unpackhi_epi16(low, high), _mm_unpacklo_epi16(low, high)));
    }
  }
  OCTAVO_UNROLL
  for (int v = 0; v < Vectors; ++v) store[v].finish(p, v * 8);
}

/// u8 to s8. `pairs`: with corrections.
template <bool pairs>
inline void pack_u8(const column_pack& p) noexcept {
  if (p.transposed) return pack_rows<store_s8<pairs>>(p, 1);
  if (p.width == 32) return pack_u8_columns<pairs, 4>(p);
  p.width == 16 ? pack_u8_columns<pairs, 2>(p) : pack_u8_columns<pairs, 1>(p);
}

inline void pack_f32(const column_pack& p) noexcept {
  if (p.transposed) return pack_rows<store_f32>(p, 4);
  const auto bytes = static_cast<std::size_t>(p.columns) * 4, padded = static_cast<std::size_t>(p.width) * 4;
  std::byte* to = p.to;
  for (int k = 0; k < p.depth; ++k, to += padded) {
    blocking::copy_run(to, p.src + k * p.stride, bytes);
    if (bytes < padded) std::memset(to + bytes, 0, padded - bytes);
  }
}

/// The sum of n u8 values.
OCTAVO_AVX2 inline std::int32_t sum_row(const std::byte* row, int n) noexcept {
  __m256i sum = _mm256_setzero_si256();
  int i = 0;
  for (; i + 32 <= n; i += 32)
    sum = _mm256_add_epi64(
        sum, _mm256_sad_epu8(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i)), _mm256_setzero_si256()));
  alignas(32) std::int64_t parts[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(parts), sum);
  auto total = static_cast<std::int32_t>(parts[0] + parts[1] + parts[2] + parts[3]);
  for (; i < n; ++i) total += std::to_integer<std::int32_t>(row[i]);
  return total;
}

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
