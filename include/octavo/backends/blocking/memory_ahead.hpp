// Memory that will be needed soon, which kernels bring into L2 a line at a time while they compute.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "octavo/base/aligned_memory.hpp"
#include "octavo/base/arch_namespace.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// What is left of it. Addresses are numbers: a kernel steps past the end, where no pointer may point.
struct memory_ahead {
  std::uintptr_t at = 0, end = 0;

  memory_ahead() = default;
  explicit memory_ahead(std::span<const std::byte> bytes)
      : at(reinterpret_cast<std::uintptr_t>(bytes.data())), end(at + bytes.size()) {}

  /// From one line to the next; at the end it goes no further.
  std::uintptr_t step() const { return at < end ? cache_line : 0; }
};

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
