// Plans a network: see refused_flags.cmake.
#include <iostream>

#include "octavo/graph/builder.hpp"
#include "octavo/plan/compile.hpp"

int main() try {
  octavo::graph g;
  g.output(relu(g.input<float, octavo::nc<1, 3>>("x")), "y");
  octavo::plan_graph(g, {});
  std::cout << "planned";
} catch (const octavo::error& e) {
  std::cout << e.what();
}
