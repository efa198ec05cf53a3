// expected: octavo: conv2d's groups must divide its input channels
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int channels = 4;
#else
constexpr int channels = 6;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, channels>>("x");
  g.output(octavo::conv2d<octavo::conv{.out = 9, .kernel = 3, .groups = 3}>(x, w / "conv"), "y");
}
