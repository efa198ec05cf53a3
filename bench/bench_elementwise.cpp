// Times what works element by element: sums and products, which broadcast, activations, functions, conversions; softmax
// and reductions too. See layer_benchmark.hpp.
#include "layer_benchmark.hpp"

int main(int argc, char** argv) {
  using namespace octavo;
  return bench::benchmark_layers(argc, argv, [](const bench::layer& l) {
    return !has_weights(l.op) && !l.op.is<op::pool2d>() && !l.op.is<op::matmul>() && !bench::moves_elements(l.op);
  });
}
