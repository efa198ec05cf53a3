// Where a convolution on AMX loads its pixels from, and how its depth is cut into the steps of a tile.
//
// A tile of pixels is loaded with one stride, from one of four places:
//   image: a pixel is its own row of depth (1x1, stride 1, no padding; fully connected). No copies.
//   lines: stride 1. The lines of the image are copied once, with padding between them; the pixels of successive output
//          lines then lie at one stride, if those that fall on the padding are computed too, and not stored.
//   interleaved: strides, few channels. The lines of the image under an output line are copied as (position, line of
//          the kernel, as many pixels as the stride, channels), so that a step to the right is a step of one position.
//   rows:  the depth of each pixel is gathered (im2col of some blocks): what is left, such as groups of few channels.
#pragma once

#include "octavo/backends/x86/amx/tile.hpp"

#if OCTAVO_X86_64

#include <limits>
#include <vector>

#include "octavo/backends/blocking/dense_problem.hpp"

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

/// See above.
enum class pixel_place : std::uint8_t { image, lines, interleaved, rows };

/// The extents of the images of a run.
struct tile_image {
  int height = 1, width = 1, out_height = 1, out_width = 1;
  int line_pixels = 1;  ///< from one copied line to the next
  int grid_width = 1;   ///< pixels from an output line to the next, those between them included

  /// Pixels of an output image, those between its lines included.
  int pixels() const { return (out_height - 1) * grid_width + out_width; }
};

/// The layout of a convolution's pixels. Lengths are in bytes, which are channels.
struct tile_layout {
  op::conv2d conv;
  int channels, group_inputs;
  bool flat;
  pixel_place from = pixel_place::image;
  bool copies_lines = false;
  int side = 0;                  ///< pixels of padding between copied lines
  tile_image most;               ///< the largest images that a run may have
  int position_bytes = 0;        ///< from a pixel of a block to the next, with lines and interleaved
  bool whole_positions = false;  ///< interleaved, the depth is all bytes of some positions, those of no tap included
  std::vector<std::ptrdiff_t> runs;     ///< from a pixel to each run of its depth that lies together: see in_image()
  int run_bytes = 0;                    ///< of such a run
  int run_depth = 0;                    ///< and what it takes of the packed depth
  std::vector<std::ptrdiff_t> offsets;  ///< from a pixel to each step: see in_image()
  int steps = 0;
  int tile_depth = tile_row_bytes;  ///< bytes of depth in a tile

  explicit tile_layout(const blocking::dense_problem& s)
      : conv(s.conv), channels(s.src[0].extents.back()), group_inputs(channels / conv.groups), flat(s.flat) {
    choose_place();
    most = images_of(s.src[0].extents, s.dst->extents);
    set_depth();
  }

  /// The images of a run with inputs and outputs of these extents.
  tile_image images_of(const dims& x, const dims& y) const {
    tile_image i;
    if (!flat) i = {x[1], x[2], y[1], y[2]};
    i.line_pixels = i.width + side;
    i.grid_width = from == pixel_place::lines         ? i.line_pixels
                   : from == pixel_place::interleaved ? i.out_width + positions_across() - 1
                                                      : i.out_width;
    return i;
  }

  /// `distance` from a pixel to line `kh` of its window, as it is where images are the largest, in images `i`.
  std::ptrdiff_t in_image(std::ptrdiff_t distance, int kh, const tile_image& i) const {
    if (from == pixel_place::interleaved) return distance;
    return distance - static_cast<std::ptrdiff_t>(kh) * conv.dilation.h * (most.line_pixels - i.line_pixels) * channels;
  }

  /// Where channel `i` of a tap lies in the packed depth.
  int depth_of(int i, int kh, int kw) const {
    if (whole_positions) return interleaved_offset(kh, kw) + i;
    if (merged_taps() && from != pixel_place::interleaved) return kh * run_depth + kw * group_inputs + i;
    return (kh * conv.kernel.w + kw) * run_depth + i;
  }

