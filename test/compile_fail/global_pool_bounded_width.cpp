// expected: octavo: global pooling needs (N, H, W, C) whose height and width are not bounded
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr auto width = octavo::upto<9>;
#else
constexpr auto width = 9;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nhwc<1, 6, width, 8>>("x");
  g.output(octavo::global_average_pool(x), "y");
}
