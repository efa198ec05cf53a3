// AVX2: depthwise convolution, 32 channels at a time, INT8 and FP32.
//
// INT8. vpmaddubsw multiplies u8 by s8 and adds pairs into s16, which saturates where weights are large. It cannot when
// the activation is the signed operand and |weight| the unsigned one: 2 * 127 * 128 = 32512. So x becomes
// x - 128 for a weight >= 0 and 127 - x for a weight < 0, one exclusive or with a constant packed beside the weights:
//   |w| (x - 128) = w x - 128 w          (w >= 0)
//   |w| (127 - x) = w x - 128 w - |w|    (w <  0)
// The channel's constant 128 sum(w) + sum(|w|, w < 0) is where its accumulator starts. All of it is exact.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/depthwise.hpp"
#include "octavo/backends/x86/avx2/lanes.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// INT8 depthwise convolution: u8 input, s8 weights, u8 or f32 output.
struct depthwise_u8 {
  using src_type = std::uint8_t;
  static constexpr int channel_block = 32;

  /// For each block of 32 channels: per pair of taps flips and |weights| of channels {0-7, 16-23}, the same of
  /// {8-15, 24-31}; then s32 starts, multipliers and offsets, interleaved as pack_interleaved says.
  struct packed {
    packed_block memory;
    std::size_t pairs = 0;
    int channels = 0;
    native::epilogue epilogue;
    std::size_t block_bytes() const { return pairs * 128 + 3 * 128; }
    std::size_t bytes() const { return memory.size(); }
  };

  static std::vector<native::tap> taps(hw kernel) { return native::raster_taps(kernel, 2); }

  static packed pack(const native::depthwise_filter& f) {
    packed out{{}, f.taps.size() / 2, f.channels(), f.epilogue};
    const int blocks = ceil_div(f.channels(), channel_block);
    out.memory =
        f.types->blocks.make("weights", static_cast<std::size_t>(blocks) * out.block_bytes(), [&](std::byte* to) {
          for (int block = 0; block < blocks; ++block, to += out.block_bytes())
            for (int c = 0; c < channel_block; ++c) pack_channel(f, block * channel_block + c, c, out.pairs, to);
        });
    return out;
  }

  static void run(const packed& w, const native::depthwise_run<src_type>& r) noexcept {
    const std::byte* block = w.memory.data() + static_cast<std::size_t>(r.channel_begin / 32) * w.block_bytes();
    for (int c = r.channel_begin; c < r.channel_end; c += channel_block, block += w.block_bytes()) {
      const int n = std::min(channel_block, w.channels - c);
      if (n < channel_block)
        run_block<1, true>(w, block, r, 0, c, n);
      else if (const int even = r.pixels & ~1; run_block<2, false>(w, block, r, 0, c, n), even < r.pixels)
        run_block<1, false>(w, block, r, even, c, n);
    }
  }

 private:
  // `c` counts in the block, `channel` in the tensor.
  static void pack_channel(const native::depthwise_filter& f, int channel, int c, std::size_t pairs, std::byte* to) {
    const int in_lane = c % 16;
    std::int32_t start = 0;
    for (std::size_t t = 0; t < 2 * pairs; ++t) {
      const int weight = f.weight<std::int8_t>(channel, t);
      const auto at = t / 2 * 128 + static_cast<std::size_t>(in_lane / 8 * 64 + c / 16 * 16 + in_lane % 8 * 2) + t % 2;
      to[at] = static_cast<std::byte>(weight < 0 ? 0x7f : 0x80);
      to[at + 32] = static_cast<std::byte>(weight < 0 ? -weight : weight);
      start += 128 * weight + (weight < 0 ? -weight : 0);
    }
    if (channel >= f.channels()) return;
    const auto place = static_cast<std::size_t>(in_lane / 4 * 8 + c / 16 * 4 + in_lane % 4);
    std::byte* tail = to + pairs * 128 + place * 4;
    std::memcpy(tail, &start, 4);
    std::memcpy(tail + 128, &f.scales.multiplier[static_cast<std::size_t>(channel)], 4);
    std::memcpy(tail + 256, &f.scales.offset[static_cast<std::size_t>(channel)], 4);
  }

