// Concatenation's reference evaluation.
#include "octavo/op/concat.hpp"

#include <doctest/doctest.h>

#include "octavo/op/operation.hpp"
#include "support/onnx_vectors.hpp"
#include "support/random.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor joined(int axis, std::vector<tensor> src, affine q = {}) {
  const op::concat c{axis};
  signature s;
  std::vector<dims> extents;
  for (const tensor& t : src) {
    s.src.push_back({t.type(), t.extents(), q});
    extents.push_back(t.extents());
  }
  s.dst = {src[0].type(), op::infer(c, extents), q};
  return reference_output(c, s, src);
}

/// Element by element, by its position along every axis.
tensor joined_by_index(int axis, const std::vector<tensor>& src) {
  dims y = src[0].extents();
  for (std::size_t i = 1; i < src.size(); ++i) y[axis] += src[i].extents()[axis];
  tensor out(element::u8, y);
  for (std::size_t i = 0; i < y.count(); ++i) {
    std::array<int, max_rank> at{};
    std::size_t rest = i;
    for (int k = y.rank; k-- > 0; rest /= static_cast<std::size_t>(y[k]))
      at[static_cast<std::size_t>(k)] = static_cast<int>(rest % static_cast<std::size_t>(y[k]));
    std::size_t from = 0;
    for (int& along = at[static_cast<std::size_t>(axis)]; along >= src[from].extents()[axis]; ++from)
      along -= src[from].extents()[axis];
    std::size_t index = 0;
    for (int k = 0; k < y.rank; ++k)
      index = index * static_cast<std::size_t>(src[from].extents()[k]) +
              static_cast<std::size_t>(at[static_cast<std::size_t>(k)]);
    out.as<std::uint8_t>()[i] = src[from].as<std::uint8_t>()[index];
  }
  return out;
}

}  // namespace

TEST_CASE("concat: ONNX Concat") {
  for (const onnx_vector& v :
       onnx_vectors({"concat_1d_axis_0", "concat_1d_axis_negative_1", "concat_2d_axis_0", "concat_2d_axis_1",
                     "concat_2d_axis_negative_1", "concat_2d_axis_negative_2", "concat_3d_axis_0", "concat_3d_axis_1",
                     "concat_3d_axis_2", "concat_3d_axis_negative_1", "concat_3d_axis_negative_2",
                     "concat_3d_axis_negative_3"})) {
    CAPTURE(v.name);
    const int axis = v.attribute("axis", 0), rank = v.x().extents().rank;
    CHECK(same_bits(joined(axis < 0 ? axis + rank : axis,
                           list_of(v.x().reshaped(v.x().extents()), v.x(1).reshaped(v.x(1).extents()))),
                    v.y()));
  }
}

TEST_CASE("concat: every axis of ranks 1 to 6, one to four inputs") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    random_numbers random(seed);
    dims e;
    const int rank = random.between(1, 6);
    for (int i = 0; i < rank; ++i) e.push_back(random.between(1, 4));
    const int axis = random.below(rank), inputs = random.between(1, 4);
    std::vector<tensor> src;
    for (int i = 0; i < inputs; ++i) {
      e[axis] = random.between(1, 5);
      src.push_back(random_tensor(element::u8, e, random));
    }
    const tensor expected = joined_by_index(axis, src);
    CHECK(same_bits(joined(axis, std::move(src), {0.1f, 3}), expected));
  }
}

TEST_CASE("concat: strided inputs and output") {
  const float a[] = {1, 2, -1, 3, 4, -1}, b[] = {5, 6};
  float y[] = {-7, -7, -7, -7, -7, -7, -7, -7};
  const op::concat c{1};
  const tensor_type ta{element::f32, {2, 2}, {}}, tb{element::f32, {2, 1}, {}};
  const operand src[] = {{const_cast<float*>(a), {2, 2}, 3}, {const_cast<float*>(b), {2, 1}, 1}};
  op::evaluate(c, {{ta, tb}, {element::f32, {2, 3}, {}}, {}}, {src, operand{y, {2, 3}, 4}});
  CHECK(std::ranges::equal(y, std::vector<float>{1, 2, 5, -7, 3, 4, 6, -7}));
}

TEST_CASE("concat: bytes of any type are moved") {
  const tensor a = tensor::of<std::int64_t>({2}, std::vector<std::int64_t>{1, 1LL << 40}),
               b = tensor::of<std::int64_t>({1}, std::vector<std::int64_t>{-5});
  CHECK(std::ranges::equal(joined(0, list_of(a.reshaped({2}), b.reshaped({1}))).as<std::int64_t>(),
                           std::vector<std::int64_t>{1, 1LL << 40, -5}));
}

TEST_CASE("concat: what it refuses, by name") {
  const tensor_type a{element::u8, {1, 4, 2}, {0.5f, 1}}, y{element::u8, {1, 8, 2}, {0.5f, 1}};
  const auto failure = [](int axis, const signature& s) {
    return failure_of([&] { check(operation(op::concat{axis}), s); });
  };
  CHECK_FALSE(failure(1, {{a, a}, y, {}}));
  check_failure(failure(1, {{}, y, {}}), "concat: no inputs");
  check_failure(failure(3, {{a, a}, y, {}}), "concat: axis 3 of a tensor of 1x8x2");
  check_failure(failure(-1, {{a, a}, y, {}}), "concat: axis -1");
  check_failure(failure(2, {{a, a}, y, {}}), "concat: input 1x4x2 does not fit output 1x8x2");
  check_failure(failure(1, {{a, a, a}, y, {}}), "concat: output must be 1x12x2, found 1x8x2");
  tensor_type other = a;
  other.q.scale = 0.25f;
  check_failure(failure(1, {{a, other}, y, {}}),
                "concat: input u8[1x4x2] scale 0.25 zp 1 and output u8[1x8x2] scale 0.5 zp 1");
  other = {element::f32, a.extents, {}};
  check_failure(failure(1, {{a, other}, y, {}}), "must have the same type and scale");
  other = a;
  other.extents = {4, 2};
  check_failure(failure(1, {{a, other}, y, {}}), "concat: input 4x2 has another rank than 1x8x2");
  const tensor_type bounded{element::f32, {upto<3>, 2}, {}};
  check_failure(failure(0, {{bounded, bounded}, {element::f32, {upto<6>, 2}, {}}, {}}),
                "concat: axis 0 of <=6x2 is bounded");
  CHECK_FALSE(failure(1, {{bounded, bounded}, {element::f32, {upto<3>, 4}, {}}, {}}));
}
