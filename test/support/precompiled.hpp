// What all tests include, read once for all of them (-DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON leaves that out).
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <ranges>
#include <sstream>
#include <thread>

#include "octavo/octavo.hpp"
