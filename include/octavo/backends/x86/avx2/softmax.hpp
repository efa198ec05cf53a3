// AVX2: softmax.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/softmax.hpp"
#include "octavo/backends/x86/avx2/elementwise.hpp"
#include "octavo/backends/x86/avx2/vector.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

OCTAVO_AVX2 OCTAVO_INLINE void store_bytes(std::uint8_t* p, f32x8 v) {
  const __m256i q = _mm256_cvtps_epi32(v.v);  // of a NaN -2^31
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}

#define OCTAVO_KERNEL_FUNCTION OCTAVO_AVX2
#include "octavo/backends/native/softmax.inc"
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for softmax.
inline constexpr kernel softmax_kernels[] = {
    native::softmax_kernel<op::softmax, softmax_of_row<native::softmax_form::quotients>, elementwise>("softmax_avx2",
                                                                                                      isa::avx2),
    native::softmax_along_kernel<op::softmax, softmax_of_columns<false>, elementwise>("softmax_along_avx2", isa::avx2),
    native::softmax_kernel<op::log_softmax, softmax_of_row<native::softmax_form::logarithms>, elementwise>(
        "log_softmax_avx2", isa::avx2),
    native::softmax_along_kernel<op::log_softmax, softmax_of_columns<true>, elementwise>("log_softmax_along_avx2",
                                                                                         isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
