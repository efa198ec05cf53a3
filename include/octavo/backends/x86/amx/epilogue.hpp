// The epilogue of a block's sums, with AVX-512: two rows of 32 channels at a time to u8, or one after the other to f32.
#pragma once

#include "octavo/backends/x86/amx/multiply.hpp"

#if OCTAVO_X86_64

#include "octavo/backends/native/epilogue.hpp"

// GCC's own AVX-512 header initializes the unused operand of an unmasked instruction with itself (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

using native::clamping;
using native::epilogue;

/// Rows of a block's sums that are neighbours in the output too.
struct piece {
  int row, count;
  std::ptrdiff_t pixel;  ///< of the output
};

/// A block whose sums wait for their epilogue.
struct rows {
  const std::byte* sums;
  std::span<const piece> pieces;
  const float *multiplier, *offset;  // (32)
  std::byte* dst;                    // (pixels, channels), at pixel 0 and the block's first channel
  std::ptrdiff_t dst_stride;
  const std::byte* residual;  ///< of dst's type, or null
  std::ptrdiff_t residual_stride;
  std::uint32_t channels;  ///< a bit for each of the 32 that exists
};

/// Sixteen of a pixel's 32 numbers, before they are rounded. `half` is 0 or 1.
template <bool Residual, bool Whole>
OCTAVO_TARGET_AMX OCTAVO_INLINE __m512 scaled(const std::byte* sums, __m512 multiplier, __m512 offset,
                                              const std::byte* residual, std::uint32_t channels, int half,
                                              __m512i residual_zero, __m512 residual_multiplier) {
  __m512 x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_loadu_si512(sums + half * 64)), multiplier, offset);
  if constexpr (Residual) {
    const std::byte* from = residual + half * 16;
    const __m128i r = Whole ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))
                            : _mm_maskz_loadu_epi8(static_cast<__mmask16>(channels >> (half * 16)), from);
    const __m512i i = _mm512_sub_epi32(_mm512_cvtepu8_epi32(r), residual_zero);
    x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(i), residual_multiplier, x);
  }
  return x;
}

/// Constants of an epilogue to u8.
struct u8_constants {
  __m512 multiplier[2], offset[2];
  __m512i residual_zero;
  __m512 residual_multiplier, lower, upper;
  __m512i zero, lowest, highest, order;

  OCTAVO_TARGET_AMX OCTAVO_INLINE u8_constants(const rows& t, const epilogue& e)
      : multiplier{_mm512_loadu_ps(t.multiplier), _mm512_loadu_ps(t.multiplier + 16)},
        offset{_mm512_loadu_ps(t.offset), _mm512_loadu_ps(t.offset + 16)},
        residual_zero(_mm512_set1_epi32(e.residual_zero_point)),
        residual_multiplier(_mm512_set1_ps(e.residual_multiplier)),
        lower(_mm512_set1_ps(e.lower)),
        upper(_mm512_set1_ps(e.upper)),
        zero(_mm512_set1_epi16(static_cast<std::int16_t>(e.u8.zero_point))),
        lowest(_mm512_set1_epi8(static_cast<char>(e.u8.lower))),
        highest(_mm512_set1_epi8(static_cast<char>(e.u8.upper))),
        // Packing works within 128-bit lanes: dword 4 i + v of the result holds channels 4 i .. 4 i + 3 of vector v.
        order(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)) {}
};

/// Ends a block as u8, two rows at a time: four vectors of s32 become one of bytes. `Whole`: all 32 channels exist.
template <bool Residual, clamping Clamp, bool Whole>
class u8_epilogue {
 public:
  OCTAVO_TARGET_AMX OCTAVO_INLINE u8_epilogue(const rows& t, const epilogue& e)
      : constants_(t, e),
        all_sums_(t.sums),
        all_residual_(t.residual),
        all_dst_(t.dst),
        residual_stride_(t.residual_stride),
        dst_stride_(t.dst_stride),
        channels_(t.channels),
        pieces_(t.pieces.data()),
        left_(static_cast<int>(t.pieces.size())) {
    begin_piece();
  }

  /// Pairs of rows that are left; a last row of a piece alone counts as one.
  int pairs() const {
    int n = (count_ + 1) / 2;
    for (int i = 1; i < left_; ++i) n += (pieces_[i].count + 1) / 2;
    return n;
  }

  /// Ends so many of them.
  OCTAVO_TARGET_AMX OCTAVO_INLINE void end_pairs(int n) {
    for (; n > 0; --n) {
      const bool two = count_ > 1;  // a last row alone is done twice
      const __m512i y =
          end_pair(sums_, two ? sums_ + sums_stride : sums_, residual_, two ? residual_ + residual_stride_ : residual_);
      store_row(dst_, _mm512_castsi512_si256(y));
      if (two) store_row(dst_ + dst_stride_, _mm512_extracti64x4_epi64(y, 1));
      sums_ += 2 * sums_stride, dst_ += 2 * dst_stride_;
      if constexpr (Residual) residual_ += 2 * residual_stride_;
      count_ -= 2;
      if (count_ <= 0 && --left_ > 0) ++pieces_, begin_piece();
    }
  }

