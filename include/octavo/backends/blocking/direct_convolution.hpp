// Convolution that reads its pixels where they lie: no panels, one stride between the rows of a tile.
//
//   y(p, oc) = end( sum over k of a(p, k) * w(k, oc) )     p = (n, oh, ow), k = (kh, kw, i), one product for each group
//
// Output lines are cut into strips of a few pixels; a tile is one or two of them. Pixels are read from one of three
// places:
//   image: the input itself (1x1, no padding; fully connected).
//   lines: a copy of the lines of the image, with their padding at either end. Taps above and below the image are
//          skipped: the sums then begin with what the padding would have given.
//   rows:  the depth of each pixel, gathered (im2col of a few pixels), where lines do not suit strips.
// With image at stride 1 and with rows, all pixels make one line.
//
// A task takes some lines and some columns of output channels. It runs a chunk of lines, which stays in L2, against a
// few columns after the other, whose weights the tiles of those before bring into L2.
#pragma once

#include "octavo/backends/blocking/channel_epilogue.hpp"
#include "octavo/backends/blocking/direct_image.hpp"
#include "octavo/backends/blocking/direct_weights.hpp"
#include "octavo/backends/blocking/strips.hpp"
#include "octavo/backends/blocking/task_pieces.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// Bytes of weights that stay in L1 while the tiles of a chunk pass.
inline constexpr int direct_column_budget = 16 * 1024;
/// Bytes of input that a chunk of lines may have.
inline constexpr int direct_chunk_budget = 384 * 1024;

/// A convolution, or a fully connected layer as a 1x1 convolution, packed for one microkernel.
class direct_convolution final : public executable {
 public:
  /// Throws octavo::error when a sum could overflow.
  direct_convolution(const direct_microkernel& kernel, const dense_problem& s)
      : kernel_(kernel),
        image_(s),
        from_(choose_place(kernel, s)),
        flat_(s.flat),
        one_line_(from_ == pixel_place::rows || (from_ == pixel_place::image && s.conv.stride == hw(1))),
        residual_(s.conv.residual),
        dst_bytes_(static_cast<int>(size_of(s.dst->type))),
        depth_(s.conv.kernel, run_taps(), image_.tap_bytes),
        epilogue_(s, kernel.vectors * kernel.vector),
        weights_(kernel, s, depth_, ranges_inside(s)),
        columns_together_(std::max(1, direct_column_budget / static_cast<int>(weights_.column_bytes()))) {
    const op::conv2d& conv = s.conv;
    for (int tap = 0; tap < conv.kernel.h * conv.kernel.w; tap += depth_.taps)
      runs_.push_back(static_cast<std::ptrdiff_t>(tap / conv.kernel.w) * conv.dilation.h * image_.line_bytes() +
                      static_cast<std::ptrdiff_t>(tap % conv.kernel.w) * conv.dilation.w * image_.pixel_bytes);
    set_chunk(s);
  }

  int tasks(const arguments& a) const noexcept override {
    const call c(*this, a);
    return c.sets * c.parts;
  }

  std::size_t scratch_bytes() const noexcept override { return tiles_bytes() + copied_bytes_; }

  std::size_t packed_bytes() const noexcept override { return weights_.bytes() + epilogue_.bytes(); }

