// Convolution that reads its pixels where they lie: no panels, one stride between the rows of a tile.
//
//   y(p, oc) = end( sum over k of a(p, k) * w(k, oc) )     p = (n, oh, ow), k = (kh, kw, i), one product for each group
//
// Output lines are cut into strips of a few pixels, the last one overlapping the one before where they do not fit; a
// tile is one or two strips. A 1x1 convolution without padding reads its input itself and knows but one line, that of
// all pixels. Others copy the lines of the image once, with their padding at either end. Taps above and below the
// image are skipped: the sums then begin with what the padding would have given.
//
// A task takes some lines and some columns of output channels. It runs a chunk of lines, which stays in L2, against one
// column after the other, whose weights the tiles of the column before bring into L2.
#pragma once

#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/blocking/microkernel.hpp"
#include "octavo/backends/blocking/output_stage.hpp"
#include "octavo/op/kernel.hpp"

namespace octavo::blocking {

/// The work of a direct tile: one or two strips of pixels times one or two vectors of channels. Strides are in bytes.
///
/// Depth is counted in groups of 4 bytes (1 f32 or 4 u8 values), in runs that lie together in memory.
struct direct_tile {
  const std::byte* src[2];  ///< the first pixel of either strip
  std::ptrdiff_t src_stride;
  const std::ptrdiff_t* runs;  ///< from a pixel to each run of its depth
  int run_count, run_groups;
  const std::byte* weights;   // (runs, groups, NR, 4 bytes)
  const std::int32_t* start;  // (NR) what the sums begin with
  const float *multiplier, *offset;
  std::byte* dst[2];  // (strip, channels)
  std::ptrdiff_t dst_stride;
  const std::byte* residual[2];  // (strip, channels) of dst's type, or null
  std::ptrdiff_t residual_stride;
  int channels;  ///< how many of the NR channels exist; no others are stored
  const ending* end;
  const std::byte* ahead;     ///< for each group a tile brings the line there into L2
  std::ptrdiff_t ahead_step;  ///< and goes on by this
};

using direct_function = void (*)(const direct_tile&) noexcept;

/// What an instruction set offers for a pair of types.
struct direct_microkernel {
  int vector;                   ///< output channels in one vector
  int strip;                    ///< pixels
  direct_function tiles[2][2];  ///< of one or two strips, one or two vectors
};

/// Bytes of input that a chunk of lines may have.
inline constexpr int direct_chunk_budget = 384 * 1024;

/// A convolution, or a fully connected layer as a 1x1 convolution, packed for one microkernel.
class direct_convolution final : public executable {
 public:
  /// Throws octavo::error when a sum could overflow.
  direct_convolution(const direct_microkernel& kernel, const layer& s)
      : kernel_(kernel),
        conv_(s.conv),
        in_place_(reads_in_place(s)),
        one_line_(in_place_ && conv_.stride == hw(1)),
        value_bytes_(static_cast<int>(size_of(s.src[0].type))),
        dst_bytes_(static_cast<int>(size_of(s.dst.type))),
        pixel_bytes_(s.src[0].extents.back() * value_bytes_),
        group_inputs_(s.src[0].extents.back() / conv_.groups),
        group_outputs_(conv_.out / conv_.groups),
        block_channels_(2 * kernel.vector),
        group_columns_(ceil_div(group_outputs_, block_channels_)),
        zero_(s.src[0].is_u8() ? s.src[0].q.zero_point : 0),
        stage_(s, block_channels_) {
    if (!s.flat) {
      height_ = s.src[0].extents[1], width_ = s.src[0].extents[2];
      out_height_ = s.dst.extents[1], out_width_ = s.dst.extents[2];
    }
    line_bytes_ = (width_ + (in_place_ ? 0 : conv_.pad.left + conv_.pad.right)) * pixel_bytes_;
    set_runs();
    set_chunk(static_cast<int>(s.dst.extents.rows()));
    pack_weights(*s.at(op::conv2d::weights));
    set_starts(*s.at(op::conv2d::weights));
  }

  int tasks(const arguments& a) const noexcept override {
    const call c(*this, a);
    return c.sets * c.parts;
  }

  std::size_t scratch_bytes() const noexcept override { return tiles_bytes() + copied_bytes_; }

