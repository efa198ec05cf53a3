// Slice's reference evaluation; a split is several slices.
#include "octavo/op/slice.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/builder.hpp"
#include "support/onnx_vectors.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor sliced(const op::slice& s, const tensor& x) {
  return reference_output(s, {{{x.type(), x.extents(), {}}}, {x.type(), op::infer(s, x.extents()), {}}, {}},
                          list_of(x.reshaped(x.extents())));
}

axis_numbers numbers_of(const onnx_vector& v, std::size_t input) {
  axis_numbers a;
  if (!v.has(input)) return a;
  const attribute all =
      std::vector<std::int64_t>(v.x(input).as<std::int64_t>().begin(), v.x(input).as<std::int64_t>().end());
  from_attribute(all, a);
  return a;
}

}  // namespace

// Not expressible: slice_start_out_of_bounds (an extent of 0).
TEST_CASE("slice: ONNX Slice") {
  for (const onnx_vector& v :
       onnx_vectors({"slice", "slice_default_axes", "slice_default_steps", "slice_end_out_of_bounds", "slice_neg",
                     "slice_neg_steps", "slice_negative_axes"})) {
    CAPTURE(v.name);
    CHECK(same_bits(sliced({numbers_of(v, 1), numbers_of(v, 2), numbers_of(v, 3), numbers_of(v, 4)}, v.x()), v.y()));
  }
}

// Not expressible: split_zero_size_splits (extents of 0).
TEST_CASE("slice: ONNX Split") {
  for (const onnx_vector& v :
       onnx_vectors({"split_1d_uneven_split_opset18", "split_2d_uneven_split_opset18", "split_equal_parts_1d_opset13",
                     "split_equal_parts_1d_opset18", "split_equal_parts_2d", "split_equal_parts_2d_opset13",
                     "split_equal_parts_default_axis_opset13", "split_equal_parts_default_axis_opset18",
                     "split_variable_parts_1d_opset13", "split_variable_parts_1d_opset18",
                     "split_variable_parts_2d_opset13", "split_variable_parts_2d_opset18",
                     "split_variable_parts_default_axis_opset13", "split_variable_parts_default_axis_opset18"})) {
    CAPTURE(v.name);
    graph g;
    const int axis = v.attribute("axis", 0);
    const int x = g.append(op::input{}, "x", {}, tensor_type{v.x().type(), v.x().extents(), {}});
    std::vector<int> sizes;
    for (const constant& y : v.outputs) sizes.push_back(y->extents()[axis_of(axis, y->extents().rank)]);
    for (int part : append_split(g, "part", x, axis, sizes)) g.outputs.push_back({part, text("y", g.outputs.size())});
    const std::vector<tensor> found = reference_outputs(g, list_of(v.x().reshaped(v.x().extents())));
    REQUIRE(found.size() == v.outputs.size());
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(same_bits(found[i], *v.outputs[i]));
  }
}

TEST_CASE("slice: ranges are counted and clamped as in ONNX") {
  const auto range = [](int start, int end, int step, int n) {
    const op::axis_range r = op::range_on_axis({{start}, {end}, {0}, {step}}, 0, 1, n);
    return std::array{r.start, r.step, r.count};
  };
  constexpr int lowest = std::numeric_limits<int>::min(), largest = std::numeric_limits<int>::max();
  CHECK(range(0, largest, 1, 7) == std::array{0, 1, 7});
  CHECK(range(2, -1, 2, 8) == std::array{2, 2, 3});
  CHECK(range(-3, largest, 1, 7) == std::array{4, 1, 3});
  CHECK(range(-1, lowest, -1, 7) == std::array{6, -1, 7});
  CHECK(range(largest, 2, -3, 7) == std::array{6, -3, 2});
  CHECK(range(5, 5, 1, 7)[2] == 0);
  CHECK(range(lowest, 3, largest, 7) == std::array{0, largest, 1});
  CHECK(range(6, lowest, lowest, 7)[2] == 1);
}

TEST_CASE("slice: what it refuses, by name") {
  const tensor_type x{element::f32, {4, 6}, {}}, batch{element::f32, {upto<4>, 6}, {}};
  const auto failure = [](const op::slice& o, const tensor_type& from) {
    return failure_of([&] { check(operation(o), {{from}, {element::f32, op::infer(o, from.extents), {}}, {}}); });
  };
  CHECK_FALSE(failure({{1}, {3}}, x));
  check_failure(failure({{1, 2}, {3}}, x), "slice: starts 1,2, ends 3", "must be as many");
  check_failure(failure({{1}, {3}, {2}}, x), "slice: axis 2 of a tensor of 4x6");
  check_failure(failure({{1, 0}, {3, 2}, {1, -1}}, x), "slice: axis -1 of a tensor of 4x6 is there twice");
  check_failure(failure({{1}, {3}, {0}, {0}}, x), "slice: the step of axis 0 is 0");
  check_failure(failure({{3}, {3}}, x), "slice: from 3 to 3 axis 0 of 4x6 has nothing");
  check_failure(failure({{1}, {3}}, batch), "slice: axis 0 of <=4x6 is bounded");
  check_failure(failure({{0}, {-1}}, batch), "slice: axis 0 of <=4x6 is bounded");
  check_failure(failure({{0}, {3}}, batch), "slice: axis 0 of <=4x6 is bounded");
  for (const op::slice& any : {op::slice{{0}, {1}}, {{-1}, {4}}, {{0}, {4}}, {{0}, {1000}}, {{0}, {1}, {1}}})
    CHECK_FALSE(failure(any, batch));
  CHECK(op::infer(op::slice{{0}, {1000}}, batch.extents) == batch.extents);
  CHECK(op::infer(op::slice{{-1}, {1000}}, batch.extents) == dims{1, 6});
}
