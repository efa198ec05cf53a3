// Composes a network: all of Octavo was found. Whole networks are run by consumer.cpp, which takes a compiler longer.
#include <iostream>

#include "octavo/octavo.hpp"

int main() {
  octavo::graph g;
  g.output(relu(g.input<float, octavo::nc<1, 3>>("x")), "y");
  std::cout << "octavo " << OCTAVO_VERSION_MAJOR << '.' << OCTAVO_VERSION_MINOR << '.' << OCTAVO_VERSION_PATCH << ": "
            << g.nodes.size() << " nodes\n";
}
