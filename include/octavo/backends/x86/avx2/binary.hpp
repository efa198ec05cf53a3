// AVX2: arithmetic of two tensors, 32 numbers at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/binary.hpp"
#include "octavo/backends/x86/avx2/vector.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic.
struct arithmetic {
  template <class F, class X, class Y>
  static OCTAVO_AVX2 void run(const native::binary_run& given) noexcept {
    const native::binary_run r = given;  // which no store of a byte may change
    // A row that all others meet, as a factor for each channel of an image is, is loaded and converted once.
    if (r.rows > 1 && r.x1.step == 0) return run_columns<F, X, Y>(r, r.x1, r.x0, false);
    if (r.rows > 1 && r.x0.step == 0) return run_columns<F, X, Y>(r, r.x0, r.x1, true);
    for (std::ptrdiff_t row = 0; row < r.rows; ++row) {
      const source<X> x0(r.x0, row), x1(r.x1, row);
      Y* y = static_cast<Y*>(r.y) + row * r.y_step;
      for (std::ptrdiff_t i = 0; i < r.columns; i += 32) {
        const std::ptrdiff_t n = r.columns - i;
        run_block<F, X>(r, x0.at32(i, n), x1.at32(i, n), y + i, n);
      }
    }
  }

 private:
  /// A row of an operand. Those of u8 are interleaved as pack_interleaved says.
  template <class X>
  struct source {
    const X* x;
    bool single;
    __m256 shift;   // 2^23 plus the zero point
    __m256 number;  // the only one

    OCTAVO_AVX2 OCTAVO_INLINE source(const native::binary_operand& o, std::ptrdiff_t row)
        : x(static_cast<const X*>(o.x) + row * o.step),
          single(o.single),
          shift(_mm256_set1_ps(0x1p23f + static_cast<float>(o.zero_point))),
          number(_mm256_set1_ps(static_cast<float>(*x) - static_cast<float>(o.zero_point))) {}
    /// Numbers i to i + 31, of which there are n.
    OCTAVO_AVX2 OCTAVO_INLINE f32x32 at32(std::ptrdiff_t i, std::ptrdiff_t n) const {
      if (single) return {number, number, number, number};
      if constexpr (std::is_same_v<X, float>)
        return n >= 32 ? load32(x + i) : load_first(x + i, static_cast<int>(n));
      else
        return widen(n >= 32 ? load32(x + i) : load_first(x + i, static_cast<int>(n)));
    }
    // A byte below the upper half of 2^23 is the number 2^23 + q.
    OCTAVO_AVX2 OCTAVO_INLINE f32x32 widen(__m256i q) const {
      const __m256i zero = _mm256_setzero_si256(), top = _mm256_set1_epi16(0x4b00);
      const __m256i low = _mm256_unpacklo_epi8(q, zero), high = _mm256_unpackhi_epi8(q, zero);
      return {_mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpacklo_epi16(low, top)), shift),
              _mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpackhi_epi16(low, top)), shift),
              _mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpacklo_epi16(high, top)), shift),
              _mm256_sub_ps(_mm256_castsi256_ps(_mm256_unpackhi_epi16(high, top)), shift)};
    }
  };

  /// Ends 32 interleaved numbers.
  static OCTAVO_AVX2 OCTAVO_INLINE void end_interleaved(std::uint8_t* y, const f32x32& v, const epilogue& e) {
    if (e.clamp == native::clamping::as_floats)
      return store32(y, pack_interleaved(round_clamped(v.a, e), round_clamped(v.b, e), round_clamped(v.c, e),
                                         round_clamped(v.d, e), e.u8.zero_point));
    const __m256i bytes = pack_interleaved(_mm256_cvtps_epi32(v.a), _mm256_cvtps_epi32(v.b), _mm256_cvtps_epi32(v.c),
                                           _mm256_cvtps_epi32(v.d), e.u8.zero_point);
    const __m256i lower = _mm256_set1_epi8(static_cast<char>(e.u8.lower)),
                  upper = _mm256_set1_epi8(static_cast<char>(e.u8.upper));
    store32(y, _mm256_min_epu8(_mm256_max_epu8(bytes, lower), upper));
  }
  static OCTAVO_AVX2 OCTAVO_INLINE void end_interleaved(float* y, const f32x32& v, const epilogue& e) {
    end32(y, in_order(v), e);
  }

  template <class X, class Y>
  static OCTAVO_AVX2 OCTAVO_INLINE void end(Y* y, const f32x32& v, const epilogue& e) {
    if constexpr (std::is_same_v<X, float>)
      end32(y, v, e);
    else
      end_interleaved(y, v, e);
  }

  /// Combines 32 numbers that were X, or the first n.
  template <class F, class X, class Y>
  static OCTAVO_AVX2 OCTAVO_INLINE void run_block(const native::binary_run& r, const f32x32& x0, const f32x32& x1, Y* y,
                                                  std::ptrdiff_t n) {
    const f32x8 m0(r.x0.multiplier), m1(r.x1.multiplier);
    const f32x32 v{combine(F(), f32x8(x0.a), f32x8(x1.a), m0, m1).v, combine(F(), f32x8(x0.b), f32x8(x1.b), m0, m1).v,
                   combine(F(), f32x8(x0.c), f32x8(x1.c), m0, m1).v, combine(F(), f32x8(x0.d), f32x8(x1.d), m0, m1).v};
    if (n >= 32) return end<X>(y, v, r.epilogue);
    Y last[32];
    end<X>(last, v, r.epilogue);
    std::memcpy(y, last, static_cast<std::size_t>(n) * sizeof(Y));
  }

  /// Rows of which `kept`, x0 where `kept_first`, has one only.
  template <class F, class X, class Y>
  static OCTAVO_AVX2 OCTAVO_INLINE void run_columns(const native::binary_run& r, const native::binary_operand& kept,
                                                    const native::binary_operand& other, bool kept_first) {
    for (std::ptrdiff_t i = 0; i < r.columns; i += 32) {
      const std::ptrdiff_t n = r.columns - i;
      const f32x32 same = source<X>(kept, 0).at32(i, n);
      for (std::ptrdiff_t row = 0; row < r.rows; ++row) {
        const f32x32 next = source<X>(other, row).at32(i, n);
        Y* y = static_cast<Y*>(r.y) + row * r.y_step + i;
        kept_first ? run_block<F, X>(r, same, next, y, n) : run_block<F, X>(r, next, same, y, n);
      }
    }
  }
};

/// Kernels for arithmetic.
inline constexpr kernel binary_kernels[] = {
    native::binary_kernel<arithmetic, std::uint8_t, std::uint8_t>("binary_u8_avx2", isa::avx2),
    native::binary_kernel<arithmetic, std::uint8_t, float>("binary_u8f32_avx2", isa::avx2),
    native::binary_kernel<arithmetic, float, float>("binary_f32_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
