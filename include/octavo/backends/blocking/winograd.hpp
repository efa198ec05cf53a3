// Convolution 3x3, stride 1, by Winograd's algorithm F(4x4, 3x3) in integers: 36 products for 16 outputs instead of
// 144, and exactly the sums that the plain way gives.
//
//   Y = A' [ (G w G') . (B' x B) ] A / 900         x: 6x6 inputs, w: 3x3 weights, Y: 4x4 sums, . elementwise
//
// G evaluates w, as a polynomial, at the points 0, 1, -1, 2, -1/2 and infinity, which are those that B' interpolates
// between. With these, B' x B of x in [0, 255] is at most 24990 and G w G' of w in [-127, 127] at most 28575, so both
// fit in s16, as all steps on the way do, with all fractions multiplied out (30 = 2 * 3 * 5 along either axis). Two
// products together fit in s32; longer sums wrap around, and so does all after them. But 900 Y modulo 2^32, times the
// inverse of 225, is 4 Y modulo 2^32, which gives Y wherever |Y| < 2^29.
//
// A task takes some tiles of 4x4 outputs and some blocks of output channels. It transforms the inputs of a chunk of
// tiles, which stay in L2; then, for each block of channels, come the weights, 36 matrix products, and the sums' way
// back. Weights are transformed at each run: as s16 they would be eight times as large, and reading them would take
// longer. Those of small layers stay in scratch memory from chunk to chunk.
//
// Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015.
#pragma once

#include "octavo/backends/blocking/channel_epilogue.hpp"
#include "octavo/backends/blocking/memory_ahead.hpp"
#include "octavo/backends/blocking/task_pieces.hpp"
#include "octavo/op/kernel.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

inline constexpr int winograd_outputs = 4;  ///< of a tile, along either axis
inline constexpr int winograd_points = 6;   ///< along either axis, and the inputs of a tile
inline constexpr int winograd_planes = winograd_points * winograd_points;

/// 225 * this is 1 modulo 2^32.
inline constexpr std::uint32_t winograd_inverse = 0x87654321u;
static_assert(225u * winograd_inverse == 1u);

/// Bytes between planes, so that they do not meet in the same set of the cache.
inline constexpr int winograd_plane_gap = cache_line;

/// Input channels whose transformed weights, of one block, are in L2 at a time.
inline constexpr int winograd_channels_together = 128;
/// Bytes from one plane of transformed weights, of a block of outputs, to the next.
constexpr std::ptrdiff_t winograd_weight_plane_bytes(int block) {
  return winograd_channels_together * block * 2 + winograd_plane_gap;
}
/// Bytes of transformed weights that a layer may keep from chunk to chunk.
inline constexpr std::ptrdiff_t winograd_kept_budget = 640 * 1024;
/// Bytes of transformed inputs that a chunk may have, so that they stay in L2.
inline constexpr int winograd_chunk_budget = 960 * 1024;

/// Rows of transformed pixels times a block of transformed weights, of one plane.
struct winograd_product {
  const std::byte* src;  // (rows, groups, 2 of s16)
  std::ptrdiff_t src_stride;
  const std::byte* weights;  // (groups, NR, 2 of s16)
  int groups;                ///< pairs of input channels
  bool add;                  ///< to what dst has
  std::byte* dst;            // (rows, NR) of s32
  std::ptrdiff_t dst_stride;
  std::uintptr_t ahead;  ///< for each group the line there comes into L2: see memory_ahead
  std::uintptr_t ahead_step;
};

/// A tile's sums, and where they go.
struct winograd_sums {
  const std::byte* sums;  // (36, NR) of s32
  const float *multiplier, *offset;
  std::byte* dst;
  std::ptrdiff_t dst_line, dst_pixel;  ///< bytes from one to the next
  const std::byte* residual;           ///< of dst's type, or null
  std::ptrdiff_t residual_line, residual_pixel;
  int lines, pixels;  ///< of the 4x4 that exist
  const native::epilogue* epilogue;
};

/// How long things take, as multiples of a product of two s16; measured.
struct winograd_cost {
  double plain_product;  ///< of u8 and s8, in a plain convolution
  double weight;         ///< to transform the nine weights of an input and an output channel
  double input, output;  ///< to transform the inputs of a tile's channel, and its sums
};

