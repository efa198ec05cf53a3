// expected: octavo: conv2d's height, width and channels cannot be bounded
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int height = octavo::upto<6>;
#else
constexpr int height = 6;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nhwc<1, height, 6, 8>>("x");
  g.output(octavo::conv2d<octavo::conv{.out = 8}>(x, w / "conv"), "y");
}
