// Convolution and fully connected layers on AVX-512: tiles of two strips of 7 pixels x 32 channels, 28 of 32
// registers (7 divides the lines of the usual maps: 7, 14, 28, 56, 112).
//
// INT8: vpdpbusd sums four products of u8 and s8 exactly in s32. FP32: vfmadd231ps.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/blocking/direct_convolution.hpp"
#include "octavo/backends/x86/avx512_vnni/direct_epilogue.hpp"

// GCC's own AVX-512 header initializes the unused operand of an unmasked instruction with itself (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// 4 bytes in every lane.
OCTAVO_AVX512 OCTAVO_INLINE __m512i broadcast_group(const std::byte* from) {
  std::int32_t group;
  std::memcpy(&group, from, sizeof group);
  return _mm512_set1_epi32(group);
}

/// How types multiply: sum += x * w for 16 channels, and a sum as binary32 with the multiplier and offset applied.
/// Integers may be added in any order; `partial_sums` of them hide the latency of a multiply-add where there is one
/// pixel.
struct u8s8s32 {
  using sum = __m512i;
  static constexpr int partial_sums = 4;
  OCTAVO_AVX512 static OCTAVO_INLINE sum zero() { return _mm512_setzero_si512(); }
  OCTAVO_AVX512 static OCTAVO_INLINE sum load(const void* from) { return _mm512_loadu_si512(from); }
  OCTAVO_AVX512 static OCTAVO_INLINE sum add(sum a, sum b) { return _mm512_add_epi32(a, b); }
  OCTAVO_AVX512 static OCTAVO_INLINE sum multiply_add(sum s, __m512i x, __m512i w) {
    return _mm512_dpbusd_epi32(s, x, w);
  }
  OCTAVO_AVX512 static OCTAVO_INLINE __m512 scaled(sum s, __m512 multiplier, __m512 offset) {
    OCTAVO_KEEP(s);
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(s), multiplier, offset);
  }
};
struct f32 {
  using sum = __m512;
  static constexpr int partial_sums = 1;
  OCTAVO_AVX512 static OCTAVO_INLINE sum zero() { return _mm512_setzero_ps(); }
  OCTAVO_AVX512 static OCTAVO_INLINE sum load(const void* from) { return _mm512_loadu_ps(from); }
  OCTAVO_AVX512 static OCTAVO_INLINE sum add(sum a, sum b) { return _mm512_add_ps(a, b); }
  OCTAVO_AVX512 static OCTAVO_INLINE sum multiply_add(sum s, __m512i x, __m512i w) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(w), s);
  }
  OCTAVO_AVX512 static OCTAVO_INLINE __m512 scaled(sum s, __m512 multiplier, __m512 offset) {
    return _mm512_fmadd_ps(s, multiplier, offset);
  }
};

/// Adds what the sums of each row begin with beyond `start`.
template <class Type, int Rows, int NV>
OCTAVO_AVX512 OCTAVO_INLINE void add_row_starts(const direct_tile& t, typename Type::sum (&acc)[Rows][NV]) {
  if constexpr (std::is_same_v<Type, u8s8s32>)
    if (t.row_start[0]) {
      OCTAVO_UNROLL
      for (int m = 0; m < Rows; ++m) {
        OCTAVO_UNROLL
        for (int v = 0; v < NV; ++v)
          acc[m][v] = Type::add(acc[m][v], _mm512_set1_epi32(t.row_start[m / strip][m % strip]));
      }
    }
}

/// A single pixel. Successive groups take turns at the partial sums.
template <class Type, int NV>
OCTAVO_AVX512 inline void pixel_tile(const direct_tile& t) noexcept {
  constexpr int sums = Type::partial_sums;
  typename Type::sum acc[sums][NV];
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    acc[0][v] = Type::load(t.start + v * 16);
    OCTAVO_UNROLL
    for (int j = 1; j < sums; ++j) acc[j][v] = Type::zero();
    if constexpr (sums > 1)
      if (t.row_start[0]) acc[1][v] = _mm512_set1_epi32(*t.row_start[0]);
  }
  const std::byte* weights = t.weights;
  for (int run = 0; run < t.run_count; ++run) {
    const std::byte* x = t.src[0] + t.runs[run];
    int left = t.run_groups;
    for (; left >= 4; left -= 4, x += 16) {
      OCTAVO_UNROLL
      for (int i = 0; i < 4 * NV; ++i, weights += 64) {
        auto& sum = acc[i / NV % sums][i % NV];
        sum = Type::multiply_add(sum, broadcast_group(x + i / NV * 4), _mm512_loadu_si512(weights));
      }
    }
    for (; left > 0; --left, x += 4) {
      OCTAVO_UNROLL
      for (int v = 0; v < NV; ++v, weights += 64)
        acc[0][v] = Type::multiply_add(acc[0][v], broadcast_group(x), _mm512_loadu_si512(weights));
    }
  }
  alignas(64) float x[NV * 16];
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    typename Type::sum sum = acc[0][v];
    OCTAVO_UNROLL
    for (int j = 1; j < sums; ++j) sum = Type::add(sum, acc[j][v]);
    _mm512_store_ps(x + v * 16,
                    Type::scaled(sum, _mm512_loadu_ps(t.multiplier + v * 16), _mm512_loadu_ps(t.offset + v * 16)));
  }
  end_rows<NV>(t, x, 1);
}

