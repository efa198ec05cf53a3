// AVX2: max and average pooling, 32 channels at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/pool.hpp"
#include "octavo/backends/x86/avx2/lanes.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic of pooling.
struct pool {
  static constexpr int channel_block = 32;

  template <class T>
  static OCTAVO_AVX2 void maximum(const native::window& w, const native::mean_rule&, void* dst, int channels) noexcept {
    T* const y = static_cast<T*>(dst);
    for (int c = 0; c < channels; c += 32) {
      if (const int n = channels - c; n < 32)
        maximum_of<true>(w, c, y + c, n);
      else
        maximum_of<false>(w, c, y + c, 32);
    }
  }

  template <class X, class Y>
  static OCTAVO_AVX2 void mean(const native::window& w, const native::mean_rule& rule, void* dst,
                               int channels) noexcept {
    Y* const y = static_cast<Y*>(dst);
    for (int c = 0; c < channels; c += 32) {
      if (const int n = channels - c; n < 32) {
        Y last[32];
        end32(last, mean_of<true>(w, c, X{}, rule, n), rule.epilogue);
        std::memcpy(y + c, last, static_cast<std::size_t>(n) * sizeof(Y));
      } else {
        end32(y + c, mean_of<false>(w, c, X{}, rule, 32), rule.epilogue);
      }
    }
  }

 private:
  template <bool Partial>
  static OCTAVO_AVX2 OCTAVO_INLINE __m256i load(const std::uint8_t* p, int n) {
    return Partial ? load_first(p, n) : load32(p);
  }
  template <bool Partial>
  static OCTAVO_AVX2 OCTAVO_INLINE f32x32 load(const float* p, int n) {
    if constexpr (Partial)
      return load_first(p, n);
    else
      return load32(p);
  }

  template <bool Partial>
  static OCTAVO_AVX2 void maximum_of(const native::window& w, int c, std::uint8_t* y, int n) {
    __m256i largest = _mm256_setzero_si256();
    for (int h = 0; h < w.rows; ++h) {
      const auto* x = w.row<std::uint8_t>(h, c);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step) largest = _mm256_max_epu8(largest, load<Partial>(x, n));
    }
    if constexpr (Partial)
      store_first(y, n, largest);
    else
      store32(y, largest);
  }

  // vmaxps gives its second operand when they are equal or one is a NaN: the earlier maximum stays. Where nothing was
  // above -inf the first pixel is the answer, NaN or not.
  static OCTAVO_AVX2 OCTAVO_INLINE __m256 or_first(__m256 largest, __m256 first) {
    const __m256 lowest = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
    return _mm256_blendv_ps(largest, first, _mm256_cmp_ps(largest, lowest, _CMP_EQ_OQ));
  }
  template <bool Partial>
  static OCTAVO_AVX2 void maximum_of(const native::window& w, int c, float* y, int n) {
    const __m256 lowest = _mm256_set1_ps(-std::numeric_limits<float>::infinity());
    f32x32 m{lowest, lowest, lowest, lowest};
    for (int h = 0; h < w.rows; ++h) {
      const auto* x = w.row<float>(h, c);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step) {
        const f32x32 v = load<Partial>(x, n);
        m = {_mm256_max_ps(v.a, m.a), _mm256_max_ps(v.b, m.b), _mm256_max_ps(v.c, m.c), _mm256_max_ps(v.d, m.d)};
      }
    }
    const f32x32 first = load<Partial>(w.row<float>(0, c), n);
    m = {or_first(m.a, first.a), or_first(m.b, first.b), or_first(m.c, first.c), or_first(m.d, first.d)};
    float last[32];
    store32(Partial ? last : y, m);
    if (Partial) std::memcpy(y, last, static_cast<std::size_t>(n) * sizeof(float));
  }

  /// 32 sums of u8 in s32, interleaved as pack_interleaved says.
  struct sums {
    __m256i a, b, c, d;
  };
  static OCTAVO_AVX2 OCTAVO_INLINE void widen(sums& s, __m256i low, __m256i high) {
    const __m256i zero = _mm256_setzero_si256();
    s.a = _mm256_add_epi32(s.a, _mm256_unpacklo_epi16(low, zero));
    s.b = _mm256_add_epi32(s.b, _mm256_unpackhi_epi16(low, zero));
    s.c = _mm256_add_epi32(s.c, _mm256_unpacklo_epi16(high, zero));
    s.d = _mm256_add_epi32(s.d, _mm256_unpackhi_epi16(high, zero));
  }
  static OCTAVO_AVX2 OCTAVO_INLINE __m256 scale(__m256i sum, const native::mean_rule& rule) {
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(sum, _mm256_set1_epi32(rule.zero_sum))),
                         _mm256_set1_ps(rule.multiplier));
  }

  template <bool Partial>
  static OCTAVO_AVX2 f32x32 mean_of(const native::window& w, int c, std::uint8_t, const native::mean_rule& rule,
                                    int n) {
    constexpr int most = 65535 / 255;  // pixels whose sum fits into 16 bits
    const __m256i zero = _mm256_setzero_si256();
    sums total{zero, zero, zero, zero};
    __m256i low = zero, high = zero;
    int pending = 0;
    for (int h = 0; h < w.rows; ++h) {
      const auto* x = w.row<std::uint8_t>(h, c);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step) {
        const __m256i v = load<Partial>(x, n);
        low = _mm256_add_epi16(low, _mm256_unpacklo_epi8(v, zero));
        high = _mm256_add_epi16(high, _mm256_unpackhi_epi8(v, zero));
        if (++pending == most) {
          widen(total, low, high);
          low = high = zero, pending = 0;
        }
      }
    }
    widen(total, low, high);
    return in_order({scale(total.a, rule), scale(total.b, rule), scale(total.c, rule), scale(total.d, rule)});
  }

  template <bool Partial>
  static OCTAVO_AVX2 f32x32 mean_of(const native::window& w, int c, float, const native::mean_rule& rule, int n) {
    const __m256 zero = _mm256_setzero_ps(), m = _mm256_set1_ps(rule.multiplier);
    f32x32 s{zero, zero, zero, zero};
    for (int h = 0; h < w.rows; ++h) {
      const auto* x = w.row<float>(h, c);
      for (int i = 0; i < w.columns; ++i, x += w.pixel_step) {
        const f32x32 v = load<Partial>(x, n);
        s = {_mm256_add_ps(s.a, v.a), _mm256_add_ps(s.b, v.b), _mm256_add_ps(s.c, v.c), _mm256_add_ps(s.d, v.d)};
      }
    }
    return {_mm256_mul_ps(s.a, m), _mm256_mul_ps(s.b, m), _mm256_mul_ps(s.c, m), _mm256_mul_ps(s.d, m)};
  }
};

/// Kernels for poolings.
inline constexpr kernel pool_kernels[] = {
    native::max_pool_kernel<pool, std::uint8_t>("max_pool_u8_avx2", isa::avx2),
    native::max_pool_kernel<pool, float>("max_pool_f32_avx2", isa::avx2),
    native::average_pool_kernel<pool, std::uint8_t, std::uint8_t>("average_pool_u8_avx2", isa::avx2),
    native::average_pool_kernel<pool, std::uint8_t, float>("average_pool_u8f32_avx2", isa::avx2),
    native::average_pool_kernel<pool, float, float>("average_pool_f32_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
