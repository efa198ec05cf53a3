// What octavo::kernels compiles once besides the kernels: the functions of which its users see declarations only
// (base/compiled.hpp), and the operators.
#define OCTAVO_COMPILING
#include "octavo/exec/calibrate.hpp"
#include "octavo/exec/profile.hpp"
#include "octavo/graph/builder.hpp"
#include "octavo/graph/passes.hpp"
#include "octavo/graph/print.hpp"
#include "octavo/plan/compile.hpp"
#include "octavo/plan/tune.hpp"
