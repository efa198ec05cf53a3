// expected: octavo: layer_norm's innermost axis cannot be bounded
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int features = octavo::upto<8>;
#else
constexpr int features = 8;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nc<4, features>>("x");
  g.output(octavo::layer_norm(x, w), "y");
}