  std::size_t packed_bytes() const noexcept override { return weights_.size() + stage_.bytes() + starts_.size(); }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const call c(*this, a);
    const int columns = conv_.groups * group_columns_;
    while (begin < end) {
      const int set = begin / c.parts, part = begin % c.parts;
      // Whole sets that follow one another are one.
      const int sets = part == 0 ? std::max(1, (end - begin) / c.parts) : 1;
      const int parts = std::min(c.parts - part, end - begin);
      run_units(c, cut(c.units, set, c.sets), cut(c.units, set + sets, c.sets), cut(columns, part, c.parts),
                cut(columns, part + parts, c.parts), scratch);
      begin += sets > 1 ? sets * c.parts : parts;
    }
  }

  /// Whether the strips of `strip` pixels that cover a convolution's output compute little more than it has.
  static bool suits(const layer& s, int strip) {
    const bool one_line = reads_in_place(s) && s.conv.stride == hw(1);
    const int line = one_line ? static_cast<int>(s.dst.extents.rows()) : s.dst.extents[2];
    return line >= strip && 20 * ceil_div(line, strip) * strip <= 23 * line;
  }

 private:
  /// What one call has to do: units of output, `sets` of them, times columns in `parts`. A unit is a line, or two strips
  /// of the one line that there is, so that strips that overlap are in one task.
  struct call {
    const operand &src, &dst;
    const operand* residual;
    int line;    ///< pixels of an output line
    int strips;  ///< of a line
    int units, sets, parts;

    call(const direct_convolution& k, const arguments& a)
        : src(a.src[0]), dst(a.dst), residual(k.conv_.residual ? &a.src[1] : nullptr) {
      const int rows = static_cast<int>(dst.extents.rows());
      line = k.one_line_ ? rows : k.out_width_;
      strips = line < k.kernel_.strip ? line : ceil_div(line, k.kernel_.strip);
      units = k.one_line_ ? std::max(strips / 2, std::min(rows, 1)) : dst.extents[0] * k.out_height_;
      // Enough tasks for 8 threads to share evenly, none below a quarter of a million products. Cutting the lines first
      // means copying each of them once; below 8 strips for each column of weights, columns are cut instead.
      const double products = static_cast<double>(dst.extents.count()) * k.depth_groups() * 4 / k.value_bytes_;
      const int wanted = static_cast<int>(std::clamp(products / (256 * 1024), 1.0, 16.0));
      const int columns = k.conv_.groups * k.group_columns_;
      sets = std::clamp(ceil_div(k.one_line_ ? strips : units * strips, 8), 1, std::max(1, std::min(wanted, units)));
      parts = std::min(columns, ceil_div(wanted, sets));
    }
  };

  /// A tile of the current chunk: where it reads and writes, and which lines of the kernel meet the image.
  struct placed_tile {
    std::ptrdiff_t src[2];    ///< bytes
    std::ptrdiff_t pixel[2];  ///< of the output
    int strips;
    int first_kh, last_kh;
  };

  /// Where part `i` of `parts` begins when n things are cut evenly.
  static int cut(int n, int i, int parts) { return static_cast<int>(static_cast<std::int64_t>(n) * i / parts); }

  /// 1x1 without padding, and no group of depth is cut short.
  static bool reads_in_place(const layer& s) {
    const auto bytes = static_cast<std::size_t>(s.src[0].extents.back() / s.conv.groups) * size_of(s.src[0].type);
    return s.conv.kernel == hw(1) && s.conv.pad == padding{} && bytes % group_bytes == 0;
  }

  bool merged_taps() const { return conv_.groups == 1 && conv_.dilation.w == 1; }
  int depth_groups() const { return static_cast<int>(runs_.size()) * run_groups_; }

  void set_runs() {
    const int line_runs = merged_taps() ? 1 : conv_.kernel.w;
    run_groups_ = ceil_div(group_inputs_ * value_bytes_ * conv_.kernel.w / line_runs, group_bytes);
    for (int kh = 0; kh < conv_.kernel.h; ++kh)
      for (int i = 0; i < line_runs; ++i)
        runs_.push_back(static_cast<std::ptrdiff_t>(kh) * conv_.dilation.h * line_bytes_ +
                        static_cast<std::ptrdiff_t>(i) * conv_.dilation.w * pixel_bytes_);
  }

