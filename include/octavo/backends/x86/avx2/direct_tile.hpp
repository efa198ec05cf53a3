// Tiles of strips of 7 pixels x 16 channels in 256-bit registers: 14 of 16 hold sums, one a vector of weights, one a
// broadcast group of depth; the second vector of weights comes from memory at each use.
//
// FP32: vfmadd231ps, here. INT8: vpdpbusd, on AVX-VNNI. One text serves both types; instructions are written out so
// that the second vector of weights stays in memory: compilers would load it once, and spill a sum.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/x86/avx2/direct_epilogue.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

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
  OCTAVO_AVX2 static OCTAVO_INLINE __m256 scaled(sum s, __m256 multiplier, __m256 offset) {
    return _mm256_fmadd_ps(s, multiplier, offset);
  }
};

/// 4 bytes in every lane.
OCTAVO_AVX2 OCTAVO_INLINE __m256i broadcast(const std::byte* from) {
  std::int32_t group;
  std::memcpy(&group, from, sizeof group);
  return _mm256_set1_epi32(group);
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
