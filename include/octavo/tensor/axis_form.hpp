// How the extent of a bounded axis follows from a symbol, a number that each run chooses: the images of a batch, the
// width of a line of text, the length of a sequence.
//
//   extent = floor((mul * symbol + add) / div)
//
// Windows that slide over such an axis give such an axis: floor((floor((m s + a) / d) + b) / t) is
// floor((m s + a + b d) / (d t)). Where two axes are one thing, however they came about, their forms are equal.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <ostream>

#include "octavo/base/error.hpp"

namespace octavo {

/// The most axes a tensor may have.
inline constexpr int max_rank = 6;

/// Symbols: one for each number of an axis, which upto<N> means where it stands, then 'a' to 'z'.
inline constexpr int symbol_count = max_rank + 26;

/// The symbol that the user calls `letter`, 'a' to 'z'. Throws octavo::error for another.
constexpr int symbol_of(char letter) {
  if (letter < 'a' || letter > 'z') fail("a symbol is a letter from a to z, found '", letter, "'");
  return max_rank + (letter - 'a');
}

/// A symbol's name in messages: "w", or "axis1" for that of an axis.
struct symbol_name {
  int symbol;
  friend std::ostream& operator<<(std::ostream& out, symbol_name n) {
    if (n.symbol < max_rank) return out << "axis" << n.symbol;
    return out << static_cast<char>('a' + (n.symbol - max_rank));
  }
};

/// The symbols that give one extent, or that all extents of a network allow: those from `least` to `most`.
struct symbol_range {
  std::int64_t least = 1, most = std::numeric_limits<int>::max();

  constexpr bool is_empty() const { return least > most; }
  constexpr bool is_single() const { return least == most; }
  constexpr symbol_range within(const symbol_range& other) const {
    return {std::max(least, other.least), std::min(most, other.most)};
  }
  friend constexpr bool operator==(const symbol_range&, const symbol_range&) = default;
};

/// See above. One with mul 0 is none: dims have it where an axis is fixed, or is the symbol of its own number as it is.
/// It fits into 32 bits: see packed().
struct axis_form {
  std::uint8_t symbol = 0;
  std::uint8_t mul = 0;  ///< mul and div have no common divisor
  std::int16_t add = 0;
  std::uint16_t div = 0;

  static constexpr int symbol_limit = 32, mul_limit = 32, div_limit = 1024, add_limit = 2048;
  static_assert(symbol_count <= symbol_limit);

  /// The symbol itself.
  static constexpr axis_form of(int symbol) { return {static_cast<std::uint8_t>(symbol), 1, 0, 1}; }

  constexpr bool is_none() const { return mul == 0; }

  /// The extent where the symbol is `s`; 0 or less where there would be nothing.
  constexpr std::int64_t at(std::int64_t s) const { return floor_div(mul * s + add, div); }

  /// The symbols that give `extent`: none where no symbol does.
  constexpr symbol_range symbols(std::int64_t extent) const { return {first(extent), first(extent + 1) - 1}; }
  /// The symbols that give at least 1 and at most `bound`.
  constexpr symbol_range symbols_within(std::int64_t bound) const { return {first(1), first(bound + 1) - 1}; }

  /// floor((this + b) / t), of which sliding windows are a case. Throws octavo::error where its numbers are too large.
  constexpr axis_form then(std::int64_t b, std::int64_t t) const {
    if (t < 1 || t > std::numeric_limits<int>::max() || b > std::numeric_limits<int>::max() ||
        b < std::numeric_limits<int>::min())
      fail("(extent + ", b, ") / ", t, " is out of range");
    return reduced(symbol, mul, add + b * div, div * t);
  }

  /// All of it: symbol, mul, add and div in 5, 5, 12 and 10 bits, from the lowest. 0 for none.
  constexpr std::uint32_t packed() const {
    if (is_none()) return 0;
    const auto raised = static_cast<std::uint32_t>(add + add_limit);
    return symbol | static_cast<std::uint32_t>(mul) << 5 | raised << 10 | static_cast<std::uint32_t>(div) << 22;
  }
  /// What packed() was made of. Throws octavo::error where it was of nothing.
  static constexpr axis_form unpacked(std::uint32_t bits) {
    if (bits == 0) return {};
    const auto m = static_cast<int>(bits >> 5 & 31), d = static_cast<int>(bits >> 22);
    if (m == 0 || d == 0) fail("an extent is out of range: its symbol has the code ", bits);
    return reduced(static_cast<int>(bits & 31), m, static_cast<int>(bits >> 10 & 4095) - add_limit, d);
  }

  friend constexpr bool operator==(const axis_form&, const axis_form&) = default;

  /// Written as w, w-2, 2w or (w+1)/2.
  friend std::ostream& operator<<(std::ostream& out, const axis_form& f) {
    const bool is_sum = f.add != 0 && f.div > 1;
    out << (is_sum ? "(" : "");
    if (f.mul > 1) out << int{f.mul};
    out << symbol_name{f.symbol};
    if (f.add != 0) out << (f.add > 0 ? "+" : "") << f.add;
    out << (is_sum ? ")" : "");
    if (f.div > 1) out << "/" << f.div;
    return out;
  }

 private:
  static constexpr std::int64_t floor_div(std::int64_t n, std::int64_t d) { return n / d - (n % d < 0 ? 1 : 0); }

  /// The smallest symbol that gives `extent` or more.
  constexpr std::int64_t first(std::int64_t extent) const {
    return std::max<std::int64_t>(1, -floor_div(add - extent * div, mul));
  }

  /// With a common divisor g of m and d, floor((m s + a) / d) is floor((m/g s + floor(a / g)) / (d/g)).
  static constexpr axis_form reduced(int symbol, std::int64_t m, std::int64_t a, std::int64_t d) {
    const std::int64_t g = std::gcd(m, d);
    m /= g, a = floor_div(a, g), d /= g;
    if (m >= mul_limit || d >= div_limit || a >= add_limit || a < -add_limit)
      fail("a bounded extent would be (", m, " ", symbol_name{symbol}, " + ", a, ") / ", d,
           ", whose numbers are too large: at most ", mul_limit - 1, ", ", add_limit - 1, " and ", div_limit - 1,
           " are supported");
    return {static_cast<std::uint8_t>(symbol), static_cast<std::uint8_t>(m), static_cast<std::int16_t>(a),
            static_cast<std::uint16_t>(d)};
  }
};

}  // namespace octavo
