// AVX-512: recurrent layers.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/gru.hpp"
#include "octavo/backends/native/lstm.hpp"
#include "octavo/backends/x86/avx512_vnni/convolution.hpp"
#include "octavo/backends/x86/avx512_vnni/elementwise.hpp"
#include "octavo/backends/x86/avx512_vnni/vector.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

#define OCTAVO_LANES_FUNCTION OCTAVO_AVX512 OCTAVO_INLINE
#define OCTAVO_KERNEL_FUNCTION OCTAVO_AVX512
#include "octavo/backends/native/recurrent.inc"
#undef OCTAVO_KERNEL_FUNCTION
#undef OCTAVO_LANES_FUNCTION

/// Kernels for recurrent layers.
using recurrent_kernel = native::recurrent_kernel<convolution_kernels, gates>;
inline constexpr kernel recurrent_kernels[] = {
    recurrent_kernel::with_input<op::gru, native::gru>("fc_gru_avx512_vnni", isa::avx512_vnni),
    recurrent_kernel::with_input<op::lstm, native::lstm>("fc_lstm_avx512_vnni", isa::avx512_vnni),
    recurrent_kernel::of<op::gru, native::gru>("gru_avx512_vnni", isa::avx512_vnni),
    recurrent_kernel::of<op::lstm, native::lstm>("lstm_avx512_vnni", isa::avx512_vnni),
};

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
