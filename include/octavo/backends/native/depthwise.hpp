// Depthwise 2-d convolution with one filter per channel: everything but the arithmetic, for all native instruction
// sets.
//
//   y(n, oh, ow, c) = act( sum over kh, kw of x(n, oh*sh - top + kh*dh, ow*sw - left + kw*dw, c) * w(c, kh, kw)
//                          + bias(c) [+ residual(n, oh, ow, c)] )
//
// A row of output is cut into runs of pixels. Within a run a tap is inside the image for all pixels or for none; a tap
// outside points to zero points, as many as the run steps over, so the arithmetic has no branches and one step serves
// all taps. An instruction set is a class with
//   src_type               u8 or f32
//   channel_block          channels that it computes at once: tasks are cut at multiples of it
//   taps(kernel)           the order in which it takes the taps; after the first, filled up as it likes with {-1, -1}
//   pack(depthwise_filter) its weights, in a class `packed` with a member bytes()
//   run(packed, run)       computes a run
#pragma once

#include "octavo/backends/native/epilogue.hpp"
#include "octavo/backends/native/task_grid.hpp"
#include "octavo/op/kernel.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// A place in the kernel window; {-1, -1} is none, whose weight is 0.
struct tap {
  int h = -1, w = -1;
  bool is_none() const { return h < 0; }
};

/// All taps of a window in raster order, filled up to a multiple of `group`.
inline std::vector<tap> raster_taps(hw kernel, int group) {
  std::vector<tap> taps;
  for (int h = 0; h < kernel.h; ++h)
    for (int w = 0; w < kernel.w; ++w) taps.push_back({h, w});
  while (static_cast<int>(taps.size()) % group != 0) taps.push_back({});
  return taps;
}

/// What an instruction set packs.
struct depthwise_filter {
  const op::conv2d* op = nullptr;
  const problem* types = nullptr;
  std::vector<tap> taps;
  output_scales scales;  ///< INT8: all three; f32: `offset` is the bias
  native::epilogue epilogue;

  int channels() const { return op->out; }

  /// Weight of channel c at tap t; 0 beyond the last channel and where there is no tap.
  template <class W>
  W weight(int c, std::size_t t) const {
    if (c >= channels() || taps[t].is_none()) return W{0};
    return types->at(op::conv2d::weights)
        ->as<W>()[static_cast<std::size_t>((c * op->kernel.h + taps[t].h) * op->kernel.w + taps[t].w)];
  }
};

/// For each block of channels: the bias, then the weights of each tap; zeros beyond the last channel.
inline void pack_f32_blocks(const depthwise_filter& f, int channel_block, float* to) {
  for (int first = 0; first < f.channels(); first += channel_block) {
    for (int c = first; c < first + channel_block; ++c)
      *to++ = c < f.channels() ? f.scales.offset[static_cast<std::size_t>(c)] : 0.0f;
    for (std::size_t t = 0; t < f.taps.size(); ++t)
      for (int c = first; c < first + channel_block; ++c) *to++ = f.weight<float>(c, t);
  }
}

/// The weights of an FP32 depthwise convolution for instruction sets that compute `Block` channels at once: what they
/// take of the taps, in raster order, and how they pack.
template <int Block>
struct f32_filters {
  using src_type = float;
  static constexpr int channel_block = Block;

  /// For each block of channels: the bias, then the weights of each tap.
  struct packed {
    packed_block memory;
    std::size_t taps = 0;
    int channels = 0;
    native::epilogue epilogue;
    std::size_t block_floats() const { return (taps + 1) * Block; }
    std::size_t bytes() const { return memory.size(); }
  };

  static std::vector<tap> taps(hw kernel) { return raster_taps(kernel, 1); }

  static packed pack(const depthwise_filter& f) {
    packed out{{}, f.taps.size(), f.channels(), f.epilogue};
    const auto blocks = static_cast<std::size_t>(ceil_div(f.channels(), Block));
    out.memory = f.types->blocks.make("weights", blocks * out.block_floats() * sizeof(float),
                                      [&](std::byte* to) { pack_f32_blocks(f, Block, reinterpret_cast<float*>(to)); });
    return out;
  }
};

/// A run of pixels of one output row.
template <class T>
struct depthwise_run {
  const T* const* taps = nullptr;  ///< channel 0 of each tap of the first pixel
  std::ptrdiff_t step = 0;         ///< elements from a tap to the same tap of the next pixel
  int pixels = 0;
  int channel_begin = 0, channel_end = 0;
  void* dst = nullptr;  ///< channel 0 of the first pixel
  std::ptrdiff_t dst_stride = 0;
  const void* residual = nullptr;  ///< null where there is none
  std::ptrdiff_t residual_stride = 0;
};

/// A prepared depthwise convolution.
template <class Isa>
class depthwise final : public executable {
 public:
  using src_type = typename Isa::src_type;

  explicit depthwise(const problem& p) : op_(*p.op.as<op::conv2d>()), taps_(Isa::taps(op_.kernel)) {
    depthwise_filter f{&op_, &p, taps_, {}, make_epilogue(p, op_.act, op_.residual)};
    if constexpr (std::is_same_v<src_type, std::uint8_t>) {
      f.scales = fold_output_scales(p, op_.residual, op::conv2d::name);
    } else {
      f.scales.offset = f32_biases(p, op_.out);
    }
    packed_ = Isa::pack(f);
    dst_size_ = static_cast<std::ptrdiff_t>(size_of(p.dst->type));
    // A whole row of padding where it is not too long for the first-level cache; longer rows take several runs.
    const auto pixel = static_cast<std::size_t>(op_.out) * sizeof(src_type);
    zeros_ = aligned_memory(
        std::max(pixel, std::min<std::size_t>(pixel * static_cast<std::size_t>(p.src[0].extents[2]), largest_padding)));
    if (p.src[0].is_u8()) std::memset(zeros_.data(), p.src[0].q.zero_point, zeros_.size());
  }

