// expected: octavo: fc needs an input of (N, I) or (N, T, I): flatten() an image first, or reshape<>() it
#include "octavo/graph/builder.hpp"

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nhwc<1, 4, 4, 8>>("x");
#ifdef OCTAVO_COMPILE_FAIL
  g.output(octavo::fc<10>(x, w / "fc"), "y");
#else
  g.output(octavo::fc<10>(flatten(x), w / "fc"), "y");
#endif
}
