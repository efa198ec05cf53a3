// Convolution and fully connected layers on whatever vectors xsimd finds: tiles of up to 6 pixels x two vectors.
//
// INT8 without integer dot products: u8 and s8 values become f32, whose products and sums are exact integers as long as
// they stay below 2^24; after 512 products, at most 512 * 255 * 127 = 16 581 120, the sums move to s32.
#pragma once

#include "octavo/backends/blocking/panel_convolution.hpp"
#include "octavo/backends/blocking/unroll.hpp"
#include "octavo/backends/portable/batch.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// Products of u8 and s8 that f32 sums exactly, in steps of depth.
inline constexpr int exact_steps = 512 / 4;

/// sum over `steps` of depth, stored to `sum` (MR, NV * lanes). Advances both operands, which begin at a chunk.
/// `Integers`: products and sums are exact, so that it does not matter how often they are rounded.
template <bool Integers, int MR, int NV>
inline void multiply(const std::byte*& panel, const std::byte*& weights, int steps, float* sum) noexcept {
  const float *a = reinterpret_cast<const float*>(panel), *b = reinterpret_cast<const float*>(weights);
  constexpr int chunk = blocking::chunk_bytes / 4;
  batch acc[MR][NV];
  OCTAVO_UNROLL
  for (int m = 0; m < MR; ++m) {
    OCTAVO_UNROLL
    for (int v = 0; v < NV; ++v) acc[m][v] = batch(0.0f);
  }
  for (int left = steps; left > 0; left -= 4, a += (MR - 1) * chunk) {
    for (int k = std::min(left, 4) * 4; k > 0; --k, ++a, b += NV * lanes) {
      batch w[NV];
      OCTAVO_UNROLL
      for (int v = 0; v < NV; ++v) w[v] = batch::load_unaligned(b + v * lanes);
      OCTAVO_UNROLL
      for (int m = 0; m < MR; ++m) {
        const batch x(a[m * chunk]);
        OCTAVO_UNROLL
        for (int v = 0; v < NV; ++v)
          acc[m][v] = Integers ? xsimd::fma(x, w[v], acc[m][v]) : fused_multiply_add(x, w[v], acc[m][v]);
      }
    }
  }
  OCTAVO_UNROLL
  for (int m = 0; m < MR; ++m) {
    OCTAVO_UNROLL
    for (int v = 0; v < NV; ++v) acc[m][v].store_unaligned(sum + (m * NV + v) * lanes);
  }
  panel = reinterpret_cast<const std::byte*>(a);
  weights = reinterpret_cast<const std::byte*>(b);
}

/// Adds the residual, clamps and stores `x` (rows, channels) as f32.
inline void store_f32(const blocking::tile& t, const float* x, int channels) noexcept {
  const activation act{t.epilogue->lower, t.epilogue->upper};
  for (int m = 0; m < t.rows; ++m, x += channels) {
    float* to = reinterpret_cast<float*>(t.dst + m * t.dst_stride);
    const float* r = reinterpret_cast<const float*>(t.residual + m * t.residual_stride);
    for (int c = 0; c < channels; ++c) to[c] = act(t.residual ? x[c] + r[c] : x[c]);
  }
}

/// Adds the residual, clamps, rounds, adds the zero point and stores `x` (rows, channels) as u8.
inline void store_u8(const blocking::tile& t, float* x, int channels) noexcept {
  const native::epilogue& e = *t.epilogue;
  for (int m = 0; m < t.rows; ++m, x += channels) {
    if (t.residual) {
      const std::byte* r = t.residual + m * t.residual_stride;
      for (int c = 0; c < channels; ++c)
        x[c] = fused_multiply_add(static_cast<float>(std::to_integer<int>(r[c]) - e.residual_zero_point),
                                  e.residual_multiplier, x[c]);
    }
    std::byte* to = t.dst + m * t.dst_stride;
    for (int c = 0; c < channels; ++c) {
      const float raised = x[c] > e.lower ? x[c] : e.lower;  // a NaN gives the bound
      const float clamped = raised < e.upper ? raised : e.upper;
      // At 1.5 * 2^23 binary32 counts in ones: adding it rounds to nearest even.
      to[c] =
          static_cast<std::byte>(static_cast<std::int32_t>((clamped + 12582912.0f) - 12582912.0f) + e.u8.zero_point);
    }
  }
}