  std::span<const std::byte> first_weights() const noexcept override {
    const std::span<const std::byte> all = weights_.packed();
    return all.first(std::min(all.size(), static_cast<std::size_t>(columns_together_ * weights_.column_bytes())));
  }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const call c(*this, a);
    for_each_piece(begin, end, c.units, c.sets, weights_.all_columns(), c.parts,
                   [&](int first, int last, int from, int to) { run_units(c, first, last, from, to, scratch); });
  }

 private:
  /// Where pixels are read from.
  enum class pixel_place : std::uint8_t { image, lines, rows };

  /// What one call has to do: units of output, `sets` of them, times columns in `parts`. A unit is a line, or two
  /// pieces of the one line that there is, so that strips that overlap are in one task.
  struct call {
    const operand &src, &dst;
    const operand* residual;
    std::span<const std::byte> ahead;
    direct_image image;
    cut_line line;  ///< each line of the output
    int units, sets, parts;

    call(const direct_convolution& k, const arguments& a)
        : src(a.src[0]),
          dst(*a.dst),
          residual(k.residual_ ? &a.src[1] : nullptr),
          ahead(a.ahead),
          image(k.image_.at(a, k.flat_)),
          line(k.line_of(k.one_line_ ? static_cast<int>(dst.extents.rows()) : image.out_width)) {
      units = k.one_line_ ? std::max(line.pieces() / 2, std::min(line.pixels, 1)) : dst.extents[0] * image.out_height;
      // Cutting the lines first means copying each of them once; below 8 strips for each column of weights, columns are
      // cut instead.
      const double products =
          static_cast<double>(dst.extents.count()) * k.depth_.count * k.depth_.groups * 4 / image.value_bytes;
      const int wanted = native::task_count({.multiply_adds = products});
      sets = std::clamp(ceil_div(k.one_line_ ? line.pieces() : units * line.pieces(), 8), 1,
                        std::max(1, std::min(wanted, units)));
      parts = std::min(k.weights_.all_columns(), ceil_div(wanted, sets));
    }
  };

  static pixel_place choose_place(const direct_microkernel& kernel, const dense_problem& s) {
    const auto bytes = static_cast<std::size_t>(s.src[0].extents.back() / s.conv.groups) * size_of(s.src[0].type);
    const bool whole_groups = bytes % group_bytes == 0;  // a tile reads nothing beyond a pixel
    const bool plain = s.conv.kernel == hw(1) && s.conv.pad == padding{} && whole_groups;
    if (plain && s.conv.stride == hw(1)) return pixel_place::image;
    if (!cut_line{s.flat ? 1 : s.dst->extents[2], kernel.strip, !s.conv.residual}.suits()) return pixel_place::rows;
    return plain ? pixel_place::image : pixel_place::lines;
  }

  /// A residual may be overwritten by its sum, so that no pixel may be computed twice.
  cut_line line_of(int pixels) const { return {pixels, kernel_.strip, !residual_}; }

  /// Taps of a run of the depth: all that lie together where tiles read them.
  int run_taps() const {
    const hw kernel = image_.conv.kernel;
    return from_ == pixel_place::rows ? kernel.h * kernel.w : image_.merges_taps() ? kernel.w : 1;
  }
  /// Bytes of a gathered pixel.
  int row_bytes() const { return depth_.groups * group_bytes; }

  /// The runs that are inside the image at output line `oh`.
  run_range runs_inside(const direct_image& image, int oh) const { return runs_of(image.lines_inside(oh)); }
  run_range runs_of(std::pair<int, int> lines) const { return {lines.first * line_runs(), lines.second * line_runs()}; }
  /// Runs in a line of the kernel.
  int line_runs() const { return depth_.count / image_.conv.kernel.h; }
  /// Those of all output lines, where taps outside are skipped.
  std::vector<run_range> ranges_inside(const dense_problem& s) const {
    std::vector<run_range> ranges;
    if (from_ != pixel_place::lines) return ranges;
    if (!s.src[0].extents.is_bounded(1)) {
      for (int oh = 0; oh < image_.out_height; ++oh) ranges.push_back(runs_inside(image_, oh));
      return ranges;
    }
    ranges.push_back({0, 0});  // any lines of the kernel may be outside an image of few lines
    for (int last = 1; last <= image_.conv.kernel.h; ++last)
      for (int first = 0; first < last; ++first) ranges.push_back(runs_of({first, last}));
    return ranges;
  }

  void set_chunk(const dense_problem& s) {
    const int strip_bytes = kernel_.strip * (from_ == pixel_place::rows ? row_bytes() : image_.pixel_bytes);
    const int unit_bytes = one_line_ ? 2 * strip_bytes : image_.conv.stride.h * image_.line_bytes();
    const int units =
        one_line_ ? ceil_div(static_cast<int>(s.dst->extents.rows()), 2 * kernel_.strip) : image_.out_height;
    chunk_units_ = std::clamp(direct_chunk_budget / unit_bytes, 1, units);
    if (one_line_)
      chunk_tiles_ = 2 * chunk_units_ + kernel_.strip;
    else if (s.dst->extents.is_bounded(2))  // a shorter line may have more pieces
      chunk_tiles_ = chunk_units_ * (image_.out_width / kernel_.strip + kernel_.strip - 1);
    else
      chunk_tiles_ = chunk_units_ * line_of(image_.out_width).pieces();
    if (from_ == pixel_place::image) return;
    copied_bytes_ = from_ == pixel_place::rows
                        ? static_cast<std::size_t>(2 * chunk_units_ + 1) * static_cast<std::size_t>(strip_bytes)
                        : static_cast<std::size_t>(image_.lines_under(chunk_units_)) *
                              static_cast<std::size_t>(image_.line_bytes());
    copied_bytes_ = round_up(copied_bytes_, cache_line) + cache_line;
  }

  std::size_t tiles_bytes() const {
    return round_up(static_cast<std::size_t>(chunk_tiles_) * sizeof(placed_tile), cache_line);
  }

  /// Runs units [first, last) against columns [from, to) of all groups, a chunk at a time.
  void run_units(const call& c, int first, int last, int from, int to, std::byte* scratch) const noexcept {
    auto* tiles = reinterpret_cast<placed_tile*>(scratch);
    std::byte* copy = scratch + tiles_bytes();
    const int height = c.image.out_height, group_columns = weights_.group_columns();
    while (first < last) {
      int end = std::min(last, first + chunk_units_);
      if (!one_line_) end = std::min(end, (first / height + 1) * height);  // of one image
      const int count = one_line_ ? place_pieces(c, first, end, tiles) : place_lines(c, first, end, tiles);
      if (from_ == pixel_place::lines) c.image.copy_lines(c.src, first / height, first % height, end - first, copy);
      for (int column = from; column < to;) {
        const int group = column / group_columns, base = group * group_columns;
        if (from_ == pixel_place::rows && (column == from || column == base)) gather_rows(c, first, end, group, copy);
        const int together = count == 1 ? group_columns : columns_together_;  // a lone tile meets weights once
        const int stop = std::min({to, base + group_columns, column + together});
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

  void gather_rows(const call& c, int first, int end, int group, std::byte* to) const noexcept {
    const auto [begin, last] = pieces_of(c, first, end);
    c.image.gather_rows(c.src, c.line.first(begin), c.line.end(last - 1), group, row_bytes(), to);
  }

  /// The tiles of units [first, end) of the one line.
  int place_pieces(const call& c, int first, int end, placed_tile* tiles) const noexcept {
    const auto [begin, last] = pieces_of(c, first, end);
    const std::ptrdiff_t step = from_ == pixel_place::rows ? row_bytes() : c.src.stride * image_.value_bytes;
    const int origin = from_ == pixel_place::rows ? c.line.first(begin) : 0;
    tile_list list(tiles);
    for (int piece = begin; piece < last; ++piece) {
      const int pixel = c.line.first(piece);
      list.add({{(pixel - origin) * step, 0}, {pixel, 0}, c.line.is_strip(piece) ? 1 : 0, 0, depth_.count, 0});
    }
    return list.count();
  }

  /// The tiles of output lines [first, end) of one image.
  int place_lines(const call& c, int first, int end, placed_tile* tiles) const noexcept {
    const direct_image& at = c.image;
    const hw stride = at.conv.stride;
    const std::ptrdiff_t pixel_bytes = from_ == pixel_place::image ? c.src.stride * at.value_bytes : at.pixel_bytes;
    const std::ptrdiff_t line_bytes = from_ == pixel_place::image ? at.width * pixel_bytes : at.line_bytes();
    const int image = first / at.out_height, begin = first % at.out_height;
    // The line read that is the image's first: a copy begins with the first one that exists.
    const int origin = from_ == pixel_place::image ? image * at.height : -std::max(0, at.top_of(begin));
    tile_list list(tiles);
    for (int i = first; i < end; ++i) {
      const int oh = i % at.out_height;
      const run_range runs = runs_inside(at, oh);
      const int start = weights_.start_of(runs);
      // Under the first run that is inside the image: there may be no memory above.
      const int skipped = runs.first / line_runs() * at.conv.dilation.h;
      const int line = runs.first < runs.last ? origin + at.top_of(oh) + skipped : 0;
      for (int piece = 0; piece < c.line.pieces(); ++piece) {
        const int ow = c.line.first(piece);
        list.add({{line * line_bytes + ow * stride.w * pixel_bytes, 0},
                  {static_cast<std::ptrdiff_t>(i) * at.out_width + ow, 0},
                  c.line.is_strip(piece) ? 1 : 0,
                  runs.first,
                  runs.last - runs.first,
                  start});
      }
    }
    return list.count();
  }

  /// Runs the tiles of a chunk against columns [first, last) of a group, and brings as many columns after them near, or
  /// what the next step needs.
  void run_columns(const call& c, std::span<const placed_tile> tiles, const std::byte* copy, int group, int first,
                   int last) const noexcept {
    const std::byte* src = from_ == pixel_place::image ? c.src.as<const std::byte>() : copy;
    if (from_ != pixel_place::rows) src += group * image_.tap_bytes;
    direct_tile t{};
    t.src_stride = from_ == pixel_place::rows    ? row_bytes()
                   : from_ == pixel_place::lines ? image_.conv.stride.w * image_.pixel_bytes
                                                 : image_.conv.stride.w * c.src.stride * image_.value_bytes;
    t.run_groups = depth_.groups;
    t.dst_stride = c.dst.stride * dst_bytes_;
    t.residual_stride = c.residual ? c.residual->stride * dst_bytes_ : 0;
    t.epilogue = &epilogue_.shared();
    const std::span<const std::byte> all = weights_.packed();
    const std::span<const std::byte> later =
        all.subspan(static_cast<std::size_t>(weights_.at(group, last) - all.data()));
    const auto as_many = static_cast<std::size_t>((last - first) * weights_.column_bytes());
    memory_ahead ahead(later.empty() ? c.ahead : later.first(std::min(as_many, later.size())));
    t.runs = runs_.data();
    for (const placed_tile& p : tiles) {
      t.run_count = p.runs;
      for (int column = first; column < last; ++column) {
        const int channel = weights_.first_channel(column);
        const std::ptrdiff_t dst_channel = (group * weights_.group_outputs() + channel) * dst_bytes_;
        for (int i = 0; i < std::max(p.strips, 1); ++i) {
          t.src[i] = src + p.src[i];
          t.dst[i] = c.dst.as<std::byte>() + p.pixel[i] * t.dst_stride + dst_channel;
          if (c.residual)
            t.residual[i] = c.residual->as<const std::byte>() + p.pixel[i] * t.residual_stride + dst_channel;
        }
        weights_.point_at(t, group, column, p.first_run, p.start);
        t.multiplier = epilogue_.multiplier(group, channel), t.offset = epilogue_.offset(group, channel);
        t.ahead = ahead.at, t.ahead_step = ahead.step();
        kernel_.tiles[p.strips][weights_.vectors(column) - 1](t);
        ahead.at += static_cast<std::uintptr_t>(t.run_count * t.run_groups) * t.ahead_step;
      }
    }
  }

  direct_microkernel kernel_;
  direct_image image_;
  pixel_place from_;
  bool flat_, one_line_, residual_;
  int dst_bytes_;
  depth_runs depth_;
  std::vector<std::ptrdiff_t> runs_;  ///< from a pixel's first run inside the image to each of the others
  channel_epilogue epilogue_;
  direct_weights weights_;
  int columns_together_;  ///< that a tile meets one after the other
  int chunk_units_ = 1, chunk_tiles_ = 1;
  std::size_t copied_bytes_ = 0;
};

/// The kernel `name`: conv2d and fc, u8 x s8 to u8 or f32, or f32.
template <const direct_microkernel& microkernel, element Src>
constexpr kernel direct_kernel(std::string_view name, isa needs) {
  return {name, needs, is_dense_problem<Src>,
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<direct_convolution>(microkernel, dense_problem_of(p));
          },
          dense_pays};
}

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
