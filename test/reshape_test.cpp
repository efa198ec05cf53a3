// Reshape's reference evaluation.
#include "octavo/op/reshape.hpp"

#include <doctest/doctest.h>

#include "octavo/op/operation.hpp"
#include "support/onnx_vectors.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor reshaped(const tensor& x, const dims& to) {
  return reference_output(op::reshape{}, {{{x.type(), x.extents(), {}}}, {x.type(), to, {}}, {}},
                          list_of(x.reshaped(x.extents())));
}

}  // namespace

// The new extents come from the output: 0 and -1 in ONNX's shape input are the exporter's business.
// Not expressible: reshape_allowzero_reordered (an extent of 0).
TEST_CASE("reshape: ONNX Reshape") {
  for (const onnx_vector& v :
       onnx_vectors({"reshape_extended_dims", "reshape_negative_dim", "reshape_negative_extended_dims",
                     "reshape_one_dim", "reshape_reduced_dims", "reshape_reordered_all_dims",
                     "reshape_reordered_last_dims", "reshape_zero_and_negative_dim", "reshape_zero_dim"})) {
    CAPTURE(v.name);
    CHECK(same_bits(reshaped(v.x(), v.y().extents()), v.y()));
  }
}

TEST_CASE("reshape: rows of another length, either side strided, elements of 1, 4 and 8 bytes") {
  const auto run = [](auto zero) {
    using T = decltype(zero);
    T x[3 * 5] = {}, y[2 * 8] = {};
    for (int i = 0; i < 12; ++i) x[i / 4 * 5 + i % 4] = static_cast<T>(i + 1);
    const operand src{x, {3, 4}, 5};
    op::evaluate(op::reshape{}, {{{element_of<T>, {3, 4}, {}}}, {element_of<T>, {2, 6}, {}}, {}},
                 {{&src, 1}, operand{y, {2, 6}, 8}});
    for (int i = 0; i < 16; ++i) CHECK(y[i] == static_cast<T>(i % 8 < 6 ? i / 8 * 6 + i % 8 + 1 : 0));
  };
  run(std::uint8_t{});
  run(float{});
  run(std::int64_t{});
}

TEST_CASE("reshape: bounded extents are the input's, whatever those in its description are") {
  const dims x{upto<4>, 1, upto<9, 'w'>, 6};
  CHECK(op::infer(op::reshape{{upto<2>, upto<3>, 2, 3}}, x) == dims{upto<4>, upto<9, 'w'>, 2, 3});
}

TEST_CASE("reshape: what it refuses, by name") {
  const tensor_type x{element::u8, {2, 6}, {0.5f, 1}};
  const auto failure = [](const signature& s) { return failure_of([&] { check(operation(op::reshape{}), s); }); };
  CHECK_FALSE(failure({{x}, {element::u8, {3, 4}, {0.5f, 1}}, {}}));
  check_failure(failure({{x}, {element::u8, {3, 5}, {0.5f, 1}}, {}}), "reshape: cannot turn 2x6 into 3x5");
  check_failure(failure({{x}, {element::u8, {3, 4}, {0.5f, 2}}, {}}),
                "reshape: input and output must have the same type");
  check_failure(failure({{x}, {element::f32, {3, 4}, {}}, {}}), "reshape: input and output must have the same type");
  check_failure(failure({{}, x, {}}), "reshape: cannot turn scalar into 2x6");
  const tensor_type bounded{element::f32, {upto<4>, 6}, {}};
  CHECK_FALSE(failure({{bounded}, {element::f32, {upto<4>, 3, 2}, {}}, {}}));
  check_failure(failure({{bounded}, {element::f32, {upto<8>, 3}, {}}, {}}), "reshape: bounded extents must stay",
                "<=4x6", "<=8x3");
  check_failure(failure({{bounded}, {element::f32, {4, 6}, {}}, {}}), "reshape: bounded extents must stay");
  const dims image{upto<4>, 1, upto<9, 'w'>, 6};
  const auto to = [&](const dims& y) { return failure({{{element::f32, image, {}}}, {element::f32, y, {}}, {}}); };
  CHECK_FALSE(to({upto<4>, upto<9, 'w'>, 6}));  // a line of text as a sequence
  check_failure(to({upto<4>, upto<9>, 6}), "must stay in their order", "<=4x1x<=9wx6", "<=4x<=9x6");
  check_failure(to({upto<9, 'w'>, image.encoded(0), 6}), "must stay in their order");
  check_failure(to({upto<4>, 6, upto<9, 'w'>}), "must stay in their order");  // rows would come apart
}
