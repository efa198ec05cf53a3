// Shapes: `shape<...>` is known at compile time and carried in types, `dims` is the same at run time.
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <utility>

#include "octavo/tensor/axis_form.hpp"

namespace octavo {

/// The most elements a tensor may have: their bytes, and sums of a few such sizes, fit into std::size_t.
inline constexpr std::size_t max_count = std::numeric_limits<std::size_t>::max() >> 8;

/// The extents of a tensor, outermost axis first. A bounded axis stores its bound and how its actual extent follows
/// from a symbol. An extent in a list is a number, or code for a bounded one: upto<N>, encoded().
struct dims {
  std::array<int, max_rank> extent{};
  int rank = 0;
  std::uint8_t bounded = 0;                 ///< bit i is set where axis i is bounded
  std::array<axis_form, max_rank> forms{};  ///< of bounded axes; none: the symbol of the axis' own number

  constexpr dims() = default;
  constexpr dims(std::initializer_list<std::int64_t> list) {
    for (std::int64_t e : list) push_back(e);
  }

  /// Adds an innermost axis. Throws octavo::error for one too many, or an extent that is neither a number up to
  /// 2^31 - 1 nor code for a bounded one.
  constexpr void push_back(std::int64_t e) {
    if (rank == max_rank) fail("a tensor has at most ", max_rank, " axes, asked for one more than ", *this);
    const auto bound = static_cast<int>((e < 0 ? -e : e) & bound_mask);
    if (e >= 0 ? e > bound_mask : e == std::numeric_limits<std::int64_t>::min() || bound == 0)
      fail("the extent ", e, " is out of range");
    extent[static_cast<std::size_t>(rank++)] = bound;
    if (e < 0) bind(rank - 1, axis_form::unpacked(static_cast<std::uint32_t>(-e >> bound_bits)));
  }
  constexpr int& operator[](int axis) { return extent[static_cast<std::size_t>(axis)]; }
  constexpr int operator[](int axis) const { return extent[static_cast<std::size_t>(axis)]; }
  constexpr bool is_bounded(int axis) const { return (bounded >> axis & 1) != 0; }

  /// How the actual extent of a bounded axis follows from a symbol.
  constexpr axis_form form(int axis) const {
    const axis_form f = forms[static_cast<std::size_t>(axis)];
    return f.is_none() ? axis_form::of(axis) : f;
  }

  /// Makes an axis, whose extent is the bound, follow from a symbol by `f`; by none: from that of its number.
  constexpr void bind(int axis, const axis_form& f) {
    bounded = static_cast<std::uint8_t>(bounded | (1u << axis));
    forms[static_cast<std::size_t>(axis)] = f == axis_form::of(axis) ? axis_form{} : f;
  }

  /// Gives a bounded axis its actual extent.
  constexpr void fix(int axis, int e) {
    bounded = static_cast<std::uint8_t>(bounded & ~(1u << axis));
    (*this)[axis] = e;
  }

  /// An axis as the extent of a list or of shape<...>, where it means the same in any place.
  constexpr std::int64_t encoded(int axis) const {
    return is_bounded(axis) ? code((*this)[axis], form(axis)) : (*this)[axis];
  }
  /// The same in its own place: upto<N> where that says it all.
  constexpr std::int64_t encoded_in_place(int axis) const {
    return is_bounded(axis) ? code((*this)[axis], forms[static_cast<std::size_t>(axis)]) : (*this)[axis];
  }
  /// Code for an extent of up to `bound` by `form`.
  static constexpr std::int64_t code(int bound, const axis_form& form) {
    return -(static_cast<std::int64_t>(form.packed()) << bound_bits | bound);
  }

  /// The innermost extent; 1 for a scalar.
  constexpr int back() const { return rank == 0 ? 1 : (*this)[rank - 1]; }

  /// Number of elements. Throws octavo::error where it exceeds max_count or an extent is negative.
  constexpr std::size_t count() const { return product(rank); }

  /// Number of innermost rows: count() / back(). Throws as count() does.
  constexpr std::size_t rows() const { return product(rank - 1); }

