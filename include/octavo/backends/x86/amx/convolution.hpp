// Convolution and fully connected layers on AMX: an implicit matrix product of tiles, u8 x s8, exact in s32.
//
// Pixels come in blocks of 32, output channels in columns of 32, depth in steps of 64 bytes; a block times a column is
// 2x2 tiles of sums. tile_layout.hpp says where tiles of pixels are loaded from.
//
// While a block multiplies, the sums of the one before are brought to their end and stored.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86_64

#include "octavo/backends/blocking/channel_epilogue.hpp"
#include "octavo/backends/blocking/task_pieces.hpp"
#include "octavo/backends/x86/amx/multiply_and_end.hpp"
#include "octavo/backends/x86/amx/tile_pixels.hpp"
#include "octavo/backends/x86/amx/tile_weights.hpp"

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

/// A convolution, or a fully connected layer as a 1x1 convolution, packed for tiles.
class tile_convolution final : public executable {
 public:
  /// Throws octavo::error when a sum could overflow.
  explicit tile_convolution(const blocking::dense_problem& s) : tile_convolution(s, tile_layout(s)) {}

  int tasks(const arguments& a) const noexcept override {
    const call c(*this, a);
    return c.sets * c.parts;
  }

  std::size_t scratch_bytes() const noexcept override { return 2 * sums_bytes + pixels_.scratch_bytes(); }

  std::size_t packed_bytes() const noexcept override { return weights_.bytes() + epilogue_.bytes(); }

