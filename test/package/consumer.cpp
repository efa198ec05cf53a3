// A whole network, from composing to running in INT8, by the installed package.
#include <iostream>

#include "small_network.hpp"

int main() {
  std::cout << "octavo " << OCTAVO_VERSION_MAJOR << '.' << OCTAVO_VERSION_MINOR << '.' << OCTAVO_VERSION_PATCH << ':';
  bool any = false;
  for (float logit : small_network_logits()) {
    std::cout << ' ' << logit;
    any = any || logit != 0.0f;
  }
  std::cout << '\n';
  return any ? 0 : 1;
}