  static OCTAVO_AVX2 OCTAVO_INLINE __m256i at(const std::byte* p, std::size_t offset) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(p + offset));
  }
  static OCTAVO_AVX2 OCTAVO_INLINE __m256 floats_at(const std::byte* p, std::size_t offset) {
    return _mm256_load_ps(reinterpret_cast<const float*>(p + offset));
  }

  template <bool Partial>
  static OCTAVO_AVX2 OCTAVO_INLINE __m256i load(const src_type* p, int n) {
    return Partial ? load_first(p, n) : load32(p);
  }

  /// The s16 sums of one pair of taps: channels {0-7, 16-23} and {8-15, 24-31}.
  struct pair_sums {
    __m256i low, high;
  };
  template <bool Partial>
  static OCTAVO_AVX2 OCTAVO_INLINE pair_sums multiply(const src_type* const* taps, std::ptrdiff_t offset,
                                                      const std::byte* w, int n) {
    const __m256i x0 = load<Partial>(taps[0] + offset, n), x1 = load<Partial>(taps[1] + offset, n);
    return {_mm256_maddubs_epi16(at(w, 32), _mm256_xor_si256(_mm256_unpacklo_epi8(x0, x1), at(w, 0))),
            _mm256_maddubs_epi16(at(w, 96), _mm256_xor_si256(_mm256_unpackhi_epi8(x0, x1), at(w, 64)))};
  }

  /// 32 accumulators, interleaved as pack_interleaved says.
  struct sums {
    __m256i a, b, c, d;
  };
  static OCTAVO_AVX2 OCTAVO_INLINE void accumulate(sums& s, const pair_sums& p, const pair_sums& q) {
    const __m256i one = _mm256_set1_epi16(1);
    s.a = _mm256_add_epi32(s.a, _mm256_madd_epi16(_mm256_unpacklo_epi16(p.low, q.low), one));
    s.b = _mm256_add_epi32(s.b, _mm256_madd_epi16(_mm256_unpackhi_epi16(p.low, q.low), one));
    s.c = _mm256_add_epi32(s.c, _mm256_madd_epi16(_mm256_unpacklo_epi16(p.high, q.high), one));
    s.d = _mm256_add_epi32(s.d, _mm256_madd_epi16(_mm256_unpackhi_epi16(p.high, q.high), one));
  }

  /// Pixels from `pixel` on, `Pixels` at a time as long as so many are left, of the n channels of one block.
  template <int Pixels, bool Partial>
  static OCTAVO_AVX2 void run_block(const packed& weights, const std::byte* block,
                                    const native::depthwise_run<src_type>& r, int pixel, int c, int n) {
    const std::byte* const ends = block + weights.pairs * 128;
    const std::ptrdiff_t step = r.step;
    for (; pixel + Pixels <= r.pixels; pixel += Pixels) {
      const std::ptrdiff_t offset = pixel * step + c;
      const src_type* const* taps = r.taps;
      sums s[Pixels];
      OCTAVO_UNROLL
      for (sums& each : s) each = {at(ends, 0), at(ends, 32), at(ends, 64), at(ends, 96)};
      const std::byte* w = block;
      for (; w + 256 <= ends; w += 256, taps += 4) {
        OCTAVO_UNROLL
        for (int p = 0; p < Pixels; ++p)
          accumulate(s[p], multiply<Partial>(taps, offset + p * step, w, n),
                     multiply<Partial>(taps + 2, offset + p * step, w + 128, n));
      }
      if (w < ends) {
        const __m256i zero = _mm256_setzero_si256();
        OCTAVO_UNROLL
        for (int p = 0; p < Pixels; ++p)
          accumulate(s[p], multiply<Partial>(taps, offset + p * step, w, n), {zero, zero});
      }
      OCTAVO_UNROLL
      for (int p = 0; p < Pixels; ++p) store<Partial>(weights, ends, s[p], r, pixel + p, c, n);
    }
  }

  template <bool Partial>
  static OCTAVO_AVX2 OCTAVO_INLINE void store(const packed& w, const std::byte* ends, const sums& s,
                                              const native::depthwise_run<src_type>& r, int pixel, int c, int n) {
    f32x32 x = {_mm256_fmadd_ps(_mm256_cvtepi32_ps(s.a), floats_at(ends, 128), floats_at(ends, 256)),
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(s.b), floats_at(ends, 160), floats_at(ends, 288)),
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(s.c), floats_at(ends, 192), floats_at(ends, 320)),
                _mm256_fmadd_ps(_mm256_cvtepi32_ps(s.d), floats_at(ends, 224), floats_at(ends, 352))};
    if (w.epilogue.type == element::u8) {
      if (r.residual) {
        const auto* from = static_cast<const std::uint8_t*>(r.residual) + pixel * r.residual_stride + c;
        add_residual(x, load<Partial>(from, n), w.epilogue);
      }
      // No clamp from below: numbers here are finite, and too small ones saturate in the conversions.
      const __m256 upper = _mm256_set1_ps(w.epilogue.upper);
      const __m256i bytes =
          pack_interleaved(_mm256_cvtps_epi32(_mm256_min_ps(x.a, upper)), _mm256_cvtps_epi32(_mm256_min_ps(x.b, upper)),
                           _mm256_cvtps_epi32(_mm256_min_ps(x.c, upper)), _mm256_cvtps_epi32(_mm256_min_ps(x.d, upper)),
                           w.epilogue.u8.zero_point);
      const auto lowest = static_cast<char>(w.epilogue.u8.lower);
      const __m256i y = _mm256_max_epu8(bytes, _mm256_set1_epi8(lowest));
      auto* to = static_cast<std::uint8_t*>(r.dst) + pixel * r.dst_stride + c;
      if constexpr (Partial)
        store_first(to, n, y);
      else
        store32(to, y);
    } else {
      store_f32(w, in_order(x), r, pixel, c, n);
    }
  }

  static OCTAVO_AVX2 OCTAVO_INLINE void add_residual(f32x32& x, __m256i q, const epilogue& e) {
    const __m256i none = _mm256_setzero_si256(), zero_point = _mm256_set1_epi32(e.residual_zero_point);
    const __m256i low = _mm256_unpacklo_epi8(q, none), high = _mm256_unpackhi_epi8(q, none);
    const __m256 m = _mm256_set1_ps(e.residual_multiplier);
    x.a = _mm256_fmadd_ps(as_floats(_mm256_unpacklo_epi16(low, none), zero_point), m, x.a);
    x.b = _mm256_fmadd_ps(as_floats(_mm256_unpackhi_epi16(low, none), zero_point), m, x.b);
    x.c = _mm256_fmadd_ps(as_floats(_mm256_unpacklo_epi16(high, none), zero_point), m, x.c);
    x.d = _mm256_fmadd_ps(as_floats(_mm256_unpackhi_epi16(high, none), zero_point), m, x.d);
  }
  static OCTAVO_AVX2 OCTAVO_INLINE __m256 as_floats(__m256i q, __m256i zero_point) {
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(q, zero_point));
  }

  // Out of line: a convolution that ends in f32 is the last of its network.
  static OCTAVO_AVX2 void store_f32(const packed& w, const f32x32& x, const native::depthwise_run<src_type>& r,
                                    int pixel, int c, int n) {
    float* const to = static_cast<float*>(r.dst) + pixel * r.dst_stride + c;
    float y[32];
    store32(y, x);
    const float* residual =
        r.residual ? static_cast<const float*>(r.residual) + pixel * r.residual_stride + c : nullptr;
    const activation act{w.epilogue.lower, w.epilogue.upper};
    for (int i = 0; i < n; ++i) to[i] = act(residual ? y[i] + residual[i] : y[i]);
  }
};

