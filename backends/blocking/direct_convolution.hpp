// Convolution that reads its pixels where they lie: no panels, one stride between the rows of a tile.
//
//   y(p, oc) = end( sum over k of a(p, k) * w(k, oc) )     p = (n, oh, ow), k = (kh, kw, i), one product for each group
//
// Output lines are cut into strips of a few pixels; a tile is one or two of them. Pixels are read from one of three places:
//   image: the input itself (1x1, no padding; fully connected).
//   lines: a copy of the lines of the image, with their padding at either end. Taps above and below the image are
//          skipped: the sums then begin with what the padding would have given.
//   rows:  the depth of each pixel, gathered (im2col of a few pixels), where lines do not suit strips.
// With image at stride 1 and with rows, all pixels make one line.
//
// A task takes some lines and some columns of output channels. It runs a chunk of lines, which stays in L2, against a
// few columns after the other, whose weights the tiles of those before bring into L2.
#pragma once

#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/blocking/direct_microkernel.hpp"
#include "octavo/backends/blocking/output_stage.hpp"
#include "octavo/backends/blocking/strips.hpp"
#include "octavo/op/kernel.hpp"

namespace octavo::blocking {

/// Bytes of weights that stay in L1 while the tiles of a chunk pass.
inline constexpr int direct_column_budget = 16 * 1024;
/// Bytes of input that a chunk of lines may have.
inline constexpr int direct_chunk_budget = 384 * 1024;

/// A convolution, or a fully connected layer as a 1x1 convolution, packed for one microkernel.
class direct_convolution final : public executable {
 public:
  /// Throws octavo::error when a sum could overflow.
  direct_convolution(const direct_microkernel& kernel, const layer& s)
      : kernel_(kernel),
        conv_(s.conv),
        from_(choose_source(kernel, s)),
        one_line_(from_ == source::rows || (from_ == source::image && conv_.stride == hw(1))),
        value_bytes_(static_cast<int>(size_of(s.src[0].type))),
        dst_bytes_(static_cast<int>(size_of(s.dst.type))),
        pixel_bytes_(s.src[0].extents.back() * value_bytes_),
        group_inputs_(s.src[0].extents.back() / conv_.groups),
        group_outputs_(conv_.out / conv_.groups),
        block_channels_(kernel.vectors * kernel.vector),
        group_columns_(ceil_div(group_outputs_, block_channels_)),
        zero_(s.src[0].is_u8() ? s.src[0].q.zero_point : 0),
        stage_(s, block_channels_) {
    if (!s.flat) {
      height_ = s.src[0].extents[1], width_ = s.src[0].extents[2];
      out_height_ = s.dst.extents[1], out_width_ = s.dst.extents[2];
    }
    line_bytes_ = (width_ + conv_.pad.left + conv_.pad.right) * pixel_bytes_;
    set_runs();
    set_chunk(static_cast<int>(s.dst.extents.rows()));
    columns_together_ = std::max(1, direct_column_budget / static_cast<int>(column_bytes()));
    pack_weights(*s.at(op::conv2d::weights));
    set_starts(*s.at(op::conv2d::weights));
  }

  int tasks(const arguments& a) const noexcept override {
    const call c(*this, a);
    return c.sets * c.parts;
  }

  std::size_t scratch_bytes() const noexcept override { return tiles_bytes() + copied_bytes_; }

  std::size_t packed_bytes() const noexcept override { return weights_.size() + stage_.bytes() + starts_.size(); }

  std::span<const std::byte> first_weights() const noexcept override {
    return {weights_.data(), std::min(weights_.size(), static_cast<std::size_t>(columns_together_ * column_bytes()))};
  }

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

 private:
  /// Where pixels are read from.
  enum class source : std::uint8_t { image, lines, rows };

  /// What one call has to do: units of output, `sets` of them, times columns in `parts`. A unit is a line, or two pieces
  /// of the one line that there is, so that strips that overlap are in one task.
  struct call {
    const operand &src, &dst;
    const operand* residual;
    std::span<const std::byte> ahead;
    cut_line line;  ///< each line of the output
    int units, sets, parts;

