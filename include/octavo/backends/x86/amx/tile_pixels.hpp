// Blocks of 32 pixels for AMX: where their tiles are loaded from, after the copies that tile_layout.hpp calls for, and
// where their outputs go.
#pragma once

#include "octavo/backends/x86/amx/tile.hpp"

#if OCTAVO_X86_64

#include <array>

#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/x86/amx/epilogue.hpp"
#include "octavo/backends/x86/amx/gather.hpp"
#include "octavo/backends/x86/amx/tile_layout.hpp"

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

/// Bytes of pixels that a task keeps near: with a set of columns they fit in half of a 2 MB L2.
inline constexpr std::size_t chunk_budget = 512 * 1024;

/// A block of pixels of a group: where its tiles are loaded from, and where its outputs go.
struct placed_block {
  factors from{};
  int group = 0, tiles = 0;
  int piece_count = 0;
  std::array<piece, block_rows> pieces;
};

/// The images of one call.
struct pixel_grid {
  const operand& src;
  int images, pixels;  ///< pixels of an image, those between its lines included
  int image_blocks = ceil_div(pixels, block_rows);

  int blocks() const { return images * image_blocks; }
};

/// The memory of copies of one thread.
struct pixel_copies {
  std::byte *lines, *slots;
  int first_row = 0;  ///< the output line that the copied lines begin with
};

/// Copies and finds the blocks of a convolution.
class tile_pixels {
 public:
  /// For at most `most_pixels` pixels of output; `repeats` where all blocks of a chunk are met several times.
  tile_pixels(tile_layout layout, int zero, int most_pixels, bool repeats) : layout_(std::move(layout)), zero_(zero) {
    set_sizes(most_pixels, repeats);
  }

  const tile_layout& layout() const noexcept { return layout_; }
  /// Blocks that are copied, and then met, at a time.
  int chunk_blocks() const noexcept { return chunk_blocks_; }
  std::size_t scratch_bytes() const noexcept { return lines_bytes_ + static_cast<std::size_t>(slots_) * slot_bytes_; }
  pixel_copies copies_in(std::byte* scratch) const noexcept { return {scratch, scratch + lines_bytes_}; }

  /// The images of `src` whose outputs are `dst`.
  pixel_grid grid_of(const operand& src, const operand& dst) const noexcept {
    const bool flat = layout_.from == pixel_place::image;
    return {src, flat ? 1 : dst.extents[0], flat ? static_cast<int>(dst.extents.rows()) : grid_pixels()};
  }

  /// Copies what `count` blocks of an image need together.
  void copy(const pixel_grid& c, pixel_copies& w, int image, int block, int count) const noexcept {
    if (layout_.copies_lines) copy_lines(c, w, image, block, count);
    if (layout_.from == pixel_place::interleaved) interleave_lines(c, w, block, count);
  }

  /// Finds the pixels of a block, number `place` of its chunk, and packs them where that is due.
  void locate(const pixel_grid& c, pixel_copies& w, int image, int block, int place, int group, bool pack,
              placed_block& b) const noexcept {
    const int first = block * block_rows, count = std::min(block_rows, c.pixels - first);
    b.group = group, b.tiles = count > tile_rows ? 2 : 1;
    factors& f = b.from;
    f.offset = layout_.offsets.data(), f.steps = layout_.steps;
    if (layout_.from == pixel_place::image) {
      locate_image(c, w, first, count, group, b);
      return;
    }
    place_outputs(image, first, count, b);
    if (layout_.from != pixel_place::rows) {
      const std::byte* copy = layout_.from == pixel_place::interleaved
                                  ? w.slots
                                  : w.lines + (layout_.side - layout_.conv.pad.left) * layout_.channels;
      f.a_stride = layout_.position_bytes;
      f.a[0] = copy + static_cast<std::ptrdiff_t>(first - w.first_row * layout_.grid_width) * layout_.position_bytes +
               group * layout_.group_inputs;
    } else {
      std::byte* slot = w.slots + static_cast<std::size_t>(place % slots_) * slot_bytes_;
      if (pack || slots_ <= 2) gather(c, w, image, first, count, group, slot);
      f.a_stride = slot_stride_;
      f.a[0] = slot;
    }
    f.a[1] = f.a[0] + tile_rows * f.a_stride;
  }

 private:
  /// Pixels of an image from the first to the last, those between its lines included.
  int grid_pixels() const { return (layout_.out_height - 1) * layout_.grid_width + layout_.out_width; }

