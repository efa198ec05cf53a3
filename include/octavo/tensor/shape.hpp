// Shapes: `shape<...>` is known at compile time and carried in types, `dims` is the same at run time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <ostream>
#include <utility>

#include "octavo/base/error.hpp"

namespace octavo {

/// The most axes a tensor may have.
inline constexpr int max_rank = 6;

/// The most elements a tensor may have: their bytes, and sums of a few such sizes, fit into std::size_t.
inline constexpr std::size_t max_count = std::numeric_limits<std::size_t>::max() >> 8;

/// The extents of a tensor, outermost axis first. A bounded axis stores its bound; its actual extent,
/// anything from 1 to the bound, is given to session::run().
struct dims {
  std::array<int, max_rank> extent{};
  int rank = 0;
  std::uint8_t bounded = 0;  ///< bit i is set where axis i is bounded

  constexpr dims() = default;
  constexpr dims(std::initializer_list<int> list) {
    for (int e : list) push_back(e);
  }

  /// Adds an innermost axis; a negative extent -N means "up to N" (see upto). Throws octavo::error for an axis too
  /// many.
  constexpr void push_back(int e) {
    if (rank == max_rank) fail("a tensor has at most ", max_rank, " axes, asked for one more than ", *this);
    if (e == std::numeric_limits<int>::min()) fail("an extent of up to 2^31 is out of range");
    if (e < 0) bounded = static_cast<std::uint8_t>(bounded | (1u << rank));
    extent[static_cast<std::size_t>(rank++)] = e < 0 ? -e : e;
  }
  constexpr int& operator[](int axis) { return extent[static_cast<std::size_t>(axis)]; }
  constexpr int operator[](int axis) const { return extent[static_cast<std::size_t>(axis)]; }
  constexpr bool is_bounded(int axis) const { return (bounded >> axis & 1) != 0; }

  /// Gives a bounded axis its actual extent.
  constexpr void fix(int axis, int e) {
    bounded = static_cast<std::uint8_t>(bounded & ~(1u << axis));
    (*this)[axis] = e;
  }

  /// The extent as a template argument of shape: negated where the axis is bounded.
  constexpr int encoded(int axis) const { return is_bounded(axis) ? -(*this)[axis] : (*this)[axis]; }

  /// The innermost extent; 1 for a scalar.
  constexpr int back() const { return rank == 0 ? 1 : (*this)[rank - 1]; }

  /// Number of elements. Throws octavo::error where it exceeds max_count or an extent is negative.
  constexpr std::size_t count() const { return product(rank); }

  /// Number of innermost rows: count() / back(). Throws as count() does.
  constexpr std::size_t rows() const { return product(rank - 1); }

  friend constexpr bool operator==(const dims&, const dims&) = default;

  /// Written as 1x56x56x64, a bounded axis as <=8, a scalar as "scalar".
  friend std::ostream& operator<<(std::ostream& out, const dims& d) {
    if (d.rank == 0) return out << "scalar";
    for (int i = 0; i < d.rank; ++i) out << (i ? "x" : "") << (d.is_bounded(i) ? "<=" : "") << d[i];
    return out;
  }

 private:
  /// The product of the outermost extents. Two factors below 2^31 need no division to see that they do not overflow.
  constexpr std::size_t product(int axes) const {
    std::size_t n = 1;
    for (int i = 0; i < axes; ++i) {
      const int e = (*this)[i];
      if (e < 0 || (n >> 24 != 0 && e != 0 && n > max_count / static_cast<std::size_t>(e)))
        fail("a tensor cannot have the extents ", *this, ": they must be at least 1 and have at most ", max_count,
             " elements");
      n *= static_cast<std::size_t>(e);
    }
    return n;
  }
};

/// Whether no axis but the outermost is bounded.
constexpr bool only_batch_bounded(const dims& d) { return (d.bounded & ~1u) == 0; }

/// Whether the innermost axis is bounded: operators with something for each channel cannot take it.
constexpr bool innermost_bounded(const dims& d) { return d.rank > 0 && d.is_bounded(d.rank - 1); }

/// Whether both have the same bounds at the same axes.
constexpr bool same_bounds(const dims& a, const dims& b) {
  for (int i = 0; i < max_rank; ++i)
    if (a.is_bounded(i) != b.is_bounded(i) || (a.is_bounded(i) && a[i] != b[i])) return false;
  return true;
}

/// "Up to N": a leading batch or time extent that is chosen at each run, e.g. nhwc<upto<8>, 224, 224, 3>.
template <int N>
inline constexpr int upto = -N;

namespace detail {

/// Whether these extents have at most max_count elements; other faults are not looked at.
constexpr bool is_countable(std::initializer_list<int> extents) {
  std::size_t n = 1;
  for (const int e : extents) {
    const auto factor = static_cast<std::size_t>(e < 0 ? -std::int64_t{e} : std::int64_t{e});
    if (factor != 0 && n > max_count / factor) return false;
    n *= factor;
  }
  return true;
}

template <int... Extents>
constexpr dims shape_value() {
  if constexpr (sizeof...(Extents) <= max_rank && is_countable({Extents...}))
    return {Extents...};
  else
    return {};  // something to go on with, so that the failed assertion is the only error
}

}  // namespace detail

/// A shape in the type system, outermost axis first; a bounded extent is stored negated.
template <int... Extents>
struct shape {
  static_assert(sizeof...(Extents) <= max_rank, "octavo: a tensor has at most 6 axes");
  static_assert(((Extents != 0) && ...), "octavo: every extent must be at least 1");
  static_assert(detail::is_countable({Extents...}), "octavo: a tensor of this shape has too many elements");
  static constexpr dims value = detail::shape_value<Extents...>();
};

/// Images: batch, height, width, channels. Channels are innermost.
template <int N, int H, int W, int C>
using nhwc = shape<N, H, W, C>;
/// Feature vectors: batch, channels.
template <int N, int C>
using nc = shape<N, C>;
/// Sequences: batch, time, channels.
template <int N, int T, int C>
using ntc = shape<N, T, C>;

namespace detail {
template <dims D, std::size_t... I>
shape<D.encoded(static_cast<int>(I))...> make_shape(std::index_sequence<I...>);
}

/// The shape<...> type of constant dims.
template <dims D>
using shape_of = decltype(detail::make_shape<D>(std::make_index_sequence<static_cast<std::size_t>(D.rank)>{}));

}  // namespace octavo
