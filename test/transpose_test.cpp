// The reference evaluations of transpose, shuffle_channel, space_to_depth and depth_to_space.
#include "octavo/op/transpose.hpp"

#include <doctest/doctest.h>

#include <numeric>

#include "octavo/op/operation.hpp"
#include "octavo/op/space_to_depth.hpp"
#include "support/onnx_vectors.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

template <class Op>
tensor moved(const Op& o, const tensor& x) {
  const operation any(o);
  const std::vector<tensor_type> from{{x.type(), x.extents(), {}}};
  return reference_output(any, {from, any.infer(from), {}}, list_of(x.reshaped(x.extents())));
}

tensor counted(const dims& e) {
  tensor t(element::f32, e);
  std::iota(t.as<float>().begin(), t.as<float>().end(), 0.0f);
  return t;
}

template <class Op>
std::optional<std::string> failure(const Op& o, const dims& x, const dims& y) {
  return failure_of([&] { check(operation(o), {{{element::f32, x, {}}}, {element::f32, y, {}}, {}}); });
}

}  // namespace

TEST_CASE("transpose: ONNX Transpose") {
  for (const onnx_vector& v :
       onnx_vectors({"transpose_all_permutations_0", "transpose_all_permutations_1", "transpose_all_permutations_2",
                     "transpose_all_permutations_3", "transpose_all_permutations_4", "transpose_all_permutations_5",
                     "transpose_default"})) {
    CAPTURE(v.name);
    op::transpose t;
    for (int axis : v.attribute("perm", std::vector<int>{})) t.perm.push_back(axis);
    CHECK(same_bits(moved(t, v.x()), v.y()));
  }
}

TEST_CASE("transpose: what it refuses, by name") {
  CHECK_FALSE(failure(op::transpose{{1, 0, 2}}, {2, 3, 4}, {3, 2, 4}));
  check_failure(failure(op::transpose{{1, 0, 2}}, {2, 3, 4}, {2, 3, 4}), "transpose: output must be 3x2x4");
  for (const axis_numbers& bad : {axis_numbers{1, 0}, {0, 1, 1}, {0, 1, 3}, {0, -1, 1}})
    check_failure(failure(op::transpose{bad}, {2, 3, 4}, {2, 3, 4}), "is no permutation of the axes of 2x3x4");
  CHECK_FALSE(failure(op::transpose{{0, 2, 1}}, {upto<2>, 3, 4}, {upto<2>, 4, 3}));
}

TEST_CASE("shuffle_channel: groups and channels change places") {
  CHECK(std::ranges::equal(moved(op::shuffle_channel{2}, counted({1, 6})).as<float>(),
                           std::vector<float>{0, 3, 1, 4, 2, 5}));
  CHECK(std::ranges::equal(moved(op::shuffle_channel{3}, counted({2, 6})).as<float>(),
                           std::vector<float>{0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11}));
  check_failure(failure(op::shuffle_channel{4}, {1, 6}, {1, 6}), "shuffle_channel: 4 groups must divide the channels",
                "1x6");
  CHECK(failure(op::shuffle_channel{0}, {1, 6}, {1, 6}).has_value());
}

TEST_CASE("space_to_depth: blocks become channels, outermost or innermost") {
  const tensor x = counted({1, 2, 4, 2});
  CHECK(std::ranges::equal(moved(op::space_to_depth{2}, x).as<float>(),
                           std::vector<float>{0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15}));
  CHECK(std::ranges::equal(moved(op::space_to_depth{2, true}, x).as<float>(),
                           std::vector<float>{0, 2, 8, 10, 1, 3, 9, 11, 4, 6, 12, 14, 5, 7, 13, 15}));
  check_failure(failure(op::space_to_depth{2}, {1, 3, 4, 2}, {1, 1, 2, 8}), "space_to_depth", "block 2", "1x3x4x2");
  CHECK(failure(op::space_to_depth{0}, {1, 4, 4, 2}, {1, 4, 4, 2}).has_value());
}

TEST_CASE("depth_to_space: the inverse of space_to_depth") {
  const tensor x = counted({2, 6, 9, 5});
  for (bool channels_first : {false, true})
    CHECK(same_bits(moved(op::depth_to_space{3, channels_first}, moved(op::space_to_depth{3, channels_first}, x)), x));
  check_failure(failure(op::depth_to_space{2}, {1, 2, 2, 6}, {1, 4, 4, 1}), "depth_to_space", "block 2", "1x2x2x6");
}