/// INT8: panel and weights are f32 that hold integers.
template <int MR, int NV>
inline void tile_u8s8s32(const blocking::tile& t) noexcept {
  constexpr int channels = NV * lanes;
  alignas(cache_line) float x[MR * channels];
  alignas(cache_line) std::int32_t acc[MR * channels] = {};
  const std::byte *panel = t.panel, *weights = t.weights;
  for (int left = t.steps; left > 0; left -= exact_steps) {
    multiply<true, MR, NV>(panel, weights, std::min(left, exact_steps), x);
    for (int i = 0; i < MR * channels; ++i) acc[i] += static_cast<std::int32_t>(x[i]);
  }
  for (int m = 0; m < MR; ++m)
    for (int c = 0; c < channels; ++c)
      x[m * channels + c] = fused_multiply_add(static_cast<float>(acc[m * channels + c]), t.multiplier[c], t.offset[c]);
  if (t.epilogue->type == element::u8)
    store_u8(t, x, channels);
  else
    store_f32(t, x, channels);
}

/// FP32: panel and weights are f32. The multiplier is 1.
template <int MR, int NV>
inline void tile_f32(const blocking::tile& t) noexcept {
  constexpr int channels = NV * lanes;
  alignas(cache_line) float x[MR * channels];
  const std::byte *panel = t.panel, *weights = t.weights;
  multiply<false, MR, NV>(panel, weights, t.steps, x);
  for (int m = 0; m < MR; ++m)
    for (int c = 0; c < channels; ++c) x[m * channels + c] += t.offset[c];
  store_f32(t, x, channels);
}

/// u8 to f32, 16 of them to a chunk.
inline void pack_u8(std::byte* row, int rows, int position, const std::byte* src, int n) noexcept {
  const int chunk = rows * blocking::chunk_bytes;
  for (int i = 0; i < n; i += 4) {
    const int at = position + i;
    float values[4];
    for (int j = 0; j < 4; ++j) values[j] = static_cast<float>(std::to_integer<int>(src[i + j]));
    std::memcpy(row + at / 16 * chunk + at % 16 * 4, values, sizeof values);
  }
}

/// f32 as it is.
inline void pack_f32(std::byte* row, int rows, int position, const std::byte* src, int n) noexcept {
  const int chunk = rows * blocking::chunk_bytes;
  for (int i = 0; i < n; i += 4) {
    const int at = position + i;
    std::memcpy(row + at / 16 * chunk + at % 16 * 4, src + i * 4, 16);
  }
}

inline constexpr blocking::tile_shape tiles_u8s8s32[] = {{1, {tile_u8s8s32<1, 1>, tile_u8s8s32<1, 2>}},
                                                         {6, {tile_u8s8s32<6, 1>, tile_u8s8s32<6, 2>}}};
inline constexpr blocking::tile_shape tiles_f32[] = {{1, {tile_f32<1, 1>, tile_f32<1, 2>}},
                                                     {6, {tile_f32<6, 1>, tile_f32<6, 2>}}};
inline constexpr blocking::microkernel u8s8s32{lanes, pack_u8, tiles_u8s8s32};
inline constexpr blocking::microkernel f32{lanes, pack_f32, tiles_f32};

/// Kernels for conv2d and fc.
inline constexpr kernel convolution_kernels[] = {
    blocking::panel_kernel<u8s8s32, element::u8>("conv_u8s8s32_portable", isa::portable),
    blocking::panel_kernel<f32, element::f32>("conv_f32_portable", isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
