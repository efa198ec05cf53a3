// Resizing of images (N, H, W, C) -> (N, OH, OW, C): nearest pixel, or bilinear.
//   nearest   y(oh, ow) = x(round(h(oh)), round(w(ow)))
//   bilinear  y = fma(b, lower - upper, upper), where upper = fma(a, x01 - x00, x00), lower = fma(a, x11 - x10, x10),
//             x00 .. x11 are the four pixels around (h(oh), w(ow)), a and b the places among them, in binary32.
//             On u8 it is computed on the integers, whose map goes through, and rounded to nearest even.
// Output index o of an axis of n lies at the following place of x, which is then clamped to it; s is the scale that is
// given, or the quotient of the extents. The coordinates are ONNX's coordinate_transformation_mode:
//   half_pixel          (o + 0.5) / s - 0.5
//   pytorch_half_pixel  the same; 0 where the output has one index
//   asymmetric          o / s
//   align_corners       o (n - 1) / (on - 1); 0 where the output has one index
#pragma once

#include "octavo/op/position.hpp"
#include "octavo/op/window.hpp"
#include "octavo/quant/requantize.hpp"

namespace octavo::op {

/// Resizing in a graph.
struct interp2d {
  static constexpr std::string_view name = "interp2d";
  static constexpr port inputs[] = {{"x", port_rule::moved}};
  enum mode_type : std::uint8_t { nearest, bilinear };
  enum coordinates_type : std::uint8_t { half_pixel, pytorch_half_pixel, asymmetric, align_corners };
  enum rounding_type : std::uint8_t { round_prefer_floor, round_prefer_ceil, floor, ceil };
  mode_type mode = nearest;
  hw size{0};  ///< of the output; 0: floor(n s) with the scales that follow
  float scale_h = 0, scale_w = 0;
  coordinates_type coordinates = half_pixel;
  rounding_type rounding = round_prefer_floor;  ///< of `nearest`: what halves go to

  static constexpr auto fields = std::tuple{field{"mode", &interp2d::mode},
                                            field{"size", &interp2d::size},
                                            field{"scale_h", &interp2d::scale_h},
                                            field{"scale_w", &interp2d::scale_w},
                                            field{"coordinates", &interp2d::coordinates},
                                            field{"rounding", &interp2d::rounding}};
};

inline constexpr std::string_view interp2d_modes[] = {"nearest", "bilinear"};
inline constexpr std::string_view interp2d_coordinates[] = {"half_pixel", "pytorch_half_pixel", "asymmetric",
                                                            "align_corners"};
inline constexpr std::string_view interp2d_roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};

inline std::ostream& operator<<(std::ostream& out, interp2d::mode_type m) { return out << interp2d_modes[m]; }
inline std::ostream& operator<<(std::ostream& out, interp2d::coordinates_type c) {
  return out << interp2d_coordinates[c];
}
inline std::ostream& operator<<(std::ostream& out, interp2d::rounding_type r) { return out << interp2d_roundings[r]; }
inline attribute to_attribute(interp2d::mode_type m) { return std::string(interp2d_modes[m]); }
inline attribute to_attribute(interp2d::coordinates_type c) { return std::string(interp2d_coordinates[c]); }
inline attribute to_attribute(interp2d::rounding_type r) { return std::string(interp2d_roundings[r]); }

namespace detail {
template <class E>
void name_to_enum(const attribute& a, std::span<const std::string_view> names, E& to) {
  const std::string& given = octavo::detail::attribute_as<std::string>(a, "a name");
  const auto found = std::ranges::find(names, given);
  require(found != names.end(), "there is no '", given, "', only ", names.front(), " to ", names.back());
  to = static_cast<E>(found - names.begin());
}
}  // namespace detail

inline void from_attribute(const attribute& a, interp2d::mode_type& m) { detail::name_to_enum(a, interp2d_modes, m); }
inline void from_attribute(const attribute& a, interp2d::coordinates_type& c) {
  detail::name_to_enum(a, interp2d_coordinates, c);
}
inline void from_attribute(const attribute& a, interp2d::rounding_type& r) {
  detail::name_to_enum(a, interp2d_roundings, r);
}

/// The output's extent of an axis of `n`. Of what check() refuses it may be anything.
constexpr int resized(int size, float scale, int n) {
  if (size > 0) return size;
  const double scaled = static_cast<double>(scale) * n;
  return scaled >= 1 && scaled < 0x1p31 ? static_cast<int>(scaled) : 1;
}

