// All kernels for x86, best first.
#pragma once

#include "octavo/backends/x86/cpu.hpp"

#if OCTAVO_X86
#include "octavo/backends/x86/amx/convolution.hpp"
#include "octavo/backends/x86/amx/matmul.hpp"
#include "octavo/backends/x86/avx2/convolution.hpp"
#include "octavo/backends/x86/avx2/depthwise.hpp"
#include "octavo/backends/x86/avx2/elementwise.hpp"
#include "octavo/backends/x86/avx2/matmul.hpp"
#include "octavo/backends/x86/avx2/pool.hpp"
#include "octavo/backends/x86/avx2/softmax.hpp"
#include "octavo/backends/x86/avx2/winograd.hpp"
#include "octavo/backends/x86/avx512_vnni/convolution.hpp"
#include "octavo/backends/x86/avx512_vnni/depthwise.hpp"
#include "octavo/backends/x86/avx512_vnni/elementwise.hpp"
#include "octavo/backends/x86/avx512_vnni/matmul.hpp"
#include "octavo/backends/x86/avx512_vnni/pool.hpp"
#include "octavo/backends/x86/avx512_vnni/softmax.hpp"
#include "octavo/backends/x86/avx512_vnni/winograd.hpp"
#include "octavo/backends/x86/avx_vnni/convolution.hpp"
#include "octavo/backends/x86/avx_vnni/matmul.hpp"
#endif

namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE {

/// The list; empty on other machines. A kernel may run only where `runs(kernel.needs)`.
inline kernel_list kernels() {
  kernel_list list;
#if OCTAVO_X86
  const auto add = [&](std::span<const kernel> more) { list.insert(list.end(), more.begin(), more.end()); };
  add(avx512_vnni::depthwise_kernels);
#if OCTAVO_X86_64
  list.push_back(conv_u8s8s32_32x32_amx);
  list.push_back(matmul_u8s8s32_32x32_amx);
#endif
  list.push_back(winograd_u8s8s32_14x32_avx512_vnni);
  list.push_back(conv_u8s8s32_14x32_avx512_vnni);
  list.push_back(conv_f32_14x32_avx512_vnni);
  list.push_back(matmul_u8s8s32_14x32_avx512_vnni);
  list.push_back(matmul_f32_14x32_avx512_vnni);
  add(avx512_vnni::pool_kernels);
  add(avx512_vnni::elementwise_kernels);
  add(avx512_vnni::softmax_kernels);
  add(avx2::depthwise_kernels);  // before any dense kernel, which would take depthwise convolutions too
  list.push_back(winograd_u8s8s32_6x16_avx_vnni);
  list.push_back(conv_u8s8s32_7x16_avx_vnni);
  list.push_back(winograd_u8s8s32_6x16_avx2);
  list.push_back(conv_u8s8s32_1x8_avx2);
  list.push_back(conv_u8s8s32_7x8_avx2);
  list.push_back(conv_f32_7x16_avx2);
  list.push_back(matmul_u8s8s32_7x16_avx_vnni);
  list.push_back(matmul_u8s8s32_7x8_avx2);
  list.push_back(matmul_f32_7x16_avx2);
  add(avx2::pool_kernels);
  add(avx2::elementwise_kernels);
  add(avx2::softmax_kernels);
#endif
  return list;
}

}  // namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE
