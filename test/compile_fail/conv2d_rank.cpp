// expected: octavo: conv2d needs an input of (N, H, W, C)
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
using image = octavo::ntc<1, 36, 8>;
#else
using image = octavo::nhwc<1, 6, 6, 8>;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, image>("x");
  g.output(octavo::conv2d<octavo::conv{.out = 8}>(x, w / "conv"), "y");
}
