// AVX2: recurrent layers.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/native/gru.hpp"
#include "octavo/backends/native/lstm.hpp"
#include "octavo/backends/x86/avx2/convolution.hpp"
#include "octavo/backends/x86/avx2/elementwise.hpp"
#include "octavo/backends/x86/avx2/vector.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

#define OCTAVO_LANES_FUNCTION OCTAVO_AVX2 OCTAVO_INLINE
#define OCTAVO_KERNEL_FUNCTION OCTAVO_AVX2
#include "octavo/backends/native/recurrent.inc"
#undef OCTAVO_KERNEL_FUNCTION
#undef OCTAVO_LANES_FUNCTION

/// Kernels for recurrent layers.
using recurrent_kernel = native::recurrent_kernel<convolution_kernels, gates>;
inline constexpr kernel recurrent_kernels[] = {
    recurrent_kernel::with_input<op::gru, native::gru>("fc_gru_avx2", isa::avx2),
    recurrent_kernel::with_input<op::lstm, native::lstm>("fc_lstm_avx2", isa::avx2),
    recurrent_kernel::of<op::gru, native::gru>("gru_avx2", isa::avx2),
    recurrent_kernel::of<op::lstm, native::lstm>("lstm_avx2", isa::avx2),
};

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
