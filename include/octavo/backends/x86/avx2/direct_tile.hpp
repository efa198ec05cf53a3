// Tiles of strips of 7 pixels x 16 channels in 256-bit registers: 14 of 16 hold sums, one a vector of weights, one a
// broadcast group of depth; the second vector of weights comes from memory at each use.
//
// FP32: vfmadd231ps, here. INT8: vpdpbusd, on AVX-VNNI. One text serves both types; instructions are written out so
// that the second vector of weights stays in memory: compilers would load it once, and spill a sum.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include <immintrin.h>

#include "octavo/backends/blocking/direct_microkernel.hpp"
#include "octavo/backends/x86/target.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

using blocking::direct_tile;

inline constexpr int strip = 7;

/// How types multiply: sum += x * w for 8 channels, and a sum as binary32 with the multiplier and offset applied.
/// Integers may be added in any order; `partial_sums` of them hide the latency of a multiply-add where there is one
/// pixel.
struct f32 {
  using sum = __m256;
  static constexpr int partial_sums = 1;
  OCTAVO_AVX2 static OCTAVO_INLINE sum zero() { return _mm256_setzero_ps(); }
  OCTAVO_AVX2 static OCTAVO_INLINE sum load(const void* from) {
    return _mm256_loadu_ps(static_cast<const float*>(from));
  }
  OCTAVO_AVX2 static OCTAVO_INLINE sum add(sum a, sum b) { return _mm256_add_ps(a, b); }
  OCTAVO_AVX2 static OCTAVO_INLINE sum multiply_add(sum s, __m256i x, __m256i w) {
    return _mm256_fmadd_ps(_mm256_castsi256_ps(x), _mm256_castsi256_ps(w), s);
  }
#if defined(_MSC_VER) && !defined(__clang__)
  static OCTAVO_INLINE sum multiply_add(sum s, __m256i x, const __m256i* w) { return multiply_add(s, x, *w); }
#else
  OCTAVO_AVX2 static OCTAVO_INLINE sum multiply_add(sum s, __m256i x, const __m256i* w) {
    __asm__("vfmadd231ps %2, %1, %0" : "+x"(s) : "x"(x), "m"(*w));
    return s;
  }
#endif
  OCTAVO_AVX2 static OCTAVO_INLINE __m256 scaled(sum s, __m256, __m256 offset) { return _mm256_add_ps(s, offset); }
};

/// A sum of s32 as binary32 with the multiplier and offset applied.
OCTAVO_AVX2 OCTAVO_INLINE __m256 scaled(__m256i sum, __m256 multiplier, __m256 offset) {
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), multiplier, offset);
}

/// 4 bytes in every lane.
OCTAVO_AVX2 OCTAVO_INLINE __m256i broadcast(const std::byte* from) {
  std::int32_t group;
  std::memcpy(&group, from, sizeof group);
  return _mm256_set1_epi32(group);
}

/// 8 u8 as s32.
OCTAVO_AVX2 OCTAVO_INLINE __m256i load_bytes(const std::byte* from) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
}

/// Ends up to 16 channels of a row as f32. `x`: (channels).
OCTAVO_AVX2 inline void end_row_f32(const direct_tile& t, const float* x, float* to, const float* residual) noexcept {
  const __m256 lower = _mm256_set1_ps(t.epilogue->lower), upper = _mm256_set1_ps(t.epilogue->upper);
  for (int c = 0; c < t.channels; c += 8) {
    const __m256i lanes =
        _mm256_cmpgt_epi32(_mm256_set1_epi32(t.channels - c), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256 y = _mm256_loadu_ps(x + c);
    if (residual) y = _mm256_add_ps(y, _mm256_maskload_ps(residual + c, lanes));
    // The bound comes first: of two operands one of which is NaN, min and max give the second, as std::max does.
    _mm256_maskstore_ps(to + c, lanes, _mm256_min_ps(upper, _mm256_max_ps(lower, y)));
  }
}

/// Ends up to 16 channels of a row as u8, the general way. `x`: (channels).
OCTAVO_AVX2 inline void end_row_u8(const direct_tile& t, const float* x, std::byte* to,
                                   const std::byte* residual) noexcept {
  const native::epilogue& e = *t.epilogue;
  for (int c = 0; c < t.channels; ++c) {
    __m128 y = _mm_set_ss(x[c]);
    if (residual) {
      const float r = static_cast<float>(std::to_integer<int>(residual[c]) - e.residual_zero_point);
      y = _mm_fmadd_ss(_mm_set_ss(r), _mm_set_ss(e.residual_multiplier), y);
    }
    // The bound comes second: a NaN gives it.
    y = _mm_min_ss(_mm_max_ss(y, _mm_set_ss(e.lower)), _mm_set_ss(e.upper));
    to[c] = static_cast<std::byte>(_mm_cvtss_si32(y) + e.u8.zero_point);
  }
}

/// Ends rows of a strip one after the other. `x`: (rows, stride).
inline void end_rows(const direct_tile& t, const float* x, int rows, int stride) noexcept {
  for (int m = 0; m < rows; ++m, x += stride) {
    std::byte* to = t.dst[0] + m * t.dst_stride;
    const std::byte* residual = t.residual[0] ? t.residual[0] + m * t.residual_stride : nullptr;
    if (t.epilogue->type == element::u8)
      end_row_u8(t, x, to, residual);
    else
      end_row_f32(t, x, reinterpret_cast<float*>(to), reinterpret_cast<const float*>(residual));
  }
}

/// Adds the u8 residual of 8 channels.
OCTAVO_AVX2 OCTAVO_INLINE __m256 add_residual(__m256 x, const std::byte* residual, const native::epilogue& e) {
  const __m256i r = _mm256_sub_epi32(load_bytes(residual), _mm256_set1_epi32(e.residual_zero_point));
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(r), _mm256_set1_ps(e.residual_multiplier), x);
}

