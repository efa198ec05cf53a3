// Decoding of boxes by hand and against the formula in double.
#include "octavo/op/box_decode.hpp"

#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor decoded(const op::box_decode& d, const tensor& x, const tensor& priors) {
  return reference_output(
      d, {{{element::f32, x.extents(), {}}, {element::f32, priors.extents(), {}}}, {element::f32, x.extents(), {}}, {}},
      list_of(x, priors));
}

std::vector<float> numbers_of(const tensor& t) { return {t.as<float>().begin(), t.as<float>().end()}; }

}  // namespace

TEST_CASE("box_decode: by hand") {
  const tensor priors = tensor::of<float>({2, 4}, std::vector<float>{0.5f, 0.25f, 0.5f, 0.25f, 1, 0, 1, 1});
  const tensor x = tensor::of<float>({1, 2, 4}, std::vector<float>{0, 0, 0, 0, 2, -4, 0, 0});
  // The second centre moves by 2/4 and by -4/4 of its size, which is 1.
  const std::vector<float> boxes{0.25f, 0.125f, 0.75f, 0.375f, 1, -1.5f, 2, -0.5f};
  CHECK(numbers_of(decoded({.centre_variance = 0.25f}, x, priors)) == boxes);
  CHECK(numbers_of(decoded({.centre_variance = 0.25f, .clip = true}, x, priors)) ==
        std::vector<float>{0.25f, 0.125f, 0.75f, 0.375f, 1, 0, 1, 0});
  const tensor corners =
      tensor::of<float>({2, 4}, std::vector<float>{0.25f, 0.125f, 0.75f, 0.375f, 0.5f, -0.5f, 1.5f, 0.5f});
  CHECK(numbers_of(decoded({.centre_variance = 0.25f, .corners = true}, x, corners)) == boxes);
}

TEST_CASE("box_decode: near the formula, the same priors for each image") {
  random_numbers random(3);
  const op::box_decode d{.centre_variance = 0.1f, .size_variance = 0.2f};
  const tensor priors = random_tensor(element::f32, {50, 4}, random, 0.1f, 1.0f);
  const tensor x = random_tensor(element::f32, {3, 50, 4}, random, -6.0f, 6.0f), y = decoded(d, x, priors);
  for (std::size_t r = 0; r < 150; ++r)
    for (std::size_t i = 0; i < 2; ++i) {
      const auto at = [](const tensor& t, std::size_t k) { return static_cast<double>(t.as<float>()[k]); };
      const double s = at(priors, r % 50 * 4 + i + 2),
                   c = at(x, r * 4 + i) * double{d.centre_variance} * s + at(priors, r % 50 * 4 + i);
      const double half = std::exp(at(x, r * 4 + i + 2) * double{d.size_variance}) * s / 2;
      // A few roundings of numbers below 4: 2^-23 each.
      CHECK(std::fabs(at(y, r * 4 + i) - (c - half)) < 2e-6);
      CHECK(std::fabs(at(y, r * 4 + i + 2) - (c + half)) < 2e-6);
    }
}

TEST_CASE("box_decode: what it refuses, by name") {
  const tensor_type x{element::f32, {1, 5, 4}, {}}, priors{element::f32, {5, 4}, {}};
  const auto refused = [](const op::box_decode& d, const tensor_type& a, const tensor_type& b, const char* why) {
    check_failure(failure_of([&] {
                    graph g;
                    g.append(d, "decode", {*g.append(op::input{}, "x", {}, a), *g.append(op::input{}, "p", {}, b)});
                  }),
                  why);
  };
  refused({}, x, {element::f32, {6, 4}, {}}, "expected predictions of (..., 6, 4), found 1x5x4");
  refused({}, x, {element::f32, {5, 3}, {}}, "expected priors of (B, 4), found 5x3");
  refused({}, {element::u8, {1, 5, 4}, {}}, priors, "expected f32");
  refused({.size_variance = HUGE_VALF}, x, priors, "variances must be finite");
}
