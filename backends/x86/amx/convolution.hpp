// Convolution and fully connected layers on AMX: an implicit matrix product of tiles, u8 x s8, exact in s32.
//
// Pixels come in blocks of 32, output channels in columns of 32, depth in steps of 64 bytes; a block times a column is
// 2x2 tiles of sums. A tile of pixels is loaded with one stride, from one of four places:
//   image: a pixel is its own row of depth (1x1, stride 1, no padding; fully connected). No copies.
//   lines: stride 1. The lines of the image are copied once, with padding between them; the pixels of successive output
//          lines then lie at one stride, if those that fall on the padding are computed too, and not stored.
//   interleaved: strides, few channels. The lines of the image under an output line are copied as (position, line of
//          the kernel, as many pixels as the stride, channels), so that a step to the right is a step of one position.
//   rows:  the depth of each pixel is gathered (im2col of some blocks): what is left, such as groups of few channels.
// While a block multiplies, the sums of the one before are brought to their end and stored.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86_64

#include <array>
#include <limits>

#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/x86/amx/microkernel.hpp"

namespace octavo::x86::amx {

/// Bytes of pixels that a task keeps near: with a set of columns they fit in half of a 2 MB L2.
inline constexpr std::size_t chunk_budget = 512 * 1024;
/// Bytes of weights that all blocks of a chunk meet before the next; meanwhile those come into L2.
inline constexpr int column_budget = 32 * 1024;

/// A convolution, or a fully connected layer as a 1x1 convolution, packed for tiles.
class tile_convolution final : public executable {
 public:
  /// Throws octavo::error when a sum could overflow.
  explicit tile_convolution(const blocking::layer& s)
      : conv_(s.conv),
        dst_bytes_(static_cast<int>(size_of(s.dst.type))),
        channels_(s.src[0].extents.back()),
        group_inputs_(channels_ / conv_.groups),
        group_outputs_(conv_.out / conv_.groups),
        group_columns_(ceil_div(group_outputs_, block_channels)),
        zero_(s.src[0].q.zero_point),
        stage_(s, block_channels),
        end_whole_(row_ending_of(stage_.end(), conv_.residual, true)),
        end_part_(row_ending_of(stage_.end(), conv_.residual, false)),
        multiply_and_end_(multiplication_and_ending_of(stage_.end(), conv_.residual)) {
    if (!s.flat) {
      height_ = s.src[0].extents[1], width_ = s.src[0].extents[2];
      out_height_ = s.dst.extents[1], out_width_ = s.dst.extents[2];
    }
    choose_source();
    set_depth();
    set_sizes(static_cast<int>(s.dst.extents.rows()));
    pack_weights(s);
  }

  int tasks(const arguments& a) const noexcept override {
    const call c(*this, a);
    return c.sets * c.parts;
  }

  std::size_t scratch_bytes() const noexcept override {
    return 2 * sums_bytes + lines_bytes_ + static_cast<std::size_t>(slots_) * slot_bytes_;
  }

  std::size_t packed_bytes() const noexcept override { return weights_.size() + stage_.bytes(); }

  std::span<const std::byte> first_weights() const noexcept override {
    return {weights_.data(),
            std::min(weights_.size(), static_cast<std::size_t>(column_set_ * 2 * steps_ * tile_bytes))};
  }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const call c(*this, a);
    if (begin >= end || c.pixels == 0 || c.images == 0) return;
    const tile_region region(std::min(tile_rows, c.pixels), tile_depth_);
    worker w;
    w.sums = scratch, w.lines = scratch + 2 * sums_bytes, w.slots = w.lines + lines_bytes_;
    const int columns = conv_.groups * group_columns_;
    while (begin < end) {
      const int set = begin / c.parts, part = begin % c.parts;
      // Whole sets that follow one another are one.
      const int sets = part == 0 ? std::max(1, (end - begin) / c.parts) : 1;
      const int parts = std::min(c.parts - part, end - begin);
      run_blocks(c, w, cut(c.blocks, set, c.sets), cut(c.blocks, set + sets, c.sets), cut(columns, part, c.parts),
                 cut(columns, part + parts, c.parts));
      begin += sets > 1 ? sets * c.parts : parts;
    }
    if (w.waiting) finish(c, w);
  }

