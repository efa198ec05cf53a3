// expected: octavo: upto's name is a letter from a to z
#include "octavo/tensor/shape.hpp"

#ifdef OCTAVO_COMPILE_FAIL
constexpr char name = 'W';
#else
constexpr char name = 'w';
#endif

static_assert(octavo::shape<octavo::upto<8, name>>::value.rank == 1);