  void set_sizes(int most_pixels, bool repeats) {
    // An odd number of cache lines, so that rows do not meet in the same set of the cache.
    slot_stride_ = (layout_.steps | 1) * tile_row_bytes;
    slot_bytes_ = static_cast<std::size_t>(block_rows * slot_stride_ + tile_row_bytes);
    const auto block_bytes =
        static_cast<std::size_t>(block_rows) *
        static_cast<std::size_t>(layout_.from == pixel_place::image || layout_.from == pixel_place::rows
                                     ? slot_stride_
                                     : layout_.position_bytes);
    const int image_pixels = layout_.from == pixel_place::image ? most_pixels : grid_pixels();
    chunk_blocks_ = std::clamp(static_cast<int>(chunk_budget / block_bytes), 1, ceil_div(image_pixels, block_rows));
    if (layout_.from == pixel_place::image) slots_ = 1;
    if (layout_.from == pixel_place::rows) slots_ = repeats ? chunk_blocks_ : 2;
    if (!layout_.copies_lines) return;
    const int outputs =
        std::min(layout_.out_height, (layout_.grid_width + chunk_blocks_ * block_rows - 2) / layout_.grid_width + 1);
    const std::ptrdiff_t pixels = static_cast<std::ptrdiff_t>(layout_.line_count(outputs)) * layout_.line_pixels +
                                  layout_.side + (layout_.conv.kernel.w - 1) * layout_.conv.dilation.w + block_rows +
                                  layout_.conv.stride.w;
    lines_bytes_ = round_up(static_cast<std::size_t>(pixels * layout_.channels) + 2 * tile_row_bytes, cache_line);
    if (layout_.from != pixel_place::interleaved) return;
    const std::ptrdiff_t positions = static_cast<std::ptrdiff_t>(outputs) * layout_.grid_width + block_rows;
    slots_ = 1;
    slot_bytes_ = round_up(
        static_cast<std::size_t>(positions * layout_.position_bytes + layout_.offsets.back()) + 2 * tile_row_bytes,
        cache_line);
  }

  /// Copies the lines under `count` blocks, each after its padding, which also ends the line before.
  void copy_lines(const pixel_grid& c, pixel_copies& w, int image, int block, int count) const noexcept {
    const int end = std::min((block + count) * block_rows, c.pixels);
    w.first_row = block * block_rows / layout_.grid_width;
    const int lines = layout_.line_count((end - 1) / layout_.grid_width - w.first_row + 1);
    const auto side = static_cast<std::size_t>(layout_.side * layout_.channels),
               line = static_cast<std::size_t>(layout_.width * layout_.channels);
    std::byte* to = w.lines;
    for (int i = 0; i < lines; ++i, to += side + line) {
      const int ih = w.first_row * layout_.conv.stride.h - layout_.conv.pad.top + i;
      if (ih < 0 || ih >= layout_.height) {
        std::memset(to, zero_, side + line);
        continue;
      }
      std::memset(to, zero_, side);
      const std::byte* from = c.src.as<const std::byte>() +
                              (static_cast<std::ptrdiff_t>(image) * layout_.height + ih) * layout_.width * c.src.stride;
      blocking::copy_pixels(to + side, from, layout_.width, layout_.channels, c.src.stride);
    }
    std::memset(to, zero_, side);
  }

  /// Interleaves the copied lines under `count` blocks.
  void interleave_lines(const pixel_grid& c, const pixel_copies& w, int block, int count) const noexcept {
    const int end = std::min((block + count) * block_rows, c.pixels);
    const std::ptrdiff_t line = static_cast<std::ptrdiff_t>(layout_.line_pixels) * layout_.channels;
    const std::byte* from = w.lines + (layout_.side - layout_.conv.pad.left) * layout_.channels;
    std::byte* to = w.slots;
    for (int oh = w.first_row; oh <= (end - 1) / layout_.grid_width; ++oh) {
      interleave(to, from, layout_.conv.dilation.h * line, layout_.conv.kernel.h,
                 layout_.conv.stride.w * layout_.channels, layout_.grid_width);
      to += static_cast<std::ptrdiff_t>(layout_.grid_width) * layout_.position_bytes,
          from += layout_.conv.stride.h * line;
    }
  }

