// Convolution as a blocked matrix product without a matrix: the rows of im2col exist only as panels, a few at a time.
//
//   y(p, oc) = end( sum over k of a(p, k) * w(k, oc) )     p = (n, oh, ow), k = (kh, kw, i), one product for each group
//
// Pixels are cut into blocks of MR, output channels into columns of NR. A task packs a set of pixel blocks into panels
// that stay in L2, then runs every one of them against one column after the other, whose weights stay in L1 or L2.
// Blocks are cut from all pixels, columns from all channels, whatever the tasks are: the bits do not depend on threads.
// The scheme is Goto and van de Geijn's (Anatomy of high-performance matrix multiplication, 2008) with an implicit
// im2col; microkernel.hpp has the layouts.
#pragma once

#include <algorithm>
#include <array>

#include "octavo/backends/blocking/channel_epilogue.hpp"
#include "octavo/backends/blocking/copy.hpp"
#include "octavo/backends/blocking/microkernel.hpp"
#include "octavo/backends/blocking/task_pieces.hpp"
#include "octavo/op/kernel.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// Bytes of panels that a task keeps: with a column's weights they fit in half of a 512 KB L2.
inline constexpr std::size_t panel_budget = 192 * 1024;

/// Pixels cut into blocks: whole ones of the tallest tile, then at most two lower ones.
struct pixel_blocks {
  struct block {
    int first = 0, count = 0;           ///< pixels
    const tile_shape* shape = nullptr;  ///< its tiles have at least `count` rows
  };
  int full = 0, total = 0;
  std::array<block, 2> rest{};

  pixel_blocks(int pixels, std::span<const tile_shape> shapes) {
    const auto lowest = [&](int count) {
      return std::ranges::find_if(shapes, [&](const tile_shape& s) { return s.rows >= count; }).operator->();
    };
    const int tallest = shapes.back().rows;
    full = pixels / tallest;
    const int left = pixels % tallest, first = full * tallest;
    total = full + (left > 0 ? 1 : 0);
    if (left == 0) return;
    rest[0] = {first, left, lowest(left)};
    // 49 pixels by 6: seven tiles of 6, then 4 + 3 rather than 6 + 1.
    const int both = tallest + left, half = (both + 1) / 2;
    if (full == 0 || 2 * lowest(half)->rows > tallest + rest[0].shape->rows) return;
    --full;
    rest = {block{first - tallest, half, lowest(half)},
            block{first - tallest + half, both - half, lowest(both - half)}};
  }

  block operator()(int i, std::span<const tile_shape> shapes) const {
    if (i >= full) return rest[static_cast<std::size_t>(i - full)];
    return {i * shapes.back().rows, shapes.back().rows, &shapes.back()};
  }
};

/// A convolution, or a fully connected layer as a 1x1 convolution, packed for one microkernel.
class panel_convolution final : public executable {
 public:
  /// Throws octavo::error when a sum could overflow.
  panel_convolution(const microkernel& kernel, const dense_problem& s)
      : kernel_(kernel),
        conv_(s.conv),
        flat_(s.flat),
        src_bytes_(static_cast<int>(size_of(s.src[0].type))),
        dst_bytes_(static_cast<int>(size_of(s.dst->type))),
        group_inputs_(s.src[0].extents.back() / conv_.groups),
        group_outputs_(conv_.out / conv_.groups),
        depth_(conv_.kernel.h * conv_.kernel.w * group_inputs_),
        steps_(ceil_div(depth_, 4)),
        direct_(group_inputs_ % 4 == 0),
        block_channels_(2 * kernel.vector),
        group_columns_(ceil_div(group_outputs_, block_channels_)),
        padded_outputs_(ceil_div(group_outputs_, kernel.vector) * kernel.vector),
        panel_bytes_(static_cast<std::size_t>(kernel.largest_rows()) *
                     round_up(static_cast<std::size_t>(steps_) * step_bytes, chunk_bytes)),
        epilogue_(s, kernel.vector) {
    const int most_blocks = pixel_blocks(static_cast<int>(s.dst->extents.rows()), kernel.tiles).total;
    set_blocks_ = std::clamp(static_cast<int>(panel_budget / panel_bytes_), std::min(4, most_blocks), most_blocks);
    padding_ = aligned_memory(static_cast<std::size_t>(group_inputs_ * src_bytes_));
    if (s.src[0].is_u8()) std::memset(padding_.data(), s.src[0].q.zero_point, padding_.size());
    weights_ = s.blocks.make("weights", static_cast<std::size_t>(conv_.groups) * group_weight_bytes(),
                             [&](std::byte* to) { pack_weights(s, to); });
  }