  void set_chunk(int most_pixels) {
    const int unit_bytes = one_line_ ? 2 * kernel_.strip * pixel_bytes_ : conv_.stride.h * line_bytes_;
    const int line = one_line_ ? most_pixels : out_width_;
    const int units = one_line_ ? ceil_div(most_pixels, 2 * kernel_.strip) : out_height_;
    chunk_units_ = std::clamp(direct_chunk_budget / unit_bytes, 1, units);
    chunk_tiles_ = one_line_ ? chunk_units_ + 2 : chunk_units_ * ceil_div(line, kernel_.strip);
    if (in_place_) return;
    const int lines = (chunk_units_ - 1) * conv_.stride.h + (conv_.kernel.h - 1) * conv_.dilation.h + 1;
    copied_bytes_ =
        round_up(static_cast<std::size_t>(lines) * static_cast<std::size_t>(line_bytes_), cache_line) + cache_line;
  }

  int column_vectors(int column) const {
    return ceil_div(std::min(group_outputs_ - column * block_channels_, block_channels_), kernel_.vector);
  }
  std::ptrdiff_t column_bytes() const {
    return static_cast<std::ptrdiff_t>(depth_groups()) * block_channels_ * group_bytes;
  }
  std::byte* column_weights(int group, int column) const {
    return weights_.data() + (group * group_columns_ + column) * column_bytes();
  }

  /// To (groups, columns, runs, groups of depth, NR, 4 bytes).
  void pack_weights(const tensor& w) {
    weights_ = aligned_memory(static_cast<std::size_t>(conv_.groups * group_columns_) *
                              static_cast<std::size_t>(column_bytes()));
    const std::byte* from = w.bytes().data();
    for (int oc = 0; oc < conv_.out; ++oc) {
      const int channel = oc % group_outputs_, column = channel / block_channels_;
      std::byte* to = column_weights(oc / group_outputs_, column) + channel % block_channels_ * group_bytes;
      const std::ptrdiff_t group_step = column_vectors(column) * kernel_.vector * group_bytes;
      for (int i = 0; i < group_inputs_; ++i)
        for (int kh = 0; kh < conv_.kernel.h; ++kh)
          for (int kw = 0; kw < conv_.kernel.w; ++kw, from += value_bytes_) {
            const int run = merged_taps() ? kh : kh * conv_.kernel.w + kw;
            const int within = ((merged_taps() ? kw * group_inputs_ : 0) + i) * value_bytes_;
            std::memcpy(to + (run * run_groups_ + within / group_bytes) * group_step + within % group_bytes, from,
                        static_cast<std::size_t>(value_bytes_));
          }
    }
  }

  /// The lines of the kernel that meet the image at output line `oh`.
  std::pair<int, int> lines_inside(int oh) const {
    const int top = oh * conv_.stride.h - conv_.pad.top, step = conv_.dilation.h;
    const int first = top < 0 ? ceil_div(-top, step) : 0;
    const int last = std::min(conv_.kernel.h, top < height_ ? ceil_div(height_ - top, step) : 0);
    return first < last ? std::pair(first, last) : std::pair(0, 0);
  }
  std::size_t start_index(int first_kh, int last_kh) const {
    return static_cast<std::size_t>(first_kh * (conv_.kernel.h + 1) + last_kh);
  }

  /// For each choice of lines inside the image, (groups, padded channels): what the lines outside add.
  void set_starts(const tensor& weights) {
    const int padded = conv_.groups * group_columns_ * block_channels_, taps = conv_.kernel.h * conv_.kernel.w;
    start_of_.assign(start_index(conv_.kernel.h, conv_.kernel.h) + 1, 0);
    std::vector<std::pair<int, int>> cases{{0, conv_.kernel.h}};
    for (int oh = 0; oh < out_height_ && zero_ != 0; ++oh) {
      const auto inside = lines_inside(oh);
      if (std::ranges::find(cases, inside) == cases.end()) cases.push_back(inside);
    }
    starts_ = aligned_memory(cases.size() * static_cast<std::size_t>(padded) * sizeof(std::int32_t));
    for (std::size_t i = 1; i < cases.size(); ++i) {
      const auto [first, last] = cases[i];
      start_of_[start_index(first, last)] = static_cast<int>(i) * padded;
      const std::int8_t* w = weights.as<std::int8_t>().data();
      for (int oc = 0; oc < conv_.out; ++oc) {
        std::int32_t sum = 0;
        for (int k = 0; k < group_inputs_ * taps; ++k, ++w) {
          const int kh = k % taps / conv_.kernel.w;
          if (kh < first || kh >= last) sum += *w;
        }
        const int channel = oc / group_outputs_ * group_columns_ * block_channels_ + oc % group_outputs_;
        starts()[start_of_[start_index(first, last)] + channel] = zero_ * sum;
      }
    }
  }
  std::int32_t* starts() const noexcept { return reinterpret_cast<std::int32_t*>(starts_.data()); }