/// What an instruction set offers.
struct winograd_microkernel {
  winograd_cost cost;
  int block;        ///< output channels: NR
  int step;         ///< input channels are a multiple of this
  int fewest_rows;  ///< of a product; where there are fewer tiles it computes rows that nobody reads
  /// Transforms (groups, 9 taps, NR, 2) of s8 to 36 planes of (groups, NR, 2) of s16.
  void (*transform_weights)(const std::byte* from, int groups, std::byte* to);
  /// Transforms `channels` inputs of the 36 pixels of a tile to s16; plane i at to + i * plane_bytes.
  void (*transform_pixels)(const std::byte* const* pixels, int channels, std::byte* to, std::ptrdiff_t plane_bytes);
  /// Of fewest_rows, fewest_rows + 1, ..., up to at least twice as many rows.
  std::span<void (*const)(const winograd_product&)> products;
  void (*transform_sums)(const winograd_sums&);

  constexpr int most_rows() const { return fewest_rows + static_cast<int>(products.size()) - 1; }
};

/// Along an axis of so many outputs.
constexpr int winograd_tiles(int outputs) { return ceil_div(outputs, winograd_outputs); }

/// Tiles in a chunk: whole strips, where there is room for several.
constexpr int winograd_chunk_tiles(const winograd_microkernel& kernel, int channels) {
  const int rows = kernel.most_rows(), most = winograd_chunk_budget / (winograd_planes * channels * 2);
  return std::clamp(most < 2 * rows ? most : most / rows * rows, rows, 4 * rows);
}

/// A convolution packed for one microkernel.
class winograd_convolution final : public executable {
 public:
  /// Throws octavo::error when a sum could overflow.
  winograd_convolution(const winograd_microkernel& kernel, const dense_problem& s)
      : kernel_(kernel),
        conv_(s.conv),
        dst_bytes_(static_cast<int>(size_of(s.dst->type))),
        channels_(s.src[0].extents.back()),
        blocks_(conv_.out / kernel.block),
        epilogue_(s, kernel.block),
        chunk_tiles_(winograd_chunk_tiles(kernel, channels_)),
        outside_(static_cast<std::size_t>(channels_)) {
    together_ = std::min(channels_, winograd_channels_together);
    keeps_weights_ = together_ == channels_ && blocks_ * transformed_bytes() <= winograd_kept_budget;
    std::memset(outside_.data(), s.src[0].q.zero_point, outside_.size());
    weights_ = s.blocks.make("weights", static_cast<std::size_t>(blocks_ * block_bytes()),
                             [&](std::byte* to) { pack_weights(*s.at(op::conv2d::weights), to); });
  }

  int tasks(const arguments& a) const noexcept override {
    const call c(*this, a);
    return c.sets * c.parts;
  }

  std::size_t scratch_bytes() const noexcept override {
    return static_cast<std::size_t>(winograd_planes * plane_bytes() + chunk_tiles_ * sums_bytes() +
                                    (keeps_weights_ ? blocks_ : 1) * transformed_bytes());
  }

  std::size_t packed_bytes() const noexcept override { return weights_.size() + epilogue_.bytes() + outside_.size(); }

