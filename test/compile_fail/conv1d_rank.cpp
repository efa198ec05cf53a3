// expected: octavo: conv1d needs an input of (N, T, C)
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
using extents = octavo::nhwc<1, 1, 6, 8>;
#else
using extents = octavo::ntc<1, 6, 8>;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, extents>("x");
  g.output(octavo::conv1d<octavo::conv1{.out = 4, .kernel = 3}>(x, w / "conv"), "y");
}
