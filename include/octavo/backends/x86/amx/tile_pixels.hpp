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
  tile_image image;
  int images, pixels;  ///< pixels of an image, those between its lines included
  int image_blocks = ceil_div(pixels, block_rows);

  int blocks() const { return images * image_blocks; }
};

/// The memory of copies of one thread.
struct pixel_copies {
  std::byte *lines, *slots;
  const std::ptrdiff_t *runs, *offsets;  ///< those of the layout, in the images of this call
  int first_row = 0;                     ///< the output line that the copied lines begin with
};

/// Copies and finds the blocks of a convolution.
class tile_pixels {
 public:
  /// Of the problem `s`, with its layout; `repeats` where all blocks of a chunk are met several times.
  tile_pixels(tile_layout layout, const blocking::dense_problem& s, bool repeats)
      : layout_(std::move(layout)), zero_(s.src[0].q.zero_point) {
    set_sizes(s, repeats);
  }

  const tile_layout& layout() const noexcept { return layout_; }
  /// Blocks that are copied, and then met, at a time.
  int chunk_blocks() const noexcept { return chunk_blocks_; }
  std::size_t scratch_bytes() const noexcept {
    return distances_bytes_ + lines_bytes_ + static_cast<std::size_t>(slots_) * slot_bytes_;
  }

  /// The copies in `scratch`. Where lines are shorter than planned, so are distances between them.
  pixel_copies copies_in(const pixel_grid& c, std::byte* scratch) const noexcept {
    std::byte* lines = scratch + distances_bytes_;
    pixel_copies w{lines, lines + lines_bytes_, layout_.runs.data(), layout_.offsets.data()};
    if (!layout_.copies_lines || c.image.line_pixels == layout_.most.line_pixels) return w;
    const bool by_offset = layout_.from == pixel_place::lines;
    const std::vector<std::ptrdiff_t>& planned = by_offset ? layout_.offsets : layout_.runs;
    const int count = static_cast<int>(planned.size()), of_line = count / layout_.conv.kernel.h;
    auto* distances = reinterpret_cast<std::ptrdiff_t*>(scratch);
    for (int i = 0; i < count; ++i)
      distances[i] = layout_.in_image(planned[static_cast<std::size_t>(i)], i / of_line, c.image);
    (by_offset ? w.offsets : w.runs) = distances;
    return w;
  }

