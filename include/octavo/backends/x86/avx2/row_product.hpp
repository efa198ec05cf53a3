// A single row times a matrix, which is read once, as it lies, and sums of rows (blocking/dynamic_matmul.hpp). All x86
// kernels with AVX2 or more use these: memory is what they wait for.
//
// u8: s16 times u8 widened to s16, in pairs, which vpmaddwd sums exactly in s32.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/x86/avx2/pack_columns.hpp"
#include "octavo/backends/x86/avx2/vector.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

using blocking::row_product;

OCTAVO_AVX2 OCTAVO_INLINE __m256i load256(const void* from) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(from));
}
OCTAVO_AVX2 OCTAVO_INLINE void store256(void* to, __m256i x) { _mm256_storeu_si256(static_cast<__m256i*>(to), x); }

/// sums += x[0] row[0] + x[1] row[1] for 32 columns: vector i has columns 4 i to 4 i + 3 and the same plus 16.
OCTAVO_AVX2 OCTAVO_INLINE void multiply_pair(__m256i (&sums)[4], const std::byte* x, const std::byte* const (&row)[2]) {
  std::int32_t pair;
  std::memcpy(&pair, x, sizeof pair);
  const __m256i factors = _mm256_set1_epi32(pair), zero = _mm256_setzero_si256(), a = load256(row[0]),
                b = load256(row[1]);
  const __m256i bytes[] = {_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)};
  OCTAVO_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m256i w = i % 2 ? _mm256_unpackhi_epi8(bytes[i / 2], zero) : _mm256_unpacklo_epi8(bytes[i / 2], zero);
    sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(factors, w));
  }
}

/// u8, b as (depth, columns): 16 rows at a time pass by the sums.
OCTAVO_AVX2 inline void multiply_row_u8_columns(const row_product& r) noexcept {
  constexpr int rows = 16;
  for (int first = 0; first < r.depth; first += rows) {
    const int last = std::min(first + rows, r.depth);
    for (int c = 0; c < r.columns; c += 32) {
      std::byte* to = r.sums + c * 4;
      __m256i sums[4];
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i) sums[i] = first == 0 ? _mm256_setzero_si256() : load256(to + i * 32);
      const std::byte* b = r.b + c;
      if (r.columns - c >= 32) {
        for (int k = first; k < last; k += 2)
          multiply_pair(sums, r.x + k * 2, {b + k * r.stride, b + std::min(k + 1, r.depth - 1) * r.stride});
      } else {
        alignas(32) std::byte pair[2][32] = {};
        for (int k = first; k < last; k += 2) {
          for (int i = 0; i < 2; ++i)
            blocking::copy_run(pair[i], b + std::min(k + i, r.depth - 1) * r.stride,
                               static_cast<std::size_t>(r.columns - c));
          multiply_pair(sums, r.x + k * 2, {pair[0], pair[1]});
        }
      }
      if (last == r.depth) {
        const __m256i y[] = {
            _mm256_permute2x128_si256(sums[0], sums[1], 0x20), _mm256_permute2x128_si256(sums[2], sums[3], 0x20),
            _mm256_permute2x128_si256(sums[0], sums[1], 0x31), _mm256_permute2x128_si256(sums[2], sums[3], 0x31)};
        std::copy_n(y, 4, sums);
      }
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i) store256(to + i * 32, sums[i]);
    }
  }
}

/// `Count` rows, of which those that do not exist are the last that does.
template <int Count>
struct some_rows {
  const std::byte* at[Count];

  OCTAVO_INLINE some_rows(const std::byte* first, std::ptrdiff_t stride, int existing) {
    at[0] = first;
    for (int i = 1; i < Count; ++i) at[i] = at[i - 1] + (i < existing ? stride : 0);
  }
};

OCTAVO_AVX2 OCTAVO_INLINE void clear(__m256i (&x)[4]) {
  OCTAVO_UNROLL
  for (int i = 0; i < 4; ++i) x[i] = _mm256_setzero_si256();
}