template <class Type, int Strips, int NV>
OCTAVO_AVX512 inline void tile(const direct_tile& t) noexcept {
  constexpr int rows = Strips * strip;
  typename Type::sum acc[rows][NV];
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    const typename Type::sum start = Type::load(t.start + v * 16);
    OCTAVO_UNROLL
    for (int m = 0; m < rows; ++m) acc[m][v] = start;
  }
  add_row_starts<Type>(t, acc);
  // One pointer and three strides reach the pixels of a strip.
  const std::ptrdiff_t stride = t.src_stride, stride3 = 3 * stride, stride5 = 5 * stride;
  const std::uintptr_t ahead_step = t.ahead_step;
  std::uintptr_t ahead = t.ahead;
  const std::byte* weights = t.weights;
  for (int run = 0; run < t.run_count; ++run) {
    const std::byte *x0 = t.src[0] + t.runs[run], *x1 = t.src[Strips - 1] + t.runs[run];
    for (int group = t.run_groups; group > 0; --group, x0 += 4, x1 += 4, weights += NV * 64, ahead += ahead_step) {
      _mm_prefetch(reinterpret_cast<const char*>(ahead), _MM_HINT_T1);
      __m512i w[NV];
      OCTAVO_UNROLL
      for (int v = 0; v < NV; ++v) w[v] = _mm512_loadu_si512(weights + v * 64);
      OCTAVO_UNROLL
      for (int m = 0; m < rows; ++m) {
        const int i = m % strip;
        const std::ptrdiff_t at = i == 3 ? stride3 : i == 5 ? stride5 : i == 6 ? 2 * stride3 : i * stride;
        __m512i x = broadcast_group((m < strip ? x0 : x1) + at);
        OCTAVO_KEEP(x);
        OCTAVO_UNROLL
        for (int v = 0; v < NV; ++v) acc[m][v] = Type::multiply_add(acc[m][v], x, w[v]);
      }
    }
  }
  __m512 multiplier[NV], offset[NV];
  OCTAVO_UNROLL
  for (int v = 0; v < NV; ++v) {
    multiplier[v] = _mm512_loadu_ps(t.multiplier + v * 16);
    offset[v] = _mm512_loadu_ps(t.offset + v * 16);
  }
  if constexpr (std::is_same_v<Type, u8s8s32>)
    if (t.epilogue->clamp != native::clamping::as_floats)
      return t.residual[0] ? end_u8<true, Type>(t, acc, multiplier, offset)
                           : end_u8<false, Type>(t, acc, multiplier, offset);
  if (t.epilogue->type == element::f32)
    return t.residual[0] ? end_f32<true, Type>(t, acc, multiplier, offset)
                         : end_f32<false, Type>(t, acc, multiplier, offset);
  alignas(64) float x[rows * NV * 16];
  OCTAVO_UNROLL
  for (int i = 0; i < rows * NV; ++i)
    _mm512_store_ps(x + i * 16, Type::scaled(acc[i / NV][i % NV], multiplier[i % NV], offset[i % NV]));
  end_rows<NV>(t, x, rows);
}

template <class Type>
inline constexpr blocking::direct_microkernel direct{16,
                                                     2,
                                                     strip,
                                                     false,
                                                     {{pixel_tile<Type, 1>, pixel_tile<Type, 2>},
                                                      {tile<Type, 1, 1>, tile<Type, 1, 2>},
                                                      {tile<Type, 2, 1>, tile<Type, 2, 2>}}};

/// Kernels for conv2d and fc.
inline constexpr kernel convolution_kernels[] = {
    blocking::direct_kernel<direct<u8s8s32>, element::u8>("conv_u8s8s32_14x32_avx512_vnni", isa::avx512_vnni),
    blocking::direct_kernel<direct<f32>, element::f32>("conv_f32_14x32_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
