// expected: octavo: conv2d's innermost axis cannot be bounded
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr auto channels = octavo::upto<8>;
#else
constexpr auto channels = 8;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, channels>>("x");
  g.output(octavo::conv2d<octavo::conv{.out = 8}>(x, w / "conv"), "y");
}