  int tasks(const arguments& a) const noexcept override {
    const call c(*this, a);
    return c.sets * c.parts;
  }

  std::size_t scratch_bytes() const noexcept override {
    return static_cast<std::size_t>(set_blocks_) * panel_bytes_ + line_bytes();
  }

  std::size_t packed_bytes() const noexcept override { return weights_.size() + epilogue_.bytes() + padding_.size(); }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const call c(*this, a);
    const int columns = conv_.groups * group_columns_;
    int packed_set = -1, packed_group = -1;
    for (int task = begin; task < end; ++task) {
      const int set = task / c.parts, part = task % c.parts;
      const int first = cut(c.blocks.total, set, c.sets), last = cut(c.blocks.total, set + 1, c.sets);
      for (int column = cut(columns, part, c.parts); column < cut(columns, part + 1, c.parts); ++column) {
        const int group = column / group_columns_;
        if (set != packed_set || group != packed_group) pack_panels(c, first, last, group, scratch);
        packed_set = set, packed_group = group;
        run_column(c, first, last, group, column % group_columns_, scratch);
      }
    }
  }

 private:
  /// What one call has to do: pixel blocks in `sets` times columns in `parts`.
  struct call {
    const operand &src, &dst;
    const operand* residual;
    int height, width, out_height, out_width;
    bool dense;  ///< taps that are neighbours in a line of the image are neighbours in memory
    pixel_blocks blocks;
    int sets, parts;

    call(const panel_convolution& k, const arguments& a)
        : src(a.src[0]),
          dst(*a.dst),
          residual(k.conv_.residual ? &a.src[1] : nullptr),
          height(k.flat_ ? 1 : src.extents[1]),
          width(k.flat_ ? 1 : src.extents[2]),
          out_height(k.flat_ ? 1 : dst.extents[1]),
          out_width(k.flat_ ? 1 : dst.extents[2]),
          dense(k.conv_.groups == 1 && k.conv_.dilation.w == 1 && src.stride == src.extents.back()),
          blocks(static_cast<int>(dst.extents.rows()), k.kernel_.tiles) {
      // Cutting the pixels first means packing each of them once; below 4 panels for each column of weights, columns
      // are cut instead.
      const double products = static_cast<double>(dst.extents.count()) * k.depth_;
      const int wanted = native::task_count({.multiply_adds = products});
      const int columns = k.conv_.groups * k.group_columns_;
      sets = std::max(ceil_div(blocks.total, k.set_blocks_), std::min(wanted, ceil_div(blocks.total, 4)));
      parts = std::min(columns, ceil_div(wanted, sets));
    }
  };

  std::size_t line_bytes() const { return round_up(static_cast<std::size_t>(steps_ * 4 * src_bytes_), cache_line); }

  /// To (groups, columns, depth, NR); the last column of a group is one or two vectors wide.
  void pack_weights(const signature& s, std::byte* packed) const {
    const op::conv2d& c = conv_;
    const bool quantized = s.src[0].is_u8();
    const std::byte* from = s.at(op::conv2d::weights)->bytes().data();
    const int taps = c.kernel.h * c.kernel.w;
    for (int oc = 0; oc < c.out; ++oc) {
      const int group = oc / group_outputs_, column = oc % group_outputs_ / block_channels_;
      std::byte* to = packed + column_offset(group, column) + oc % group_outputs_ % block_channels_ * group_bytes;
      const int group_step = column_vectors(column) * kernel_.vector * group_bytes;
      for (int i = 0; i < group_inputs_; ++i)
        for (int tap = 0; tap < taps; ++tap, from += quantized ? 1 : 4) {
          const auto w = static_cast<float>(std::to_integer<std::int8_t>(*from));
          std::memcpy(to + static_cast<std::ptrdiff_t>(tap * group_inputs_ + i) * group_step,
                      quantized ? reinterpret_cast<const std::byte*>(&w) : from, sizeof w);
        }
    }
  }

  std::size_t group_weight_bytes() const {
    return static_cast<std::size_t>(steps_) * 4 * static_cast<std::size_t>(padded_outputs_) * group_bytes;
  }
  std::size_t column_offset(int group, int column) const {
    return static_cast<std::size_t>(group) * group_weight_bytes() +
           static_cast<std::size_t>(column) * static_cast<std::size_t>(block_channels_ * group_bytes) *
               static_cast<std::size_t>(steps_ * 4);
  }
  const std::byte* column_weights(int group, int column) const {
    return weights_.data() + column_offset(group, column);
  }
  int column_vectors(int column) const {
    return ceil_div(std::min(group_outputs_ - column * block_channels_, block_channels_), kernel_.vector);
  }

  /// Packs the blocks [first, last) of pixels, of the channels of `group`.
  void pack_panels(const call& c, int first, int last, int group, std::byte* scratch) const noexcept {
    std::byte* line = scratch + static_cast<std::size_t>(set_blocks_) * panel_bytes_;
    const auto used = static_cast<std::size_t>(depth_ * src_bytes_);
    if (!direct_) std::memset(line + used, 0, line_bytes() - used);
    for (int i = first; i < last; ++i) {
      const pixel_blocks::block b = c.blocks(i, kernel_.tiles);
      std::byte* panel = scratch + static_cast<std::size_t>(i - first) * panel_bytes_;
      int ow = b.first % c.out_width, oh = b.first / c.out_width % c.out_height;
      int n = b.first / c.out_width / c.out_height;
      for (int row = 0; row < b.shape->rows; ++row) {
        pack_pixel(c, n, oh, ow, group, panel + row * chunk_bytes, b.shape->rows, line);
        if (row + 1 >= b.count) continue;  // rows beyond the last pixel repeat it
        if (++ow < c.out_width) continue;
        ow = 0;
        if (++oh < c.out_height) continue;
        oh = 0, ++n;
      }
    }
  }

  void pack_pixel(const call& c, int n, int oh, int ow, int group, std::byte* row, int rows,
                  std::byte* line) const noexcept {
    const int top = oh * conv_.stride.h - conv_.pad.top, left = ow * conv_.stride.w - conv_.pad.left;
    const std::ptrdiff_t pixel_bytes = c.src.stride * src_bytes_;
    const std::byte* image = c.src.as<const std::byte>() + group * group_inputs_ * src_bytes_ +
                             static_cast<std::ptrdiff_t>(n) * c.height * c.width * pixel_bytes;
    int position = 0;
    for (int kh = 0; kh < conv_.kernel.h; ++kh) {
      const int ih = top + kh * conv_.dilation.h;
      const std::ptrdiff_t image_line = static_cast<std::ptrdiff_t>(ih) * c.width * pixel_bytes;
      for (int kw = 0, taps = 1; kw < conv_.kernel.w; kw += taps) {
        const int iw = left + kw * conv_.dilation.w;
        const bool inside = ih >= 0 && ih < c.height && iw >= 0 && iw < c.width;
        const std::byte* from = inside ? image + image_line + iw * pixel_bytes : padding_.data();
        taps = inside && c.dense ? std::min(conv_.kernel.w - kw, c.width - iw) : 1;
        const int values = taps * group_inputs_;
        if (direct_)
          kernel_.pack(row, rows, position, from, values);
        else
          copy_run(line + position * src_bytes_, from, static_cast<std::size_t>(values * src_bytes_));
        position += values;
      }
    }
    if (!direct_) kernel_.pack(row, rows, 0, line, steps_ * 4);
  }

  /// Runs the packed blocks [first, last) against one column of weights.
  void run_column(const call& c, int first, int last, int group, int column, const std::byte* panels) const noexcept {
    const int vectors = column_vectors(column), channel = column * block_channels_;
    const std::ptrdiff_t dst_channel = (group * group_outputs_ + channel) * dst_bytes_;
    tile t{};
    t.weights = column_weights(group, column);
    t.steps = steps_;
    t.multiplier = epilogue_.multiplier(group, channel);
    t.offset = epilogue_.offset(group, channel);
    t.dst_stride = c.dst.stride * dst_bytes_;
    t.residual_stride = c.residual ? c.residual->stride * dst_bytes_ : 0;
    t.channels = std::min(group_outputs_ - channel, block_channels_);
    t.epilogue = &epilogue_.shared();
    for (int i = first; i < last; ++i, panels += panel_bytes_) {
      const pixel_blocks::block b = c.blocks(i, kernel_.tiles);
      t.panel = panels;
      t.rows = b.count;
      t.dst = c.dst.as<std::byte>() + b.first * t.dst_stride + dst_channel;
      if (c.residual) t.residual = c.residual->as<const std::byte>() + b.first * t.residual_stride + dst_channel;
      if (b.count == b.shape->rows && t.channels == vectors * kernel_.vector)
        b.shape->run[vectors - 1](t);
      else
        run_partial(t, *b.shape, vectors);
    }
  }

  /// Runs a tile that lacks rows or channels by way of a buffer that has them all.
  void run_partial(const tile& t, const tile_shape& shape, int vectors) const noexcept {
    alignas(cache_line) std::byte dst[largest_tile * 4];
    alignas(cache_line) std::byte residual[largest_tile * 4];
    const std::ptrdiff_t stride = vectors * kernel_.vector * dst_bytes_;
    const auto bytes = static_cast<std::size_t>(t.channels * dst_bytes_);
    tile whole = t;
    whole.dst = dst, whole.dst_stride = stride;
    whole.rows = shape.rows;
    if (t.residual) {
      std::memset(residual, 0, static_cast<std::size_t>(shape.rows * stride));
      for (int m = 0; m < t.rows; ++m) copy_run(residual + m * stride, t.residual + m * t.residual_stride, bytes);
      whole.residual = residual, whole.residual_stride = stride;
    }
    shape.run[vectors - 1](whole);
    for (int m = 0; m < t.rows; ++m) copy_run(t.dst + m * t.dst_stride, dst + m * stride, bytes);
  }

  microkernel kernel_;
  op::conv2d conv_;
  bool flat_;
  int src_bytes_, dst_bytes_;
  int group_inputs_, group_outputs_;  ///< channels of one group
  int depth_, steps_;                 ///< of one group's sums, in values and in steps
  bool direct_;                       ///< every tap is whole steps: image to panel without a detour
  int block_channels_, group_columns_, padded_outputs_;
  std::size_t panel_bytes_;
  int set_blocks_ = 1;  ///< the most pixel blocks that are packed at a time
  channel_epilogue epilogue_;
  packed_block weights_;
  aligned_memory padding_;
};

/// The kernel `name`: conv2d and fc, u8 x s8 to u8 or f32, or f32.
template <const microkernel& microkernel, element Src>
constexpr kernel panel_kernel(std::string_view name, isa needs) {
  return {name, needs, is_dense_problem<Src>, [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<panel_convolution>(microkernel, dense_problem_of(p));
          }};
}

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