/// Extents of the output.
constexpr dims infer(const interp2d& o, const dims& x) {
  dims y = x;
  if (x.rank != 4) return y;
  y[1] = resized(o.size.h, o.scale_h, x[1]);
  y[2] = resized(o.size.w, o.scale_w, x[2]);
  return y;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a resizing that can be run.
inline void check(const interp2d& o, const signature& s) {
  require(s.src.size() == 1 && s.src[0].extents.rank == 4 && only_batch_bounded(s.src[0].extents),
          "interp2d: expected (N, H, W, C) with N alone bounded, found ", s.src.empty() ? dims{} : s.src[0].extents);
  const dims& x = s.src[0].extents;
  for (const auto& [size, scale, n] : {std::tuple{o.size.h, o.scale_h, x[1]}, {o.size.w, o.scale_w, x[2]}}) {
    const double scaled = static_cast<double>(scale) * n;
    require(size > 0 || (size == 0 && scaled >= 1 && scaled < 0x1p31), "interp2d: size ", size, " and scale ", scale,
            " of an extent of ", n, " give no output");
  }
  require(o.mode == interp2d::nearest || s.dst->is_number(), "interp2d: bilinear needs u8 or f32, found ", *s.dst);
  check_moved(s, 1, infer(o, x), interp2d::name);
}

/// The place in an axis of `n` that index `at` of the output's `on` shows.
inline double source_place(const interp2d& o, int at, int n, int on, float scale, bool scaled) {
  const double i = at, from = n, to = on, s = static_cast<double>(scale);
  if (on == 1 && (o.coordinates == interp2d::align_corners || o.coordinates == interp2d::pytorch_half_pixel)) return 0;
  switch (o.coordinates) {
    case interp2d::align_corners: return i * (from - 1) / (to - 1);
    case interp2d::asymmetric: return scaled ? i / s : i * from / to;
    case interp2d::half_pixel:
    case interp2d::pytorch_half_pixel: break;
  }
  return scaled ? (i + 0.5) / s - 0.5 : ((2 * i + 1) * from - to) / (2 * to);  // exact but for the division
}

/// What index `at` of an output's axis is made of: first + weight (second - first).
struct axis_sample {
  int first = 0, second = 0;
  float weight = 0;
};

/// The sample of rows where `rows`, else of columns.
inline axis_sample sample_of(const interp2d& o, bool rows, int at, int n, int on) {
  const bool scaled = (rows ? o.size.h : o.size.w) == 0;
  const double place = source_place(o, at, n, on, rows ? o.scale_h : o.scale_w, scaled), last = n - 1;
  if (o.mode == interp2d::bilinear) {
    const double inside = std::clamp(place, 0.0, last), first = std::floor(inside);
    const int i = static_cast<int>(first);
    return {i, std::min(i + 1, n - 1), static_cast<float>(inside - first)};
  }
  double nearest = 0;
  switch (o.rounding) {
    case interp2d::round_prefer_floor: nearest = std::ceil(place - 0.5); break;
    case interp2d::round_prefer_ceil: nearest = std::floor(place + 0.5); break;
    case interp2d::floor: nearest = std::floor(place); break;
    case interp2d::ceil: nearest = std::ceil(place); break;
  }
  const int i = static_cast<int>(std::clamp(nearest, 0.0, last));
  return {i, i, 0};
}

/// Reference evaluation.
inline void evaluate(const interp2d& o, const signature& s, const arguments& a) {
  const operand &x = a.src[0], &y = *a.dst;
  const std::size_t bytes = size_of(s.dst->type), count = y.extents.count();
  for (std::size_t i = 0; i < count; ++i) {
    const position p = position_of(i, y.extents);
    const axis_sample h = sample_of(o, true, p[1], x.extents[1], y.extents[1]),
                      w = sample_of(o, false, p[2], x.extents[2], y.extents[2]);
    std::byte* to = element_of_operand(y, p, bytes);
    const auto at = [&](int row, int column) { return element_of_operand(x, {p[0], row, column, p[3]}, bytes); };
    if (o.mode == interp2d::nearest) {
      std::memcpy(to, at(h.first, w.first), bytes);
      continue;
    }
    const auto real = [&](int row, int column) {
      const std::byte* v = at(row, column);
      return s.dst->is_u8() ? static_cast<float>(std::to_integer<int>(*v)) : *reinterpret_cast<const float*>(v);
    };
    const auto across = [&](int row) {
      const float left = real(row, w.first);
      return std::fma(w.weight, real(row, w.second) - left, left);
    };
    const float upper = across(h.first), v = std::fma(h.weight, across(h.second) - upper, upper);
    if (s.dst->is_u8())
      *to = static_cast<std::byte>(saturate_u8(v, {}));
    else
      std::memcpy(to, &v, bytes);
  }
}

}  // namespace octavo::op
