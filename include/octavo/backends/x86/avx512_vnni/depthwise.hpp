// AVX-512: depthwise convolution, INT8 with vpdpbusd and 64 channels at a time, FP32 with 32.
//
// INT8. vpdpbusd adds four products of u8 and s8 to each s32. Its four bytes are four taps of one channel, interleaved
// by two rounds of unpacking. For 3x3 kernels the four are the three rows of a column and nothing, so that neighbouring
// output pixels share an interleaved column: 4 pixels take 6 columns at stride 1 and 9 at stride 2, instead of 12.
// Where there are but 32 channels, two pixels that are neighbours in memory take the place of 64 channels.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/depthwise.hpp"
#include "octavo/backends/x86/avx512_vnni/lanes.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// INT8 depthwise convolution: u8 input, s8 weights, u8 or f32 output.
struct depthwise_u8 {
  using src_type = std::uint8_t;
  static constexpr int channel_block = 64;

  /// For each block of 64 channels: the weights of each group of four taps, then multipliers and offsets, all
  /// interleaved as pack_interleaved says.
  struct packed {
    packed_block memory;
    std::size_t groups = 0;
    int channels = 0;
    int shared_columns = 0;  ///< the stride, 1 or 2, where columns can be shared
    bool pairs = false;      ///< the weights are there for two pixels at stride 1
    native::epilogue epilogue;
    std::size_t block_bytes() const { return groups * 256 + 2 * 256; }
    std::size_t bytes() const { return memory.size(); }
  };

  static std::vector<native::tap> taps(hw kernel) {
    if (kernel != hw(3)) return native::raster_taps(kernel, 4);
    std::vector<native::tap> columns;
    for (int w = 0; w < 3; ++w) {
      for (int h = 0; h < 3; ++h) columns.push_back({h, w});
      columns.push_back({});
    }
    return columns;
  }

  static packed pack(const native::depthwise_filter& f) {
    packed out{{}, f.taps.size() / 4, f.channels(), 0, false, f.epilogue};
    if (f.op->kernel == hw(3) && f.op->dilation.w == 1 && f.op->stride.w <= 2) out.shared_columns = f.op->stride.w;
    out.pairs = out.shared_columns == 1 && f.channels() == 32;
    const int blocks = ceil_div(f.channels(), channel_block);
    out.memory =
        f.types->blocks.make("weights", static_cast<std::size_t>(blocks) * out.block_bytes(), [&](std::byte* to) {
          for (int block = 0; block < blocks; ++block, to += out.block_bytes())
            for (int c = 0; c < channel_block; ++c)
              pack_channel(f, out.pairs ? c % 32 : block * channel_block + c, c, to);
        });
    return out;
  }

  static void run(const packed& w, const native::depthwise_run<src_type>& r) noexcept {
    const std::byte* block = w.memory.data() + static_cast<std::size_t>(r.channel_begin / 64) * w.block_bytes();
    for (int c = r.channel_begin; c < r.channel_end; c += channel_block, block += w.block_bytes()) {
      const std::uint64_t channels = first_channels(w.channels - c);
      const bool pairs = w.pairs && r.step == 32 && r.dst_stride == 32 && (!r.residual || r.residual_stride == 32);
      int pixel = 0;
      if (pairs)
        pixel = run_columns<2>(w, block, r, c, ~std::uint64_t{0}, 2);
      else if (w.shared_columns == 1)
        pixel = run_columns<1>(w, block, r, c, channels, 1);
      else if (w.shared_columns == 2)
        pixel = run_columns<2>(w, block, r, c, channels, 1);
      for (; pixel < r.pixels; ++pixel) run_pixel(w, block, r, pixel, c, channels);
    }
  }