  /// The same where pixels are their own rows of depth.
  void locate_image(const pixel_grid& c, pixel_copies& w, int first, int count, int group,
                    placed_block& b) const noexcept {
    b.piece_count = 1;
    b.pieces[0] = {0, count, first};
    // Tiles that would go beyond the last pixel begin earlier; rows that would, are copied.
    const int latest = std::max(0, c.pixels - tile_rows);
    const int last = std::min(first + (b.tiles - 1) * tile_rows, latest) + std::min(tile_rows, c.pixels) - 1;
    const std::byte* base = c.src.as<const std::byte>() + group * layout_.group_inputs;
    const int read = (layout_.steps - 1) * tile_row_bytes + layout_.tile_depth;
    factors& f = b.from;
    if (last * c.src.stride + group * layout_.group_inputs + read <= (c.pixels - 1) * c.src.stride + layout_.channels) {
      f.a_stride = c.src.stride;
      int shift[2];  // rows of either tile that belong to pixels before its first
      for (int t = 0; t < 2; ++t) {
        const int wanted = first + t * tile_rows, start = std::min(wanted, latest);
        f.a[t] = base + start * f.a_stride;
        shift[t] = wanted - start;
      }
      b.pieces[0] = {shift[0], std::min(count, tile_rows), first};
      if (count > tile_rows) {
        if (shift[1] == 0) {
          b.pieces[0].count = count;
        } else {
          b.pieces[1] = {tile_rows + shift[1], count - tile_rows, first + tile_rows};
          b.piece_count = 2;
        }
      }
      return;
    }
    for (int m = 0; m < count; ++m)
      blocking::copy_run(w.slots + m * slot_stride_, base + (first + m) * c.src.stride,
                         static_cast<std::size_t>(layout_.group_inputs));
    f.a_stride = slot_stride_;
    f.a[0] = w.slots;
    f.a[1] = w.slots + tile_rows * slot_stride_;
  }

  /// Cuts a block into what is one piece in the output. Where blocks run on between lines, pixels there are in none.
  void place_outputs(int image, int first, int count, placed_block& b) const noexcept {
    const std::ptrdiff_t origin = static_cast<std::ptrdiff_t>(image) * layout_.out_height * layout_.out_width;
    b.piece_count = 0;
    if (layout_.from == pixel_place::rows) {
      b.pieces[0] = {0, count, origin + first};
      b.piece_count = 1;
      return;
    }
    int line = first / layout_.grid_width, column = first % layout_.grid_width;
    for (int row = 0; row < count; ++line, column = 0) {
      const int valid = std::min(count - row, layout_.out_width - column);
      if (valid > 0)
        b.pieces[static_cast<std::size_t>(b.piece_count++)] = {
            row, valid, origin + static_cast<std::ptrdiff_t>(line) * layout_.out_width + column};
      row += layout_.grid_width - column;
    }
  }

  /// Gathers the depth of `count` pixels. What follows it in a row meets weights that are zero.
  void gather(const pixel_grid& c, const pixel_copies& w, int image, int first, int count, int group,
              std::byte* to) const noexcept {
    int oh = first / layout_.out_width, ow = first % layout_.out_width;
    const std::byte* lines =
        w.lines + (layout_.side - layout_.conv.pad.left) * layout_.channels + group * layout_.group_inputs;
    const std::byte* pixels = c.src.as<const std::byte>() + group * layout_.group_inputs;
    for (int m = 0; m < count; ++m, to += slot_stride_) {
      const std::ptrdiff_t ih = oh * layout_.conv.stride.h, iw = ow * layout_.conv.stride.w;
      if (layout_.copies_lines)
        gather_pixel(to,
                     lines + ((ih - w.first_row * layout_.conv.stride.h) * layout_.line_pixels + iw) * layout_.channels,
                     layout_.runs.data(), static_cast<int>(layout_.runs.size()), layout_.run_bytes);
      else
        blocking::copy_run(
            to,
            pixels + ((static_cast<std::ptrdiff_t>(image) * layout_.height + ih) * layout_.width + iw) * c.src.stride,
            static_cast<std::size_t>(layout_.run_bytes));
      if (++ow == layout_.out_width) ow = 0, ++oh;
    }
  }

  tile_layout layout_;
  int zero_;  ///< what padding is
  int chunk_blocks_ = 1, slots_ = 0, slot_stride_ = 0;
  std::size_t slot_bytes_ = 0, lines_bytes_ = 0;
};

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#endif
