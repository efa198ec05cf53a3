// Linked with the optional components: their libraries must be found by the linker.
#include "octavo/version.hpp"

int main() {}
