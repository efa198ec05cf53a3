// Portable: recurrent layers.
#pragma once

#include "octavo/backends/native/gru.hpp"
#include "octavo/backends/native/lstm.hpp"
#include "octavo/backends/portable/convolution.hpp"
#include "octavo/backends/portable/elementwise.hpp"
#include "octavo/backends/portable/vector.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

#define OCTAVO_LANES_FUNCTION inline
#define OCTAVO_KERNEL_FUNCTION
#include "octavo/backends/native/recurrent.inc"
#undef OCTAVO_KERNEL_FUNCTION
#undef OCTAVO_LANES_FUNCTION

/// Kernels for recurrent layers.
using recurrent_kernel = native::recurrent_kernel<convolution_kernels, gates>;
inline constexpr kernel recurrent_kernels[] = {
    recurrent_kernel::with_input<op::gru, native::gru>("fc_gru_portable", isa::portable),
    recurrent_kernel::with_input<op::lstm, native::lstm>("fc_lstm_portable", isa::portable),
    recurrent_kernel::of<op::gru, native::gru>("gru_portable", isa::portable),
    recurrent_kernel::of<op::lstm, native::lstm>("lstm_portable", isa::portable),
};

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