/// sum + x w for 16 u8 values w.
OCTAVO_AVX2 OCTAVO_INLINE __m256i multiply_widened(__m256i sum, __m256i x, const std::byte* w) {
  const __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w)));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(x, wide));
}

/// u8, b as (columns, depth): 4 columns at a time.
OCTAVO_AVX2 inline void multiply_row_u8_transposed(const row_product& r) noexcept {
  for (int c = 0; c < r.columns; c += 4) {
    const some_rows<4> row(r.b + c * r.stride, r.stride, r.columns - c);
    __m256i sums[4];
    clear(sums);
    int k = 0;
    for (; k + 16 <= r.depth; k += 16) {
      const __m256i x = load256(r.x + k * 2);
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i) sums[i] = multiply_widened(sums[i], x, row.at[i] + k);
    }
    if (k < r.depth) {
      alignas(32) std::byte x[32] = {}, rest[16] = {};
      std::memcpy(x, r.x + k * 2, static_cast<std::size_t>(r.depth - k) * 2);
      for (int i = 0; i < 4; ++i) {
        blocking::copy_run(rest, row.at[i] + k, static_cast<std::size_t>(r.depth - k));
        sums[i] = multiply_widened(sums[i], load256(x), rest);
      }
    }
    const __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(r.sums + c * 4),
                     _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1)));
  }
}

inline void multiply_row_u8(const row_product& r) noexcept {
  r.transposed ? multiply_row_u8_transposed(r) : multiply_row_u8_columns(r);
}

/// f32, b as (depth, columns): 8 rows at a time pass by the sums.
OCTAVO_AVX2 inline void multiply_row_f32_columns(const row_product& r) noexcept {
  constexpr int rows = 8, vectors = 4;
  const auto* x = reinterpret_cast<const float*>(r.x);
  for (int first = 0; first < r.depth; first += rows) {
    const int last = std::min(first + rows, r.depth);
    for (int c = 0; c < r.columns; c += 8 * vectors) {
      auto* to = reinterpret_cast<float*>(r.sums) + c;
      __m256 sums[vectors];
      OCTAVO_UNROLL
      for (int v = 0; v < vectors; ++v) sums[v] = first == 0 ? _mm256_setzero_ps() : _mm256_loadu_ps(to + v * 8);
      const bool whole = r.columns - c >= 8 * vectors;
      for (int k = first; k < last; ++k) {
        const auto* b = reinterpret_cast<const float*>(r.b + k * r.stride) + c;
        OCTAVO_UNROLL
        for (int v = 0; v < vectors; ++v) {
          if (!whole && c + v * 8 >= r.columns) continue;
          const f32x8 w = whole ? f32x8(_mm256_loadu_ps(b + v * 8)) : load_lanes(b + v * 8, r.columns - c - v * 8);
          sums[v] = _mm256_fmadd_ps(_mm256_set1_ps(x[k]), w.v, sums[v]);
        }
      }
      OCTAVO_UNROLL
      for (int v = 0; v < vectors; ++v) _mm256_storeu_ps(to + v * 8, sums[v]);
    }
  }
}

/// sum += x[i] times value i of 8 rows, for i < count <= 8: one chain each.
OCTAVO_AVX2 OCTAVO_INLINE __m256 multiply_rows(__m256 sum, const float* x, const some_rows<8>& rows, std::ptrdiff_t at,
                                               int count) {
  __m256i w[8];
  OCTAVO_UNROLL
  for (int i = 0; i < 8; ++i) {
    const auto* from = reinterpret_cast<const float*>(rows.at[i] + at);
    w[i] = count == 8 ? load256(from) : _mm256_castps_si256(load_lanes(from, count).v);
  }
  transpose(w);
  OCTAVO_UNROLL
  for (int i = 0; i < 8; ++i)
    if (i < count) sum = _mm256_fmadd_ps(_mm256_set1_ps(x[i]), _mm256_castsi256_ps(w[i]), sum);
  return sum;
}