  std::span<const std::byte> first_weights() const noexcept override { return weights_.first(); }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const call c(*this, a);
    if (begin >= end || c.grid.pixels == 0 || c.grid.images == 0) return;
    const tile_region region(std::min(tile_rows, c.grid.pixels), pixels_.layout().tile_depth);
    worker w;
    w.sums = scratch, w.copies = pixels_.copies_in(c.grid, scratch + 2 * sums_bytes);
    blocking::for_each_piece(begin, end, c.grid.blocks(), c.sets, weights_.all_columns(), c.parts,
                             [&](int first, int last, int from, int to) { run_blocks(c, w, first, last, from, to); });
    if (w.waiting) finish(c, w);
  }

 private:
  tile_convolution(const blocking::dense_problem& s, const tile_layout& layout)
      : residual_(s.conv.residual),
        dst_bytes_(static_cast<int>(size_of(s.dst->type))),
        weights_(layout, s),
        pixels_(layout, s, weights_.group_columns() > weights_.columns_together()),
        epilogue_(s, block_channels),
        end_rows_(row_epilogue_of(epilogue_.shared(), residual_)),
        multiply_and_end_(multiplication_and_epilogue_of(epilogue_.shared(), residual_)) {}

  /// What one call has to do: blocks of pixels in `sets` times columns in `parts`.
  struct call {
    const operand& dst;
    const operand* residual;
    std::span<const std::byte> ahead;
    pixel_grid grid;
    int sets, parts;

    call(const tile_convolution& k, const arguments& a)
        : dst(*a.dst),
          residual(k.residual_ ? &a.src[1] : nullptr),
          ahead(a.ahead),
          grid(k.pixels_.grid_of(a.src[0], dst)) {
      const double products = static_cast<double>(dst.extents.count()) * k.pixels_.layout().steps * tile_row_bytes;
      const int wanted =
          native::task_count({.multiply_adds = products / 8, .weight_bytes = static_cast<double>(k.weights_.bytes())});
      sets = std::max(1, std::min(wanted, ceil_div(grid.blocks(), 4)));
      parts = std::min(k.weights_.all_columns(), ceil_div(wanted, sets));
    }
  };

  /// The memory of one run on one thread, and what it has in hand.
  struct worker {
    std::byte* sums = nullptr;
    pixel_copies copies{};
    prefetch next{};
    int turn = 0;  ///< which of the two buffers of sums is next
    std::array<placed_block, 2> blocks;
    // The block and column whose sums wait for their epilogue.
    const placed_block* waiting = nullptr;
    int waiting_column = 0;
  };

  /// Runs blocks [first, last) of all images against columns [from, to) of all groups.
  void run_blocks(const call& c, worker& w, int first, int last, int from, int to) const noexcept {
    const int group_columns = weights_.group_columns();
    while (first < last) {
      const int image = first / c.grid.image_blocks, block = first % c.grid.image_blocks;
      const int count = std::min({last - first, c.grid.image_blocks - block, pixels_.chunk_blocks()});
      pixels_.copy(c.grid, w.copies, image, block, count);
      for (int group = from / group_columns; group * group_columns < to; ++group) {
        const int base = group * group_columns;
        run_chunk(c, w, image, block, count, group, std::max(from - base, 0), std::min(to - base, group_columns));
      }
      first += count;
    }
  }

  /// Runs `count` blocks of an image against columns [from, to) of a group, some columns at a time.
  void run_chunk(const call& c, worker& w, int image, int block, int count, int group, int from,
                 int to) const noexcept {
    const int together = weights_.columns_together();
    for (int column = from; column < to; column += together) {
      const int end = std::min(to, column + together), next_end = std::min(to, end + together);
      // The columns after these, or what the next step needs.
      std::span<const std::byte> next = c.ahead;
      if (end < to)
        next = {weights_.at(group, end), next_end < weights_.group_columns()
                                             ? weights_.at(group, next_end)
                                             : weights_.at(group, 0) + weights_.group_bytes()};
      w.next = {blocking::memory_ahead(next)};
      const std::ptrdiff_t steps = static_cast<std::ptrdiff_t>(count) * (end - column) * pixels_.layout().steps;
      w.next.lines = static_cast<int>(static_cast<std::ptrdiff_t>(next.size()) / tile_row_bytes / steps) + 1;
      for (int i = 0; i < count; ++i) {
        // Not the one that waits.
        placed_block& b = w.blocks[w.waiting == &w.blocks[0] ? 1 : 0];
        pixels_.locate(c.grid, w.copies, image, block + i, i, group, column == from, b);
        for (int k = column; k < end; ++k) run_block(c, w, b, k);
      }
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
    const int down = b.tiles - 1, across = weights_.tiles(column) - 1;
    b.from.b = weights_.at(b.group, column);
    if (w.waiting && multiply_and_end_ && down && across && weights_.channels(w.waiting_column) == block_channels) {
      multiply_and_end_(b.from, w.next, rows_waiting(c, w), epilogue_.shared());
    } else {
      multiplications[down][across](b.from, w.next);
      if (w.waiting) finish(c, w);
    }
    storings[down][across](w.sums + w.turn * sums_bytes);
    w.turn ^= 1;
    w.waiting = &b, w.waiting_column = column;
  }

  /// The block that waits.
  rows rows_waiting(const call& c, const worker& w) const noexcept {
    const placed_block& b = *w.waiting;
    const int channel = w.waiting_column * block_channels;
    const std::ptrdiff_t first_channel = (b.group * weights_.group_outputs() + channel) * dst_bytes_;
    rows t{};
    t.sums = w.sums + (w.turn ^ 1) * sums_bytes;
    t.pieces = {b.pieces.data(), static_cast<std::size_t>(b.piece_count)};
    t.multiplier = epilogue_.multiplier(b.group, channel), t.offset = epilogue_.offset(b.group, channel);
    t.dst = c.dst.as<std::byte>() + first_channel, t.dst_stride = c.dst.stride * dst_bytes_;
    if (c.residual) {
      t.residual = c.residual->as<const std::byte>() + first_channel;
      t.residual_stride = c.residual->stride * dst_bytes_;
    }
    t.channels = 0xffffffffu >> (block_channels - weights_.channels(w.waiting_column));
    return t;
  }

  /// Ends and stores the block that waits.
  void finish(const call& c, worker& w) const noexcept {
    end_rows_(rows_waiting(c, w), epilogue_.shared());
    w.waiting = nullptr;
  }

  bool residual_;
  int dst_bytes_;
  tile_weights weights_;
  tile_pixels pixels_;
  blocking::channel_epilogue epilogue_;
  row_epilogue end_rows_;
  multiplication_and_epilogue multiply_and_end_;  ///< may be null
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
