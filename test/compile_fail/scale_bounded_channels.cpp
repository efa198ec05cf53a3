// expected: octavo: scale's innermost axis cannot be bounded
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int channels = octavo::upto<8>;
#else
constexpr int channels = 8;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, channels>>("x");
  g.output(octavo::scale(x, w / "scale"), "y");
}