  std::span<const std::byte> first_weights() const noexcept override {
    return {weights_.data(), static_cast<std::size_t>(block_bytes())};
  }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const call c(*this, a);
    for_each_piece(begin, end, c.tiles, c.sets, blocks_, c.parts,
                   [&](int first, int last, int from, int to) { run_tiles(c, first, last, from, to, scratch); });
  }

 private:
  /// What one call has to do: tiles in `sets` times blocks of channels in `parts`.
  struct call {
    const operand &src, &dst;
    const operand* residual;
    std::span<const std::byte> ahead;
    int height, width, out_height, out_width;
    int tile_lines, tiles_across;
    int tiles, sets, parts;

    call(const winograd_convolution& k, const arguments& a)
        : src(a.src[0]),
          dst(*a.dst),
          residual(k.conv_.residual ? &a.src[1] : nullptr),
          ahead(a.ahead),
          height(src.extents[1]),
          width(src.extents[2]),
          out_height(dst.extents[1]),
          out_width(dst.extents[2]),
          tile_lines(winograd_tiles(out_height)),
          tiles_across(winograd_tiles(out_width)) {
      tiles = dst.extents[0] * tile_lines * tiles_across;
      // Channels are cut first: transforming inputs twice costs less than weights.
      const double products = static_cast<double>(tiles) * winograd_planes * k.channels_ * k.conv_.out;
      const int wanted = native::task_count({.multiply_adds = products});
      parts = std::min(k.blocks_, wanted);
      sets = std::clamp(tiles / k.kernel_.most_rows(), 1, ceil_div(wanted, parts));
    }
  };

  int pixel_bytes() const { return channels_ * 2; }
  /// From one plane of transformed inputs to the next.
  std::ptrdiff_t plane_bytes() const {
    return static_cast<std::ptrdiff_t>(chunk_tiles_) * pixel_bytes() + winograd_plane_gap;
  }
  /// Of a block of weights as they are packed.
  std::ptrdiff_t block_bytes() const { return static_cast<std::ptrdiff_t>(channels_) * kernel_.block * 9; }
  /// Of the transformed weights of a block, for as many input channels as are transformed at a time.
  std::ptrdiff_t transformed_bytes() const { return winograd_planes * winograd_weight_plane_bytes(kernel_.block); }
  std::ptrdiff_t sums_row_bytes() const { return kernel_.block * 4; }
  std::ptrdiff_t sums_bytes() const { return winograd_planes * sums_row_bytes(); }

  /// To (blocks, groups, 9 taps, NR, 2).
  void pack_weights(const tensor& weights, std::byte* packed) const {
    const std::byte* from = weights.bytes().data();
    for (int oc = 0; oc < conv_.out; ++oc)
      for (int ic = 0; ic < channels_; ++ic) {
        std::byte* to = packed + oc / kernel_.block * block_bytes() +
                        (ic / 2 * 9 * kernel_.block + oc % kernel_.block) * 2 + ic % 2;
        for (int tap = 0; tap < 9; ++tap, to += kernel_.block * 2) *to = *from++;
      }
  }

  /// Runs tiles [first, last) against blocks [from, to). Scratch has the transformed inputs (36, tiles, channels), the
  /// sums (tiles, 36, NR), and the transformed weights, of one block or of all.
  void run_tiles(const call& c, int first, int last, int from, int to, std::byte* scratch) const noexcept {
    std::byte *sums = scratch + winograd_planes * plane_bytes(), *weights = sums + chunk_tiles_ * sums_bytes();
    const int chunks = ceil_div(last - first, chunk_tiles_);
    for (int i = 0; i < chunks; ++i) {
      const int begin = first + cut(last - first, i, chunks), count = first + cut(last - first, i + 1, chunks) - begin;
      for (int t = 0; t < count; ++t) transform_pixels(c, begin + t, scratch + t * pixel_bytes());
      for (int block = from; block < to; ++block) {
        const std::byte* packed = weights_.data() + block * block_bytes();
        const bool more = block + 1 < to;
        memory_ahead next(more ? std::span(packed + block_bytes(), static_cast<std::size_t>(block_bytes())) : c.ahead);
        for (int channel = 0; channel < channels_; channel += together_) {
          const int channels = std::min(together_, channels_ - channel);
          std::byte* transformed = weights + (keeps_weights_ ? block * transformed_bytes() : 0);
          if (i == 0 || !keeps_weights_)
            kernel_.transform_weights(packed + channel * 9 * kernel_.block, channels / 2, transformed);
          multiply(count, channel, channels, scratch, transformed, sums, next);
        }
        for (int t = 0; t < count; ++t) transform_sums(c, begin + t, block, sums + t * sums_bytes());
      }
    }
  }

  /// The top left output of a tile.
  struct corner {
    int image, h, w;
  };
  static corner corner_of(const call& c, int tile) {
    return {tile / (c.tile_lines * c.tiles_across), tile / c.tiles_across % c.tile_lines * winograd_outputs,
            tile % c.tiles_across * winograd_outputs};
  }

  void transform_pixels(const call& c, int tile, std::byte* to) const noexcept {
    const auto [image, h, w] = corner_of(c, tile);
    const int left = w - conv_.pad.left;
    const std::byte* pixels[winograd_planes];
    for (int line = 0; line < winograd_points; ++line) {
      const int ih = h - conv_.pad.top + line;
      const bool inside = ih >= 0 && ih < c.height;
      std::ptrdiff_t at = ((static_cast<std::ptrdiff_t>(image) * c.height + ih) * c.width + left) * c.src.stride;
      for (int i = 0; i < winograd_points; ++i, at += c.src.stride)
        pixels[line * winograd_points + i] =
            inside && left + i >= 0 && left + i < c.width ? c.src.as<const std::byte>() + at : outside_.data();
    }
    kernel_.transform_pixels(pixels, channels_, to, plane_bytes());
  }

  /// The 36 products of `count` tiles with transformed weights of input channels [channel, channel + channels).
  void multiply(int count, int channel, int channels, const std::byte* src, const std::byte* weights, std::byte* sums,
                memory_ahead& next) const noexcept {
    const int strips = ceil_div(count, kernel_.most_rows());
    winograd_product p{};
    p.src_stride = pixel_bytes(), p.dst_stride = sums_bytes(), p.groups = channels / 2, p.add = channel > 0;
    for (int plane = 0; plane < winograd_planes; ++plane) {
      p.weights = weights + plane * winograd_weight_plane_bytes(kernel_.block);
      for (int i = 0; i < strips; ++i) {
        const int first = cut(count, i, strips), rows = cut(count, i + 1, strips) - first;
        p.src = src + plane * plane_bytes() + first * pixel_bytes() + channel * 2;
        p.dst = sums + first * sums_bytes() + plane * sums_row_bytes();
        p.ahead = next.at, p.ahead_step = next.step();
        kernel_.products[static_cast<std::size_t>(std::max(rows - kernel_.fewest_rows, 0))](p);
        next.at += static_cast<std::uintptr_t>(p.groups) * p.ahead_step;
      }
    }
  }

  void transform_sums(const call& c, int tile, int block, const std::byte* sums) const noexcept {
    const auto [image, h, w] = corner_of(c, tile);
    const std::ptrdiff_t pixel = (static_cast<std::ptrdiff_t>(image) * c.out_height + h) * c.out_width + w;
    const int channel = block * kernel_.block;
    winograd_sums s{};
    s.sums = sums;
    s.multiplier = epilogue_.multiplier(0, channel), s.offset = epilogue_.offset(0, channel);
    s.dst_pixel = c.dst.stride * dst_bytes_, s.dst_line = c.out_width * s.dst_pixel;
    s.dst = c.dst.as<std::byte>() + pixel * s.dst_pixel + channel * dst_bytes_;
    if (c.residual) {
      s.residual_pixel = c.residual->stride * dst_bytes_, s.residual_line = c.out_width * s.residual_pixel;
      s.residual = c.residual->as<const std::byte>() + pixel * s.residual_pixel + channel * dst_bytes_;
    }
    s.lines = std::min(winograd_outputs, c.out_height - h), s.pixels = std::min(winograd_outputs, c.out_width - w);
    s.epilogue = &epilogue_.shared();
    kernel_.transform_sums(s);
  }

  winograd_microkernel kernel_;
  op::conv2d conv_;
  int dst_bytes_, channels_, blocks_;
  int together_ = 0;  ///< input channels whose weights are transformed at a time
  bool keeps_weights_ = false;
  channel_epilogue epilogue_;
  int chunk_tiles_;
  packed_block weights_;
  aligned_memory outside_;  ///< a pixel of the padding
};

