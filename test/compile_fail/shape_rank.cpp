// expected: octavo: a tensor has at most 6 axes
#include "octavo/tensor/shape.hpp"

#ifdef OCTAVO_COMPILE_FAIL
using large = octavo::shape<1, 2, 3, 4, 5, 6, 7>;
#else
using large = octavo::shape<1, 2, 3, 4, 5, 6>;
#endif

static_assert(large::value.rank >= 0);
