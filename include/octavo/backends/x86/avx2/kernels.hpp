// All kernels for AVX2, best first.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86
#include "octavo/backends/blocking/gathered_convolution.hpp"
#include "octavo/backends/blocking/sequence_convolution.hpp"
#include "octavo/backends/x86/avx2/attention.hpp"
#include "octavo/backends/x86/avx2/binary.hpp"
#include "octavo/backends/x86/avx2/convolution.hpp"
#include "octavo/backends/x86/avx2/depthwise.hpp"
#include "octavo/backends/x86/avx2/elementwise.hpp"
#include "octavo/backends/x86/avx2/interp2d.hpp"
#include "octavo/backends/x86/avx2/layer_norm.hpp"
#include "octavo/backends/x86/avx2/matmul.hpp"
#include "octavo/backends/x86/avx2/pool.hpp"
#include "octavo/backends/x86/avx2/recurrent.hpp"
#include "octavo/backends/x86/avx2/reduce.hpp"
#include "octavo/backends/x86/avx2/softmax.hpp"
#include "octavo/backends/x86/avx2/table.hpp"
#include "octavo/backends/x86/avx2/unary.hpp"
#include "octavo/backends/x86/avx2/winograd.hpp"

namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE {

/// The list.
inline kernel_list kernels() {
  return join(depthwise_kernels, winograd_kernels, convolution_kernels, blocking::sequence_kernels<depthwise_kernels>,
              blocking::sequence_kernels<convolution_kernels>, blocking::gathered_kernels<convolution_kernels>,
              matmul_kernels, attention_kernels, pool_kernels, reduce_kernels, elementwise_kernels, binary_kernels,
              unary_kernels, recurrent_kernels, softmax_kernels, layer_norm_kernels, interp2d_kernels, table_kernels);
}

}  // namespace octavo::x86::avx2::inline OCTAVO_ARCH_NAMESPACE

#endif