/// Whether `kernel` can run `p`.
inline bool supports_winograd(const winograd_microkernel& kernel, const problem& p) {
  const op::conv2d* conv = p.op.as<op::conv2d>();
  if (!conv || !is_dense_problem<element::u8>(p)) return false;
  if (conv->kernel != hw(3) || conv->stride != hw(1) || conv->dilation != hw(1) || conv->groups != 1) return false;
  const int channels = p.src[0].extents.back();
  return channels % kernel.step == 0 && channels * 9.0 * 255 * 127 < 0x1p29 && conv->out % kernel.block == 0;
}

/// Whether `kernel` runs `p` in clearly less time than the plain way takes.
inline bool winograd_pays(const winograd_microkernel& kernel, const problem& p) {
  const double inputs = p.src[0].extents.back(), outputs = p.dst->extents.back();
  const int images = p.dst->extents[0],
            tiles = images * winograd_tiles(p.dst->extents[1]) * winograd_tiles(p.dst->extents[2]);
  const int together = winograd_chunk_tiles(kernel, p.src[0].extents.back());
  const double plain = static_cast<double>(p.dst->extents.rows()) * 9 * inputs * outputs * kernel.cost.plain_product;
  const double products = static_cast<double>(std::max(tiles, kernel.fewest_rows)) * winograd_planes * inputs * outputs;
  const double weights = ceil_div(tiles, together) * inputs * outputs * kernel.cost.weight;
  return products + weights + tiles * (inputs * kernel.cost.input + outputs * kernel.cost.output) < 0.97 * plain;
}

/// The kernel `name`: conv2d of 3x3, stride 1, u8 x s8 to u8 or f32.
template <const winograd_microkernel& microkernel>
constexpr kernel winograd_kernel(std::string_view name, isa needs) {
  return {name, needs, [](const problem& p) { return supports_winograd(microkernel, p); },
          [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<winograd_convolution>(microkernel, dense_problem_of(p));
          },
          [](const problem& p) { return winograd_pays(microkernel, p); }};
}

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
