// oneDNN as a backend: a kernel for convolution, fully connected layers, pooling, sums and softmax. Link
// octavo::onednn.
//
//   using namespace octavo;
//   network net = quantize(g, found, {}, join(onednn::kernels(), native_kernels()));   // oneDNN wherever it can
//   network one = compile(g, join(native_kernels(), onednn::kernels()), {.by_node = {{"conv1", "onednn"}}});
//
// The bits are not those of Octavo's one rule:
//   - INT8 results may differ by one step: the zero point is added before rounding, not after, and the bias is added to
//     the sum before that is scaled;
//   - on CPUs without VNNI or AMX oneDNN adds pairs of u8 x s8 products in 16 bits, which saturates where both are
//     large;
//   - FP32 results differ by the order of their sums.
// A run's own code allocates no memory once as many threads as ever have met in it; oneDNN's execute itself allocates a
// few hundred bytes for its bookkeeping at each call. It runs on the calling thread alone: a step is one task.
#pragma once

#include <dnnl.hpp>

#include "octavo/backends/onednn/executable.hpp"

namespace octavo::onednn::inline OCTAVO_ARCH_NAMESPACE {

/// Whether oneDNN has an implementation of `p` that is worth it.
inline bool supports(const problem& p) {
  const auto can_cut = [](const tensor_type& t) { return only_batch_bounded(t.extents); };
  if (p.src.empty() || !can_cut(*p.dst) || !std::all_of(p.src.begin(), p.src.end(), can_cut)) return false;
  const one_thread guard;
  try {
    for (const int n : {batch_of(p.dst->extents), 1})
      if (!is_worth_it(make_node_primitive(with_batch(p, n)))) return false;
    return true;
  } catch (const dnnl::error&) {
  } catch (const octavo::error&) {
  }
  return false;
}

/// oneDNN's one kernel. It names no instruction set: oneDNN chooses, see ONEDNN_MAX_CPU_ISA in its documentation.
inline kernel_list kernels() {
  return {{"onednn", isa::portable, supports, [](const problem& p) -> std::unique_ptr<const executable> {
             return std::make_unique<primitive_executable>(p);
           }}};
}

}  // namespace octavo::onednn::inline OCTAVO_ARCH_NAMESPACE
