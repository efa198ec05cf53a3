// Portable depthwise convolution on whatever vectors xsimd finds, four vectors of channels at a time, INT8 and FP32.
//
// INT8 runs in binary32: a product of u8 and s8 is an integer of at most 255 * 127, and sums of integers are exact as
// long as they stay within 2^24, that is up to 518 taps. Four vectors of channels arrive as one vector of 32-bit words;
// shifts and masks take it apart without widening instructions, so vector k holds channels k, k + 4, k + 8, ...
#pragma once

#include "octavo/backends/blocking/unroll.hpp"
#include "octavo/backends/native/depthwise.hpp"
#include "octavo/backends/portable/batch.hpp"
#include "octavo/backends/portable/lanes.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// Depthwise convolution of X, u8 or f32, whose weights are packed as f32.
template <class X>
struct depthwise {
  using src_type = X;
  using floats = xsimd::batch<float>;
  using words = xsimd::batch<std::int32_t>;
  static constexpr bool is_int8 = std::is_same_v<X, std::uint8_t>;
  static constexpr int width = static_cast<int>(floats::size), channel_block = 4 * width;
  static_assert(std::endian::native == std::endian::little, "octavo: channels are taken from little-endian words");

  /// For each block of channels: multipliers (1 for f32), offsets or bias, then the weights of each tap in the order of
  /// the vectors.
  struct packed {
    packed_block memory;
    std::size_t taps = 0;
    int channels = 0;
    native::epilogue epilogue;
    std::size_t block_floats() const { return (taps + 2) * channel_block; }
    std::size_t bytes() const { return memory.size(); }
  };

  static std::vector<native::tap> taps(hw kernel) { return native::raster_taps(kernel, 1); }

  static packed pack(const native::depthwise_filter& f) {
    packed out{{}, f.taps.size(), f.channels(), f.epilogue};
    const int blocks = ceil_div(f.channels(), channel_block);
    const std::size_t bytes = static_cast<std::size_t>(blocks) * out.block_floats() * sizeof(float);
    out.memory = f.types->blocks.make("weights", bytes, [&](std::byte* memory) {
      float* to = reinterpret_cast<float*>(memory);
      for (int c = 0; c < f.channels(); ++c) {
        float* block_begin = to + static_cast<std::size_t>(c / channel_block) * out.block_floats();
        const int in_block = c % channel_block;
        block_begin[in_block] = is_int8 ? f.scales.multiplier[static_cast<std::size_t>(c)] : 1.0f;
        block_begin[channel_block + in_block] = f.scales.offset[static_cast<std::size_t>(c)];
        for (std::size_t t = 0; t < out.taps; ++t)
          block_begin[(t + 2) * channel_block + static_cast<std::size_t>(place(in_block))] =
              static_cast<float>(f.weight<std::conditional_t<is_int8, std::int8_t, float>>(c, t));
      }
    });
    return out;
  }

  static void run(const packed& w, const native::depthwise_run<X>& r) noexcept {
    const auto* from = reinterpret_cast<const float*>(w.memory.data()) +
                       static_cast<std::size_t>(r.channel_begin / channel_block) * w.block_floats();
    for (int c = r.channel_begin; c < r.channel_end; c += channel_block, from += w.block_floats()) {
      const int n = std::min(channel_block, w.channels - c);
      for (int pixel = 0; pixel < r.pixels; ++pixel) {
        alignas(cache_line) float sums[channel_block], y[channel_block];
        n == channel_block ? sum<false>(sums, w, from, r, pixel * r.step + c, n)
                           : sum<true>(sums, w, from, r, pixel * r.step + c, n);
        const float *m = from, *b = from + channel_block;
        for (int i = 0; i < channel_block; ++i)
          y[i] = is_int8 ? fused_multiply_add(sums[place(i)], m[i], b[i]) : sums[i] + b[i];
        w.epilogue.type == element::u8 ? finish<std::uint8_t>(y, w, r, pixel, c, n)
                                       : finish<float>(y, w, r, pixel, c, n);
      }
    }
  }

 private:
  /// Where channel c of a block is among its four vectors.
  static constexpr int place(int c) { return is_int8 ? c % 4 * width + c / 4 : c; }

  static floats load_vector(const X* x, int k) {
    if constexpr (is_int8)
      return xsimd::to_float((words::load_unaligned(reinterpret_cast<const std::int32_t*>(x)) >> (8 * k)) &
                             words(0xff));
    else
      return floats::load_unaligned(x + k * width);
  }

  template <bool Partial>
  static void sum(float* to, const packed& w, const float* from, const native::depthwise_run<X>& r,
                  std::ptrdiff_t offset, int n) {
    floats acc[4] = {floats(0.0f), floats(0.0f), floats(0.0f), floats(0.0f)};
    const float* weights = from + 2 * channel_block;
    for (std::size_t t = 0; t < w.taps; ++t, weights += channel_block) {
      const X* x = r.taps[t] + offset;
      X some[Partial ? channel_block : 1] = {};
      if constexpr (Partial) {
        std::memcpy(some, x, static_cast<std::size_t>(n) * sizeof(X));
        x = some;
      }
      OCTAVO_UNROLL
      for (int k = 0; k < 4; ++k) {
        const floats v = load_vector(x, k), tap = floats::load_unaligned(weights + k * width);
        acc[k] = is_int8 ? xsimd::fma(v, tap, acc[k]) : fused_multiply_add(v, tap, acc[k]);
      }
    }
    OCTAVO_UNROLL
    for (int k = 0; k < 4; ++k) acc[k].store_unaligned(to + k * width);
  }

  template <class Y>
  static void finish(float* y, const packed& w, const native::depthwise_run<X>& r, int pixel, int c, int n) {
    if (r.residual) {
      const Y* from = static_cast<const Y*>(r.residual) + pixel * r.residual_stride + c;
      for (int i = 0; i < n; ++i) {
        if constexpr (std::is_same_v<Y, std::uint8_t>)
          y[i] = fused_multiply_add(static_cast<float>(from[i] - w.epilogue.residual_zero_point),
                                    w.epilogue.residual_multiplier, y[i]);
        else
          y[i] += from[i];
      }
    }
    Y result[channel_block];
    for (int i = 0; i < channel_block; i += block) {
      numbers v;
      std::memcpy(v.at, y + i, sizeof v.at);
      end(result + i, v, w.epilogue);
    }
    std::memcpy(static_cast<Y*>(r.dst) + pixel * r.dst_stride + c, result, static_cast<std::size_t>(n) * sizeof(Y));
  }
};

/// Kernels for depthwise convolutions.
inline constexpr kernel depthwise_kernels[] = {
    {"depthwise_u8s8s32_portable", isa::portable,
     [](const problem& p) {
       const op::conv2d* c = p.op.as<op::conv2d>();
       return native::is_depthwise(p, element::u8) && c->kernel.h * c->kernel.w <= 518;
     },
     native::make_executable<native::depthwise<depthwise<std::uint8_t>>>},
    {"depthwise_f32_portable", isa::portable, [](const problem& p) { return native::is_depthwise(p, element::f32); },
     native::make_executable<native::depthwise<depthwise<float>>>},
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
