// expected: octavo: softmax of (N, ..., C) needs N lengths
#include "octavo/graph/builder.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr int batch = 3;
#else
constexpr int batch = 2;
#endif

void compose(octavo::graph& g) {
  auto x = g.input<float, octavo::ntc<2, 5, 8>>("x");
  g.output(octavo::softmax(x, g.input<std::int32_t, octavo::shape<batch>>("lengths")), "y");
}
