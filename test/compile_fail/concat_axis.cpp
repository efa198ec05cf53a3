// expected: octavo: concat's inputs may differ only along its axis
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int axis = 1;
#else
constexpr int axis = -1;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, 8>>("x");
  auto y = g.input<float, octavo::nhwc<1, 6, 6, 4>>("y");
  g.output(octavo::concat<axis>(x, y), "both");
}
