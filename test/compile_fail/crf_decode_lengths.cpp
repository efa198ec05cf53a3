// expected: octavo: crf_decode's lengths must be whole numbers of (N)
#include "octavo/graph/builder.hpp"

void compose(octavo::graph& g, const octavo::params& w) {
  auto emissions = g.input<float, octavo::ntc<2, 5, 4>>("emissions");
#ifdef OCTAVO_COMPILE_FAIL
  auto lengths = g.input<std::int32_t, octavo::shape<3>>("lengths");
#else
  auto lengths = g.input<std::int32_t, octavo::shape<2>>("lengths");
#endif
  octavo::crf_decode(emissions, w, lengths);
}
