// expected: octavo: pad_channels needs an innermost axis that is not bounded
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int features = octavo::upto<8>;
#else
constexpr int features = 8;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nc<4, features>>("x");
  g.output(octavo::pad_channels<1, 1>(x), "y");
}
