// All kernels for AMX, best first.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86_64
#include "octavo/backends/blocking/gathered_convolution.hpp"
#include "octavo/backends/blocking/sequence_convolution.hpp"
#include "octavo/backends/x86/amx/attention.hpp"
#include "octavo/backends/x86/amx/convolution.hpp"
#include "octavo/backends/x86/amx/matmul.hpp"
#include "octavo/backends/x86/amx/recurrent.hpp"

namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE {

/// The list.
inline kernel_list kernels() {
  return join(convolution_kernels, blocking::sequence_kernels<convolution_kernels>,
              blocking::gathered_kernels<convolution_kernels>, matmul_kernels, attention_kernels, recurrent_kernels);
}

}  // namespace octavo::x86::amx::inline OCTAVO_ARCH_NAMESPACE

#endif