    call(const direct_convolution& k, const arguments& a)
        : src(a.src[0]),
          dst(a.dst),
          residual(k.conv_.residual ? &a.src[1] : nullptr),
          ahead(a.ahead),
          line(k.line_of(k.one_line_ ? static_cast<int>(dst.extents.rows()) : k.out_width_)) {
      units = k.one_line_ ? std::max(line.pieces() / 2, std::min(line.pixels, 1)) : dst.extents[0] * k.out_height_;
      // Enough tasks for 8 threads to share evenly, none below a quarter of a million products. Cutting the lines first
      // means copying each of them once; below 8 strips for each column of weights, columns are cut instead.
      const double products = static_cast<double>(dst.extents.count()) * k.depth_groups() * 4 / k.value_bytes_;
      const int wanted = static_cast<int>(std::clamp(products / (256 * 1024), 1.0, 16.0));
      const int columns = k.conv_.groups * k.group_columns_;
      sets = std::clamp(ceil_div(k.one_line_ ? line.pieces() : units * line.pieces(), 8), 1,
                        std::max(1, std::min(wanted, units)));
      parts = std::min(columns, ceil_div(wanted, sets));
    }
  };

  /// Where part `i` of `parts` begins when n things are cut evenly.
  static int cut(int n, int i, int parts) { return static_cast<int>(static_cast<std::int64_t>(n) * i / parts); }

  static source choose_source(const direct_microkernel& kernel, const layer& s) {
    const auto bytes = static_cast<std::size_t>(s.src[0].extents.back() / s.conv.groups) * size_of(s.src[0].type);
    const bool whole_groups = bytes % group_bytes == 0;  // a tile reads nothing beyond a pixel
    const bool plain = s.conv.kernel == hw(1) && s.conv.pad == padding{} && whole_groups;
    if (plain && s.conv.stride == hw(1)) return source::image;
    if (!cut_line{s.flat ? 1 : s.dst.extents[2], kernel.strip, !s.conv.residual}.suits()) return source::rows;
    return plain ? source::image : source::lines;
  }

  /// A residual may be overwritten by its sum, so that no pixel may be computed twice.
  cut_line line_of(int pixels) const { return {pixels, kernel_.strip, !conv_.residual}; }

  /// Taps that are neighbours in a line are neighbours in the depth of a pixel.
  bool merged_taps() const { return conv_.groups == 1 && conv_.dilation.w == 1; }
  int depth_groups() const { return static_cast<int>(runs_.size()) * run_groups_; }

  void set_runs() {
    const int tap_bytes = group_inputs_ * value_bytes_;
    if (from_ == source::rows) {
      runs_ = {0};
      run_groups_ = ceil_div(conv_.kernel.h * conv_.kernel.w * tap_bytes, group_bytes);
      return;
    }
    const int line_runs = merged_taps() ? 1 : conv_.kernel.w;
    run_groups_ = ceil_div(tap_bytes * conv_.kernel.w / line_runs, group_bytes);
    for (int kh = 0; kh < conv_.kernel.h; ++kh)
      for (int i = 0; i < line_runs; ++i)
        runs_.push_back(static_cast<std::ptrdiff_t>(kh) * conv_.dilation.h * line_bytes_ +
                        static_cast<std::ptrdiff_t>(i) * conv_.dilation.w * pixel_bytes_);
  }

  void set_chunk(int most_pixels) {
    const int strip_bytes = kernel_.strip * (from_ == source::rows ? row_bytes() : pixel_bytes_);
    const int unit_bytes = one_line_ ? 2 * strip_bytes : conv_.stride.h * line_bytes_;
    const int units = one_line_ ? ceil_div(most_pixels, 2 * kernel_.strip) : out_height_;
    chunk_units_ = std::clamp(direct_chunk_budget / unit_bytes, 1, units);
    chunk_tiles_ = one_line_ ? 2 * chunk_units_ + kernel_.strip : chunk_units_ * line_of(out_width_).pieces();
    if (from_ == source::rows)
      copied_bytes_ = static_cast<std::size_t>(2 * chunk_units_ + 1) * static_cast<std::size_t>(strip_bytes);
    if (from_ == source::lines)
      copied_bytes_ = static_cast<std::size_t>(lines_under(chunk_units_)) * static_cast<std::size_t>(line_bytes_);
    if (from_ != source::image) copied_bytes_ = round_up(copied_bytes_, cache_line) + cache_line;
  }

