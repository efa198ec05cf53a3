// Times what works element by element: sums and products, which broadcast, activations, functions, conversions;
// reductions too. See layer_benchmark.hpp.
#include "layer_benchmark.hpp"

int main(int argc, char** argv) {
  using namespace octavo;
  return bench::benchmark_layers(argc, argv, [](const bench::layer& l) {
    return !has_weights(l.op) && !l.op.is<op::pool2d>() && !l.op.is<op::matmul>() && !l.op.is<op::attention>() &&
           !l.op.is<op::softmax>() && !l.op.is<op::layer_norm>() && !bench::moves_elements(l.op);
  });
}
