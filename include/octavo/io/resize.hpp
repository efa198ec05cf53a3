// Resizing 8-bit images in two passes, columns then rows, with antialiasing. The Lanczos and bilinear filters are those
// of Pillow's Image.resize, Lanczos to the byte: when an image shrinks by a factor f the filter is stretched by f; a
// filter that reaches over the edge is cut there and its weights are made to sum to 1 again; weights are rounded to
// multiples of 2^-22, and each pass rounds to 8 bits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <utility>
#include <vector>

#include "octavo/base/error.hpp"
#include "octavo/io/rgb_image.hpp"

namespace octavo {

/// How pixels are weighted in a resize.
enum class resize_filter : std::uint8_t {
  lanczos,   ///< sinc(x) sinc(x/3) for |x| < 3: sharp, what most published networks were trained with
  bilinear,  ///< 1 - |x| for |x| < 1
  area,      ///< each pixel counts by how much of it lies in the destination pixel's area (at least 1 pixel wide)
};

namespace detail {

/// The weights that make one axis of `to` pixels out of `from`: destination i is the sum over k < count of
/// weights[start + k] * source[first + k], in units of 2^-resize_bits.
struct resize_taps {
  struct tap {
    int first;
    int count;
    std::size_t start;
  };
  std::vector<tap> taps;
  std::vector<std::int32_t> weights;
};

inline constexpr int resize_bits = 22;

inline double lanczos3(double x) {
  const auto sinc = [](double t) { return t == 0 ? 1.0 : std::sin(t * std::numbers::pi) / (t * std::numbers::pi); };
  return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0.0;
}

/// How much of the pixel centred at `x` lies within [-1/2, 1/2], where a pixel is `width` wide.
inline double coverage(double x, double width) {
  return std::max(0.0, std::min(x + width / 2, 0.5) - std::max(x - width / 2, -0.5));
}

inline resize_taps make_resize_taps(int from, int to, resize_filter filter) {
  const double scale = static_cast<double>(from) / to;
  const double stretch = std::max(scale, 1.0);
  // Half the filter's width in source pixels. A pixel that only touches the area has its centre half a pixel further
  // out.
  const double reach = filter == resize_filter::lanczos    ? 3 * stretch
                       : filter == resize_filter::bilinear ? stretch
                                                           : stretch / 2 + 0.5;
  resize_taps result;
  std::vector<double> exact;
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(std::floor(centre - reach + 0.5)));
    const int last = std::min(from, static_cast<int>(std::floor(centre + reach + 0.5)));
    double sum = 0;
    exact.clear();
    for (int k = first; k < last; ++k) {
      const double x = (k - centre + 0.5) * (1 / stretch);
      exact.push_back(filter == resize_filter::lanczos    ? lanczos3(x)
                      : filter == resize_filter::bilinear ? std::max(0.0, 1 - std::fabs(x))
                                                          : coverage(x, 1 / stretch));
      sum += exact.back();
    }
    result.taps.push_back({first, last - first, result.weights.size()});
    for (double weight : exact) {
      const double scaled = weight / sum * (1 << resize_bits);
      result.weights.push_back(static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5));
    }
  }
  return result;
}

/// One destination byte: the weighted sum of the source bytes that `tap` names, which are `step` bytes apart.
inline std::uint8_t weighted_sum(const std::uint8_t* source, std::size_t step, const resize_taps& all,
                                 const resize_taps::tap& tap) {
  std::int64_t sum = std::int64_t{1} << (resize_bits - 1);
  const std::int32_t* weight = all.weights.data() + tap.start;
  source += static_cast<std::size_t>(tap.first) * step;
  for (int k = 0; k < tap.count; ++k, source += step) sum += std::int64_t{weight[k]} * *source;
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum >> resize_bits, 0, 255));
}

}  // namespace detail

/// `source` resized to `width` x `height` pixels. A side that keeps its length keeps its pixels. Throws octavo::error
/// when either image is empty or has more pixels than the limit, or the source's pixels do not match its size.
inline rgb_image resize(const rgb_image& source, int width, int height, resize_filter filter,
                        const image_limits& limits = {}) {
  detail::check_image_size("resize: source", source.width, source.height, limits);
  detail::check_image_size("resize: destination", width, height, limits);
  detail::check_image_size("resize: intermediate image", width, source.height, limits);
  const auto from_width = static_cast<std::size_t>(source.width), from_height = static_cast<std::size_t>(source.height);
  const auto to_width = static_cast<std::size_t>(width), to_height = static_cast<std::size_t>(height);
  require(source.pixels.size() == from_width * from_height * 3, "resize: source of ", source.width, " x ",
          source.height, " needs ", from_width * from_height * 3, " bytes, has ", source.pixels.size());

  rgb_image columns{width, source.height, {}};  // (source.height, width, 3)
  if (width == source.width) {
    columns.pixels = source.pixels;
  } else {
    const detail::resize_taps taps = detail::make_resize_taps(source.width, width, filter);
    columns.pixels.resize(to_width * from_height * 3);
    std::uint8_t* out = columns.pixels.data();
    for (std::size_t y = 0; y < from_height; ++y)
      for (const auto& tap : taps.taps)
        for (std::size_t c = 0; c < 3; ++c)
          *out++ = detail::weighted_sum(source.pixels.data() + y * from_width * 3 + c, 3, taps, tap);
  }
  if (height == source.height) return columns;

  rgb_image rows{width, height, {}};  // (height, width, 3)
  const detail::resize_taps taps = detail::make_resize_taps(source.height, height, filter);
  rows.pixels.resize(to_width * to_height * 3);
  std::uint8_t* out = rows.pixels.data();
  for (const auto& tap : taps.taps)
    for (std::size_t x = 0; x < to_width * 3; ++x)
      *out++ = detail::weighted_sum(columns.pixels.data() + x, to_width * 3, taps, tap);
  return rows;
}

/// `source` resized so that its short side has `side` pixels and its proportions stay: the long side is rounded to
/// the nearest whole pixel, half up. Throws as resize() does.
inline rgb_image resize_short_side(const rgb_image& source, int side, resize_filter filter,
                                   const image_limits& limits = {}) {
  detail::check_image_size("resize: source", source.width, source.height, limits);
  require(side >= 1, "resize: expected a short side of at least 1 pixel, found ", side);
  const long long short_side = std::min(source.width, source.height), long_side = std::max(source.width, source.height);
  const long long rounded = (2 * long_side * side + short_side) / (2 * short_side);
  detail::check_image_size("resize: destination", rounded, side, limits);
  const bool wide = source.width >= source.height;
  return resize(source, wide ? static_cast<int>(rounded) : side, wide ? side : static_cast<int>(rounded), filter,
                limits);
}

}  // namespace octavo
