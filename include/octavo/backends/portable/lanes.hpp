// Portable loads, stores and epilogues of blocks of 16 numbers: plain loops of a fixed length over local arrays, which
// nothing can alias, so that compilers turn them into vector instructions at plain -O2.
#pragma once

#include <cstring>

#include "octavo/backends/native/epilogue.hpp"
#include "octavo/backends/portable/arch.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

using native::epilogue;

/// Numbers at a time.
inline constexpr int block = 16;

/// 16 numbers in binary32.
struct alignas(64) numbers {
  float at[block];
};

/// 16 numbers as f32; a u8 loses its zero point.
inline void load(numbers& v, const std::uint8_t* p, std::int32_t zero_point) {
  std::uint8_t q[block];
  std::memcpy(q, p, sizeof q);
  numbers x;
  for (int i = 0; i < block; ++i) x.at[i] = static_cast<float>(q[i] - zero_point);
  v = x;
}
inline void load(numbers& v, const float* p, std::int32_t) { std::memcpy(v.at, p, sizeof v.at); }

/// v = v m + b, rounded once.
inline void multiply_add(numbers& v, const float* m, const float* b) {
  for (int i = 0; i < block; ++i) v.at[i] = fused_multiply_add(v.at[i], m[i], b[i]);
}

/// Ends 16 numbers by the epilogue and stores them as u8. A NaN gives the lower bound.
inline void end(std::uint8_t* y, const numbers& v, const epilogue& e) {
  const float lower = e.lower, upper = e.upper;
  const std::int32_t zero_point = e.u8.zero_point;
  std::uint8_t q[block];
  for (int i = 0; i < block; ++i) {
    const float above = v.at[i] > lower ? v.at[i] : lower;
    const float clamped = above < upper ? above : upper;
    // At 1.5 * 2^23 binary32 counts in ones: adding it rounds to nearest even.
    const float rounded = (clamped + 12582912.0f) - 12582912.0f;
    q[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(rounded) + zero_point);
  }
  std::memcpy(y, q, sizeof q);
}
/// Ends 16 numbers by the epilogue and stores them as f32. A NaN stays a NaN.
inline void end(float* y, const numbers& v, const epilogue& e) {
  const float lower = e.lower, upper = e.upper;
  numbers x;
  for (int i = 0; i < block; ++i) {
    const float above = v.at[i] < lower ? lower : v.at[i];
    x.at[i] = upper < above ? upper : above;
  }
  std::memcpy(y, x.at, sizeof x.at);
}

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
