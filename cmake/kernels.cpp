// What octavo::kernels compiles once, for programs of many units: the native kernels, and the functions whose users see
// declarations of them only (base/compiled.hpp).
#define OCTAVO_COMPILING
#include "octavo/backends/native_kernels.hpp"
#include "octavo/exec/calibrate.hpp"
#include "octavo/exec/profile.hpp"
#include "octavo/graph/builder.hpp"
#include "octavo/graph/passes.hpp"
#include "octavo/graph/print.hpp"
#include "octavo/plan/compile.hpp"
#include "octavo/plan/tune.hpp"

namespace octavo::native {

kernel_list compiled_kernels(isa up_to) { return kernels(up_to); }

}  // namespace octavo::native
