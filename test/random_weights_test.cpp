// Random weights: what they depend on, how they are spread.
#include "octavo/tensor/random_weights.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace octavo;

namespace {

bool equal(const constant& a, const constant& b) { return std::ranges::equal(a->as<float>(), b->as<float>()); }

}  // namespace

TEST_CASE("random weights depend on seed and name alone") {
  const dims extents{8, 4, 3, 3};
  const params a = draw_weights(1);
  CHECK(equal((a / "conv").get("weight", extents), (draw_weights(1) / "conv").get("weight", extents)));
  CHECK(!equal((a / "conv").get("weight", extents), (a / "other").get("weight", extents)));
  CHECK(!equal((a / "conv").get("weight", extents), (draw_weights(2) / "conv").get("weight", extents)));
  // The same on every machine: the first eight numbers of 16 bits that splitmix64 gives for this name sum up to 231583.
  const float centred = 231583.0f / 65536.0f - 4.0f;
  CHECK((a / "conv").get("weight", {2, 200})->as<float>()[0] == std::sqrt(2.0f / 200) * (centred * 1.2247449f));
}

TEST_CASE("random weights are spread around 0 as He et al. propose") {
  const constant weights = draw_weights(3).get("fc.weight", {500, 200});
  double sum = 0, squares = 0;
  for (const float w : weights->as<float>()) {
    sum += static_cast<double>(w);
    squares += static_cast<double>(w) * static_cast<double>(w);
  }
  // 100 000 of deviation 0.1: four deviations of their mean and of their variance.
  CHECK(std::abs(sum / 1e5) < 4 * 0.1 / std::sqrt(1e5));
  CHECK(std::abs(squares / 1e5 - 0.01) < 4 * 0.01 * std::sqrt(2 / 1e5));
}

TEST_CASE("random weights: batch norms change nothing, biases are 0") {
  const params w = draw_weights(1);
  for (const char* name : {"bn.weight", "bn.running_var"})
    CHECK_MESSAGE(std::ranges::count(w.get(name, {5})->as<float>(), 1.0f) == 5, name);
  for (const char* name : {"bn.bias", "bn.running_mean", "fc.bias"})
    CHECK_MESSAGE(std::ranges::count(w.get(name, {5})->as<float>(), 0.0f) == 5, name);
}
