// Times layers of lstm: see recurrent_benchmark.hpp.
#include "octavo/op/lstm.hpp"
#include "recurrent_benchmark.hpp"

int main(int argc, char** argv) {
  using namespace octavo;
  return bench::benchmark_recurrent(argc, argv, {"lstm", 4, [](int hidden) -> operation { return op::lstm{hidden}; }});
}