/// FP32 depthwise convolution: fused multiply-adds over the taps in raster order, then bias, residual, activation.
struct depthwise_f32 : native::f32_filters<16> {
  static void run(const packed& w, const native::depthwise_run<src_type>& r) noexcept {
    const auto* block = reinterpret_cast<const float*>(w.memory.data()) +
                        static_cast<std::size_t>(r.channel_begin / channel_block) * w.block_floats();
    for (int c = r.channel_begin; c < r.channel_end; c += channel_block, block += w.block_floats()) {
      const int n = std::min(channel_block, w.channels - c), quads = r.pixels & ~3;
      if (n < channel_block) {
        run_block<1, true>(w, block, r, 0, c, n);
        continue;
      }
      run_block<4, false>(w, block, r, 0, c, n);
      if (quads < r.pixels) run_block<1, false>(w, block, r, quads, c, n);
    }
  }

 private:
  struct lanes {
    __m256i low, high;
  };
  static OCTAVO_AVX2 OCTAVO_INLINE lanes first_lanes(int n) {
    const __m256i count = _mm256_set1_epi32(n), lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return {_mm256_cmpgt_epi32(count, lane), _mm256_cmpgt_epi32(count, _mm256_add_epi32(lane, _mm256_set1_epi32(8)))};
  }
  template <bool Partial>
  static OCTAVO_AVX2 OCTAVO_INLINE __m256 load(const float* p, __m256i mask) {
    return Partial ? _mm256_maskload_ps(p, mask) : _mm256_loadu_ps(p);
  }
  template <bool Partial>
  static OCTAVO_AVX2 OCTAVO_INLINE void store(float* p, __m256i mask, __m256 v) {
    if constexpr (Partial)
      _mm256_maskstore_ps(p, mask, v);
    else
      _mm256_storeu_ps(p, v);
  }