 private:
  // `c` counts in the block, `channel` in the tensor.
  static void pack_channel(const native::depthwise_filter& f, int channel, int c, std::byte* to) {
    const auto place = static_cast<std::size_t>(c % 16 / 4 * 16 + c / 16 * 4 + c % 4);
    for (std::size_t t = 0; t < f.taps.size(); ++t)
      to[t / 4 * 256 + place * 4 + t % 4] = static_cast<std::byte>(f.weight<std::int8_t>(channel, t));
    if (channel >= f.channels()) return;
    std::byte* tail = to + f.taps.size() * 64 + place * 4;
    std::memcpy(tail, &f.scales.multiplier[static_cast<std::size_t>(channel)], 4);
    std::memcpy(tail + 256, &f.scales.offset[static_cast<std::size_t>(channel)], 4);
  }

  static OCTAVO_AVX512 OCTAVO_INLINE __m512i at(const std::byte* p, int i) { return _mm512_load_si512(p + i * 64); }
  static OCTAVO_AVX512 OCTAVO_INLINE __m512 floats_at(const std::byte* p, int i) { return _mm512_load_ps(p + i * 64); }

  /// 64 accumulators, or four taps of 64 channels, interleaved as pack_interleaved says.
  struct quad {
    __m512i a, b, c, d;
  };
  static OCTAVO_AVX512 OCTAVO_INLINE quad zero() {
    const __m512i z = _mm512_setzero_si512();
    return {z, z, z, z};
  }
  static OCTAVO_AVX512 OCTAVO_INLINE quad interleave(__m512i t0, __m512i t1, __m512i t2, __m512i t3) {
    const __m512i low0 = _mm512_unpacklo_epi8(t0, t1), high0 = _mm512_unpackhi_epi8(t0, t1);
    const __m512i low1 = _mm512_unpacklo_epi8(t2, t3), high1 = _mm512_unpackhi_epi8(t2, t3);
    return {_mm512_unpacklo_epi16(low0, low1), _mm512_unpackhi_epi16(low0, low1), _mm512_unpacklo_epi16(high0, high1),
            _mm512_unpackhi_epi16(high0, high1)};
  }
  static OCTAVO_AVX512 OCTAVO_INLINE void accumulate(quad& s, const quad& x, const std::byte* w) {
    s.a = _mm512_dpbusd_epi32(s.a, x.a, at(w, 0));
    s.b = _mm512_dpbusd_epi32(s.b, x.b, at(w, 1));
    s.c = _mm512_dpbusd_epi32(s.c, x.c, at(w, 2));
    s.d = _mm512_dpbusd_epi32(s.d, x.d, at(w, 3));
  }

  /// One pixel of any kernel.
  static OCTAVO_AVX512 void run_pixel(const packed& weights, const std::byte* block,
                                      const native::depthwise_run<src_type>& r, int pixel, int c,
                                      std::uint64_t channels) {
    const std::ptrdiff_t offset = pixel * r.step + c;
    const src_type* const* t = r.taps;
    const std::byte* const ends = block + weights.groups * 256;
    quad s = zero();
    for (const std::byte* w = block; w < ends; w += 256, t += 4)
      accumulate(s,
                 interleave(load64(t[0] + offset, channels), load64(t[1] + offset, channels),
                            load64(t[2] + offset, channels), load64(t[3] + offset, channels)),
                 w);
    store(weights, ends, s, r, pixel, c, channels);
  }

