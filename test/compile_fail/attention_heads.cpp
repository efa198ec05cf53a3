// expected: octavo: attention needs q (N, T, Heads D), k (N, S, Heads D) and v (N, S, Heads E)
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int heads = 3;
#else
constexpr int heads = 4;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::ntc<2, 5, 8>>("x");
  g.output(octavo::attention<heads>(x, x, x), "y");
}