  std::size_t tiles_bytes() const {
    return round_up(static_cast<std::size_t>(chunk_tiles_) * sizeof(placed_tile), cache_line);
  }

  /// Runs units [first, last) against columns [from, to) of all groups, a chunk at a time.
  void run_units(const call& c, int first, int last, int from, int to, std::byte* scratch) const noexcept {
    auto* tiles = reinterpret_cast<placed_tile*>(scratch);
    std::byte* lines = scratch + tiles_bytes();
    while (first < last) {
      int end = std::min(last, first + chunk_units_);
      if (!one_line_) end = std::min(end, (first / out_height_ + 1) * out_height_);  // of one image
      const std::byte* base = c.src.as<const std::byte>();
      if (!in_place_) copy_lines(c, first, end, lines), base = lines;
      const int count = one_line_ ? place_strips(c, first, end, tiles) : place_lines(c, first, end, tiles);
      for (int column = from; column < to; ++column) {
        const int next = column + 1 < conv_.groups * group_columns_ ? column + 1 : column;
        run_column(c, {tiles, static_cast<std::size_t>(count)}, base, column / group_columns_, column % group_columns_,
                   column_weights(0, next));
      }
      first = end;
    }
  }

  /// The tiles of pairs of strips [first, end) of the one line.
  int place_strips(const call& c, int first, int end, placed_tile* tiles) const noexcept {
    const int last = end == c.units ? c.strips : 2 * end;
    const std::ptrdiff_t pixel_bytes = c.src.stride * value_bytes_;
    int count = 0;
    for (int strip = 2 * first; strip < last; strip += 2, ++count) {
      placed_tile& t = tiles[count];
      t.strips = std::min(2, last - strip);
      t.first_kh = 0, t.last_kh = 1;
      for (int i = 0; i < t.strips; ++i) {
        t.pixel[i] = strip_pixel(c, strip + i);
        t.src[i] = t.pixel[i] * pixel_bytes;
      }
    }
    return count;
  }

  /// The tiles of output lines [first, end) of one image. Strips whose taps meet the image alike make pairs.
  int place_lines(const call& c, int first, int end, placed_tile* tiles) const noexcept {
    const std::ptrdiff_t pixel_bytes = in_place_ ? c.src.stride * value_bytes_ : pixel_bytes_;
    const std::ptrdiff_t line_bytes = in_place_ ? width_ * pixel_bytes : line_bytes_;
    const int image = first / out_height_, begin = first % out_height_;
    const int copied = std::max(0, begin * conv_.stride.h - conv_.pad.top);  // the first line of the copy
    int count = 0;
    bool open = false;  // the last tile wants a second strip
    for (int i = first; i < end; ++i) {
      const int oh = i % out_height_;
      const auto [first_kh, last_kh] = lines_inside(oh);
      const int line = in_place_ ? image * height_ + oh * conv_.stride.h : oh * conv_.stride.h - conv_.pad.top - copied;
      for (int strip = 0; strip < c.strips; ++strip) {
        open = open && tiles[count - 1].first_kh == first_kh && tiles[count - 1].last_kh == last_kh;
        placed_tile& t = open ? tiles[count - 1] : tiles[count++];
        const int at = open ? 1 : 0, ow = strip_pixel(c, strip);
        t.strips = at + 1;
        t.first_kh = first_kh, t.last_kh = last_kh;
        t.pixel[at] = static_cast<std::ptrdiff_t>(i) * out_width_ + ow;
        t.src[at] = line * line_bytes + ow * conv_.stride.w * pixel_bytes;
        open = !open;
      }
    }
    return count;
  }

  /// The first pixel of a strip; the last strip ends with the line. Strips of a shorter line are one pixel, repeated.
  int strip_pixel(const call& c, int strip) const noexcept {
    return c.line < kernel_.strip ? strip : std::min(strip * kernel_.strip, c.line - kernel_.strip);
  }

