// AVX-VNNI: recurrent layers, the gates of AVX2.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86

#include "octavo/backends/x86/avx2/recurrent.hpp"
#include "octavo/backends/x86/avx_vnni/convolution.hpp"

namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// Kernels for recurrent layers.
using recurrent_kernel = native::recurrent_kernel<convolution_kernels, avx2::gates>;
inline constexpr kernel recurrent_kernels[] = {
    recurrent_kernel::with_input<op::gru, native::gru>("fc_gru_avx_vnni", isa::avx_vnni),
    recurrent_kernel::with_input<op::lstm, native::lstm>("fc_lstm_avx_vnni", isa::avx_vnni),
    recurrent_kernel::of<op::gru, native::gru>("gru_avx_vnni", isa::avx_vnni),
    recurrent_kernel::of<op::lstm, native::lstm>("lstm_avx_vnni", isa::avx_vnni),
};

}  // namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE

#endif
