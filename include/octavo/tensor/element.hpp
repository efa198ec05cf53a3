// Element types: which numbers a tensor holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace octavo {

/// The type of a tensor's elements; `none` where there is no tensor.
enum class element : std::uint8_t { f32, u8, s8, s32, s64, none };

/// The element type of a C++ type: float -> f32, std::uint8_t -> u8, and so on.
template <class T>
inline constexpr element element_of = [] {
  static_assert(sizeof(T) == 0, "octavo: not an element type");
  return element::f32;
}();
template <>
inline constexpr element element_of<float> = element::f32;
template <>
inline constexpr element element_of<std::uint8_t> = element::u8;
template <>
inline constexpr element element_of<std::int8_t> = element::s8;
template <>
inline constexpr element element_of<std::int32_t> = element::s32;
template <>
inline constexpr element element_of<std::int64_t> = element::s64;

/// Bytes of one element.
constexpr std::size_t size_of(element type) {
  switch (type) {
    case element::u8:
    case element::s8: return 1;
    case element::f32:
    case element::s32: return 4;
    case element::s64: return 8;
    case element::none: return 0;
  }
  return 0;
}

/// "f32", "u8" and so on.
constexpr std::string_view name_of(element type) {
  switch (type) {
    case element::f32: return "f32";
    case element::u8: return "u8";
    case element::s8: return "s8";
    case element::s32: return "s32";
    case element::s64: return "s64";
    case element::none: return "none";
  }
  return "?";
}

}  // namespace octavo
