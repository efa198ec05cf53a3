// Times layers of gru: see recurrent_benchmark.hpp.
#include "octavo/op/gru.hpp"
#include "recurrent_benchmark.hpp"

int main(int argc, char** argv) {
  using namespace octavo;
  return bench::benchmark_recurrent(argc, argv, {"gru", 3, [](int hidden) -> operation { return op::gru{hidden}; }});
}
