// All portable kernels, best first. They run everywhere, with whatever vectors the flags of the translation unit allow.
#pragma once

#include "octavo/backends/portable/arch.hpp"
#include "octavo/backends/portable/convolution.hpp"
#include "octavo/backends/portable/depthwise.hpp"
#include "octavo/backends/portable/elementwise.hpp"
#include "octavo/backends/portable/matmul.hpp"
#include "octavo/backends/portable/pool.hpp"
#include "octavo/backends/portable/softmax.hpp"

namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE {

/// The list.
inline kernel_list kernels() {
  kernel_list list;
  const auto add = [&](std::span<const kernel> more) { list.insert(list.end(), more.begin(), more.end()); };
  add(depthwise_kernels);
  list.push_back(conv_u8s8s32_portable);
  list.push_back(conv_f32_portable);
  list.push_back(matmul_u8s32_portable);
  list.push_back(matmul_f32_portable);
  add(pool_kernels);
  add(elementwise_kernels);
  add(softmax_kernels);
  return list;
}

}  // namespace octavo::portable::inline OCTAVO_ARCH_NAMESPACE
