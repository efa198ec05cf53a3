// Portable reductions. Means and sums that keep the innermost axis are average pooling.
#pragma once

#include <numeric>

#include "octavo/backends/native/reduce.hpp"
#include "octavo/backends/portable/pool.hpp"
#include "octavo/backends/portable/vector.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

using vector_of_u8 = xsimd::batch<std::uint8_t>;
inline constexpr int lanes_of_u8 = static_cast<int>(vector_of_u8::size);

/// The first n bytes, n > 0, the others 0; reads nothing else.
inline vector_of_u8 load_lanes(const std::uint8_t* p, std::ptrdiff_t n) {
  if (n >= lanes_of_u8) return vector_of_u8::load_unaligned(p);
  std::uint8_t first[lanes_of_u8] = {};
  std::memcpy(first, p, static_cast<std::size_t>(n));
  return vector_of_u8::load_unaligned(first);
}
inline void store_lanes(std::uint8_t* p, std::ptrdiff_t n, const vector_of_u8& x) {
  if (n >= lanes_of_u8) return x.store_unaligned(p);
  std::uint8_t first[lanes_of_u8];
  x.store_unaligned(first);
  std::memcpy(p, first, static_cast<std::size_t>(n));
}
#if XSIMD_WITH_SSE2 && !XSIMD_WITH_AVX
inline vector_of_u8 at_least(const vector_of_u8& a, const vector_of_u8& b) { return _mm_max_epu8(a, b); }
inline vector_of_u8 at_most(const vector_of_u8& a, const vector_of_u8& b) { return _mm_min_epu8(a, b); }
#else  // with SSE2, xsimd 8 compares and selects here
inline vector_of_u8 at_least(const vector_of_u8& a, const vector_of_u8& b) { return xsimd::max(a, b); }
inline vector_of_u8 at_most(const vector_of_u8& a, const vector_of_u8& b) { return xsimd::min(a, b); }
#endif
inline vector_of_u8 inverted(const vector_of_u8& a) { return ~a; }
inline std::uint8_t smallest_of(const vector_of_u8& a) {
  std::uint8_t each[lanes_of_u8];
  a.store_unaligned(each);
  return *std::min_element(each, each + lanes_of_u8);
}

template <int N>
batch turned(const batch& a) {
  float twice[2 * lanes];
  a.store_unaligned(twice), a.store_unaligned(twice + lanes);
  return batch::load_unaligned(twice + N);
}

/// The sum of whole rows: s32 holds it, as op::reduce checks.
inline std::int32_t sum_of_bytes(const native::window& w, int n) {
  std::int32_t partial[block] = {};
  for (int h = 0; h < w.rows; ++h) {
    const auto* x = w.row<std::uint8_t>(h, 0);
    for (int i = 0; i < w.columns; ++i, x += w.pixel_step) {
      int c = 0;
      for (; c + block <= n; c += block)
        for (int j = 0; j < block; ++j) partial[j] += x[c + j];
      for (int j = 0; c + j < n; ++j) partial[j] += x[c + j];
    }
  }
  return std::accumulate(partial, partial + block, 0);
}

#define OCTAVO_KERNEL_FUNCTION inline
#define OCTAVO_LANES_FUNCTION inline
#include "octavo/backends/native/reduce.inc"
#undef OCTAVO_LANES_FUNCTION
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for reductions.
inline constexpr kernel reduce_kernels[] = {
    native::mean_kernel<pool, std::uint8_t, std::uint8_t>("reduce_mean_u8_portable", isa::portable),
    native::mean_kernel<pool, std::uint8_t, float>("reduce_mean_u8f32_portable", isa::portable),
    native::mean_kernel<pool, float, float>("reduce_mean_f32_portable", isa::portable),
    native::row_mean_kernel<reductions, std::uint8_t, std::uint8_t>("reduce_row_mean_u8_portable", isa::portable),
    native::row_mean_kernel<reductions, std::uint8_t, float>("reduce_row_mean_u8f32_portable", isa::portable),
    native::row_mean_kernel<reductions, float, float>("reduce_row_mean_f32_portable", isa::portable),
    native::extreme_kernel<reductions, std::uint8_t>("reduce_extreme_u8_portable", isa::portable),
    native::extreme_kernel<reductions, float>("reduce_extreme_f32_portable", isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