/// The bytes of q[0], then those of q[1], ..., as u8 whose clamp may come after packing.
OCTAVO_AVX2 OCTAVO_INLINE __m256i pack_u8(const __m256i (&q)[4], const native::epilogue& e) {
  const __m256i zero = _mm256_set1_epi16(static_cast<std::int16_t>(e.u8.zero_point));
  const __m256i low = _mm256_adds_epi16(_mm256_packs_epi32(q[0], q[1]), zero);
  const __m256i high = _mm256_adds_epi16(_mm256_packs_epi32(q[2], q[3]), zero);
  __m256i y = _mm256_max_epu8(_mm256_packus_epi16(low, high), _mm256_set1_epi8(static_cast<char>(e.u8.lower)));
  y = _mm256_min_epu8(y, _mm256_set1_epi8(static_cast<char>(e.u8.upper)));
  // Packing works within 128-bit lanes: dword i of either holds channels of vector i.
  return _mm256_permutevar8x32_epi32(y, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/// Ends two rows of 16 channels, or four of 8, as u8 whose clamp may come after packing.
template <class Type, int NV>
OCTAVO_AVX2 OCTAVO_INLINE void end_rows_u8(const direct_tile& t, const typename Type::sum (&acc)[strip][NV],
                                           int first) {
  const native::epilogue& e = *t.epilogue;
  __m256i q[4];
  OCTAVO_UNROLL
  for (int i = 0; i < 4; ++i) {
    const int row = std::min(first + i / NV, strip - 1), v = i % NV;
    __m256 x = Type::scaled(acc[row][v], _mm256_loadu_ps(t.multiplier + v * 8), _mm256_loadu_ps(t.offset + v * 8));
    if (t.residual[0]) x = add_residual(x, t.residual[0] + row * t.residual_stride + v * 8, e);
    q[i] = _mm256_cvtps_epi32(x);
  }
  const __m256i y = pack_u8(q, e);
  OCTAVO_UNROLL
  for (int i = 0; i < 4 / NV; ++i) {
    if (first + i >= strip) continue;
    auto* to = reinterpret_cast<__m128i*>(t.dst[0] + (first + i) * t.dst_stride);
    const __m128i half = i < 2 / NV ? _mm256_castsi256_si128(y) : _mm256_extracti128_si256(y, 1);
    if constexpr (NV == 2)
      _mm_storeu_si128(to, half);
    else
      _mm_storel_epi64(to, i % 2 ? _mm_unpackhi_epi64(half, half) : half);
  }
}

/// Ends a strip.
template <class Type, int NV>
OCTAVO_AVX2 OCTAVO_INLINE void end_strip(const direct_tile& t, const typename Type::sum (&acc)[strip][NV]) {
  if constexpr (!std::is_same_v<Type, f32>)
    if (t.epilogue->clamp != native::clamping::as_floats && t.channels == NV * 8) {
      OCTAVO_UNROLL
      for (int m = 0; m < strip; m += 4 / NV) end_rows_u8<Type, NV>(t, acc, m);
      return;
    }
  alignas(32) float x[strip * NV * 8];
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    const __m256 multiplier = _mm256_loadu_ps(t.multiplier + v * 8), offset = _mm256_loadu_ps(t.offset + v * 8);
    OCTAVO_UNROLL
    for (int m = 0; m < strip; ++m) _mm256_store_ps(x + (m * NV + v) * 8, Type::scaled(acc[m][v], multiplier, offset));
  }
  end_rows(t, x, strip, NV * 8);
}

/// Adds what the sums of each row begin with beyond `start`.
template <class Type, int NV>
OCTAVO_AVX2 OCTAVO_INLINE void add_row_starts(const direct_tile& t, typename Type::sum (&acc)[strip][NV]) {
  if constexpr (!std::is_same_v<Type, f32>)
    if (t.row_start[0]) {
      OCTAVO_UNROLL
      for (int m = 0; m < strip; ++m) {
        OCTAVO_UNROLL
        for (int v = 0; v < NV; ++v) acc[m][v] = _mm256_add_epi32(acc[m][v], _mm256_set1_epi32(t.row_start[0][m]));
      }
    }
}

/// A strip.
template <class Type, int NV>
OCTAVO_AVX2 inline void strip_tile(const direct_tile& t) noexcept {
  typename Type::sum acc[strip][NV];
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    OCTAVO_UNROLL
    for (int m = 0; m < strip; ++m) acc[m][v] = Type::load(t.start + v * 8);
  }
  add_row_starts<Type, NV>(t, acc);
  // One pointer and three strides reach the pixels of a strip.
  const std::ptrdiff_t stride = t.src_stride, stride3 = 3 * stride, stride5 = 5 * stride;
  const std::uintptr_t ahead_step = t.ahead_step;
  std::uintptr_t ahead = t.ahead;
  const std::byte* weights = t.weights;
  for (int run = 0; run < t.run_count; ++run) {
    const std::byte* x0 = t.src[0] + t.runs[run];
    for (int group = t.run_groups; group > 0; --group, x0 += 4, weights += NV * 32, ahead += ahead_step) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
      const auto* w = reinterpret_cast<const __m256i*>(weights);
      const __m256i first = _mm256_loadu_si256(w);
      OCTAVO_UNROLL
      for (int m = 0; m < strip; ++m) {
        const __m256i x = broadcast(x0 + (m == 3 ? stride3 : m == 5 ? stride5 : m == 6 ? 2 * stride3 : m * stride));
        acc[m][0] = Type::multiply_add(acc[m][0], x, first);
        if constexpr (NV == 2) acc[m][1] = Type::multiply_add(acc[m][1], x, w + 1);
      }
    }
  }
  end_strip<Type, NV>(t, acc);
}

