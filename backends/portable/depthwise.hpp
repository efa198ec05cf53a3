// Portable depthwise convolution on whatever vectors xsimd finds, 16 channels at a time, INT8 and FP32.
//
// INT8 runs in binary32: a product of u8 and s8 is an integer of at most 255 * 127, and sums of integers are exact as
// long as they stay within 2^24, that is up to 518 taps. Sums begin with the share of the zero point left out.
#pragma once

#include "octavo/backends/blocking/unroll.hpp"
#include "octavo/backends/native/depthwise.hpp"
#include "octavo/backends/portable/lanes.hpp"

namespace octavo::portable {
inline namespace OCTAVO_ARCH_NAMESPACE {

/// Depthwise convolution of X, u8 or f32, whose weights are packed as f32.
template <class X>
struct depthwise {
  using source = X;
  using batch = xsimd::batch<float>;
  static constexpr int channel_block = block;
  static constexpr bool is_int8 = std::is_same_v<X, std::uint8_t>;

  /// For each block of 16 channels: multipliers (1 for f32), offsets or bias, then the weights of each tap.
  struct packed {
    aligned_memory memory;
    std::size_t taps = 0;
    int channels = 0;
    output_rule rule;
    native::residual_rule residual;
    std::size_t block_floats() const { return (taps + 2) * block; }
    std::size_t bytes() const { return memory.size(); }
  };

  static std::vector<native::tap> taps(hw kernel) { return native::raster_taps(kernel, 1); }

  static packed pack(const native::depthwise_filter& f) {
    packed out{{}, f.taps.size(), f.channels(), f.rule, f.residual};
    const int blocks = ceil_div(f.channels(), block);
    out.memory = aligned_memory(static_cast<std::size_t>(blocks) * out.block_floats() * sizeof(float));
    float* to = reinterpret_cast<float*>(out.memory.data());
    for (int c = 0; c < f.channels(); ++c) {
      float* channel = to + static_cast<std::size_t>(c / block) * out.block_floats() + c % block;
      channel[0] = is_int8 ? f.scales.multiplier[static_cast<std::size_t>(c)] : 1.0f;
      channel[block] = f.scales.offset[static_cast<std::size_t>(c)];
      for (std::size_t t = 0; t < out.taps; ++t)
        channel[(t + 2) * block] = static_cast<float>(f.weight<std::conditional_t<is_int8, std::int8_t, float>>(c, t));
    }
    return out;
  }

  static void run(const packed& w, const native::depthwise_run<X>& r) noexcept {
    const auto* from = reinterpret_cast<const float*>(w.memory.data()) +
                       static_cast<std::size_t>(r.channel_begin / block) * w.block_floats();
    for (int c = r.channel_begin; c < r.channel_end; c += block, from += w.block_floats()) {
      const int n = std::min(block, w.channels - c);
      for (int pixel = 0; pixel < r.pixels; ++pixel) {
        numbers v;
        n == block ? sum<false>(v, w, from, r, pixel * r.step + c, n) : sum<true>(v, w, from, r, pixel * r.step + c, n);
        if constexpr (is_int8)
          multiply_add(v, from, from + block);
        else
          for (int i = 0; i < block; ++i) v.at[i] += from[block + i];
        w.rule.type == element::u8 ? finish<std::uint8_t>(v, w, r, pixel, c, n) : finish<float>(v, w, r, pixel, c, n);
      }
    }
  }

 private:
  template <bool Partial>
  static void sum(numbers& v, const packed& w, const float* from, const native::depthwise_run<X>& r,
                  std::ptrdiff_t offset, int n) {
    constexpr int width = static_cast<int>(batch::size), batches = block / width;
    batch acc[batches];
    OCTAVO_UNROLL
    for (batch& each : acc) each = batch(0.0f);
    const float* weights = from + 2 * block;
    for (std::size_t t = 0; t < w.taps; ++t, weights += block) {
      const X* at = r.taps[t] + offset;
      numbers x;
      const float* values = x.at;
      if constexpr (Partial) {
        X some[block] = {};
        std::memcpy(some, at, static_cast<std::size_t>(n) * sizeof(X));
        load(x, some, 0);
      } else if constexpr (is_int8) {
        load(x, at, 0);
      } else {
        values = at;
      }
      OCTAVO_UNROLL
      for (int b = 0; b < batches; ++b)
        acc[b] =
            xsimd::fma(batch::load_unaligned(values + b * width), batch::load_unaligned(weights + b * width), acc[b]);
    }
    OCTAVO_UNROLL
    for (int b = 0; b < batches; ++b) acc[b].store_aligned(v.at + b * width);
  }

  template <class Y>
  static void finish(numbers& v, const packed& w, const native::depthwise_run<X>& r, int pixel, int c, int n) {
    if (r.residual) {
      const Y* from = static_cast<const Y*>(r.residual) + pixel * r.residual_stride + c;
      for (int i = 0; i < n; ++i) {
        if constexpr (std::is_same_v<Y, std::uint8_t>)
          v.at[i] =
              fused_multiply_add(static_cast<float>(from[i] - w.residual.zero_point), w.residual.multiplier, v.at[i]);
        else
          v.at[i] += from[i];
      }
    }
    Y* to = static_cast<Y*>(r.dst) + pixel * r.dst_stride + c;
    if (n == block) return end(to, v, w.rule);
    Y last[block];
    end(last, v, w.rule);
    std::memcpy(to, last, static_cast<std::size_t>(n) * sizeof(Y));
  }
};

/// Kernels for depthwise convolutions.
inline constexpr kernel depthwise_kernels[] = {
    {"depthwise_u8s8s32_portable", isa::portable,
     [](const problem& p) {
       const op::conv2d* c = std::get_if<op::conv2d>(&p.op);
       return native::is_depthwise(p, element::u8) && c->kernel.h * c->kernel.w <= 518;
     },
     native::make_executable<native::depthwise<depthwise<std::uint8_t>>>},
    {"depthwise_f32_portable", isa::portable, [](const problem& p) { return native::is_depthwise(p, element::f32); },
     native::make_executable<native::depthwise<depthwise<float>>>},
};

}  // namespace OCTAVO_ARCH_NAMESPACE
}  // namespace octavo::portable
