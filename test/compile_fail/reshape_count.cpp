// expected: octavo: reshape must keep the number of elements
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int features = 200;
#else
constexpr int features = 288;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, 8>>("x");
  g.output(octavo::reshape<octavo::nc<1, features>>(x), "y");
}
