// expected: octavo: concat's axis is outside its inputs' rank
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int axis = 4;
#else
constexpr int axis = 3;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, 8>>("x");
  auto y = g.input<float, octavo::nhwc<1, 6, 6, 8>>("y");
  g.output(octavo::concat<axis>(x, y), "both");
}
