// Compiled once for each CPU, as the function UNIT.
#include "../small_network.hpp"

std::vector<float> UNIT();
std::vector<float> UNIT() { return small_network_logits(); }
