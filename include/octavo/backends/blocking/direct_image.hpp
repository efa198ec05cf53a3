// What a direct convolution reads: which lines of its image a window meets, and copies of pixels where tiles cannot
// read them in place.
#pragma once

#include <algorithm>

#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/blocking/dense_problem.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// The images under a layer's windows; of a fully connected layer, one pixel each. Planned, its extents are the most
/// that a run may have; at() has those of a run.
struct direct_image {
  octavo::conv conv;
  int height = 1, width = 1, out_height = 1, out_width = 1;
  int most_width = 1;
  int value_bytes, pixel_bytes;
  int tap_bytes;  ///< of a pixel, those of one group of the convolution
  int zero;       ///< what the bytes of the padding are

  explicit direct_image(const dense_problem& s)
      : conv(s.conv),
        value_bytes(static_cast<int>(size_of(s.src[0].type))),
        pixel_bytes(s.src[0].extents.back() * value_bytes),
        tap_bytes(pixel_bytes / conv.groups),
        zero(s.src[0].is_u8() ? s.src[0].q.zero_point : 0) {
    if (s.flat) return;
    set_extents(s.src[0].extents, s.dst->extents);
    most_width = width;
  }

  /// The images of a run.
  direct_image at(const arguments& a, bool flat) const {
    direct_image image = *this;
    if (!flat) image.set_extents(a.src[0].extents, a.dst->extents);
    return image;
  }

  /// Bytes from a copied line, with its padding, to the next: the same in all runs, as packed layers count on it.
  int line_bytes() const { return (most_width + conv.pad.left + conv.pad.right) * pixel_bytes; }
  /// Taps that are neighbours in a line are neighbours in the depth of a pixel.
  bool merges_taps() const { return conv.groups == 1 && conv.dilation.w == 1; }

  /// Lines of the image under so many output lines.
  int lines_under(int outputs) const {
    return (outputs - 1) * conv.stride.h + (conv.kernel.h - 1) * conv.dilation.h + 1;
  }
  /// The line of the image, or of the padding above it, under the first tap of output line `oh`.
  int top_of(int oh) const { return oh * conv.stride.h - conv.pad.top; }
  /// The lines of the kernel that meet the image at output line `oh`.
  std::pair<int, int> lines_inside(int oh) const {
    const int top = top_of(oh), step = conv.dilation.h;
    const int first = top < 0 ? ceil_div(-top, step) : 0;
    const int last = std::min(conv.kernel.h, top < height ? ceil_div(height - top, step) : 0);
    return first < last ? std::pair(first, last) : std::pair(0, 0);
  }

  /// Copies the lines of an image under `count` output lines from `oh` on, padding at either end.
  void copy_lines(const operand& src, int image, int oh, int count, std::byte* to) const noexcept {
    const int top = top_of(oh), lines = lines_under(count);
    const auto left = static_cast<std::size_t>(conv.pad.left * pixel_bytes),
               right = static_cast<std::size_t>(conv.pad.right * pixel_bytes),
               line = static_cast<std::size_t>(width * pixel_bytes);
    for (int ih = std::max(0, top); ih < std::min(height, top + lines); ++ih, to += line_bytes()) {
      std::memset(to, zero, left);
      copy_pixels(to + left, src.as<const std::byte>() + line_at(src, image, ih), width, pixel_bytes,
                  src.stride * value_bytes);
      std::memset(to + left + line, zero, right);
    }
  }

  /// Gathers the depth of output pixels [first, last), for `group`, to rows of `row_bytes`.
  void gather_rows(const operand& src, int first, int last, int group, int row_bytes, std::byte* to) const noexcept {
    for (int pixel = first; pixel < last; ++pixel, to += row_bytes) {
      const int ow = pixel % out_width, oh = pixel / out_width % out_height;
      gather_pixel(src, pixel / out_width / out_height, top_of(oh), ow * conv.stride.w - conv.pad.left, group, to);
    }
  }

 private:
  void set_extents(const dims& x, const dims& y) {
    height = x[1], width = x[2];
    out_height = y[1], out_width = y[2];
  }

  /// Bytes from the first image to line `ih` of one, which may be outside.
  std::ptrdiff_t line_at(const operand& src, int image, int ih) const noexcept {
    return (static_cast<std::ptrdiff_t>(image) * height + ih) * width * src.stride * value_bytes;
  }

  /// Gathers the taps of one pixel, the first of which is at (top, left).
  void gather_pixel(const operand& src, int image, int top, int left, int group, std::byte* to) const noexcept {
    const std::ptrdiff_t stride = src.stride * value_bytes;
    const bool dense = merges_taps() && stride == tap_bytes;
    for (int kh = 0; kh < conv.kernel.h; ++kh) {
      const int ih = top + kh * conv.dilation.h;
      const std::ptrdiff_t line = line_at(src, image, ih) + group * tap_bytes;
      for (int kw = 0, taps = 1; kw < conv.kernel.w; kw += taps) {
        const int iw = left + kw * conv.dilation.w;
        const bool inside = ih >= 0 && ih < height && iw >= 0 && iw < width;
        taps = inside && dense ? std::min(conv.kernel.w - kw, width - iw) : 1;
        const auto bytes = static_cast<std::size_t>(taps * tap_bytes);
        if (inside)
          copy_run(to, src.as<const std::byte>() + line + iw * stride, bytes);
        else
          std::memset(to, zero, bytes);
        to += bytes;
      }
    }
  }
};

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
