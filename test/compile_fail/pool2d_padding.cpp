// expected: octavo: pooling's padding must be smaller than its kernel
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr octavo::pool window{.kernel = 2, .pad = 2};
#else
constexpr octavo::pool window{.kernel = 2, .pad = 1};
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, 8>>("x");
  g.output(octavo::max_pool2d<window>(x), "y");
}