 private:
  OCTAVO_INLINE void begin_piece() {
    const piece p = *pieces_;
    count_ = p.count;
    sums_ = all_sums_ + p.row * sums_stride;
    dst_ = all_dst_ + p.pixel * dst_stride_;
    if constexpr (Residual) residual_ = all_residual_ + p.pixel * residual_stride_;
  }

  OCTAVO_TARGET_AMX OCTAVO_INLINE __m512i end_pair(const std::byte* sums0, const std::byte* sums1,
                                                   const std::byte* residual0, const std::byte* residual1) const {
    const u8_constants& c = constants_;
    __m512i q[4];
    OCTAVO_UNROLL
    for (int i = 0; i < 4; ++i) {
      const __m512 x = scaled<Residual, Whole>(i < 2 ? sums0 : sums1, c.multiplier[i % 2], c.offset[i % 2],
                                               i < 2 ? residual0 : residual1, channels_, i % 2, c.residual_zero,
                                               c.residual_multiplier);
      q[i] = _mm512_cvtps_epi32(Clamp == clamping::as_floats  // the bound comes second: a NaN gives it
                                    ? _mm512_min_ps(_mm512_max_ps(x, c.lower), c.upper)
                                    : x);
    }
    __m512i a = _mm512_packs_epi32(q[0], q[1]), b = _mm512_packs_epi32(q[2], q[3]);
    if constexpr (Clamp != clamping::by_packing) a = _mm512_adds_epi16(a, c.zero), b = _mm512_adds_epi16(b, c.zero);
    __m512i y = _mm512_packus_epi16(a, b);
    if constexpr (Clamp == clamping::as_bytes) y = _mm512_min_epu8(_mm512_max_epu8(y, c.lowest), c.highest);
    return _mm512_permutexvar_epi32(c.order, y);
  }

  OCTAVO_TARGET_AMX OCTAVO_INLINE void store_row(std::byte* dst, __m256i y) const {
    if constexpr (Whole)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), y);
    else
      _mm256_mask_storeu_epi8(dst, channels_, y);
  }

  u8_constants constants_;
  // Copies, which no store of bytes can change, one by one: vectors would wait for the caller's single stores.
  const std::byte *all_sums_, *all_residual_;
  std::byte* all_dst_;
  std::ptrdiff_t residual_stride_, dst_stride_;
  std::uint32_t channels_;
  const piece* pieces_;  ///< the one in hand
  int left_;             ///< and those after it
  int count_ = 0;        ///< rows of the one in hand
  const std::byte *sums_ = nullptr, *residual_ = nullptr;
  std::byte* dst_ = nullptr;
};

/// Ends a block of u8. Clamping as bytes is right where packing would do it too.
template <bool Residual, clamping Clamp>
OCTAVO_TARGET_AMX inline void end_u8(const rows& t, const epilogue& e) noexcept {
  u8_epilogue<Residual, Clamp, false> block(t, e);
  block.end_pairs(block.pairs());
}

/// Ends a block of f32.
OCTAVO_TARGET_AMX inline void end_f32(const rows& t, const epilogue& e) noexcept {
  const __m512 lower = _mm512_set1_ps(e.lower), upper = _mm512_set1_ps(e.upper);
  for (int v = 0; v < 2; ++v) {
    const auto lanes = static_cast<__mmask16>(t.channels >> (v * 16));
    if (lanes == 0) continue;
    const __m512 multiplier = _mm512_loadu_ps(t.multiplier + v * 16), offset = _mm512_loadu_ps(t.offset + v * 16);
    for (const piece& p : t.pieces)
      for (int m = 0; m < p.count; ++m) {
        const __m512i sum = _mm512_loadu_si512(t.sums + (p.row + m) * sums_stride + v * 64);
        __m512 x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), multiplier, offset);
        if (t.residual) {
          const auto* r = reinterpret_cast<const float*>(t.residual + (p.pixel + m) * t.residual_stride) + v * 16;
          x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(lanes, r));
        }
        // The bound comes first: of two operands one of which is NaN, min and max give the second, as std::max does.
        _mm512_mask_storeu_ps(reinterpret_cast<float*>(t.dst + (p.pixel + m) * t.dst_stride) + v * 16, lanes,
                              _mm512_min_ps(upper, _mm512_max_ps(lower, x)));
      }
  }
}

using row_epilogue = void (*)(const rows&, const epilogue&) noexcept;

/// What ends blocks as `end` says, with a residual or without.
inline row_epilogue row_epilogue_of(const epilogue& e, bool residual) noexcept {
  if (e.type != element::u8) return end_f32;
  if (e.clamp == clamping::as_floats)
    return residual ? end_u8<true, clamping::as_floats> : end_u8<false, clamping::as_floats>;
  return residual ? end_u8<true, clamping::as_bytes> : end_u8<false, clamping::as_bytes>;
}

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
