// The arithmetic of gates (op/recurrent.inc) against the formulas in double: the bound on errors that it states.
#include <doctest/doctest.h>

#include <cmath>

#include "octavo/op/recurrent.hpp"
#include "support/random.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

constexpr double bound = 0x1p-21;

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// Mostly where gates are neither open nor shut, sometimes far out.
float some_sum(random_numbers& random) { return random.chance(80) ? random.real(-6, 6) : random.real(-200, 200); }

}  // namespace

TEST_CASE("gates: sigmoids and tanh are within the stated bound") {
  double largest = 0;
  for (float x = -100.0f; x <= 100.0f; x += 0.0007f) {
    const double gate = scalar::through_gate(x, 1.0f), cell = scalar::cell_output(1e30f, x);
    largest = std::max({largest, std::fabs(gate - sigmoid(x)), std::fabs(cell - std::tanh(static_cast<double>(x)))});
  }
  CHECK(largest <= bound);
  CHECK(largest > bound / 16);  // it was measured at all, and the bound means something
  CHECK(scalar::through_gate(0.0f, 1.0f) == 0.5f);
  CHECK(scalar::cell_output(3.0f, 0.0f) == 0.0f);
  for (float x : {-HUGE_VALF, HUGE_VALF, -1e30f, 1e30f})
    CHECK(std::fabs(scalar::through_gate(x, 1.0f) - (x > 0 ? 1.0f : 0.0f)) <= bound);
  CHECK(std::isnan(scalar::through_gate(NAN, 1.0f)));
}

TEST_CASE("gates: states are within the stated bound") {
  random_numbers random(1);
  double gru = 0, cell = 0, output = 0;
  for (int i = 0; i < 200000; ++i) {
    const float a = some_sum(random), b = some_sum(random), g = some_sum(random), h = random.real(-1, 1);
    const double u = sigmoid(a), c = std::tanh(static_cast<double>(b));
    gru = std::max({gru, std::fabs(scalar::next_gru_state(a, b, h, true) - (u * h + (1 - u) * c)),
                    std::fabs(scalar::next_gru_state(a, b, h, false) - ((1 - u) * h + u * c))});
    const float old = random.chance(50) ? h : random.real(-50, 50);
    const double next = sigmoid(b) * old + sigmoid(a) * std::tanh(static_cast<double>(g));
    cell = std::max(cell, std::fabs(scalar::next_cell(a, b, g, old, 0.0f) - next) / std::max(1.0f, std::fabs(old)));
    CHECK(std::fabs(scalar::next_cell(a, b, g, old, 0.25f)) <= 0.25f);
    output = std::max(output, std::fabs(scalar::cell_output(a, g) - sigmoid(a) * std::tanh(static_cast<double>(g))));
  }
  CHECK(gru <= bound);
  CHECK(cell <= bound);
  CHECK(output <= bound);
}
