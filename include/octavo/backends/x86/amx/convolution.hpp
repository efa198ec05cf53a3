// Convolution and fully connected layers on AMX: an implicit matrix product of tiles, u8 x s8, exact in s32.
//
// Pixels come in blocks of 32, output channels in columns of 32, depth in steps of 64 bytes; a block times a column is
// 2x2 tiles of sums. tile_layout.hpp says where tiles of pixels are loaded from.
//
// While a block multiplies, the sums of the one before are brought to their end and stored.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86_64

#include <array>

#include "octavo/backends/blocking/channel_epilogue.hpp"
#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/blocking/task_pieces.hpp"
#include "octavo/backends/x86/amx/gather.hpp"
#include "octavo/backends/x86/amx/multiply_and_end.hpp"
#include "octavo/backends/x86/amx/tile_layout.hpp"

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

/// Bytes of pixels that a task keeps near: with a set of columns they fit in half of a 2 MB L2.
inline constexpr std::size_t chunk_budget = 512 * 1024;
/// Bytes of weights that all blocks of a chunk meet before the next; meanwhile those come into L2.
inline constexpr int column_budget = 32 * 1024;

/// A convolution, or a fully connected layer as a 1x1 convolution, packed for tiles.
class tile_convolution final : public executable {
 public:
  /// Throws octavo::error when a sum could overflow.
  explicit tile_convolution(const blocking::dense_problem& s)
      : layout_(s),
        dst_bytes_(static_cast<int>(size_of(s.dst->type))),
        group_outputs_(s.conv.out / s.conv.groups),
        group_columns_(ceil_div(group_outputs_, block_channels)),
        zero_(s.src[0].q.zero_point),
        epilogue_(s, block_channels),
        end_rows_(row_epilogue_of(epilogue_.shared(), layout_.conv.residual)),
        multiply_and_end_(multiplication_and_epilogue_of(epilogue_.shared(), layout_.conv.residual)) {
    set_sizes(static_cast<int>(s.dst->extents.rows()));
    pack_weights(s);
  }

  int tasks(const arguments& a) const noexcept override {
    const call c(*this, a);
    return c.sets * c.parts;
  }

  std::size_t scratch_bytes() const noexcept override {
    return 2 * sums_bytes + lines_bytes_ + static_cast<std::size_t>(slots_) * slot_bytes_;
  }

  std::size_t packed_bytes() const noexcept override { return weights_.size() + epilogue_.bytes(); }