  /// Lines of the image under so many output lines.
  int line_count(int outputs) const {
    return (outputs - 1) * conv.stride.h + (conv.kernel.h - 1) * conv.dilation.h + 1;
  }

 private:
  bool merged_taps() const { return conv.groups == 1 && conv.dilation.w == 1; }
  int taps() const { return conv.kernel.h * conv.kernel.w; }

  void choose_place() {
    const padding& p = conv.pad;
    const bool plain = taps() == 1 && p.top == 0 && p.left == 0 && p.bottom == 0 && p.right == 0;
    side = std::max(p.left, p.right);
    copies_lines = !plain;
    if (plain) {
      from = conv.stride == hw(1) ? pixel_place::image : pixel_place::rows;
    } else {
      // More steps than the depth fills are worth a copy that is not made.
      const auto compact = [&](int n) { return 4 * n <= 5 * steps_of(taps() * group_inputs); };
      const int line_steps =
          merged_taps() ? conv.kernel.h * steps_of(conv.kernel.w * group_inputs) : taps() * steps_of(group_inputs);
      // The pixels between two output lines are no fewer than none.
      const bool fits = conv.stride == hw(1) && std::min(p.left, p.right) <= (conv.kernel.w - 1) * conv.dilation.w;
      from = fits && compact(line_steps)                                                  ? pixel_place::lines
             : compact(std::min(whole_position_steps(), taps() * steps_of(group_inputs))) ? pixel_place::interleaved
                                                                                          : pixel_place::rows;
    }
    position_bytes = from == pixel_place::interleaved ? conv.kernel.h * conv.stride.w * channels : channels;
  }

  static int steps_of(int bytes) { return ceil_div(bytes, tile_row_bytes); }
  /// Positions that the kernel meets, interleaved.
  int positions_across() const { return ceil_div((conv.kernel.w - 1) * conv.dilation.w + 1, conv.stride.w); }
  /// Steps of all the bytes of these positions, where a group's channels are all channels.
  int whole_position_steps() const {
    return conv.groups == 1 ? steps_of(positions_across() * conv.kernel.h * conv.stride.w * channels)
                            : std::numeric_limits<int>::max();
  }

  /// Where the taps lie: in memory, and for each step of a tile.
  void set_depth() {
    const std::ptrdiff_t line = static_cast<std::ptrdiff_t>(conv.dilation.h) * most.line_pixels * channels;
    const std::ptrdiff_t tap = static_cast<std::ptrdiff_t>(conv.dilation.w) * channels;
    const bool interleaved = from == pixel_place::interleaved;
    whole_positions = interleaved && whole_position_steps() <= taps() * steps_of(group_inputs);
    const int runs_per_line = merged_taps() && !interleaved ? 1 : conv.kernel.w;
    run_bytes = merged_taps() && !interleaved ? conv.kernel.w * group_inputs : group_inputs;
    for (int kh = 0; kh < conv.kernel.h; ++kh)
      for (int i = 0; i < runs_per_line; ++i)
        runs.push_back(interleaved ? interleaved_offset(kh, i) : kh * line + i * tap);
    int depth = taps() * group_inputs;
    if (whole_positions) depth = positions_across() * position_bytes;
    if (from == pixel_place::rows || whole_positions) {
      run_depth = run_bytes;
      for (int i = 0; i < steps_of(depth); ++i) offsets.push_back(i * tile_row_bytes);
    } else {
      const int run_steps = steps_of(run_bytes);
      run_depth = run_steps * tile_row_bytes;
      for (std::ptrdiff_t run : runs)
        for (int i = 0; i < run_steps; ++i) offsets.push_back(run + i * tile_row_bytes);
    }
    steps = static_cast<int>(offsets.size());
    tile_depth = steps == 1 ? ceil_div(depth, 4) * 4 : tile_row_bytes;
  }

  /// From a position to a tap's pixel, interleaved.
  int interleaved_offset(int kh, int kw) const {
    const int column = kw * conv.dilation.w, stride = conv.stride.w;
    return column / stride * position_bytes + (kh * stride + column % stride) * channels;
  }
};

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#endif
