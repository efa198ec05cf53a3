// AMX: recurrent layers of several sequences, the gates of AVX-512.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86_64

#include "octavo/backends/x86/amx/convolution.hpp"
#include "octavo/backends/x86/avx512_vnni/recurrent.hpp"

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

/// Whether tiles are filled: there are enough sequences.
inline bool fills_tiles(const problem& p) { return p.src[0].extents[0] >= 8; }

/// Kernels for recurrent layers.
using recurrent_kernel = native::recurrent_kernel<convolution_kernels, avx512_vnni::gates>;
inline constexpr kernel recurrent_kernels[] = {
    recurrent_kernel::with_input<op::gru, native::gru>("fc_gru_amx", isa::amx, fills_tiles),
    recurrent_kernel::with_input<op::lstm, native::lstm>("fc_lstm_amx", isa::amx, fills_tiles),
    recurrent_kernel::of<op::gru, native::gru>("gru_amx", isa::amx, fills_tiles),
    recurrent_kernel::of<op::lstm, native::lstm>("lstm_amx", isa::amx, fills_tiles),
};

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#endif