  /// The images of `src` whose outputs are `dst`.
  pixel_grid grid_of(const operand& src, const operand& dst) const noexcept {
    const bool flat = layout_.from == pixel_place::image;
    const tile_image image = layout_.images_of(src.extents, dst.extents);
    return {src, image, flat ? 1 : dst.extents[0], flat ? static_cast<int>(dst.extents.rows()) : image.pixels()};
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
    f.offset = w.offsets, f.steps = layout_.steps;
    if (layout_.from == pixel_place::image) {
      locate_image(c, w, first, count, group, b);
      return;
    }
    place_outputs(c, image, first, count, b);
    if (layout_.from != pixel_place::rows) {
      const std::byte* copy = layout_.from == pixel_place::interleaved
                                  ? w.slots
                                  : w.lines + (layout_.side - layout_.conv.pad.left) * layout_.channels;
      f.a_stride = layout_.position_bytes;
      f.a[0] = copy + static_cast<std::ptrdiff_t>(first - w.first_row * c.image.grid_width) * layout_.position_bytes +
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
  void set_sizes(const blocking::dense_problem& s, bool repeats) {
    // An odd number of cache lines, so that rows do not meet in the same set of the cache.
    slot_stride_ = (layout_.steps | 1) * tile_row_bytes;
    slot_bytes_ = static_cast<std::size_t>(block_rows * slot_stride_ + tile_row_bytes);
    const auto block_bytes =
        static_cast<std::size_t>(block_rows) *
        static_cast<std::size_t>(layout_.from == pixel_place::image || layout_.from == pixel_place::rows
                                     ? slot_stride_
                                     : layout_.position_bytes);
    const int image_pixels =
        layout_.from == pixel_place::image ? static_cast<int>(s.dst->extents.rows()) : layout_.most.pixels();
    chunk_blocks_ = std::clamp(static_cast<int>(chunk_budget / block_bytes), 1, ceil_div(image_pixels, block_rows));
    if (layout_.from == pixel_place::image) slots_ = 1;
    if (layout_.from == pixel_place::rows) slots_ = repeats ? chunk_blocks_ : 2;
    if (!layout_.copies_lines) return;
    if (layout_.from == pixel_place::interleaved) slots_ = 1, slot_bytes_ = 0;
    make_room_for(layout_.most);
    dims x = s.src[0].extents;
    if (!x.is_bounded(2)) return;
    distances_bytes_ =
        round_up(std::max(layout_.runs.size(), layout_.offsets.size()) * sizeof(std::ptrdiff_t), cache_line);
    for (x.bounded = 0; x[2] > 1;) {  // of narrower images there are more lines under a chunk
      --x[2];
      if (const dims y = op::infer(layout_.conv, x); y[2] > 0) make_room_for(layout_.images_of(x, y));
    }
  }

  /// For the copied lines of a chunk.
  void make_room_for(const tile_image& i) {
    const int outputs = std::min(i.out_height, (i.grid_width + chunk_blocks_ * block_rows - 2) / i.grid_width + 1);
    const std::ptrdiff_t pixels = static_cast<std::ptrdiff_t>(layout_.line_count(outputs)) * i.line_pixels +
                                  layout_.side + (layout_.conv.kernel.w - 1) * layout_.conv.dilation.w + block_rows +
                                  layout_.conv.stride.w;
    const auto lines = static_cast<std::size_t>(pixels * layout_.channels) + 2 * tile_row_bytes;
    lines_bytes_ = std::max(lines_bytes_, round_up(lines, cache_line));
    if (layout_.from != pixel_place::interleaved) return;
    const std::ptrdiff_t positions = static_cast<std::ptrdiff_t>(outputs) * i.grid_width + block_rows;
    const auto slot = static_cast<std::size_t>(positions * layout_.position_bytes + layout_.offsets.back());
    slot_bytes_ = std::max(slot_bytes_, round_up(slot + 2 * tile_row_bytes, cache_line));
  }

  /// Copies the lines under `count` blocks, each after its padding, which also ends the line before.
  void copy_lines(const pixel_grid& c, pixel_copies& w, int image, int block, int count) const noexcept {
    const int end = std::min((block + count) * block_rows, c.pixels);
    w.first_row = block * block_rows / c.image.grid_width;
    const int lines = layout_.line_count((end - 1) / c.image.grid_width - w.first_row + 1);
    const auto side = static_cast<std::size_t>(layout_.side * layout_.channels),
               line = static_cast<std::size_t>(c.image.width * layout_.channels);
    std::byte* to = w.lines;
    for (int i = 0; i < lines; ++i, to += side + line) {
      const int ih = w.first_row * layout_.conv.stride.h - layout_.conv.pad.top + i;
      if (ih < 0 || ih >= c.image.height) {
        std::memset(to, zero_, side + line);
        continue;
      }
      std::memset(to, zero_, side);
      const std::byte* from = c.src.as<const std::byte>() +
                              (static_cast<std::ptrdiff_t>(image) * c.image.height + ih) * c.image.width * c.src.stride;
      blocking::copy_pixels(to + side, from, c.image.width, layout_.channels, c.src.stride);
    }
    std::memset(to, zero_, side);
  }

  /// Interleaves the copied lines under `count` blocks.
  void interleave_lines(const pixel_grid& c, const pixel_copies& w, int block, int count) const noexcept {
    const int end = std::min((block + count) * block_rows, c.pixels);
    const std::ptrdiff_t line = static_cast<std::ptrdiff_t>(c.image.line_pixels) * layout_.channels;
    const std::byte* from = w.lines + (layout_.side - layout_.conv.pad.left) * layout_.channels;
    std::byte* to = w.slots;
    for (int oh = w.first_row; oh <= (end - 1) / c.image.grid_width; ++oh) {
      interleave(to, from, layout_.conv.dilation.h * line, layout_.conv.kernel.h,
                 layout_.conv.stride.w * layout_.channels, c.image.grid_width);
      to += static_cast<std::ptrdiff_t>(c.image.grid_width) * layout_.position_bytes,
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
  void place_outputs(const pixel_grid& c, int image, int first, int count, placed_block& b) const noexcept {
    const std::ptrdiff_t origin = static_cast<std::ptrdiff_t>(image) * c.image.out_height * c.image.out_width;
    b.piece_count = 0;
    if (layout_.from == pixel_place::rows) {
      b.pieces[0] = {0, count, origin + first};
      b.piece_count = 1;
      return;
    }
    int line = first / c.image.grid_width, column = first % c.image.grid_width;
    for (int row = 0; row < count; ++line, column = 0) {
      const int valid = std::min(count - row, c.image.out_width - column);
      if (valid > 0)
        b.pieces[static_cast<std::size_t>(b.piece_count++)] = {
            row, valid, origin + static_cast<std::ptrdiff_t>(line) * c.image.out_width + column};
      row += c.image.grid_width - column;
    }
  }

  /// Gathers the depth of `count` pixels. What follows it in a row meets weights that are zero.
  void gather(const pixel_grid& c, const pixel_copies& w, int image, int first, int count, int group,
              std::byte* to) const noexcept {
    int oh = first / c.image.out_width, ow = first % c.image.out_width;
    const std::byte* lines =
        w.lines + (layout_.side - layout_.conv.pad.left) * layout_.channels + group * layout_.group_inputs;
    const std::byte* pixels = c.src.as<const std::byte>() + group * layout_.group_inputs;
    for (int m = 0; m < count; ++m, to += slot_stride_) {
      const std::ptrdiff_t ih = oh * layout_.conv.stride.h, iw = ow * layout_.conv.stride.w;
      if (layout_.copies_lines)
        gather_pixel(to,
                     lines + ((ih - w.first_row * layout_.conv.stride.h) * c.image.line_pixels + iw) * layout_.channels,
                     w.runs, static_cast<int>(layout_.runs.size()), layout_.run_bytes);
      else
        blocking::copy_run(
            to,
            pixels + ((static_cast<std::ptrdiff_t>(image) * c.image.height + ih) * c.image.width + iw) * c.src.stride,
            static_cast<std::size_t>(layout_.run_bytes));
      if (++ow == c.image.out_width) ow = 0, ++oh;
    }
  }

  tile_layout layout_;
  int zero_;  ///< what padding is
  int chunk_blocks_ = 1, slots_ = 0, slot_stride_ = 0;
  std::size_t slot_bytes_ = 0, lines_bytes_ = 0, distances_bytes_ = 0;
};

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#endif