  /// Bytes of a gathered pixel.
  int row_bytes() const { return run_groups_ * group_bytes; }
  /// Lines of the image under so many output lines.
  int lines_under(int outputs) const {
    return (outputs - 1) * conv_.stride.h + (conv_.kernel.h - 1) * conv_.dilation.h + 1;
  }

  int column_vectors(int column) const {
    return ceil_div(std::min(group_outputs_ - column * block_channels_, block_channels_), kernel_.vector);
  }
  std::ptrdiff_t column_bytes() const {
    return static_cast<std::ptrdiff_t>(depth_groups()) * block_channels_ * group_bytes;
  }
  const std::byte* weights_end() const noexcept { return weights_.data() + weights_.size(); }
  std::byte* column_weights(int group, int column) const {
    return weights_.data() + (group * group_columns_ + column) * column_bytes();
  }

  /// To (groups, columns, runs, groups of depth, NR, 4 bytes).
  void pack_weights(const tensor& w) {
    weights_ = pooled_memory(static_cast<std::size_t>(conv_.groups * group_columns_) *
                             static_cast<std::size_t>(column_bytes()));
    const std::byte* from = w.bytes().data();
    for (int oc = 0; oc < conv_.out; ++oc) {
      const int channel = oc % group_outputs_, column = channel / block_channels_;
      std::byte* to = column_weights(oc / group_outputs_, column) + channel % block_channels_ * group_bytes;
      const std::ptrdiff_t group_step = column_vectors(column) * kernel_.vector * group_bytes;
      for (int i = 0; i < group_inputs_; ++i)
        for (int kh = 0; kh < conv_.kernel.h; ++kh)
          for (int kw = 0; kw < conv_.kernel.w; ++kw, from += value_bytes_) {
            const auto [run, within] = place_of(i, kh, kw);
            std::memcpy(to + (run * run_groups_ + within / group_bytes) * group_step + within % group_bytes, from,
                        static_cast<std::size_t>(value_bytes_));
          }
    }
    if (kernel_.pairs) order_groups();
  }

  /// The run of a tap and channel, and the bytes before it there.
  std::pair<int, int> place_of(int i, int kh, int kw) const {
    const int tap = kh * conv_.kernel.w + kw;
    const int run = from_ == source::rows ? 0 : merged_taps() ? kh : tap;
    const int before = from_ == source::rows ? tap : merged_taps() ? kw : 0;  // taps
    return {run, (before * group_inputs_ + i) * value_bytes_};
  }

  /// Whether no pair of weights of a group of depth, for all channels of a column, can leave s16: 255 * 128 < 2^15.
  static bool is_exact(std::span<const std::byte> weights) {
    for (std::size_t i = 0; i < weights.size(); i += 2) {
      const int a = std::to_integer<std::int8_t>(weights[i]), b = std::to_integer<std::int8_t>(weights[i + 1]);
      if (std::max(a, 0) + std::max(b, 0) > 128 || std::min(a, 0) + std::min(b, 0) < -128) return false;
    }
    return true;
  }

