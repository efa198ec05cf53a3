// PaddlePaddle's files, as far as they need no model: see paddle_models_test.cpp for whole ones.
#include <doctest/doctest.h>

#include "octavo/importer/paddle.hpp"
#include "octavo/octavo.hpp"
