// The native kernels compiled once, for programs of many units: the library of the CMake target octavo::kernels, whose
// users see declarations of them only.
#include "octavo/backends/native_kernels.hpp"

namespace octavo::native {

kernel_list compiled_kernels(isa up_to) { return kernels(up_to); }

}  // namespace octavo::native
