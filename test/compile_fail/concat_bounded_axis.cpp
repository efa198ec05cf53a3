// expected: octavo: concat's axis cannot be a bounded one
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int batch = octavo::upto<2>;
#else
constexpr int batch = 2;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nc<batch, 8>>("x");
  auto y = g.input<float, octavo::nc<batch, 8>>("y");
  g.output(octavo::concat<0>(x, y), "both");
}