  /// Pixels of a 3x3 kernel, four vectors at a time; returns how many. All of them, the last four vectors overlapping
  /// those before, unless there are too few, or a residual that the sums may overwrite. A vector has `width` pixels;
  /// the next begins `Stride` columns of the input later.
  template <int Stride>
  static OCTAVO_AVX512 int run_columns(const packed& weights, const std::byte* block,
                                       const native::depthwise_run<src_type>& r, int c, std::uint64_t channels,
                                       int width) {
    const std::ptrdiff_t column = r.step * width / Stride;
    const std::byte* const ends = block + 3 * 256;
    const bool overlap = !r.residual && r.pixels >= 4 * width;
    const int pixels = overlap ? r.pixels : r.pixels / (4 * width) * (4 * width);
    for (int done = 0; done < pixels; done += 4 * width) {
      const int pixel = std::min(done, r.pixels - 4 * width);
      const src_type *x0 = r.taps[0] + pixel * r.step + c, *x1 = r.taps[1] + pixel * r.step + c,
                     *x2 = r.taps[2] + pixel * r.step + c;
      quad s[4];
      OCTAVO_UNROLL
      for (quad& each : s) each = zero();
      OCTAVO_UNROLL
      for (int j = 0; j < 3 * Stride + 3; ++j) {
        const quad x =
            interleave(load64(x0, channels), load64(x1, channels), load64(x2, channels), _mm512_setzero_si512());
        OCTAVO_UNROLL
        for (int p = 0; p < 4; ++p) {
          const int kw = j - p * Stride;
          if (kw >= 0 && kw < 3) accumulate(s[p], x, block + kw * 256);
        }
        x0 += column, x1 += column, x2 += column;
      }
      OCTAVO_UNROLL
      for (int p = 0; p < 4; ++p) store(weights, ends, s[p], r, pixel + p * width, c, channels);
    }
    return pixels;
  }

  static OCTAVO_AVX512 OCTAVO_INLINE void store(const packed& w, const std::byte* ends, const quad& s,
                                                const native::depthwise_run<src_type>& r, int pixel, int c,
                                                std::uint64_t channels) {
    f32x64 x{_mm512_fmadd_ps(_mm512_cvtepi32_ps(s.a), floats_at(ends, 0), floats_at(ends, 4)),
             _mm512_fmadd_ps(_mm512_cvtepi32_ps(s.b), floats_at(ends, 1), floats_at(ends, 5)),
             _mm512_fmadd_ps(_mm512_cvtepi32_ps(s.c), floats_at(ends, 2), floats_at(ends, 6)),
             _mm512_fmadd_ps(_mm512_cvtepi32_ps(s.d), floats_at(ends, 3), floats_at(ends, 7))};
    if (w.epilogue.type != element::u8) return store_f32(w, x, r, pixel, c, channels);
    if (r.residual) {
      const auto* from = static_cast<const std::uint8_t*>(r.residual) + pixel * r.residual_stride + c;
      add_residual(x, load64(from, channels), w.epilogue);
    }
    // No clamp from below: numbers here are finite, and too small ones saturate in the conversions.
    const __m512 upper = _mm512_set1_ps(w.epilogue.upper);
    const __m512i bytes =
        pack_interleaved(_mm512_cvtps_epi32(_mm512_min_ps(x.a, upper)), _mm512_cvtps_epi32(_mm512_min_ps(x.b, upper)),
                         _mm512_cvtps_epi32(_mm512_min_ps(x.c, upper)), _mm512_cvtps_epi32(_mm512_min_ps(x.d, upper)),
                         w.epilogue.u8.zero_point);
    const auto lowest = static_cast<char>(w.epilogue.u8.lower);
    store64(static_cast<std::uint8_t*>(r.dst) + pixel * r.dst_stride + c, channels,
            _mm512_max_epu8(bytes, _mm512_set1_epi8(lowest)));
  }

  static OCTAVO_AVX512 OCTAVO_INLINE __m512 as_floats(__m512i q, __m512i zero_point) {
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(q, zero_point));
  }
  static OCTAVO_AVX512 OCTAVO_INLINE void add_residual(f32x64& x, __m512i q, const epilogue& e) {
    const __m512i none = _mm512_setzero_si512(), zero_point = _mm512_set1_epi32(e.residual_zero_point);
    const quad r = interleave(q, none, none, none);
    const __m512 m = _mm512_set1_ps(e.residual_multiplier);
    x.a = _mm512_fmadd_ps(as_floats(r.a, zero_point), m, x.a);
    x.b = _mm512_fmadd_ps(as_floats(r.b, zero_point), m, x.b);
    x.c = _mm512_fmadd_ps(as_floats(r.c, zero_point), m, x.c);
    x.d = _mm512_fmadd_ps(as_floats(r.d, zero_point), m, x.d);
  }

  static OCTAVO_AVX512 void store_f32(const packed& w, const f32x64& sums, const native::depthwise_run<src_type>& r,
                                      int pixel, int c, std::uint64_t channels) {
    f32x64 x = in_order(sums);
    if (r.residual) {
      const auto* from = static_cast<const float*>(r.residual) + pixel * r.residual_stride + c;
      const f32x64 more = load64(from, channels);
      x = {_mm512_add_ps(x.a, more.a), _mm512_add_ps(x.b, more.b), _mm512_add_ps(x.c, more.c),
           _mm512_add_ps(x.d, more.d)};
    }
    end64(static_cast<float*>(r.dst) + pixel * r.dst_stride + c, channels, x, w.epilogue);
  }
};

