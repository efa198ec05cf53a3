// expected: octavo: conv2d's kernel, stride and dilation must be from 1 to 32768, its padding from 0 to 32768
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int stride = 0;
#else
constexpr int stride = 1;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, 8>>("x");
  g.output(octavo::conv2d<octavo::conv{.out = 8, .kernel = 3, .stride = stride}>(x, w / "conv"), "y");
}