 private:
  /// Where the tiles of pixels are loaded from.
  enum class source : std::uint8_t { image, lines, interleaved, rows };

  /// What one call has to do: blocks of pixels in `sets` times columns in `parts`.
  struct call {
    const operand &src, &dst;
    const operand* residual;
    std::span<const std::byte> ahead;
    int images, pixels;  ///< pixels of an image, those between its lines included
    int image_blocks, blocks;
    int sets, parts;

    call(const tile_convolution& k, const arguments& a)
        : src(a.src[0]), dst(a.dst), residual(k.conv_.residual ? &a.src[1] : nullptr), ahead(a.ahead) {
      const bool flat = k.from_ == source::image;
      images = flat ? 1 : dst.extents[0];
      pixels = flat ? static_cast<int>(dst.extents.rows()) : (k.out_height_ - 1) * k.grid_width_ + k.out_width_;
      image_blocks = ceil_div(pixels, block_rows);
      blocks = images * image_blocks;
      // Enough tasks for 8 threads to share evenly, none below two million products or a quarter megabyte of weights.
      const double products = static_cast<double>(dst.extents.count()) * k.steps_ * tile_row_bytes;
      const double most = std::max(products / 2e6, static_cast<double>(k.weights_.size()) / (256 * 1024));
      const int wanted = static_cast<int>(std::clamp(most, 1.0, 16.0));
      const int columns = k.conv_.groups * k.group_columns_;
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
    // The block and column whose sums wait for their ending.
    const placed_block* waiting = nullptr;
    int waiting_column = 0;
  };

  /// Where part `i` of `parts` begins when n things are cut evenly.
  static int cut(int n, int i, int parts) { return static_cast<int>(static_cast<std::int64_t>(n) * i / parts); }

  bool merged_taps() const { return conv_.groups == 1 && conv_.dilation.w == 1; }
  int taps() const { return conv_.kernel.h * conv_.kernel.w; }

  void choose_source() {
    const padding& p = conv_.pad;
    const bool plain = taps() == 1 && p.top == 0 && p.left == 0 && p.bottom == 0 && p.right == 0;
    side_ = std::max(p.left, p.right);
    line_pixels_ = width_ + side_;
    copies_lines_ = !plain;
    if (plain) {
      from_ = conv_.stride == hw(1) ? source::image : source::rows;
    } else {
      // More steps than the depth fills are worth a copy that is not made.
      const auto compact = [&](int steps) { return 4 * steps <= 5 * steps_of(taps() * group_inputs_); };
      const int line_steps =
          merged_taps() ? conv_.kernel.h * steps_of(conv_.kernel.w * group_inputs_) : taps() * steps_of(group_inputs_);
      const bool fits = conv_.stride == hw(1) && out_width_ <= line_pixels_;
      from_ = fits && compact(line_steps)                                                   ? source::lines
              : compact(std::min(whole_position_steps(), taps() * steps_of(group_inputs_))) ? source::interleaved
                                                                                            : source::rows;
    }
    position_bytes_ = from_ == source::interleaved ? conv_.kernel.h * conv_.stride.w * channels_ : channels_;
    grid_width_ = from_ == source::lines         ? line_pixels_
                  : from_ == source::interleaved ? out_width_ + positions_across() - 1
                                                 : out_width_;
  }

  static int steps_of(int bytes) { return ceil_div(bytes, tile_row_bytes); }
  /// Positions that the kernel meets, interleaved.
  int positions_across() const { return ceil_div((conv_.kernel.w - 1) * conv_.dilation.w + 1, conv_.stride.w); }
  /// Steps of all the bytes of these positions, where a group's channels are all channels.
  int whole_position_steps() const {
    return conv_.groups == 1 ? steps_of(positions_across() * conv_.kernel.h * conv_.stride.w * channels_)
                             : std::numeric_limits<int>::max();
  }

