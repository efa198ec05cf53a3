// AVX-512: max and average pooling, 64 channels at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/pool.hpp"
#include "octavo/backends/x86/avx512_vnni/lanes.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of pooling.
struct pool {
  static constexpr int channel_block = 64;

  template <class T>
  static OCTAVO_AVX512 void maximum(const native::window& w, const native::mean_rule&, void* y, int n) noexcept {
    for (int c = 0; c < n; c += 64) maximum_of(w, c, static_cast<T*>(y) + c, first_channels(n - c));
  }

  template <class X, class Y>
  static OCTAVO_AVX512 void mean(const native::window& w, const native::mean_rule& rule, void* dst, int n) noexcept {
    Y* const y = static_cast<Y*>(dst);
    for (int c = 0; c < n; c += 64) {
      const std::uint64_t channels = first_channels(n - c);
      end64(y + c, channels, mean_of(w, c, X{}, rule, channels), rule.epilogue);
    }
  }

 private:
  static OCTAVO_AVX512 void maximum_of(const native::window& w, int c, std::uint8_t* y, std::uint64_t channels) {
    __m512i largest = _mm512_setzero_si512();
    for (int h = 0; h < w.rows; ++h) {
      const auto* x = w.row<std::uint8_t>(h, c);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step) largest = _mm512_max_epu8(largest, load64(x, channels));
    }
    store64(y, channels, largest);
  }

  // vmaxps gives its second operand when they are equal or one is a NaN: the earlier maximum stays. Where nothing was
  // above -inf the first pixel is the answer, NaN or not.
  static OCTAVO_AVX512 OCTAVO_INLINE __m512 or_first(__m512 largest, __m512 first) {
    const __m512 lowest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    return _mm512_mask_mov_ps(largest, _mm512_cmp_ps_mask(largest, lowest, _CMP_EQ_OQ), first);
  }
  static OCTAVO_AVX512 void maximum_of(const native::window& w, int c, float* y, std::uint64_t channels) {
    const __m512 lowest = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    f32x64 m{lowest, lowest, lowest, lowest};
    for (int h = 0; h < w.rows; ++h) {
      const auto* x = w.row<float>(h, c);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step) {
        const f32x64 v = load64(x, channels);
        m = {_mm512_max_ps(v.a, m.a), _mm512_max_ps(v.b, m.b), _mm512_max_ps(v.c, m.c), _mm512_max_ps(v.d, m.d)};
      }
    }
    const f32x64 first = load64(w.row<float>(0, c), channels);
    store64(y, channels,
            {or_first(m.a, first.a), or_first(m.b, first.b), or_first(m.c, first.c), or_first(m.d, first.d)});
  }

  /// 64 sums of u8 in s32, interleaved as pack_interleaved says.
  struct sums {
    __m512i a, b, c, d;
  };
  static OCTAVO_AVX512 OCTAVO_INLINE void widen(sums& s, __m512i low, __m512i high) {
    const __m512i zero = _mm512_setzero_si512();
    s.a = _mm512_add_epi32(s.a, _mm512_unpacklo_epi16(low, zero));
    s.b = _mm512_add_epi32(s.b, _mm512_unpackhi_epi16(low, zero));
    s.c = _mm512_add_epi32(s.c, _mm512_unpacklo_epi16(high, zero));
    s.d = _mm512_add_epi32(s.d, _mm512_unpackhi_epi16(high, zero));
  }
  static OCTAVO_AVX512 OCTAVO_INLINE __m512 scale(__m512i sum, const native::mean_rule& rule) {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(sum, _mm512_set1_epi32(rule.zero_sum))),
                         _mm512_set1_ps(rule.multiplier));
  }

  static OCTAVO_AVX512 f32x64 mean_of(const native::window& w, int c, std::uint8_t, const native::mean_rule& rule,
                                      std::uint64_t channels) {
    constexpr int most = 65535 / 255;  // pixels whose sum fits into 16 bits
    const __m512i zero = _mm512_setzero_si512();
    sums total{zero, zero, zero, zero};
    __m512i low = zero, high = zero;
    int pending = 0;
    for (int h = 0; h < w.rows; ++h) {
      const auto* x = w.row<std::uint8_t>(h, c);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step) {
        const __m512i v = load64(x, channels);
        low = _mm512_add_epi16(low, _mm512_unpacklo_epi8(v, zero));
        high = _mm512_add_epi16(high, _mm512_unpackhi_epi8(v, zero));
        if (++pending == most) {
          widen(total, low, high);
          low = high = zero, pending = 0;
        }
      }
    }
    widen(total, low, high);
    return in_order({scale(total.a, rule), scale(total.b, rule), scale(total.c, rule), scale(total.d, rule)});
  }

  static OCTAVO_AVX512 f32x64 mean_of(const native::window& w, int c, float, const native::mean_rule& rule,
                                      std::uint64_t channels) {
    const __m512 zero = _mm512_setzero_ps(), m = _mm512_set1_ps(rule.multiplier);
    f32x64 s{zero, zero, zero, zero};
    for (int h = 0; h < w.rows; ++h) {
      const auto* x = w.row<float>(h, c);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step) {
        const f32x64 v = load64(x, channels);
        s = {_mm512_add_ps(s.a, v.a), _mm512_add_ps(s.b, v.b), _mm512_add_ps(s.c, v.c), _mm512_add_ps(s.d, v.d)};
      }
    }
    return {_mm512_mul_ps(s.a, m), _mm512_mul_ps(s.b, m), _mm512_mul_ps(s.c, m), _mm512_mul_ps(s.d, m)};
  }
};

/// Kernels for poolings.
inline constexpr kernel pool_kernels[] = {
    native::max_pool_kernel<pool, std::uint8_t>("max_pool_u8_avx512_vnni", isa::avx512_vnni),
    native::max_pool_kernel<pool, float>("max_pool_f32_avx512_vnni", isa::avx512_vnni),
    native::average_pool_kernel<pool, std::uint8_t, std::uint8_t>("average_pool_u8_avx512_vnni", isa::avx512_vnni),
    native::average_pool_kernel<pool, std::uint8_t, float>("average_pool_u8f32_avx512_vnni", isa::avx512_vnni),
    native::average_pool_kernel<pool, float, float>("average_pool_f32_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
