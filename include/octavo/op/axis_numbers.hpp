// An attribute with a number for each of some axes: a permutation, starts and ends, paddings.
#pragma once

#include <algorithm>
#include <limits>

#include "octavo/op/attribute.hpp"

namespace octavo {

/// Up to max_rank numbers. Can be a template argument.
struct axis_numbers {
  std::array<int, max_rank> number{};
  int count = 0;

  constexpr axis_numbers() = default;
  constexpr axis_numbers(std::initializer_list<int> list) {
    for (int n : list) push_back(n);
  }

  /// Adds a number. Throws octavo::error for one more than there can be axes.
  constexpr void push_back(int n) {
    if (count == max_rank) fail("there are at most ", max_rank, " axes: found one number more");
    number[static_cast<std::size_t>(count++)] = n;
  }
  constexpr int operator[](int i) const { return number[static_cast<std::size_t>(i)]; }
  constexpr int& operator[](int i) { return number[static_cast<std::size_t>(i)]; }
  constexpr bool empty() const { return count == 0; }
  constexpr const int* begin() const { return number.data(); }
  constexpr const int* end() const { return number.data() + count; }
  constexpr bool contains(int n) const { return std::find(begin(), end(), n) != end(); }

  friend constexpr bool operator==(const axis_numbers&, const axis_numbers&) = default;
  /// Written as 0,2,1.
  friend std::ostream& operator<<(std::ostream& out, const axis_numbers& a) {
    for (int i = 0; i < a.count; ++i) out << (i ? "," : "") << a[i];
    return out;
  }
};

inline attribute to_attribute(const axis_numbers& a) { return std::vector<std::int64_t>(a.begin(), a.end()); }
/// Numbers beyond 32 bits stand for "to the end", as files have it: they become the nearest int.
inline void from_attribute(const attribute& from, axis_numbers& a) {
  constexpr std::int64_t lowest = std::numeric_limits<int>::min(), largest = std::numeric_limits<int>::max();
  a = {};
  for (std::int64_t n : detail::attribute_as<std::vector<std::int64_t>>(from, "a list of numbers"))
    a.push_back(static_cast<int>(std::clamp(n, lowest, largest)));
}

/// The axis that `axis` means in a tensor of that rank: a negative one is counted from the innermost, -1. -1 where
/// there is no such axis.
constexpr int axis_of(int axis, int rank) {
  const int a = axis < 0 ? axis + rank : axis;
  return a >= 0 && a < rank ? a : -1;
}

}  // namespace octavo
