// AVX-512: softmax.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/softmax.hpp"
#include "octavo/backends/x86/avx512_vnni/elementwise.hpp"
#include "octavo/backends/x86/avx512_vnni/vector.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

OCTAVO_AVX512 OCTAVO_INLINE void store_bytes(std::uint8_t* p, f32x16 v) {  // of a NaN the last byte of -2^31
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v.v)));
}

#define OCTAVO_KERNEL_FUNCTION OCTAVO_AVX512
#include "octavo/backends/native/softmax.inc"
#undef OCTAVO_KERNEL_FUNCTION

/// Kernels for softmax.
inline constexpr kernel softmax_kernels[] = {
    native::softmax_kernel<op::softmax, softmax_of_row<native::softmax_form::quotients>, elementwise>(
        "softmax_avx512_vnni", isa::avx512_vnni),
    native::softmax_along_kernel<op::softmax, softmax_of_columns<false>, elementwise>("softmax_along_avx512_vnni",
                                                                                      isa::avx512_vnni),
    native::softmax_kernel<op::log_softmax, softmax_of_row<native::softmax_form::logarithms>, elementwise>(
        "log_softmax_avx512_vnni", isa::avx512_vnni),
    native::softmax_along_kernel<op::log_softmax, softmax_of_columns<true>, elementwise>(
        "log_softmax_along_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
