// All kernels for AVX512-VNNI, best first.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86
#include "octavo/backends/blocking/gathered_convolution.hpp"
#include "octavo/backends/blocking/sequence_convolution.hpp"
#include "octavo/backends/x86/avx512_vnni/attention.hpp"
#include "octavo/backends/x86/avx512_vnni/binary.hpp"
#include "octavo/backends/x86/avx512_vnni/convolution.hpp"
#include "octavo/backends/x86/avx512_vnni/depthwise.hpp"
#include "octavo/backends/x86/avx512_vnni/elementwise.hpp"
#include "octavo/backends/x86/avx512_vnni/interp2d.hpp"
#include "octavo/backends/x86/avx512_vnni/layer_norm.hpp"
#include "octavo/backends/x86/avx512_vnni/matmul.hpp"
#include "octavo/backends/x86/avx512_vnni/pool.hpp"
#include "octavo/backends/x86/avx512_vnni/recurrent.hpp"
#include "octavo/backends/x86/avx512_vnni/reduce.hpp"
#include "octavo/backends/x86/avx512_vnni/softmax.hpp"
#include "octavo/backends/x86/avx512_vnni/table.hpp"
#include "octavo/backends/x86/avx512_vnni/unary.hpp"
#include "octavo/backends/x86/avx512_vnni/winograd.hpp"

namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE {

/// The list.
inline kernel_list kernels() {
  return join(depthwise_kernels, winograd_kernels, convolution_kernels, blocking::sequence_kernels<depthwise_kernels>,
              blocking::sequence_kernels<convolution_kernels>, blocking::gathered_kernels<convolution_kernels>,
              matmul_kernels, attention_kernels, pool_kernels, reduce_kernels, table_kernels, elementwise_kernels,
              binary_kernels, unary_kernels, recurrent_kernels, softmax_kernels, layer_norm_kernels, interp2d_kernels);
}

}  // namespace octavo::x86::avx512_vnni::inline OCTAVO_ARCH_NAMESPACE

#endif