  /// Within each run, puts the groups whose pairs are exact first.
  void order_groups() {
    const int columns = conv_.groups * group_columns_, runs = static_cast<int>(runs_.size());
    std::vector<std::byte> ordered(static_cast<std::size_t>(run_groups_ * block_channels_ * group_bytes));
    for (int column = 0; column < columns; ++column) {
      const auto bytes =
          static_cast<std::size_t>(column_vectors(column % group_columns_) * kernel_.vector * group_bytes);
      for (int run = 0; run < runs; ++run) {
        const std::span<std::byte> all(column_weights(0, column) + static_cast<std::size_t>(run * run_groups_) * bytes,
                                       static_cast<std::size_t>(run_groups_) * bytes);
        std::size_t to = 0;
        for (const bool wanted : {true, false}) {
          for (int group = 0; group < run_groups_; ++group) {
            const auto weights = all.subspan(static_cast<std::size_t>(group) * bytes, bytes);
            if (is_exact(weights) != wanted) continue;
            std::ranges::copy(weights, ordered.begin() + static_cast<std::ptrdiff_t>(to));
            to += bytes;
            order_.push_back(group * group_bytes);
          }
          if (wanted) exact_.push_back(static_cast<std::int32_t>(to / bytes));
        }
        std::copy_n(ordered.begin(), all.size(), all.begin());
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

  /// For each choice of lines inside the image, (groups, padded channels): what the lines outside add, and what makes
  /// up for groups of depth that are not multiplied as they are.
  void set_starts(const tensor& weights) {
    const int padded = conv_.groups * group_columns_ * block_channels_;
    start_of_.assign(start_index(conv_.kernel.h, conv_.kernel.h) + 1, 0);
    std::vector<std::pair<int, int>> cases{{0, conv_.kernel.h}};
    for (int oh = 0; oh < out_height_ && (zero_ != 0 || kernel_.pairs) && from_ == source::lines; ++oh) {
      const auto inside = lines_inside(oh);
      if (std::ranges::find(cases, inside) == cases.end()) cases.push_back(inside);
    }
    starts_ = aligned_memory(cases.size() * static_cast<std::size_t>(padded) * sizeof(std::int32_t));
    if (value_bytes_ != 1) return;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const auto [first, last] = cases[i];
      std::int32_t* to = starts() + static_cast<int>(i) * padded;
      start_of_[start_index(first, last)] = static_cast<int>(i) * padded;
      const std::int8_t* w = weights.as<std::int8_t>().data();
      for (int oc = 0; oc < conv_.out; ++oc) {
        const int channel = oc / group_outputs_ * group_columns_ * block_channels_ + oc % group_outputs_;
        for (int input = 0; input < group_inputs_; ++input)
          for (int kh = 0; kh < conv_.kernel.h; ++kh)
            for (int kw = 0; kw < conv_.kernel.w; ++kw, ++w)
              if (kh < first || kh >= last)
                to[channel] += zero_ * *w;
              else if (kernel_.pairs && !in_exact_group(oc, input, kh, kw))
                to[channel] += (*w < 0 ? 127 : 128) * *w;
      }
    }
  }

  /// Whether the weights at that place are in a group that is multiplied as it is.
  bool in_exact_group(int oc, int i, int kh, int kw) const {
    const auto [run, within] = place_of(i, kh, kw);
    const int column = oc / group_outputs_ * group_columns_ + oc % group_outputs_ / block_channels_;
    const auto at = static_cast<std::size_t>(column) * runs_.size() + static_cast<std::size_t>(run);
    const auto first = order_.begin() + static_cast<std::ptrdiff_t>(at) * run_groups_;
    return std::binary_search(first, first + exact_[at], within / group_bytes * group_bytes);
  }
  std::int32_t* starts() const noexcept { return reinterpret_cast<std::int32_t*>(starts_.data()); }

  std::size_t tiles_bytes() const {
    return round_up(static_cast<std::size_t>(chunk_tiles_) * sizeof(placed_tile), cache_line);
  }

  /// Runs units [first, last) against columns [from, to) of all groups, a chunk at a time.
  void run_units(const call& c, int first, int last, int from, int to, std::byte* scratch) const noexcept {
    auto* tiles = reinterpret_cast<placed_tile*>(scratch);
    std::byte* copy = scratch + tiles_bytes();
    while (first < last) {
      int end = std::min(last, first + chunk_units_);
      if (!one_line_) end = std::min(end, (first / out_height_ + 1) * out_height_);  // of one image
      const int count = one_line_ ? place_pieces(c, first, end, tiles) : place_lines(c, first, end, tiles);
      if (from_ == source::lines) copy_lines(c, first, end, copy);
      for (int column = from; column < to;) {
        const int group = column / group_columns_, base = group * group_columns_;
        if (from_ == source::rows && (column == from || column == base)) gather_rows(c, first, end, group, copy);
        const int stop = std::min({to, base + group_columns_, column + columns_together_});
        run_columns(c, {tiles, static_cast<std::size_t>(count)}, copy, group, column - base, stop - base);
        column = stop;
      }
      first = end;
    }
  }

  /// The pieces of the one line that units [first, end) have.
  std::pair<int, int> pieces_of(const call& c, int first, int end) const noexcept {
    return {2 * first, end == c.units ? c.line.pieces() : 2 * end};
  }

  /// The tiles of units [first, end) of the one line.
  int place_pieces(const call& c, int first, int end, placed_tile* tiles) const noexcept {
    const auto [begin, last] = pieces_of(c, first, end);
    const std::ptrdiff_t step = from_ == source::rows ? row_bytes() : c.src.stride * value_bytes_;
    const int origin = from_ == source::rows ? c.line.first(begin) : 0, runs = static_cast<int>(runs_.size());
    tile_list list(tiles);
    for (int piece = begin; piece < last; ++piece) {
      const int pixel = c.line.first(piece);
      list.add({{(pixel - origin) * step, 0}, {pixel, 0}, c.line.is_strip(piece) ? 1 : 0, 0, runs, 0});
    }
    return list.count();
  }

  /// The tiles of output lines [first, end) of one image.
  int place_lines(const call& c, int first, int end, placed_tile* tiles) const noexcept {
    const std::ptrdiff_t pixel_bytes = from_ == source::image ? c.src.stride * value_bytes_ : pixel_bytes_;
    const std::ptrdiff_t line_bytes = from_ == source::image ? width_ * pixel_bytes : line_bytes_;
    const int line_runs = static_cast<int>(runs_.size()) / conv_.kernel.h;
    const int image = first / out_height_, begin = first % out_height_;
    const int copied = std::max(0, begin * conv_.stride.h - conv_.pad.top);  // the first line of the copy
    tile_list list(tiles);
    for (int i = first; i < end; ++i) {
      const int oh = i % out_height_;
      const auto [first_kh, last_kh] = lines_inside(oh);
      const int line =
          from_ == source::image ? image * height_ + oh * conv_.stride.h : oh * conv_.stride.h - conv_.pad.top - copied;
      for (int piece = 0; piece < c.line.pieces(); ++piece) {
        const int ow = c.line.first(piece);
        list.add({{line * line_bytes + ow * conv_.stride.w * pixel_bytes, 0},
                  {static_cast<std::ptrdiff_t>(i) * out_width_ + ow, 0},
                  c.line.is_strip(piece) ? 1 : 0,
                  first_kh * line_runs,
                  (last_kh - first_kh) * line_runs,
                  start_of_[start_index(first_kh, last_kh)]});
      }
    }
    return list.count();
  }

  /// Copies the lines of the image under output lines [first, end), padding at either end.
  void copy_lines(const call& c, int first, int end, std::byte* to) const noexcept {
    const int image = first / out_height_, top = first % out_height_ * conv_.stride.h - conv_.pad.top;
    const int lines = lines_under(end - first);
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

  /// Gathers the depth of the pixels of units [first, end), of the channels of `group`.
  void gather_rows(const call& c, int first, int end, int group, std::byte* to) const noexcept {
    const auto [begin, last] = pieces_of(c, first, end);
    for (int pixel = c.line.first(begin); pixel < c.line.end(last - 1); ++pixel, to += row_bytes()) {
      const int ow = pixel % out_width_, oh = pixel / out_width_ % out_height_;
      gather_pixel(c, pixel / out_width_ / out_height_, oh * conv_.stride.h - conv_.pad.top,
                   ow * conv_.stride.w - conv_.pad.left, group, to);
    }
  }

  /// Gathers the taps of one pixel, the first of which is at (top, left).
  void gather_pixel(const call& c, int image, int top, int left, int group, std::byte* to) const noexcept {
    const std::ptrdiff_t pixel_bytes = c.src.stride * value_bytes_;
    const int tap_bytes = group_inputs_ * value_bytes_;
    const bool dense = merged_taps() && pixel_bytes == tap_bytes;
    const std::byte* channels = c.src.as<const std::byte>() + group * tap_bytes;
    for (int kh = 0; kh < conv_.kernel.h; ++kh) {
      const int ih = top + kh * conv_.dilation.h;
      const std::byte* line = channels + (static_cast<std::ptrdiff_t>(image) * height_ + ih) * width_ * pixel_bytes;
      for (int kw = 0, taps = 1; kw < conv_.kernel.w; kw += taps) {
        const int iw = left + kw * conv_.dilation.w;
        const bool inside = ih >= 0 && ih < height_ && iw >= 0 && iw < width_;
        taps = inside && dense ? std::min(conv_.kernel.w - kw, width_ - iw) : 1;
        const auto bytes = static_cast<std::size_t>(taps * tap_bytes);
        if (inside)
          copy_run(to, line + iw * pixel_bytes, bytes);
        else
          std::memset(to, zero_, bytes);
        to += bytes;
      }
    }
  }

  /// Runs the tiles of a chunk against columns [first, last) of a group, and brings as many columns after them near, or what
  /// the next step needs.
  void run_columns(const call& c, std::span<const placed_tile> tiles, const std::byte* copy, int group, int first,
                   int last) const noexcept {
    const std::byte* src = from_ == source::image ? c.src.as<const std::byte>() : copy;
    if (from_ != source::rows) src += group * group_inputs_ * value_bytes_;
    direct_tile t{};
    t.src_stride = from_ == source::rows    ? row_bytes()
                   : from_ == source::lines ? conv_.stride.w * pixel_bytes_
                                            : conv_.stride.w * c.src.stride * value_bytes_;
    t.run_groups = run_groups_;
    t.dst_stride = c.dst.stride * dst_bytes_;
    t.residual_stride = c.residual ? c.residual->stride * dst_bytes_ : 0;
    t.end = &stage_.end();
    t.ahead = column_weights(group, last);
    const std::byte* ahead_end = std::min<const std::byte*>(t.ahead + (last - first) * column_bytes(), weights_end());
    if (t.ahead == ahead_end) t.ahead = c.ahead.data(), ahead_end = t.ahead + c.ahead.size();
    for (const placed_tile& p : tiles) {
      t.runs = runs_.data() + p.first_run;
      t.run_count = p.runs;
      for (int column = first; column < last; ++column) {
        const int channel = column * block_channels_, vectors = column_vectors(column);
        const std::ptrdiff_t dst_channel = (group * group_outputs_ + channel) * dst_bytes_;
        for (int i = 0; i < std::max(p.strips, 1); ++i) {
          t.src[i] = src + p.src[i];
          t.dst[i] = c.dst.as<std::byte>() + p.pixel[i] * t.dst_stride + dst_channel;
          if (c.residual)
            t.residual[i] = c.residual->as<const std::byte>() + p.pixel[i] * t.residual_stride + dst_channel;
        }
        t.weights = column_weights(group, column) +
                    static_cast<std::ptrdiff_t>(p.first_run) * run_groups_ * vectors * kernel_.vector * group_bytes;
        if (kernel_.pairs) {
          const auto run = static_cast<std::size_t>(group * group_columns_ + column) * runs_.size() +
                           static_cast<std::size_t>(p.first_run);
          t.order = order_.data() + run * static_cast<std::size_t>(run_groups_);
          t.exact = exact_.data() + run;
        }
        t.multiplier = stage_.multiplier(group, channel), t.offset = stage_.offset(group, channel);
        t.start = starts() + p.start + group * group_columns_ * block_channels_ + channel;
        t.channels = std::min(group_outputs_ - channel, block_channels_);
        t.ahead_step = t.ahead < ahead_end ? cache_line : 0;
        kernel_.tiles[p.strips][vectors - 1](t);
        t.ahead += t.run_count * t.run_groups * t.ahead_step;
      }
    }
  }

  direct_microkernel kernel_;
  op::conv2d conv_;
  source from_;
  bool one_line_;
  int value_bytes_, dst_bytes_, pixel_bytes_;
  int group_inputs_, group_outputs_;
  int block_channels_, group_columns_, zero_;
  output_stage stage_;
  int height_ = 1, width_ = 1, out_height_ = 1, out_width_ = 1;
  int line_bytes_ = 0;  ///< from one copied line to the next
  std::vector<std::ptrdiff_t> runs_;
  int run_groups_ = 0;
  int chunk_units_ = 1, chunk_tiles_ = 1;
  int columns_together_ = 1;  ///< that a tile meets one after the other
  std::size_t copied_bytes_ = 0;
  pooled_memory weights_;
  aligned_memory starts_;
  std::vector<int> start_of_;                ///< by start_index()
  std::vector<std::int32_t> order_, exact_;  ///< see direct_tile
};

/// The layer `p` packed for `kernel`.
template <const direct_microkernel& kernel>
std::unique_ptr<const executable> pack_direct(const problem& p) {
  return std::make_unique<direct_convolution>(kernel, layer_of(p));
}

}  // namespace octavo::blocking
