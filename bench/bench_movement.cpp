// Times what moves elements: transposes, embeddings, resizing, and concatenations that are not free. See
// layer_benchmark.hpp.
#include "layer_benchmark.hpp"

int main(int argc, char** argv) {
  using namespace octavo;
  return bench::benchmark_layers(argc, argv, [](const bench::layer& l) { return bench::moves_elements(l.op); });
}
