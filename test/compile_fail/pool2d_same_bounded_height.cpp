// expected: octavo: pooling with a stride needs padding in numbers where its height or width is bounded
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr octavo::padding pad = octavo::same;
#else
constexpr octavo::padding pad = 1;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nhwc<1, octavo::upto<9>, 6, 8>>("x");
  g.output(octavo::max_pool2d<octavo::pool{.kernel = 3, .stride = 2, .pad = pad}>(x), "y");
}
