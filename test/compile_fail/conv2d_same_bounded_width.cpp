// expected: octavo: conv2d with a stride needs padding in numbers where its height or width is bounded
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr octavo::padding pad = octavo::same;
#else
constexpr octavo::padding pad = 1;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nhwc<1, 6, octavo::upto<9>, 8>>("x");
  auto y = octavo::conv2d<octavo::conv{.out = 8, .kernel = 3, .pad = octavo::same}>(x, w / "a");
  g.output(octavo::conv2d<octavo::conv{.out = 8, .kernel = 3, .stride = 2, .pad = pad}>(y, w / "b"), "y");
}
