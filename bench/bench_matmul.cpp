// Times products of two activations: see layer_benchmark.hpp. Octavo multiplies u8 by u8 with zero points; oneDNN,
// which takes no u8 for b, u8 by s8 without: Octavo has the same to do in the layers that end in _s8, whose zero points
// are 0 and 128. Names are <slices>x<m>x<k>x<n>_<b or bT>; bT: b is transposed. For another shape:
//
//   bench_matmul --networks=1x100x100x100
#include "layer_benchmark.hpp"

int main(int argc, char** argv) {
  using namespace octavo;
  return bench::benchmark_layers(argc, argv, [](const bench::layer& l) { return l.op.is<op::matmul>(); });
}
