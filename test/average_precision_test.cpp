// Mean average precision by hand.
#include "../examples/average_precision.hpp"

#include <doctest/doctest.h>

using namespace octavo::example;

namespace {

constexpr std::array<float, 4> left{0, 0, 1, 1}, right{0, 2, 1, 3}, nearly_left{0, 0, 1, 0.5f}, apart{5, 5, 6, 6};

}  // namespace

TEST_CASE("average precision: the intersection of two boxes by their union") {
  CHECK(intersection_over_union(left, left) == 1);
  CHECK(intersection_over_union(left, nearly_left) == 0.5);
  CHECK(intersection_over_union(left, {0.5f, 0.5f, 1.5f, 1.5f}) == 0.25 / 1.75);
  CHECK(intersection_over_union(left, right) == 0);
  CHECK(intersection_over_union({0, 0, 0, 0}, {0, 0, 0, 0}) == 0);
}

TEST_CASE("average precision: the area under the monotone curve") {
  const boxes_of_images truth{{{1, left}, {1, right}, {2, apart}}, {{1, left}}};
  // Right, wrong, right at recalls 1/3, 1/3, 2/3: precisions 1, 1/2, 2/3, of which the second counts as 2/3.
  const boxes_of_images some{{{1, left, 0.9f}, {1, apart, 0.8f}}, {{1, left, 0.7f}}};
  CHECK(average_precision(some, truth, 1, 0.5) == doctest::Approx(1.0 / 3 + 2.0 / 9));  // sums in another order
  CHECK(average_precision(some, truth, 2, 0.5) == 0);
  CHECK(mean_average_precision(some, truth) == doctest::Approx((1.0 / 3 + 2.0 / 9) / 2));
  // A box is taken once, by the better score; the IoU may be the threshold itself, and the class must be right.
  const boxes_of_images twice{{{1, nearly_left, 0.4f}, {1, left, 0.5f}}, {}}, near{{{1, nearly_left, 0.4f}}, {}};
  CHECK(average_precision(twice, truth, 1, 0.5) == doctest::Approx(1.0 / 3));
  CHECK(average_precision(near, truth, 1, 0.5) == doctest::Approx(1.0 / 3));
  CHECK(average_precision(near, truth, 1, 0.51) == 0);
  CHECK(average_precision({{{2, left, 1.0f}}, {}}, truth, 2, 0.5) == 0);
  CHECK(mean_average_precision({{}, {}}, {{}, {}}) == 0);
}
