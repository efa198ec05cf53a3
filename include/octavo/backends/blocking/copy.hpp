// Copies that are shorter than what memcpy is made for.
#pragma once

#include <cstddef>
#include <cstring>

#include "octavo/base/arch_namespace.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// Copies n bytes and touches no others; inline for the short runs that a convolution of few channels is made of.
inline void copy_run(std::byte* to, const std::byte* from, std::size_t n) noexcept {
  if (n >= 16) {
    for (std::size_t i = 0; i + 16 < n; i += 16) std::memcpy(to + i, from + i, 16);
    std::memcpy(to + n - 16, from + n - 16, 16);
  } else if (n >= 8) {
    std::memcpy(to, from, 8);
    std::memcpy(to + n - 8, from + n - 8, 8);
  } else if (n >= 4) {
    std::memcpy(to, from, 4);
    std::memcpy(to + n - 4, from + n - 4, 4);
  } else {
    for (std::size_t i = 0; i < n; ++i) to[i] = from[i];
  }
}

/// Copies `count` pixels of `bytes` each, which lie `stride` bytes apart, next to each other.
inline void copy_pixels(std::byte* to, const std::byte* from, int count, int bytes, std::ptrdiff_t stride) noexcept {
  const auto n = static_cast<std::size_t>(bytes);
  if (stride == bytes) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * n);
    return;
  }
  for (int i = 0; i < count; ++i) copy_run(to + i * static_cast<std::ptrdiff_t>(n), from + i * stride, n);
}

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