  friend constexpr bool operator==(const dims& a, const dims& b) {
    if (a.rank != b.rank || a.bounded != b.bounded || a.extent != b.extent) return false;
    for (int i = 0; a.bounded >> i != 0; ++i)
      if (a.is_bounded(i) && a.form(i) != b.form(i)) return false;
    return true;
  }

  /// Written as 1x56x56x64, a bounded axis as <=8, <=8w or <=4(w/2), a scalar as "scalar".
  friend std::ostream& operator<<(std::ostream& out, const dims& d) {
    if (d.rank == 0) return out << "scalar";
    for (int i = 0; i < d.rank; ++i) {
      out << (i ? "x" : "") << (d.is_bounded(i) ? "<=" : "") << d[i];
      const axis_form f = d.form(i);
      if (!d.is_bounded(i) || f == axis_form::of(i)) continue;
      if (f.symbol >= max_rank && f == axis_form::of(f.symbol))
        out << f;
      else
        out << "(" << f << ")";
    }
    return out;
  }

 private:
  static constexpr int bound_bits = 31;
  static constexpr std::int64_t bound_mask = (std::int64_t{1} << bound_bits) - 1;

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

/// "Up to N": an extent that is chosen at each run, e.g. nhwc<upto<8>, 224, 224, 3>. Those of one name, a letter, are
/// one number; those without a name are one number with the others at the same axis.
template <int N, char Name = 0>
inline constexpr std::int64_t upto = [] {
  static_assert(N > 0, "octavo: upto needs a bound of at least 1");
  static_assert(Name == 0 || (Name >= 'a' && Name <= 'z'), "octavo: upto's name is a letter from a to z");
  return dims::code(N, Name == 0 ? axis_form{} : axis_form::of(symbol_of(Name)));
}();

namespace detail {

/// Whether an extent can be one of a shape: a number from 1 to 2^31 - 1, or a bounded one.
constexpr bool is_extent(std::int64_t e) {
  return e < 0 ? (-e & std::numeric_limits<int>::max()) != 0 : e > 0 && e <= std::numeric_limits<int>::max();
}

/// Whether these extents have at most max_count elements; other faults are not looked at.
constexpr bool is_countable(std::initializer_list<std::int64_t> extents) {
  std::size_t n = 1;
  for (const std::int64_t e : extents) {
    const auto factor = static_cast<std::size_t>((e < 0 ? -e : e) & std::numeric_limits<int>::max());
    if (factor != 0 && n > max_count / factor) return false;
    n *= factor;
  }
  return true;
}

template <std::int64_t... Extents>
constexpr dims shape_value() {
  if constexpr (sizeof...(Extents) <= max_rank && ((is_extent(Extents) || Extents == 0) && ...) &&
                is_countable({Extents...}))
    return {Extents...};
  else
    return {};  // something to go on with, so that the failed assertion is the only error
}

}  // namespace detail

/// A shape in the type system, outermost axis first; a bounded extent is a negative number: see upto.
template <std::int64_t... Extents>
struct shape {
  static_assert(sizeof...(Extents) <= max_rank, "octavo: a tensor has at most 6 axes");
  static_assert((detail::is_extent(Extents) && ...), "octavo: every extent must be at least 1");
  static_assert(detail::is_countable({Extents...}), "octavo: a tensor of this shape has too many elements");
  static constexpr dims value = detail::shape_value<Extents...>();
};

/// Images: batch, height, width, channels. Channels are innermost.
template <std::int64_t N, std::int64_t H, std::int64_t W, std::int64_t C>
using nhwc = shape<N, H, W, C>;
/// Feature vectors: batch, channels.
template <std::int64_t N, std::int64_t C>
using nc = shape<N, C>;
/// Sequences: batch, time, channels.
template <std::int64_t N, std::int64_t T, std::int64_t C>
using ntc = shape<N, T, C>;

namespace detail {
template <dims D, std::size_t... I>
shape<D.encoded_in_place(static_cast<int>(I))...> make_shape(std::index_sequence<I...>);
}

/// The shape<...> type of constant dims.
template <dims D>
using shape_of = decltype(detail::make_shape<D>(std::make_index_sequence<static_cast<std::size_t>(D.rank)>{}));

}  // namespace octavo
