// expected: octavo: add needs extents that are equal or 1, counted from the innermost axis
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr char name = 'b';
#else
constexpr char name = 'a';
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::nc<octavo::upto<8, 'a'>, 4>>("x");
  auto y = g.input<float, octavo::nc<octavo::upto<8, name>, 4>>("y");
  g.output(x + y, "sum");
}
