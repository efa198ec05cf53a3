// Greedy CTC decoding, its search for the best class with xsimd's vectors.
#pragma once

#include "octavo/backends/native/sequence.hpp"
#include "octavo/backends/portable/batch.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// The first of the largest of `n` classes, a NaN the largest, as op::detail::best_class has it. Of blocks only the
/// maxima are compared, and the best block is searched.
inline int first_largest(const float* x, int n) noexcept {
  constexpr int width = 4 * lanes, block_size = 16 * width;
  int best_block = 0;
  float best = -std::numeric_limits<float>::infinity();
  for (int first = 0; first < n; first += block_size) {
    const int last = std::min(first + block_size, n);
    batch most[4] = {batch(x[first]), batch(x[first]), batch(x[first]), batch(x[first])};
    auto is_nan = most[0] != most[0];
    int c = first;
    for (; c + width <= last; c += width)
      for (int k = 0; k < 4; ++k) {
        const batch v = batch::load_unaligned(x + c + k * lanes);
        is_nan = is_nan | (v != v);
        most[k] = xsimd::max(v, most[k]);
      }
    const int rest = op::detail::best_class(x + std::min(c, last - 1), std::max(last - c, 1)) + std::min(c, last - 1);
    if (xsimd::any(is_nan) || std::isnan(x[rest])) return first + op::detail::best_class(x + first, last - first);
    float all[lanes], largest = x[rest];
    xsimd::max(xsimd::max(most[0], most[1]), xsimd::max(most[2], most[3])).store_unaligned(all);
    for (const float v : all) largest = std::max(largest, v);
    if (largest > best) best = largest, best_block = first;
  }
  for (int c = best_block; c < n; ++c)
    if (x[c] == best) return c;
  return 0;
}

/// The kernel.
inline constexpr kernel ctc_greedy_decode_kernels[] = {
    native::sequence_kernel<op::ctc_greedy_decode, native::ctc_greedy_decoding<first_largest>>("ctc_greedy_decode")};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
