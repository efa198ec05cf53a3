// expected: octavo: pooling's kernel and stride must be from 1 to 32768, its padding from 0 to 32768
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int stride = -1;
#else
constexpr int stride = 1;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, 8>>("x");
  g.output(octavo::max_pool2d<octavo::pool{.kernel = 2, .stride = stride}>(x), "y");
}
