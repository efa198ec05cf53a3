// AVX-512: arithmetic of two tensors, 64 numbers at a time.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/binary.hpp"
#include "octavo/backends/x86/avx512_vnni/vector.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// The arithmetic.
struct arithmetic {
  template <class F, class X, class Y>
  static OCTAVO_AVX512 void run(const native::binary_run& given) noexcept {
    const native::binary_run r = given;  // which no store of a byte may change
    // A row that all others meet, as a factor for each channel of an image is, is loaded and converted once.
    if (r.rows > 1 && r.x1.step == 0) return run_columns<F, X, Y>(r, r.x1, r.x0, false);
    if (r.rows > 1 && r.x0.step == 0) return run_columns<F, X, Y>(r, r.x0, r.x1, true);
    for (std::ptrdiff_t row = 0; row < r.rows; ++row) {
      const source<X> x0(r.x0, row), x1(r.x1, row);
      Y* y = static_cast<Y*>(r.y) + row * r.y_step;
      for (std::ptrdiff_t i = 0; i < r.columns; i += 64) {
        const std::uint64_t mask = first_channels(r.columns - i);
        run_block<F, X>(r, x0.at64(i, mask), x1.at64(i, mask), y + i, mask);
      }
    }
  }

 private:
  /// A row of an operand. Those of u8 are interleaved as pack_interleaved says.
  template <class X>
  struct source {
    const X* x;
    bool single;
    __m512 shift;   // 2^23 plus the zero point
    __m512 number;  // the only one

    OCTAVO_AVX512 OCTAVO_INLINE source(const native::binary_operand& o, std::ptrdiff_t row)
        : x(static_cast<const X*>(o.x) + row * o.step),
          single(o.single),
          shift(_mm512_set1_ps(0x1p23f + static_cast<float>(o.zero_point))),
          number(_mm512_set1_ps(static_cast<float>(*x) - static_cast<float>(o.zero_point))) {}
    /// Numbers i to i + 63.
    OCTAVO_AVX512 OCTAVO_INLINE f32x64 at64(std::ptrdiff_t i, std::uint64_t mask) const {
      if (single) return {number, number, number, number};
      if constexpr (std::is_same_v<X, float>)
        return load64(x + i, mask);
      else
        return widen(load64(x + i, mask));
    }
    // A byte below the upper half of 2^23 is the number 2^23 + q.
    OCTAVO_AVX512 OCTAVO_INLINE f32x64 widen(__m512i q) const {
      const __m512i zero = _mm512_setzero_si512(), top = _mm512_set1_epi16(0x4b00);
      const __m512i low = _mm512_unpacklo_epi8(q, zero), high = _mm512_unpackhi_epi8(q, zero);
      return {_mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpacklo_epi16(low, top)), shift),
              _mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpackhi_epi16(low, top)), shift),
              _mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpacklo_epi16(high, top)), shift),
              _mm512_sub_ps(_mm512_castsi512_ps(_mm512_unpackhi_epi16(high, top)), shift)};
    }
  };

  /// Ends 64 interleaved numbers.
  static OCTAVO_AVX512 OCTAVO_INLINE void end_interleaved(std::uint8_t* y, std::uint64_t mask, const f32x64& v,
                                                          const epilogue& e) {
    if (e.clamp == native::clamping::as_floats)
      return store64(y, mask,
                     pack_interleaved(round_clamped(v.a, e), round_clamped(v.b, e), round_clamped(v.c, e),
                                      round_clamped(v.d, e), e.u8.zero_point));
    const __m512i bytes = pack_interleaved(_mm512_cvtps_epi32(v.a), _mm512_cvtps_epi32(v.b), _mm512_cvtps_epi32(v.c),
                                           _mm512_cvtps_epi32(v.d), e.u8.zero_point);
    const __m512i lower = _mm512_set1_epi8(static_cast<char>(e.u8.lower)),
                  upper = _mm512_set1_epi8(static_cast<char>(e.u8.upper));
    store64(y, mask, _mm512_min_epu8(_mm512_max_epu8(bytes, lower), upper));
  }
  static OCTAVO_AVX512 OCTAVO_INLINE void end_interleaved(float* y, std::uint64_t mask, const f32x64& v,
                                                          const epilogue& e) {
    end64(y, mask, in_order(v), e);
  }

  /// Combines 64 numbers that were X.
  template <class F, class X, class Y>
  static OCTAVO_AVX512 OCTAVO_INLINE void run_block(const native::binary_run& r, const f32x64& x0, const f32x64& x1,
                                                    Y* y, std::uint64_t mask) {
    const f32x16 m0(r.x0.multiplier), m1(r.x1.multiplier);
    const f32x64 v{
        combine(F(), f32x16(x0.a), f32x16(x1.a), m0, m1).v, combine(F(), f32x16(x0.b), f32x16(x1.b), m0, m1).v,
        combine(F(), f32x16(x0.c), f32x16(x1.c), m0, m1).v, combine(F(), f32x16(x0.d), f32x16(x1.d), m0, m1).v};
    if constexpr (std::is_same_v<X, float>)
      end64(y, mask, v, r.epilogue);
    else
      end_interleaved(y, mask, v, r.epilogue);
  }

  /// Rows of which `kept`, x0 where `kept_first`, has one only.
  template <class F, class X, class Y>
  static OCTAVO_AVX512 OCTAVO_INLINE void run_columns(const native::binary_run& r, const native::binary_operand& kept,
                                                      const native::binary_operand& other, bool kept_first) {
    for (std::ptrdiff_t i = 0; i < r.columns; i += 64) {
      const std::uint64_t mask = first_channels(r.columns - i);
      const f32x64 same = source<X>(kept, 0).at64(i, mask);
      for (std::ptrdiff_t row = 0; row < r.rows; ++row) {
        const f32x64 next = source<X>(other, row).at64(i, mask);
        Y* y = static_cast<Y*>(r.y) + row * r.y_step + i;
        kept_first ? run_block<F, X>(r, same, next, y, mask) : run_block<F, X>(r, next, same, y, mask);
      }
    }
  }
};

/// Kernels for arithmetic.
inline constexpr kernel binary_kernels[] = {
    native::binary_kernel<arithmetic, std::uint8_t, std::uint8_t>("binary_u8_avx512_vnni", isa::avx512_vnni),
    native::binary_kernel<arithmetic, std::uint8_t, float>("binary_u8f32_avx512_vnni", isa::avx512_vnni),
    native::binary_kernel<arithmetic, float, float>("binary_f32_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
