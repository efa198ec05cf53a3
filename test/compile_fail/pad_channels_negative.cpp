// expected: octavo: pad_channels cannot remove channels
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int before = -2;
#else
constexpr int before = 2;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nc<1, 8>>("x");
  g.output(octavo::pad_channels<before, 2>(x), "y");
}
