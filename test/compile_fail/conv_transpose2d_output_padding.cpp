// expected: its output padding less than stride or dilation
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int more = 2;
#else
constexpr int more = 1;
#endif

void compose(octavo::graph& g, const octavo::params& w) {
  auto x = g.input<float, octavo::nhwc<1, 6, 6, 8>>("x");
  g.output(octavo::conv_transpose2d<octavo::conv_transpose{.out = 4, .kernel = 3, .stride = 2, .output_padding = more}>(
               x, w / "conv"),
           "y");
}
