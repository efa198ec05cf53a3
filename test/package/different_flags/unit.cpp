// Compiled once for each x86 level, as the function UNIT.
#include "../small_network.hpp"

std::vector<float> UNIT();
std::vector<float> UNIT() { return small_network_logits(); }