  /// Copies the lines of the image under output lines [first, end), padding at either end.
  void copy_lines(const call& c, int first, int end, std::byte* to) const noexcept {
    const int image = first / out_height_, top = first % out_height_ * conv_.stride.h - conv_.pad.top;
    const int lines = (end - first - 1) * conv_.stride.h + (conv_.kernel.h - 1) * conv_.dilation.h + 1;
    const auto left = static_cast<std::size_t>(conv_.pad.left * pixel_bytes_),
               right = static_cast<std::size_t>(conv_.pad.right * pixel_bytes_),
               line = static_cast<std::size_t>(width_ * pixel_bytes_);
    for (int ih = std::max(0, top); ih < std::min(height_, top + lines); ++ih, to += left + line + right) {
      const std::byte* from = c.src.as<const std::byte>() + (static_cast<std::ptrdiff_t>(image) * height_ + ih) *
                                                                width_ * c.src.stride * value_bytes_;
      std::memset(to, zero_, left);
      copy_pixels(to + left, from, width_, pixel_bytes_, c.src.stride * value_bytes_);
      std::memset(to + left + line, zero_, right);
    }
  }

  /// Runs the tiles of a chunk against one column of weights, and brings `next`, the column after it, near.
  void run_column(const call& c, std::span<const placed_tile> tiles, const std::byte* base, int group, int column,
                  const std::byte* next) const noexcept {
    const int channel = column * block_channels_, vectors = column_vectors(column);
    const int padded_channel = group * group_columns_ * block_channels_ + channel;
    const int line_runs = static_cast<int>(runs_.size()) / conv_.kernel.h;
    const std::ptrdiff_t run_weights =
        static_cast<std::ptrdiff_t>(run_groups_) * vectors * kernel_.vector * group_bytes;
    const std::ptrdiff_t dst_channel = (group * group_outputs_ + channel) * dst_bytes_;
    const std::byte *weights = column_weights(group, column), *next_end = next + column_bytes();
    base += group * group_inputs_ * value_bytes_;
    direct_tile t{};
    t.src_stride = (in_place_ ? c.src.stride * value_bytes_ : pixel_bytes_) * conv_.stride.w;
    t.run_groups = run_groups_;
    t.multiplier = stage_.multiplier(group, channel);
    t.offset = stage_.offset(group, channel);
    t.dst_stride = c.dst.stride * dst_bytes_;
    t.residual_stride = c.residual ? c.residual->stride * dst_bytes_ : 0;
    t.channels = std::min(group_outputs_ - channel, block_channels_);
    t.end = &stage_.end();
    t.ahead = next;
    if (c.line < kernel_.strip) t.src_stride = t.dst_stride = t.residual_stride = 0;
    for (const placed_tile& p : tiles) {
      for (int i = 0; i < p.strips; ++i) {
        t.src[i] = base + p.src[i];
        t.dst[i] = c.dst.as<std::byte>() + p.pixel[i] * c.dst.stride * dst_bytes_ + dst_channel;
        if (c.residual)
          t.residual[i] =
              c.residual->as<const std::byte>() + p.pixel[i] * c.residual->stride * dst_bytes_ + dst_channel;
      }
      t.runs = runs_.data() + p.first_kh * line_runs;
      t.run_count = (p.last_kh - p.first_kh) * line_runs;
      t.weights = weights + p.first_kh * line_runs * run_weights;
      t.start = starts() + start_of_[start_index(p.first_kh, p.last_kh)] + padded_channel;
      t.ahead_step = t.ahead < next_end ? cache_line : 0;
      kernel_.tiles[p.strips - 1][vectors - 1](t);
      t.ahead += t.run_count * t.run_groups * t.ahead_step;
    }
  }

  direct_microkernel kernel_;
  op::conv2d conv_;
  bool in_place_, one_line_;
  int value_bytes_, dst_bytes_, pixel_bytes_;
  int group_inputs_, group_outputs_;
  int block_channels_, group_columns_, zero_;
  output_stage stage_;
  int height_ = 1, width_ = 1, out_height_ = 1, out_width_ = 1;
  int line_bytes_ = 0;  ///< from one copied line to the next
  std::vector<std::ptrdiff_t> runs_;
  int run_groups_ = 0;
  int chunk_units_ = 1, chunk_tiles_ = 1;
  std::size_t copied_bytes_ = 0;
  aligned_memory weights_, starts_;
  std::vector<int> start_of_;  ///< by start_index()
};

/// Whether `p` is a layer with inputs of type `src` that `kernel` suits.
template <const direct_microkernel& kernel, element src>
bool suits_direct(const problem& p) {
  return is_layer_of(p, src) && direct_convolution::suits(layer_of(p), kernel.strip);
}

/// The layer `p` packed for `kernel`.
template <const direct_microkernel& kernel>
std::unique_ptr<const executable> pack_direct(const problem& p) {
  return std::make_unique<direct_convolution>(kernel, layer_of(p));
}

}  // namespace octavo::blocking
