// expected: octavo: conv2d needs the number of its output channels: conv{.out = ...}
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr octavo::conv convolution{.kernel = 3};
#else
constexpr octavo::conv convolution{.out = 8, .kernel = 3};
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, 3>>("x");
  g.output(octavo::conv2d<convolution>(x, w / "conv"), "y");
}