  int tasks(const arguments& a) const noexcept override { return grid(a).count(); }
  std::size_t scratch_bytes() const noexcept override { return taps_.size() * sizeof(src_type*); }
  std::size_t packed_bytes() const noexcept override { return packed_.bytes() + zeros_.size(); }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    const task_grid g = grid(a);
    for (int t = begin; t < end; ++t) {
      const task_grid::block b = g.at(t);
      for (int row = b.row_begin; row < b.row_end; ++row) run_row(a, row, b, scratch);
    }
  }

 private:
  task_grid grid(const arguments& a) const noexcept {
    const dims &x = a.src[0].extents, &y = a.dst->extents;
    const std::ptrdiff_t channels = y[3];
    const std::ptrdiff_t src_bytes = std::ptrdiff_t{x[2]} * channels * static_cast<std::ptrdiff_t>(sizeof(src_type));
    const std::ptrdiff_t row_bytes =
        src_bytes * std::min(op_.stride.h, op_.kernel.h) + std::ptrdiff_t{y[2]} * channels * dst_size_;
    return make_task_grid(y[0] * y[1], row_bytes, y[3], Isa::channel_block);
  }

  // Output columns [first, last) have all their taps inside the image, as far as columns go.
  void run_row(const arguments& a, int row, const task_grid::block& b, std::byte* scratch) const noexcept {
    const int width = a.src[0].extents[2], columns = a.dst->extents[2];
    const int room = width + op_.pad.left - dilated(op_.kernel.w, op_.dilation.w);
    const int first = std::min(ceil_div(op_.pad.left, op_.stride.w), columns);
    const int last = std::clamp(room < 0 ? 0 : room / op_.stride.w + 1, first, columns);
    const int longest = longest_run(a, row);
    for (int ow = 0; ow < first; ++ow) run_pixels(a, row, ow, 1, b, scratch);
    for (int ow = first; ow < last; ow += longest) run_pixels(a, row, ow, std::min(longest, last - ow), b, scratch);
    for (int ow = last; ow < columns; ++ow) run_pixels(a, row, ow, 1, b, scratch);
  }

  // How many pixels a run may have: no limit where all kernel rows are inside the image, else as the zeros last.
  int longest_run(const arguments& a, int row) const noexcept {
    const operand& x = a.src[0];
    const int top = row % a.dst->extents[1] * op_.stride.h - op_.pad.top;
    if (top >= 0 && top + dilated(op_.kernel.h, op_.dilation.h) <= x.extents[1]) return a.dst->extents[2];
    const auto zeros = static_cast<std::ptrdiff_t>(zeros_.size() / sizeof(src_type));
    const std::ptrdiff_t room = zeros - x.extents[3] - (op_.kernel.w - 1) * op_.dilation.w * x.stride;
    return room < 0 ? 1 : static_cast<int>(room / (op_.stride.w * x.stride)) + 1;
  }

  void run_pixels(const arguments& a, int row, int ow, int pixels, const task_grid::block& b,
                  std::byte* scratch) const noexcept {
    const operand& src = a.src[0];
    const int height = src.extents[1], width = src.extents[2], rows = a.dst->extents[1];
    const int n = row / rows, top = row % rows * op_.stride.h - op_.pad.top, left = ow * op_.stride.w - op_.pad.left;
    const auto taps = reinterpret_cast<const src_type**>(scratch);
    for (std::size_t t = 0; t < taps_.size(); ++t) {
      if (taps_[t].is_none()) {  // its weights are 0: it reads what there is
        taps[t] = taps[t - 1];
        continue;
      }
      const int h = top + taps_[t].h * op_.dilation.h, w = left + taps_[t].w * op_.dilation.w;
      const bool inside = h >= 0 && h < height && w >= 0 && w < width;
      const auto pixel = (std::ptrdiff_t{n} * height + h) * width + w;
      taps[t] =
          inside ? src.as<const src_type>() + pixel * src.stride : reinterpret_cast<const src_type*>(zeros_.data());
    }
    const std::ptrdiff_t to = std::ptrdiff_t{row} * a.dst->extents[2] + ow;
    depthwise_run<src_type> r{taps, op_.stride.w * src.stride, pixels, b.channel_begin, b.channel_end};
    r.dst = a.dst->as<std::byte>() + to * a.dst->stride * dst_size_;
    r.dst_stride = a.dst->stride;
    if (op_.residual) {
      r.residual = a.src[1].as<std::byte>() + to * a.src[1].stride * dst_size_;
      r.residual_stride = a.src[1].stride;
    }
    Isa::run(packed_, r);
  }

  static constexpr std::size_t largest_padding = 16 * 1024;

  op::conv2d op_;
  std::vector<tap> taps_;
  typename Isa::packed packed_;
  aligned_memory zeros_;  // pixels of padding: x's zero point, or 0.0
  std::ptrdiff_t dst_size_ = 1;
};

/// Whether `p` is a depthwise convolution with one filter per channel, of inputs of type `src`.
inline bool is_depthwise(const problem& p, element src) {
  const op::conv2d* c = p.op.as<op::conv2d>();
  return c && c->is_depthwise(p.src[0].extents[3]) && c->out == c->groups && p.src[0].type == src &&
         (p.dst->is_u8() || p.dst->type == element::f32) && (src == element::u8 || p.dst->type == element::f32);
}

/// kernel::pack of the class E.
template <class E>
std::unique_ptr<const executable> make_executable(const problem& p) {
  return std::make_unique<E>(p);
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