/// Two strips, one after the other.
template <blocking::direct_function one_strip>
inline void two_strips(const direct_tile& t) noexcept {
  direct_tile one = t;
  one_strip(one);
  one.src[0] = t.src[1], one.dst[0] = t.dst[1], one.residual[0] = t.residual[1];
  one.row_start[0] = t.row_start[1];
  one.ahead_step = 0;
  one_strip(one);
}

/// A single pixel. Successive groups take turns at the partial sums.
template <class Type, int NV>
OCTAVO_AVX2 inline void pixel_tile(const direct_tile& t) noexcept {
  constexpr int sums = Type::partial_sums;
  typename Type::sum acc[sums][NV];
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    acc[0][v] = Type::load(t.start + v * 8);
    OCTAVO_UNROLL
    for (int j = 1; j < sums; ++j) acc[j][v] = Type::zero();
    if constexpr (sums > 1)
      if (t.row_start[0]) acc[1][v] = _mm256_set1_epi32(*t.row_start[0]);
  }
  const std::byte* weights = t.weights;
  for (int run = 0; run < t.run_count; ++run) {
    const std::byte* x = t.src[0] + t.runs[run];
    int left = t.run_groups;
    for (; left >= 4; left -= 4, x += 16) {
      OCTAVO_UNROLL
      for (int i = 0; i < 4 * NV; ++i, weights += 32) {
        auto& sum = acc[i / NV % sums][i % NV];
        sum = Type::multiply_add(sum, broadcast(x + i / NV * 4), reinterpret_cast<const __m256i*>(weights));
      }
    }
    for (; left > 0; --left, x += 4) {
      OCTAVO_UNROLL
      for (int v = 0; v < NV; ++v, weights += 32)
        acc[0][v] =
            Type::multiply_add(acc[0][v], broadcast(x), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights)));
    }
  }
  alignas(32) float x[NV * 8];
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    typename Type::sum sum = acc[0][v];
    OCTAVO_UNROLL
    for (int j = 1; j < sums; ++j) sum = Type::add(sum, acc[j][v]);
    _mm256_store_ps(x + v * 8,
                    Type::scaled(sum, _mm256_loadu_ps(t.multiplier + v * 8), _mm256_loadu_ps(t.offset + v * 8)));
  }
  end_rows(t, x, 1, NV * 8);
}

template <class Type>
inline constexpr blocking::direct_microkernel direct{
    8,
    2,
    strip,
    false,
    {{pixel_tile<Type, 1>, pixel_tile<Type, 2>},
     {strip_tile<Type, 1>, strip_tile<Type, 2>},
     {two_strips<strip_tile<Type, 1>>, two_strips<strip_tile<Type, 2>>}}};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