  template <int Pixels, bool Partial>
  static OCTAVO_AVX2 void run_block(const packed& weights, const float* block, const native::depthwise_run<src_type>& r,
                                    int pixel, int c, int n) {
    const lanes mask = first_lanes(n);
    for (; pixel + Pixels <= r.pixels; pixel += Pixels) {
      __m256 low[Pixels], high[Pixels];
      OCTAVO_UNROLL
      for (int p = 0; p < Pixels; ++p) low[p] = high[p] = _mm256_setzero_ps();
      const float* w = block + channel_block;
      for (std::size_t t = 0; t < weights.taps; ++t, w += channel_block) {
        const float* x = r.taps[t] + pixel * r.step + c;
        const __m256 w0 = _mm256_load_ps(w), w1 = _mm256_load_ps(w + 8);
        OCTAVO_UNROLL
        for (int p = 0; p < Pixels; ++p, x += r.step) {
          low[p] = _mm256_fmadd_ps(load<Partial>(x, mask.low), w0, low[p]);
          high[p] = _mm256_fmadd_ps(load<Partial>(x + 8, mask.high), w1, high[p]);
        }
      }
      const __m256 bias0 = _mm256_load_ps(block), bias1 = _mm256_load_ps(block + 8);
      OCTAVO_UNROLL
      for (int p = 0; p < Pixels; ++p) {
        float* to = static_cast<float*>(r.dst) + (pixel + p) * r.dst_stride + c;
        low[p] = _mm256_add_ps(low[p], bias0), high[p] = _mm256_add_ps(high[p], bias1);
        if (r.residual) {
          const float* from = static_cast<const float*>(r.residual) + (pixel + p) * r.residual_stride + c;
          low[p] = _mm256_add_ps(low[p], load<Partial>(from, mask.low));
          high[p] = _mm256_add_ps(high[p], load<Partial>(from + 8, mask.high));
        }
        store<Partial>(to, mask.low, clamp(low[p], weights.epilogue));
        store<Partial>(to + 8, mask.high, clamp(high[p], weights.epilogue));
      }
    }
  }
};

/// Kernels for depthwise convolutions.
inline constexpr kernel depthwise_kernels[] = {
    {"depthwise_u8s8s32_avx2", isa::avx2, [](const problem& p) { return native::is_depthwise(p, element::u8); },
     native::make_executable<native::depthwise<depthwise_u8>>},
    {"depthwise_f32_avx2", isa::avx2, [](const problem& p) { return native::is_depthwise(p, element::f32); },
     native::make_executable<native::depthwise<depthwise_f32>>},
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
