// Shapes: `shape<...>` is known at compile time and carried in types, `dims` is the same at run time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <utility>

namespace octavo {

/// The most axes a tensor may have.
inline constexpr int max_rank = 6;

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

  /// Adds an innermost axis; a negative extent -N means "up to N" (see upto).
  constexpr void push_back(int e) {
    if (e < 0) bounded = static_cast<std::uint8_t>(bounded | (1u << rank));
    extent[static_cast<std::size_t>(rank++)] = e < 0 ? -e : e;
  }
  constexpr int& operator[](int axis) { return extent[static_cast<std::size_t>(axis)]; }
  constexpr int operator[](int axis) const { return extent[static_cast<std::size_t>(axis)]; }
  constexpr bool is_bounded(int axis) const { return (bounded >> axis & 1) != 0; }

  /// The extent as a template argument of shape: negated where the axis is bounded.
  constexpr int encoded(int axis) const { return is_bounded(axis) ? -(*this)[axis] : (*this)[axis]; }

  /// The innermost extent; 1 for a scalar.
  constexpr int back() const { return rank == 0 ? 1 : (*this)[rank - 1]; }

  /// Number of elements.
  constexpr std::size_t count() const {
    std::size_t n = 1;
    for (int i = 0; i < rank; ++i) n *= static_cast<std::size_t>((*this)[i]);
    return n;
  }

  /// Number of innermost rows: count() / back().
  constexpr std::size_t rows() const {
    std::size_t n = 1;
    for (int i = 0; i + 1 < rank; ++i) n *= static_cast<std::size_t>((*this)[i]);
    return n;
  }

  friend constexpr bool operator==(const dims&, const dims&) = default;

  /// Written as 1x56x56x64, a bounded axis as <=8, a scalar as "scalar".
  friend std::ostream& operator<<(std::ostream& out, const dims& d) {
    if (d.rank == 0) return out << "scalar";
    for (int i = 0; i < d.rank; ++i) out << (i ? "x" : "") << (d.is_bounded(i) ? "<=" : "") << d[i];
    return out;
  }
};

/// Whether no axis but the outermost is bounded.
constexpr bool only_batch_bounded(const dims& d) { return (d.bounded & ~1u) == 0; }

/// Whether both have the same bounds at the same axes.
constexpr bool same_bounds(const dims& a, const dims& b) {
  for (int i = 0; i < max_rank; ++i)
    if (a.is_bounded(i) != b.is_bounded(i) || (a.is_bounded(i) && a[i] != b[i])) return false;
  return true;
}

/// "Up to N": a leading batch or time extent that is chosen at each run, e.g. nhwc<upto<8>, 224, 224, 3>.
template <int N>
inline constexpr int upto = -N;

/// A shape in the type system, outermost axis first; a bounded extent is stored negated.
template <int... Extents>
struct shape {
  static_assert(sizeof...(Extents) <= max_rank, "octavo: a tensor has at most 6 axes");
  static_assert(((Extents != 0) && ...), "octavo: every extent must be at least 1");
  static constexpr dims value{Extents...};
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
