// expected: octavo: the pooling window does not fit its padded input
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int kernel = 5;
#else
constexpr int kernel = 4;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nhwc<1, 4, 6, 8>>("x");
  g.output(octavo::max_pool2d<octavo::pool{.kernel = kernel}>(x), "y");
}
