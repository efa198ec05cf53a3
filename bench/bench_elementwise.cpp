// Times the sums, activations, conversions, softmax, and concatenations that move bytes of real networks: see
// layer_benchmark.hpp.
#include "layer_benchmark.hpp"

int main(int argc, char** argv) {
  using namespace octavo;
  return bench::benchmark_layers(argc, argv,
                                 [](const bench::layer& l) { return !has_weights(l.op) && !l.op.is<op::pool2d>(); });
}
