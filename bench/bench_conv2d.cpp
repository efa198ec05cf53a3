// Times the convolutions but depthwise ones of real networks, and 1-d, 3-d and transposed ones: see
// layer_benchmark.hpp.
#include "layer_benchmark.hpp"

int main(int argc, char** argv) {
  using namespace octavo;
  return bench::benchmark_layers(argc, argv, [](const bench::layer& l) {
    const auto* c = l.op.as<op::conv2d>();
    return has_weights(l.op) && !l.op.is<op::fc>() && !(c && c->is_depthwise(l.src[0].back()));
  });
}
