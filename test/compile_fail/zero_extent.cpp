// expected: octavo: every extent must be at least 1
#include "octavo/tensor/shape.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int height = 0;
#else
constexpr int height = 1;
#endif

static_assert(octavo::nhwc<1, height, 8, 3>::value.rank == 4);
