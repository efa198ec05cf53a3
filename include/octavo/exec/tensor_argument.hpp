// The arguments of a run, and what their extents say about the symbols of bounded axes.
#pragma once

#include <bit>
#include <ranges>
#include <utility>

#include "octavo/plan/network.hpp"

namespace octavo {

/// A tensor of the user's, given to a run: a view, or a contiguous range of elements (span, vector, array). One bounded
/// extent of a range may follow from its length; the others must follow from other arguments.
struct tensor_argument {
  const void* data = nullptr;
  element type = element::f32;
  std::size_t count = 0;      ///< elements of a range
  dims extents;               ///< of a view; rank 0 for a range
  std::ptrdiff_t stride = 0;  ///< of a view; 0 for a range
  bool writable = false;      ///< whether it may be an output: its elements are not const

  bool is_range() const noexcept { return extents.rank == 0 && stride == 0; }

  template <class T>
  tensor_argument(const view<T>& v)
      : data(v.data),
        type(element_of<std::remove_const_t<T>>),
        extents(v.extents),
        stride(v.stride),
        writable(!std::is_const_v<T>) {}
  /// The whole of a tensor.
  tensor_argument(const tensor& t)
      : data(t.bytes().data()),
        type(t.type()),
        count(t.extents().count()),
        extents(t.extents()),
        stride(t.extents().back()) {}
  tensor_argument(tensor& t) : tensor_argument(std::as_const(t)) { writable = true; }
  template <std::ranges::contiguous_range R>
  tensor_argument(R&& r)
      : data(std::ranges::data(r)),
        type(element_of<std::remove_cv_t<std::ranges::range_value_t<R>>>),
        count(std::ranges::size(r)),
        writable(!std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>) {}
};

/// An argument by the name that the graph's input or output has: {"image", pixels}.
struct named_argument {
  std::string_view name;
  tensor_argument value;
};

namespace detail {

/// `type`'s extents as far as `symbols` tell them.
inline dims narrowed(const dims& type, const symbol_ranges& symbols) noexcept {
  dims d = type;
  for (int i = 0; type.bounded >> i != 0; ++i) {
    if (!type.is_bounded(i)) continue;
    const axis_form f = type.form(i);
    const symbol_range& r = symbols[f.symbol];
    const auto most = static_cast<int>(f.at(r.most));
    if (f.at(r.least) == most)
      d.fix(i, most);
    else
      d[i] = most;
  }
  return d;
}

/// Whether it takes other arguments to know the extents of this one.
inline bool is_undecided(const tensor_argument& a, const dims& expected) noexcept {
  return a.is_range() && std::popcount(expected.bounded) > 1 && a.count != expected.count();
}

/// The actual extents of an argument where `expected` are wanted; false where it does not fit.
inline bool extents_of(const tensor_argument& a, const dims& expected, dims& actual) noexcept {
  actual = expected;
  actual.bounded = 0;
  if (a.is_range()) {
    if (a.count == actual.count()) return true;
    if (std::popcount(expected.bounded) != 1 || a.count == 0 || a.count > actual.count()) return false;
    const int axis = std::countr_zero(expected.bounded);
    const std::size_t one = actual.count() / static_cast<std::size_t>(actual[axis]);
    actual[axis] = static_cast<int>(a.count / one);
    return a.count % one == 0;
  }
  if (a.extents.rank != expected.rank || a.stride < a.extents.back()) return false;
  for (int i = 0; i < expected.rank; ++i) {
    const bool fits =
        expected.is_bounded(i) ? a.extents[i] >= 1 && a.extents[i] <= expected[i] : a.extents[i] == expected[i];
    if (!fits) return false;
    actual[i] = a.extents[i];
  }
  return static_cast<std::size_t>(a.stride) <= max_count / actual.rows();  // else the last row has no address
}

/// Narrows `symbols` to those that give `actual` extents; false where none do.
inline bool bind_symbols(const dims& type, const dims& actual, symbol_ranges& symbols) noexcept {
  for (int i = 0; type.bounded >> i != 0; ++i) {
    if (!type.is_bounded(i)) continue;
    symbol_range& r = symbols[type.form(i).symbol];
    r = r.within(type.form(i).symbols(actual[i]));
    if (r.is_empty()) return false;
  }
  return true;
}

}  // namespace detail

}  // namespace octavo
