// expected: octavo: reshape must keep bounded extents, in their order
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int batch = 4, features = 16;
#else
constexpr int batch = 8, features = 8;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nc<octavo::upto<8>, 8>>("x");
  g.output(octavo::reshape<octavo::nc<octavo::upto<batch>, features>>(x), "y");
}