  std::span<const std::byte> first_weights() const noexcept override {
    return {weights_.data(),
            std::min(weights_.size(), static_cast<std::size_t>(column_set_ * 2 * layout_.steps * tile_bytes))};
  }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const call c(*this, a);
    if (begin >= end || c.pixels == 0 || c.images == 0) return;
    const tile_region region(std::min(tile_rows, c.pixels), layout_.tile_depth);
    worker w;
    w.sums = scratch, w.lines = scratch + 2 * sums_bytes, w.slots = w.lines + lines_bytes_;
    blocking::for_each_piece(begin, end, c.blocks, c.sets, layout_.conv.groups * group_columns_, c.parts,
                             [&](int first, int last, int from, int to) { run_blocks(c, w, first, last, from, to); });
    if (w.waiting) finish(c, w);
  }

 private:
  /// What one call has to do: blocks of pixels in `sets` times columns in `parts`.
  struct call {
    const operand &src, &dst;
    const operand* residual;
    std::span<const std::byte> ahead;
    int images, pixels;  ///< pixels of an image, those between its lines included
    int image_blocks, blocks;
    int sets, parts;

    call(const tile_convolution& k, const arguments& a)
        : src(a.src[0]), dst(*a.dst), residual(k.layout_.conv.residual ? &a.src[1] : nullptr), ahead(a.ahead) {
      const bool flat = k.layout_.from == pixel_place::image;
      images = flat ? 1 : dst.extents[0];
      pixels = flat ? static_cast<int>(dst.extents.rows())
                    : (k.layout_.out_height - 1) * k.layout_.grid_width + k.layout_.out_width;
      image_blocks = ceil_div(pixels, block_rows);
      blocks = images * image_blocks;
      const double products = static_cast<double>(dst.extents.count()) * k.layout_.steps * tile_row_bytes;
      const int wanted =
          native::task_count({.multiply_adds = products / 8, .weight_bytes = static_cast<double>(k.weights_.size())});
      const int columns = k.layout_.conv.groups * k.group_columns_;
      sets = std::max(1, std::min(wanted, ceil_div(blocks, 4)));
      parts = std::min(columns, ceil_div(wanted, sets));
    }
  };

  /// A block of pixels of a group: where its tiles are loaded from, and where its outputs go.
  struct placed_block {
    factors from{};
    int group = 0, tiles = 0;
    int piece_count = 0;
    std::array<piece, block_rows> pieces;
  };

  /// The memory of one run on one thread, and what it has in hand.
  struct worker {
    std::byte *sums, *lines, *slots;
    int first_row = 0;  ///< the output line that the copied lines begin with
    prefetch next{};
    int turn = 0;  ///< which of the two buffers of sums is next
    std::array<placed_block, 2> blocks;
    // The block and column whose sums wait for their epilogue.
    const placed_block* waiting = nullptr;
    int waiting_column = 0;
  };

  void set_sizes(int most_pixels) {
    // An odd number of cache lines, so that rows do not meet in the same set of the cache.
    slot_stride_ = (layout_.steps | 1) * tile_row_bytes;
    slot_bytes_ = static_cast<std::size_t>(block_rows * slot_stride_ + tile_row_bytes);
    const auto block_bytes =
        static_cast<std::size_t>(block_rows) *
        static_cast<std::size_t>(layout_.from == pixel_place::image || layout_.from == pixel_place::rows
                                     ? slot_stride_
                                     : layout_.position_bytes);
    const int image_pixels = layout_.from == pixel_place::image
                                 ? most_pixels
                                 : (layout_.out_height - 1) * layout_.grid_width + layout_.out_width;
    chunk_blocks_ = std::clamp(static_cast<int>(chunk_budget / block_bytes), 1, ceil_div(image_pixels, block_rows));
    column_set_ = std::max(2, column_budget / (layout_.steps * 2 * tile_bytes));
    if (layout_.from == pixel_place::image) slots_ = 1;
    if (layout_.from == pixel_place::rows) slots_ = group_columns_ > column_set_ ? chunk_blocks_ : 2;
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

  /// Tiles across that a column has.
  int column_tiles(int column) const { return group_outputs_ - column * block_channels > tile_rows ? 2 : 1; }
  std::byte* column_weights(int group, int column) const {
    const std::ptrdiff_t group_tiles = ceil_div(group_outputs_, 16);
    return weights_.data() + (group * group_tiles + column * 2) * layout_.steps * tile_bytes;
  }

  /// To (groups, columns, steps, tiles, 16 groups of depth, 16 channels, 4 bytes).
  void pack_weights(const signature& s) {
    const int group_tiles = ceil_div(group_outputs_, 16);
    weights_ = pooled_memory(static_cast<std::size_t>(layout_.conv.groups * group_tiles) *
                             static_cast<std::size_t>(layout_.steps * tile_bytes));
    const std::int8_t* from = s.at(op::conv2d::weights)->as<std::int8_t>().data();
    for (int oc = 0; oc < layout_.conv.out; ++oc) {
      const int channel = oc % group_outputs_, column = channel / block_channels, n = channel % block_channels;
      const int across = column_tiles(column);
      std::byte* to = column_weights(oc / group_outputs_, column) + n / 16 * tile_bytes + n % 16 * 4;
      for (int i = 0; i < layout_.group_inputs; ++i)
        for (int kh = 0; kh < layout_.conv.kernel.h; ++kh)
          for (int kw = 0; kw < layout_.conv.kernel.w; ++kw) {
            const int k = layout_.depth_of(i, kh, kw);
            const std::ptrdiff_t step = k / tile_row_bytes;
            to[step * across * tile_bytes + k % tile_row_bytes / 4 * tile_row_bytes + k % 4] =
                static_cast<std::byte>(*from++);
          }
    }
  }

  /// Runs blocks [first, last) of all images against columns [from, to) of all groups.
  void run_blocks(const call& c, worker& w, int first, int last, int from, int to) const noexcept {
    while (first < last) {
      const int image = first / c.image_blocks, block = first % c.image_blocks;
      const int count = std::min({last - first, c.image_blocks - block, chunk_blocks_});
      if (layout_.copies_lines) copy_lines(c, w, image, block, count);
      if (layout_.from == pixel_place::interleaved) interleave_lines(c, w, block, count);
      for (int group = from / group_columns_; group * group_columns_ < to; ++group) {
        const int base = group * group_columns_;
        run_chunk(c, w, image, block, count, group, std::max(from - base, 0), std::min(to - base, group_columns_));
      }
      first += count;
    }
  }

  /// Copies the lines under `count` blocks, each after its padding, which also ends the line before.
  void copy_lines(const call& c, worker& w, int image, int block, int count) const noexcept {
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
  void interleave_lines(const call& c, const worker& w, int block, int count) const noexcept {
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

  /// Runs `count` blocks of an image against columns [from, to) of a group, some columns at a time.
  void run_chunk(const call& c, worker& w, int image, int block, int count, int group, int from,
                 int to) const noexcept {
    for (int column = from; column < to; column += column_set_) {
      const int end = std::min(to, column + column_set_), next_end = std::min(to, end + column_set_);
      // The columns after these, or what the next step needs.
      std::span<const std::byte> next = c.ahead;
      if (end < to)
        next = {column_weights(group, end), next_end < group_columns_
                                                ? column_weights(group, next_end)
                                                : column_weights(group, 0) + group_weight_bytes()};
      w.next = {blocking::memory_ahead(next)};
      const std::ptrdiff_t steps = static_cast<std::ptrdiff_t>(count) * (end - column) * layout_.steps;
      w.next.lines = static_cast<int>(static_cast<std::ptrdiff_t>(next.size()) / tile_row_bytes / steps) + 1;
      for (int i = 0; i < count; ++i) {
        // Not the one that waits.
        placed_block& b = w.blocks[w.waiting == &w.blocks[0] ? 1 : 0];
        locate(c, w, image, block + i, i, group, column == from, b);
        for (int k = column; k < end; ++k) run_block(c, w, b, k);
      }
    }
  }

  std::ptrdiff_t group_weight_bytes() const {
    return static_cast<std::ptrdiff_t>(ceil_div(group_outputs_, 16)) * layout_.steps * tile_bytes;
  }

  /// Finds the pixels of a block, number `place` of its chunk, and packs them where that is due.
  void locate(const call& c, worker& w, int image, int block, int place, int group, bool pack,
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

  /// The same where pixels are their own rows of depth.
  void locate_image(const call& c, worker& w, int first, int count, int group, placed_block& b) const noexcept {
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
  void gather(const call& c, const worker& w, int image, int first, int count, int group,
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

  /// Multiplies a block, ends the one before, and keeps the sums for their turn.
  void run_block(const call& c, worker& w, placed_block& b, int column) const noexcept {
    using multiplication = void (*)(const factors&, prefetch&) noexcept;
    using storing = void (*)(std::byte*) noexcept;
    static constexpr multiplication multiplications[2][2] = {{multiply<1, 1>, multiply<1, 2>},
                                                             {multiply<2, 1>, multiply<2, 2>}};
    static constexpr storing storings[2][2] = {{store_sums<1, 1>, store_sums<1, 2>},
                                               {store_sums<2, 1>, store_sums<2, 2>}};
    const int down = b.tiles - 1, across = column_tiles(column) - 1;
    b.from.b = column_weights(b.group, column);
    if (w.waiting && multiply_and_end_ && down && across && outputs_of(w.waiting_column) == block_channels) {
      multiply_and_end_(b.from, w.next, rows_waiting(c, w), epilogue_.shared());
    } else {
      multiplications[down][across](b.from, w.next);
      if (w.waiting) finish(c, w);
    }
    storings[down][across](w.sums + w.turn * sums_bytes);
    w.turn ^= 1;
    w.waiting = &b, w.waiting_column = column;
  }

  /// Channels that a column has.
  int outputs_of(int column) const { return std::min(group_outputs_ - column * block_channels, block_channels); }

  /// The block that waits.
  rows rows_waiting(const call& c, const worker& w) const noexcept {
    const placed_block& b = *w.waiting;
    const int channel = w.waiting_column * block_channels;
    const std::ptrdiff_t first_channel = (b.group * group_outputs_ + channel) * dst_bytes_;
    rows t{};
    t.sums = w.sums + (w.turn ^ 1) * sums_bytes;
    t.pieces = {b.pieces.data(), static_cast<std::size_t>(b.piece_count)};
    t.multiplier = epilogue_.multiplier(b.group, channel), t.offset = epilogue_.offset(b.group, channel);
    t.dst = c.dst.as<std::byte>() + first_channel, t.dst_stride = c.dst.stride * dst_bytes_;
    if (c.residual) {
      t.residual = c.residual->as<const std::byte>() + first_channel;
      t.residual_stride = c.residual->stride * dst_bytes_;
    }
    t.channels = 0xffffffffu >> (block_channels - outputs_of(w.waiting_column));
    return t;
  }

  /// Ends and stores the block that waits.
  void finish(const call& c, worker& w) const noexcept {
    end_rows_(rows_waiting(c, w), epilogue_.shared());
    w.waiting = nullptr;
  }

  tile_layout layout_;
  int dst_bytes_, group_outputs_, group_columns_, zero_;
  int chunk_blocks_ = 1, column_set_ = 2, slots_ = 0, slot_stride_ = 0;
  std::size_t slot_bytes_ = 0, lines_bytes_ = 0;
  blocking::channel_epilogue epilogue_;
  row_epilogue end_rows_;
  multiplication_and_epilogue multiply_and_end_;  ///< may be null
  pooled_memory weights_;
};

/// Kernels for conv2d and fc.
inline constexpr kernel convolution_kernels[] = {
    {"conv_u8s8s32_32x32_amx", isa::amx, blocking::is_dense_problem<element::u8>,
     [](const problem& p) -> std::unique_ptr<const executable> {
       return std::make_unique<tile_convolution>(blocking::dense_problem_of(p));
     },
     blocking::dense_pays},
};

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#endif
