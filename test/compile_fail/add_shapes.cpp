// expected: octavo: add needs extents that are equal or 1, counted from the innermost axis
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int channels = 4;
#else
constexpr int channels = 8;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, 8>>("x");
  auto y = g.input<float, octavo::nhwc<1, 6, 6, channels>>("y");
  g.output(octavo::add(x, y), "sum");
}
