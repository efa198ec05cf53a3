// expected: octavo: fc needs at least one output
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int out = 0;
#else
constexpr int out = 10;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nc<1, 8>>("x");
  g.output(octavo::fc<out>(x, w / "fc"), "y");
}
