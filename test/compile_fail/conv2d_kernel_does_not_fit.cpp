// expected: octavo: conv2d's kernel does not fit its padded input
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int height = 4;
#else
constexpr int height = 5;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nhwc<1, height, 9, 3>>("x");
  g.output(octavo::conv2d<octavo::conv{.out = 8, .kernel = 7, .pad = 1}>(x, w / "conv"), "y");
}