  /// Where the taps lie: in memory, and for each step of a tile.
  void set_depth() {
    const std::ptrdiff_t line = static_cast<std::ptrdiff_t>(conv_.dilation.h) * line_pixels_ * channels_;
    const std::ptrdiff_t tap = static_cast<std::ptrdiff_t>(conv_.dilation.w) * channels_;
    const bool interleaved = from_ == source::interleaved;
    whole_positions_ = interleaved && whole_position_steps() <= taps() * steps_of(group_inputs_);
    const int runs_per_line = merged_taps() && !interleaved ? 1 : conv_.kernel.w;
    run_bytes_ = merged_taps() && !interleaved ? conv_.kernel.w * group_inputs_ : group_inputs_;
    for (int kh = 0; kh < conv_.kernel.h; ++kh)
      for (int i = 0; i < runs_per_line; ++i)
        runs_.push_back(interleaved ? interleaved_offset(kh, i) : kh * line + i * tap);
    int depth = taps() * group_inputs_;
    if (whole_positions_) depth = positions_across() * position_bytes_;
    if (from_ == source::rows || whole_positions_) {
      run_depth_ = run_bytes_;
      for (int i = 0; i < steps_of(depth); ++i) offsets_.push_back(i * tile_row_bytes);
    } else {
      const int run_steps = steps_of(run_bytes_);
      run_depth_ = run_steps * tile_row_bytes;
      for (std::ptrdiff_t run : runs_)
        for (int i = 0; i < run_steps; ++i) offsets_.push_back(run + i * tile_row_bytes);
    }
    steps_ = static_cast<int>(offsets_.size());
    tile_depth_ = steps_ == 1 ? ceil_div(depth, 4) * 4 : tile_row_bytes;
  }

  /// From a position to a tap's pixel, interleaved.
  int interleaved_offset(int kh, int kw) const {
    const int column = kw * conv_.dilation.w, stride = conv_.stride.w;
    return column / stride * position_bytes_ + (kh * stride + column % stride) * channels_;
  }

  /// Where channel `i` of a tap lies in the packed depth.
  int depth_of(int i, int kh, int kw) const {
    if (whole_positions_) return interleaved_offset(kh, kw) + i;
    if (merged_taps() && from_ != source::interleaved) return kh * run_depth_ + kw * group_inputs_ + i;
    return (kh * conv_.kernel.w + kw) * run_depth_ + i;
  }

  void set_sizes(int most_pixels) {
    // An odd number of cache lines, so that rows do not meet in the same set of the cache.
    slot_stride_ = (steps_ | 1) * tile_row_bytes;
    slot_bytes_ = static_cast<std::size_t>(block_rows * slot_stride_ + tile_row_bytes);
    const auto block_bytes =
        static_cast<std::size_t>(block_rows) *
        static_cast<std::size_t>(from_ == source::image || from_ == source::rows ? slot_stride_ : position_bytes_);
    const int image_pixels = from_ == source::image ? most_pixels : (out_height_ - 1) * grid_width_ + out_width_;
    chunk_blocks_ = std::clamp(static_cast<int>(chunk_budget / block_bytes), 1, ceil_div(image_pixels, block_rows));
    column_set_ = std::max(2, column_budget / (steps_ * 2 * tile_bytes));
    if (from_ == source::image) slots_ = 1;
    if (from_ == source::rows) slots_ = group_columns_ > column_set_ ? chunk_blocks_ : 2;
    if (!copies_lines_) return;
    const int outputs = std::min(out_height_, (grid_width_ + chunk_blocks_ * block_rows - 2) / grid_width_ + 1);
    const std::ptrdiff_t pixels = static_cast<std::ptrdiff_t>(line_count(outputs)) * line_pixels_ + side_ +
                                  (conv_.kernel.w - 1) * conv_.dilation.w + block_rows + conv_.stride.w;
    lines_bytes_ = round_up(static_cast<std::size_t>(pixels * channels_) + 2 * tile_row_bytes, cache_line);
    if (from_ != source::interleaved) return;
    const std::ptrdiff_t positions = static_cast<std::ptrdiff_t>(outputs) * grid_width_ + block_rows;
    slots_ = 1;
    slot_bytes_ = round_up(static_cast<std::size_t>(positions * position_bytes_ + offsets_.back()) + 2 * tile_row_bytes,
                           cache_line);
  }

