// Mean, sum, product, maximum or minimum along some axes.
//   y(kept) = mean, sum, prod, max or min of x(kept, reduced) over all reduced
// x: f32 or u8, y: the extents of x without the reduced axes, or with 1 in their places.
//
// On u8 the sum is exact: q = clamp(rne(float(sum(q_x - zp_x)) m) + zp_y), with m = s_x / s_y, for the mean
// s_x / (s_y count); more than 8 421 504 summands, whose sum could leave s32, are refused. max and min move bytes, so x
// and y share their affine map. The product is for f32 only.
//
// On f32 elements are taken in raster order, one after the other; where the innermost axis is reduced, those at place c
// of it go to partial result c mod 16, as in sum_f32(). Sums begin with 0, and the mean is the sum times
// float(1 / count). A NaN gives a NaN.
#pragma once

#include "octavo/op/axis_numbers.hpp"
#include "octavo/op/broadcast.hpp"
#include "octavo/op/elementwise.hpp"

namespace octavo::op {

/// A reduction in a graph.
struct reduce {
  static constexpr std::string_view name = "reduce";
  static constexpr port inputs[] = {{"x"}};
  enum kind_type : std::uint8_t { mean, sum, prod, max, min };
  kind_type kind = mean;
  axis_numbers axes{};  ///< all for none
  bool keep_dims = false;

  static constexpr std::string_view kind_names[] = {"mean", "sum", "prod", "max", "min"};
  friend std::ostream& operator<<(std::ostream& out, kind_type k) { return out << kind_names[k]; }

  static constexpr auto fields =
      std::tuple{field{"kind", &reduce::kind}, field{"axes", &reduce::axes}, field{"keep_dims", &reduce::keep_dims}};
};

inline attribute to_attribute(reduce::kind_type k) { return std::string(reduce::kind_names[k]); }
inline void from_attribute(const attribute& from, reduce::kind_type& k) {
  const auto& name = octavo::detail::attribute_as<std::string>(from, "mean, sum, prod, max or min");
  const auto* found = std::find(std::begin(reduce::kind_names), std::end(reduce::kind_names), name);
  require(found != std::end(reduce::kind_names), "expected mean, sum, prod, max or min, found '", name, "'");
  k = static_cast<reduce::kind_type>(found - std::begin(reduce::kind_names));
}

/// An extreme is one of the elements: bytes move. Products have too wide a range for bytes.
constexpr port_rule rule_of(const reduce& r, std::size_t) {
  if (r.kind == reduce::prod) return port_rule::f32;
  return r.kind == reduce::max || r.kind == reduce::min ? port_rule::moved : port_rule::quantized;
}

/// The axes in order, counted from the outermost, each once; all of them for none. Those that are not there stay.
constexpr axis_numbers axes_of(const axis_numbers& given, int rank) {
  axis_numbers all;
  for (int i = 0; given.empty() && i < rank; ++i) all.push_back(i);
  for (int a : given)
    if (const int axis = axis_of(a, rank) < 0 ? a : axis_of(a, rank); !all.contains(axis)) all.push_back(axis);
  for (int i = 1; i < all.count; ++i)  // g++ 12 at -O3 sees std::sort go beyond so short an array
    for (int k = i; k > 0 && all[k] < all[k - 1]; --k) std::swap(all[k], all[k - 1]);
  return all;
}

/// `r` with its axes in order, counted from the outermost.
constexpr reduce resolved(reduce r, const dims& x) {
  r.axes = axes_of(r.axes, x.rank);
  return r;
}

/// Extents of x without `axes`, or with 1 in their places.
constexpr dims without_axes(const dims& x, const axis_numbers& axes, bool keep_dims) {
  dims y;
  for (int i = 0; i < x.rank; ++i)
    if (!axes.contains(i))
      y.push_back(x.encoded(i));
    else if (keep_dims)
      y.push_back(1);
  return y;
}

/// Extents of the output.
constexpr dims infer(const reduce& r, const dims& x) { return without_axes(x, axes_of(r.axes, x.rank), r.keep_dims); }

/// Whether these are axes of a tensor of that rank, counted from the outermost.
constexpr bool are_axes(const axis_numbers& axes, int rank) {
  return std::all_of(axes.begin(), axes.end(), [&](int a) { return a >= 0 && a < rank; });
}

/// m above, for a mean of `count` elements. Throws octavo::error when it is out of range.
inline float multiplier_of(const reduce& r, const signature& s, std::size_t count) {
  const double x = s.src[0].is_u8() ? static_cast<double>(s.src[0].q.scale) : 1.0;
  const double y = s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0;
  const float ratio = checked_ratio(x, y, reduce::name);
  return r.kind == reduce::mean ? static_cast<float>(x / y / static_cast<double>(count)) : ratio;
}

/// How many elements of `x` make one of the output.
inline std::size_t reduced_count(const reduce& r, const dims& x) {
  std::size_t count = 1;
  for (int a : r.axes) count *= static_cast<std::size_t>(x[a]);
  return count;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a reduction that can be run.
inline void check(const reduce& r, const signature& s) {
  require(s.src.size() == 1, "reduce: expected 1 inputs, found ", s.src.size());
  const tensor_type &x = s.src[0], &y = *s.dst;
  require(r.axes == axes_of(r.axes, x.extents.rank) && are_axes(r.axes, x.extents.rank), "reduce: axes ", r.axes,
          " of a tensor of ", x.extents, ": they must be there, counted from the outermost and in order");
  require(y.extents == infer(r, x.extents), "reduce: output must be ", infer(r, x.extents), ", found ", y.extents);
  require(x.is_number() && y.is_number(), "reduce: input and output must be f32 or u8, found ", x, " and ", y);
  if (r.kind == reduce::max || r.kind == reduce::min)
    require(x.type == y.type && (!x.is_u8() || x.q == y.q), "reduce: ", r.kind,
            " moves elements, so input and output must have the same type; found ", x, " and ", y);
  if (r.kind == reduce::prod) require(!x.is_u8() && !y.is_u8(), "reduce: a product needs f32, found ", x, " and ", y);
  constexpr std::size_t most = std::numeric_limits<std::int32_t>::max() / 255;
  require(!x.is_u8() || reduced_count(r, x.extents) <= most, "reduce: a sum of ", reduced_count(r, x.extents),
          " u8 could overflow 32 bits, expected at most ", most);
  multiplier_of(r, s, 1);
}

/// Two partial results as one; for max and min a NaN stays.
inline float combine(reduce::kind_type kind, float a, float b) {
  switch (kind) {
    case reduce::mean:
    case reduce::sum: return a + b;
    case reduce::prod: return a * b;
    case reduce::max: return b > a || std::isnan(b) ? b : a;
    case reduce::min: return b < a || std::isnan(b) ? b : a;
  }
  return a;
}

/// What changes no result.
constexpr float neutral(reduce::kind_type kind) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  return kind == reduce::max ? -infinity : kind == reduce::min ? infinity : kind == reduce::prod ? 1.0f : 0.0f;
}

/// Some axes of an operand as one list of elements in raster order.
class element_walk {
 public:
  element_walk(const operand& x, const axis_numbers& axes, bool of_axes) : x_(x.extents), strides_(strides_of(x, x_)) {
    for (int i = x_.rank; i-- > 0;)
      if (axes.contains(i) == of_axes) axes_.push_back(i);
  }
  std::size_t count() const {
    std::size_t n = 1;
    for (int a : axes_) n *= static_cast<std::size_t>(x_[a]);
    return n;
  }
  /// The place of number `i`, in elements.
  std::ptrdiff_t at(std::size_t i) const {
    std::ptrdiff_t place = 0;
    for (int a : axes_) {
      const auto extent = static_cast<std::size_t>(x_[a]);
      place += static_cast<std::ptrdiff_t>(i % extent) * strides_[static_cast<std::size_t>(a)];
      i /= extent;
    }
    return place;
  }

