// expected: octavo: matmul needs an equal depth and batch extents that are equal or 1
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int depth = 6;
#else
constexpr int depth = 8;
#endif

void compose(octavo::graph& g) {
  auto a = g.input<float, octavo::ntc<2, 5, 8>>("a");
  auto b = g.input<float, octavo::ntc<2, depth, 3>>("b");
  g.output(octavo::matmul(a, b), "product");
}