  /// Lines of the image under so many output lines.
  int line_count(int outputs) const {
    return (outputs - 1) * conv_.stride.h + (conv_.kernel.h - 1) * conv_.dilation.h + 1;
  }

  /// Tiles across that a column has.
  int column_tiles(int column) const { return group_outputs_ - column * block_channels > tile_rows ? 2 : 1; }
  std::byte* column_weights(int group, int column) const {
    const std::ptrdiff_t group_tiles = ceil_div(group_outputs_, 16);
    return weights_.data() + (group * group_tiles + column * 2) * steps_ * tile_bytes;
  }

  /// To (groups, columns, steps, tiles, 16 groups of depth, 16 channels, 4 bytes).
  void pack_weights(const signature& s) {
    const int group_tiles = ceil_div(group_outputs_, 16);
    weights_ = pooled_memory(static_cast<std::size_t>(conv_.groups * group_tiles) *
                             static_cast<std::size_t>(steps_ * tile_bytes));
    const std::int8_t* from = s.at(op::conv2d::weights)->as<std::int8_t>().data();
    for (int oc = 0; oc < conv_.out; ++oc) {
      const int channel = oc % group_outputs_, column = channel / block_channels, n = channel % block_channels;
      const int across = column_tiles(column);
      std::byte* to = column_weights(oc / group_outputs_, column) + n / 16 * tile_bytes + n % 16 * 4;
      for (int i = 0; i < group_inputs_; ++i)
        for (int kh = 0; kh < conv_.kernel.h; ++kh)
          for (int kw = 0; kw < conv_.kernel.w; ++kw) {
            const int k = depth_of(i, kh, kw);
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
      if (copies_lines_) copy_lines(c, w, image, block, count);
      if (from_ == source::interleaved) interleave_lines(c, w, block, count);
      for (int group = from / group_columns_; group * group_columns_ < to; ++group) {
        const int base = group * group_columns_;
        run_chunk(c, w, image, block, count, group, std::max(from - base, 0), std::min(to - base, group_columns_));
      }
      first += count;
    }
  }

  /// Copies the lines under `count` blocks, each after side_ pixels of padding, which also end the line before it.
  void copy_lines(const call& c, worker& w, int image, int block, int count) const noexcept {
    const int end = std::min((block + count) * block_rows, c.pixels);
    w.first_row = block * block_rows / grid_width_;
    const int lines = line_count((end - 1) / grid_width_ - w.first_row + 1);
    const auto side = static_cast<std::size_t>(side_ * channels_), line = static_cast<std::size_t>(width_ * channels_);
    std::byte* to = w.lines;
    for (int i = 0; i < lines; ++i, to += side + line) {
      const int ih = w.first_row * conv_.stride.h - conv_.pad.top + i;
      if (ih < 0 || ih >= height_) {
        std::memset(to, zero_, side + line);
        continue;
      }
      std::memset(to, zero_, side);
      const std::byte* from =
          c.src.as<const std::byte>() + (static_cast<std::ptrdiff_t>(image) * height_ + ih) * width_ * c.src.stride;
      blocking::copy_pixels(to + side, from, width_, channels_, c.src.stride);
    }
    std::memset(to, zero_, side);
  }

  /// Interleaves the copied lines under `count` blocks.
  void interleave_lines(const call& c, const worker& w, int block, int count) const noexcept {
    const int end = std::min((block + count) * block_rows, c.pixels);
    const std::ptrdiff_t line = static_cast<std::ptrdiff_t>(line_pixels_) * channels_;
    const std::byte* from = w.lines + (side_ - conv_.pad.left) * channels_;
    std::byte* to = w.slots;
    for (int oh = w.first_row; oh <= (end - 1) / grid_width_; ++oh) {
      interleave(to, from, conv_.dilation.h * line, conv_.kernel.h, conv_.stride.w * channels_, grid_width_);
      to += static_cast<std::ptrdiff_t>(grid_width_) * position_bytes_, from += conv_.stride.h * line;
    }
  }

  /// Runs `count` blocks of an image against columns [from, to) of a group, some columns at a time.
  void run_chunk(const call& c, worker& w, int image, int block, int count, int group, int from,
                 int to) const noexcept {
    for (int column = from; column < to; column += column_set_) {
      const int end = std::min(to, column + column_set_), next_end = std::min(to, end + column_set_);
      // The columns after these, or what the next step needs.
      w.next = {c.ahead.data(), c.ahead.data() + c.ahead.size()};
      if (end < to) {
        w.next.at = column_weights(group, end);
        w.next.end = next_end < group_columns_ ? column_weights(group, next_end)
                                               : column_weights(group, 0) + group_weight_bytes();
      }
      const std::ptrdiff_t steps = static_cast<std::ptrdiff_t>(count) * (end - column) * steps_;
      w.next.lines = static_cast<int>((w.next.end - w.next.at) / tile_row_bytes / steps) + 1;
      for (int i = 0; i < count; ++i) {
        // Not the one that waits.
        placed_block& b = w.blocks[w.waiting == &w.blocks[0] ? 1 : 0];
        locate(c, w, image, block + i, i, group, column == from, b);
        for (int k = column; k < end; ++k) run_block(c, w, b, k);
      }
    }
  }

  std::ptrdiff_t group_weight_bytes() const {
    return static_cast<std::ptrdiff_t>(ceil_div(group_outputs_, 16)) * steps_ * tile_bytes;
  }

  /// Finds the pixels of a block, number `place` of its chunk, and packs them where that is due.
  void locate(const call& c, worker& w, int image, int block, int place, int group, bool pack,
              placed_block& b) const noexcept {
    const int first = block * block_rows, count = std::min(block_rows, c.pixels - first);
    b.group = group, b.tiles = count > tile_rows ? 2 : 1;
    factors& f = b.from;
    f.offset = offsets_.data(), f.steps = steps_;
    if (from_ == source::image) {
      locate_image(c, w, first, count, group, b);
      return;
    }
    place_outputs(image, first, count, b);
    if (from_ != source::rows) {
      const std::byte* copy = from_ == source::interleaved ? w.slots : w.lines + (side_ - conv_.pad.left) * channels_;
      f.a_stride = position_bytes_;
      f.a[0] = copy + static_cast<std::ptrdiff_t>(first - w.first_row * grid_width_) * position_bytes_ +
               group * group_inputs_;
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
    const std::byte* base = c.src.as<const std::byte>() + group * group_inputs_;
    const int read = (steps_ - 1) * tile_row_bytes + tile_depth_;
    factors& f = b.from;
    if (last * c.src.stride + group * group_inputs_ + read <= (c.pixels - 1) * c.src.stride + channels_) {
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
                         static_cast<std::size_t>(group_inputs_));
    f.a_stride = slot_stride_;
    f.a[0] = w.slots;
    f.a[1] = w.slots + tile_rows * slot_stride_;
  }

  /// Cuts a block into what is one piece in the output. Where blocks run on between lines, pixels there are in none.
  void place_outputs(int image, int first, int count, placed_block& b) const noexcept {
    const std::ptrdiff_t origin = static_cast<std::ptrdiff_t>(image) * out_height_ * out_width_;
    b.piece_count = 0;
    if (from_ == source::rows) {
      b.pieces[0] = {0, count, origin + first};
      b.piece_count = 1;
      return;
    }
    int line = first / grid_width_, column = first % grid_width_;
    for (int row = 0; row < count; ++line, column = 0) {
      const int valid = std::min(count - row, out_width_ - column);
      if (valid > 0)
        b.pieces[static_cast<std::size_t>(b.piece_count++)] = {
            row, valid, origin + static_cast<std::ptrdiff_t>(line) * out_width_ + column};
      row += grid_width_ - column;
    }
  }

  /// Gathers the depth of `count` pixels. What follows it in a row meets weights that are zero.
  void gather(const call& c, const worker& w, int image, int first, int count, int group,
              std::byte* to) const noexcept {
    int oh = first / out_width_, ow = first % out_width_;
    const std::byte* lines = w.lines + (side_ - conv_.pad.left) * channels_ + group * group_inputs_;
    const std::byte* pixels = c.src.as<const std::byte>() + group * group_inputs_;
    for (int m = 0; m < count; ++m, to += slot_stride_) {
      const std::ptrdiff_t ih = oh * conv_.stride.h, iw = ow * conv_.stride.w;
      if (copies_lines_)
        gather_pixel(to, lines + ((ih - w.first_row * conv_.stride.h) * line_pixels_ + iw) * channels_, runs_.data(),
                     static_cast<int>(runs_.size()), run_bytes_);
      else
        blocking::copy_run(to,
                           pixels + ((static_cast<std::ptrdiff_t>(image) * height_ + ih) * width_ + iw) * c.src.stride,
                           static_cast<std::size_t>(run_bytes_));
      if (++ow == out_width_) ow = 0, ++oh;
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
      multiply_and_end_(b.from, w.next, rows_waiting(c, w), stage_.end());
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
    t.multiplier = stage_.multiplier(b.group, channel), t.offset = stage_.offset(b.group, channel);
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
    const auto end_rows = outputs_of(w.waiting_column) == block_channels ? end_whole_ : end_part_;
    end_rows(rows_waiting(c, w), stage_.end());
    w.waiting = nullptr;
  }

  op::conv2d conv_;
  int dst_bytes_, channels_, group_inputs_, group_outputs_, group_columns_, zero_;
  int height_ = 1, width_ = 1, out_height_ = 1, out_width_ = 1;
  source from_ = source::image;
  bool copies_lines_ = false;
  int side_ = 0;                  ///< pixels of padding between copied lines
  int line_pixels_ = 1;           ///< from line to line
  int grid_width_ = 1;            ///< pixels from an output line to the next, those between them included
  int position_bytes_ = 0;        ///< from a pixel of a block to the next, with lines and interleaved
  bool whole_positions_ = false;  ///< interleaved, the depth is all bytes of some positions, those of no tap included
  std::vector<std::ptrdiff_t> runs_, offsets_;
  int run_bytes_ = 0;  ///< bytes of depth that lie together
  int run_depth_ = 0;  ///< and what they take of the packed depth
  int steps_ = 0, tile_depth_ = tile_row_bytes;
  int chunk_blocks_ = 1, column_set_ = 2, slots_ = 0, slot_stride_ = 0;
  std::size_t slot_bytes_ = 0, lines_bytes_ = 0;
  blocking::output_stage stage_;
  row_ending end_whole_, end_part_;             ///< of 32 channels, or fewer
  multiplication_and_ending multiply_and_end_;  ///< may be null
  pooled_memory weights_;
};

}  // namespace octavo::x86::amx

namespace octavo::x86 {

/// conv2d and fc, u8 x s8 to u8 or f32.
inline constexpr kernel conv_u8s8s32_32x32_amx{"conv_u8s8s32_32x32_amx", isa::amx,
                                               [](const problem& p) { return blocking::is_layer_of(p, element::u8); },
                                               [](const problem& p) -> std::unique_ptr<const executable> {
                                                 return std::make_unique<amx::tile_convolution>(blocking::layer_of(p));
                                               }};

}  // namespace octavo::x86

#endif
