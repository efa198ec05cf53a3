// expected: octavo: conv2d's groups must divide its output channels
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int out = 9;
#else
constexpr int out = 12;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, 6>>("x");
  g.output(octavo::depthwise_conv2d<octavo::conv{.out = out, .kernel = 3}>(x, w / "conv"), "y");
}
