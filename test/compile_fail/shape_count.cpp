// expected: octavo: a tensor of this shape has too many elements
#include "octavo/tensor/shape.hpp"

#ifdef OCTAVO_COMPILE_FAIL
using large = octavo::shape<65536, 65536, 65536, 65536>;
#else
using large = octavo::shape<65536, 65536, 65536>;
#endif

static_assert(large::value.rank >= 0);
