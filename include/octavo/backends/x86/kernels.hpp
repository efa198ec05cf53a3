// All kernels for x86, best first: those of one folder after the other, the latest instruction set first.
#pragma once

#include "octavo/backends/x86/amx/kernels.hpp"
#include "octavo/backends/x86/avx2/kernels.hpp"
#include "octavo/backends/x86/avx512_vnni/kernels.hpp"
#include "octavo/backends/x86/avx_vnni/kernels.hpp"

namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE {

/// The list; empty on other machines. A kernel may run only where `runs(kernel.needs)`.
inline kernel_list kernels() {
  kernel_list list;
#if OCTAVO_X86_64
  list = amx::kernels();
#endif
#if OCTAVO_X86
  list = join(list, avx512_vnni::kernels(), avx_vnni::kernels(), avx2::kernels());
#endif
  return list;
}

}  // namespace octavo::x86::inline OCTAVO_ARCH_NAMESPACE
