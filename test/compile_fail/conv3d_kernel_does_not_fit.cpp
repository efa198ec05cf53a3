// expected: octavo: conv3d's kernel does not fit its padded input
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int depth = 2;
#else
constexpr int depth = 3;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::shape<1, depth, 6, 6, 8>>("x");
  g.output(octavo::conv3d<octavo::conv3{.out = 4, .kernel = 3}>(x, w / "conv"), "y");
}
