// All kernels for AVX-VNNI, best first.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86
#include "octavo/backends/blocking/gathered_convolution.hpp"
#include "octavo/backends/blocking/sequence_convolution.hpp"
#include "octavo/backends/x86/avx_vnni/attention.hpp"
#include "octavo/backends/x86/avx_vnni/convolution.hpp"
#include "octavo/backends/x86/avx_vnni/matmul.hpp"
#include "octavo/backends/x86/avx_vnni/recurrent.hpp"
#include "octavo/backends/x86/avx_vnni/winograd.hpp"

namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// The list.
inline kernel_list kernels() {
  return join(winograd_kernels, convolution_kernels, blocking::sequence_kernels<convolution_kernels>,
              blocking::gathered_kernels<convolution_kernels>, matmul_kernels, attention_kernels, recurrent_kernels);
}

}  // namespace octavo::x86::avx_vnni::inline OCTAVO_ARCH_NAMESPACE

#endif