/// f32, b as (columns, depth): twice 8 columns, 8 values of each at a time. More would hide the latency of chains, but
/// rows whose distance is a power of two meet in few sets of the caches.
OCTAVO_AVX2 inline void multiply_row_f32_transposed(const row_product& r) noexcept {
  const auto* x = reinterpret_cast<const float*>(r.x);
  for (int c = 0; c < r.columns; c += 16) {
    const some_rows<8> low(r.b + c * r.stride, r.stride, r.columns - c);
    const some_rows<8> high(low.at[7] + (c + 8 < r.columns ? r.stride : 0), r.stride, r.columns - c - 8);
    __m256 sum_low = _mm256_setzero_ps(), sum_high = sum_low;
    int k = 0;
    for (; k + 8 <= r.depth; k += 8) {
      sum_low = multiply_rows(sum_low, x + k, low, k * 4, 8);
      sum_high = multiply_rows(sum_high, x + k, high, k * 4, 8);
    }
    if (k < r.depth) {
      sum_low = multiply_rows(sum_low, x + k, low, k * 4, r.depth - k);
      sum_high = multiply_rows(sum_high, x + k, high, k * 4, r.depth - k);
    }
    _mm256_storeu_ps(reinterpret_cast<float*>(r.sums) + c, sum_low);
    _mm256_storeu_ps(reinterpret_cast<float*>(r.sums) + c + 8, sum_high);
  }
}

inline void multiply_row_f32(const row_product& r) noexcept {
  r.transposed ? multiply_row_f32_transposed(r) : multiply_row_f32_columns(r);
}

/// sums[i] = factor times the sum of the n u8 values of row i.
OCTAVO_AVX2 inline void sum_rows(const std::byte* rows, std::ptrdiff_t stride, int count, int n, std::int32_t factor,
                                 std::int32_t* sums) noexcept {
  // Of the last 32 bytes of a row, those that no load had before.
  alignas(32) static constexpr std::uint64_t masks[8] = {0, 0, 0, 0, ~0ull, ~0ull, ~0ull, ~0ull};
  const __m256i zero = _mm256_setzero_si256(), kept = load256(reinterpret_cast<const std::byte*>(masks) + n % 32);
  for (int first = 0; first < count; first += 4) {
    const some_rows<4> row(rows + first * stride, stride, count - first);
    __m256i total[4];
    clear(total);
    int k = 0;
    for (; k + 32 <= n; k += 32) {
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i) total[i] = _mm256_add_epi64(total[i], _mm256_sad_epu8(load256(row.at[i] + k), zero));
    }
    if (k < n) {
      OCTAVO_UNROLL
      for (int i = 0; i < 4; ++i) {
        __m256i rest;
        if (n >= 32) {
          rest = _mm256_and_si256(kept, load256(row.at[i] + n - 32));
        } else {
          alignas(32) std::byte bytes[32] = {};
          blocking::copy_run(bytes, row.at[i], static_cast<std::size_t>(n));
          rest = load256(bytes);
        }
        total[i] = _mm256_add_epi64(total[i], _mm256_sad_epu8(rest, zero));
      }
    }
    alignas(32) std::int64_t all[4][4];
    OCTAVO_UNROLL
    for (int i = 0; i < 4; ++i) store256(all[i], total[i]);
    for (int i = 0; i < std::min(4, count - first); ++i)
      sums[first + i] = factor * static_cast<std::int32_t>(all[i][0] + all[i][1] + all[i][2] + all[i][3]);
  }
}

/// The functions for u8 on tiles that sum pairs or not, and for f32.
template <bool pairs>
inline constexpr blocking::matmul_functions matmul_functions_u8{pack_u8<pairs>, sum_rows, multiply_row_u8};
inline constexpr blocking::matmul_functions matmul_functions_f32{pack_f32, nullptr, multiply_row_f32};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
