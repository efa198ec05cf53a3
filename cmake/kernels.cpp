// The native kernels, compiled once for programs of many units: see core.cpp.
#ifndef OCTAVO_COMPILED_KERNELS
#define OCTAVO_COMPILED_KERNELS
#endif
#include "octavo/backends/native_kernels.hpp"

namespace octavo::native {

kernel_list compiled_kernels(isa up_to) { return kernels(up_to); }

}  // namespace octavo::native
