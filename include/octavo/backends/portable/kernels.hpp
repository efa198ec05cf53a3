// All portable kernels, best first. They run everywhere, with whatever vectors the flags of the translation unit allow.
#pragma once

#include "octavo/backends/blocking/gathered_convolution.hpp"
#include "octavo/backends/blocking/sequence_convolution.hpp"
#include "octavo/backends/native/movement.hpp"
#include "octavo/backends/native/multiclass_nms.hpp"
#include "octavo/backends/native/sequence.hpp"
#include "octavo/backends/native/table.hpp"
#include "octavo/backends/native/top_k.hpp"
#include "octavo/backends/portable/arch.hpp"
#include "octavo/backends/portable/attention.hpp"
#include "octavo/backends/portable/binary.hpp"
#include "octavo/backends/portable/convolution.hpp"
#include "octavo/backends/portable/ctc_greedy_decode.hpp"
#include "octavo/backends/portable/depthwise.hpp"
#include "octavo/backends/portable/elementwise.hpp"
#include "octavo/backends/portable/interp2d.hpp"
#include "octavo/backends/portable/layer_norm.hpp"
#include "octavo/backends/portable/matmul.hpp"
#include "octavo/backends/portable/pool.hpp"
#include "octavo/backends/portable/recurrent.hpp"
#include "octavo/backends/portable/reduce.hpp"
#include "octavo/backends/portable/softmax.hpp"
#include "octavo/backends/portable/unary.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// The list.
inline kernel_list kernels() {
  return join(depthwise_kernels, convolution_kernels, blocking::sequence_kernels<depthwise_kernels>,
              blocking::sequence_kernels<convolution_kernels>, blocking::gathered_kernels<convolution_kernels>,
              matmul_kernels, attention_kernels, pool_kernels, reduce_kernels, elementwise_kernels, binary_kernels,
              unary_kernels, recurrent_kernels, softmax_kernels, layer_norm_kernels, interp2d_kernels,
              native::nearest_kernels, native::movement_kernels, native::multiclass_nms_kernels,
              native::selection_kernels, ctc_greedy_decode_kernels, native::sequence_kernels, native::table_kernels);
}

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