 private:
  dims x_;
  axis_strides strides_;
  axis_numbers axes_;  // innermost first
};

namespace detail {

/// One line of elements along an axis.
class element_line {
 public:
  element_line(const tensor_type& t, const operand& x, std::ptrdiff_t first, std::ptrdiff_t step)
      : u8_(t.is_u8()),
        first_(x.as<const std::byte>() + first * static_cast<std::ptrdiff_t>(size_of(t.type))),
        step_(step) {}
  float operator[](int i) const {
    return u8_ ? static_cast<float>(reinterpret_cast<const std::uint8_t*>(first_)[i * step_])
               : reinterpret_cast<const float*>(first_)[i * step_];
  }

 private:
  bool u8_;
  const std::byte* first_;
  std::ptrdiff_t step_;
};

}  // namespace detail

/// Reference evaluation.
inline void evaluate(const reduce& r, const signature& s, const arguments& a) {
  const operand& x = a.src[0];
  const element_walk kept(x, r.axes, false), reduced(x, r.axes, true);
  const bool u8 = s.src[0].is_u8(), sums = r.kind == reduce::mean || r.kind == reduce::sum;
  const std::size_t count = reduced.count(), columns = static_cast<std::size_t>(a.dst->extents.back());
  const std::size_t width = r.axes.contains(x.extents.rank - 1) ? static_cast<std::size_t>(x.extents.back()) : 1;
  const float m = multiplier_of(r, s, count);
  for (std::size_t i = 0; i < kept.count(); ++i) {
    float partial[16];
    std::fill(std::begin(partial), std::end(partial), neutral(r.kind));
    std::int32_t sum = 0;
    for (std::size_t k = 0; k < count; ++k) {
      const std::ptrdiff_t at = kept.at(i) + reduced.at(k);
      if (u8) sum += x.as<const std::uint8_t>()[at] - s.src[0].q.zero_point;
      float& p = partial[k % width % 16];
      p = combine(r.kind, p, u8 ? static_cast<float>(x.as<const std::uint8_t>()[at]) : x.as<const float>()[at]);
    }
    for (std::size_t distance = width > 1 ? 8 : 0; distance > 0; distance /= 2)
      for (std::size_t k = 0; k < distance; ++k) partial[k] = combine(r.kind, partial[k], partial[k + distance]);
    const float result = sums ? (u8 ? static_cast<float>(sum) : partial[0]) * m : partial[0];
    if (!s.dst->is_u8())
      a.dst->row<float>(i / columns)[i % columns] = result;
    else
      a.dst->row<std::uint8_t>(i / columns)[i % columns] =
          sums ? saturate_u8(result, {s.dst->q.zero_point, 0, 255}) : static_cast<std::uint8_t>(result);
  }
}

}  // namespace octavo::op