/// FP32 depthwise convolution: fused multiply-adds over the taps in raster order, then bias, residual, activation.
struct depthwise_f32 : native::f32_filters<32> {
  static void run(const packed& w, const native::depthwise_run<src_type>& r) noexcept {
    const auto* block = reinterpret_cast<const float*>(w.memory.data()) +
                        static_cast<std::size_t>(r.channel_begin / channel_block) * w.block_floats();
    for (int c = r.channel_begin; c < r.channel_end; c += channel_block, block += w.block_floats()) {
      const std::uint64_t channels = first_channels(std::min(channel_block, w.channels - c));
      run_block<4>(w, block, r, 0, c, channels);
      run_block<1>(w, block, r, r.pixels & ~3, c, channels);
    }
  }

 private:
  template <int Pixels>
  static OCTAVO_AVX512 void run_block(const packed& weights, const float* block,
                                      const native::depthwise_run<src_type>& r, int pixel, int c,
                                      std::uint64_t channels) {
    const __mmask16 first = sixteen(channels, 0), second = sixteen(channels, 1);
    for (; pixel + Pixels <= r.pixels; pixel += Pixels) {
      __m512 low[Pixels], high[Pixels];
      OCTAVO_UNROLL
      for (int p = 0; p < Pixels; ++p) low[p] = high[p] = _mm512_setzero_ps();
      const float* w = block + channel_block;
      for (std::size_t t = 0; t < weights.taps; ++t, w += channel_block) {
        const float* x = r.taps[t] + pixel * r.step + c;
        const __m512 w0 = _mm512_load_ps(w), w1 = _mm512_load_ps(w + 16);
        OCTAVO_UNROLL
        for (int p = 0; p < Pixels; ++p, x += r.step) {
          low[p] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(first, x), w0, low[p]);
          high[p] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(second, x + 16), w1, high[p]);
        }
      }
      const __m512 bias0 = _mm512_load_ps(block), bias1 = _mm512_load_ps(block + 16);
      OCTAVO_UNROLL
      for (int p = 0; p < Pixels; ++p) {
        float* to = static_cast<float*>(r.dst) + (pixel + p) * r.dst_stride + c;
        low[p] = _mm512_add_ps(low[p], bias0), high[p] = _mm512_add_ps(high[p], bias1);
        if (r.residual) {
          const float* from = static_cast<const float*>(r.residual) + (pixel + p) * r.residual_stride + c;
          low[p] = _mm512_add_ps(low[p], _mm512_maskz_loadu_ps(first, from));
          high[p] = _mm512_add_ps(high[p], _mm512_maskz_loadu_ps(second, from + 16));
        }
        _mm512_mask_storeu_ps(to, first, clamp(low[p], weights.epilogue));
        _mm512_mask_storeu_ps(to + 16, second, clamp(high[p], weights.epilogue));
      }
    }
  }
};

/// Kernels for depthwise convolutions.
inline constexpr kernel depthwise_kernels[] = {
    {"depthwise_u8s8s32_avx512_vnni", isa::avx512_vnni,
     [](const problem& p) { return native::is_depthwise(p, element::u8); },
     native::make_executable<native::depthwise<depthwise_u8>>},
    {"depthwise_f32_avx512_vnni", isa::avx512_vnni,
     [](const problem& p) { return native::is_depthwise(p, element::f32); },
     native::make_executable<native::depthwise<depthwise_f32>>},
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
