// The native kernels of all instruction sets in one list.
#pragma once

#include "octavo/backends/portable/kernels.hpp"
#include "octavo/backends/x86/kernels.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// Those that this CPU runs of the instruction sets up to `up_to`, best first.
inline kernel_list kernels(isa up_to) {
  kernel_list list;
  for (const kernel& k : x86::kernels())
    if (k.needs <= up_to && x86::runs(k.needs)) list.push_back(k);
  for (const kernel& k : portable::kernels()) list.push_back(k);
  return list;
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
