// Batch normalisation's reference evaluation. (ONNX's BatchNormalization has no vectors.)
#include "octavo/op/batch_norm.hpp"

#include <doctest/doctest.h>

#include "octavo/op/operation.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// weight, bias, mean, variance
using four = std::vector<constant>;

four random_four(int channels, random_numbers& random) {
  const dims c{channels};
  four f;
  for (int i = 0; i < 3; ++i) f.push_back(random_constant(element::f32, c, random));
  f.push_back(random_constant(element::f32, c, random, 0.1f, 2.0f));
  return f;
}

}  // namespace

TEST_CASE("batch_norm: FP32 by hand") {
  // (x - mean) / sqrt(var + eps) * weight + bias
  const four c{values({2}, {6, -1}), values({2}, {0.5f, 7}), values({2}, {8, 4}), values({2}, {3.75f, 0})};
  const tensor_type t{element::f32, {2, 1, 2}, {}};
  const tensor x = tensor::of<float>(t.extents, std::vector<float>{10, 5, 8, 4});
  const auto run = [&](activation act) {
    return reference_output(op::batch_norm{0.25f, act}, {{t}, t, c}, list_of(x.reshaped(t.extents)));
  };
  CHECK(std::ranges::equal(run({}).as<float>(), std::vector<float>{6.5f, 5, 0.5f, 7}));
  CHECK(std::ranges::equal(run(relu6_activation).as<float>(), std::vector<float>{6, 5, 0.5f, 6}));
}

TEST_CASE("batch_norm: FP32 near the formula in double") {
  random_numbers random(1);
  const four c = random_four(5, random);
  const tensor_type t{element::f32, {3, 4, 5}, {}};
  const tensor x = random_tensor(element::f32, t.extents, random);
  const tensor y = reference_output(op::batch_norm{}, {{t}, t, c}, list_of(x.reshaped(t.extents)));
  const auto at = [&](std::size_t i, std::size_t k) { return static_cast<double>(c[i]->as<float>()[k]); };
  for (std::size_t i = 0; i < 60; ++i) {
    const std::size_t k = i % 5;
    const double exact =
        (static_cast<double>(x.as<float>()[i]) - at(2, k)) / std::sqrt(at(3, k) + 1e-5) * at(0, k) + at(1, k);
    // Gain and shift, up to 3 and 5 in magnitude, are rounded to binary32, and so is the result.
    CHECK(std::fabs(static_cast<double>(y.as<float>()[i]) - exact) <= 1e-6);
  }
}

TEST_CASE("batch_norm: INT8 against the formulas") {
  unsigned seed = 0;
  for (int zp_x : {0, 128, 255})
    for (int zp_y : {0, 50, 255})
      for (bool u8_in : {true, false})
        for (bool u8_out : {true, false}) {
          CAPTURE(seed);
          random_numbers random(++seed);
          const four c = random_four(7, random);
          const dims e{2, 5, 7};
          const affine q_x{0.03f, zp_x}, q_y{0.05f, zp_y};
          const tensor_type t_x = u8_in ? tensor_type{element::u8, e, q_x} : tensor_type{element::f32, e, {}};
          const tensor_type t_y = u8_out ? tensor_type{element::u8, e, q_y} : tensor_type{element::f32, e, {}};
          const tensor x = random_tensor(t_x.type, e, random);
          const activation act = seed % 2 ? activation{} : activation{-2.0f, 3.0f};
          const tensor y = reference_output(op::batch_norm{1e-3f, act}, {{t_x}, t_y, c}, list_of(x.reshaped(e)));
          for (std::size_t i = 0; i < e.count(); ++i) {
            const auto at = [&](std::size_t k) { return static_cast<double>(c[k]->as<float>()[i % 7]); };
            const double gain = at(0) / std::sqrt(at(3) + static_cast<double>(1e-3f)),
                         shift = std::fma(-at(2), gain, at(1));
            const double s_x = u8_in ? static_cast<double>(q_x.scale) : 1.0,
                         s_y = u8_out ? static_cast<double>(q_y.scale) : 1.0;
            const float in = u8_in ? static_cast<float>(x.as<std::uint8_t>()[i] - zp_x) : x.as<float>()[i];
            const float v =
                fused_multiply_add(in, static_cast<float>(gain * s_x / s_y), static_cast<float>(shift / s_y));
            if (u8_out)
              CHECK(y.as<std::uint8_t>()[i] ==
                    output_grid{s_y, zp_y, static_cast<double>(act.lower), static_cast<double>(act.upper)}(v));
            else
              CHECK(y.as<float>()[i] == std::fmin(std::fmax(v, act.lower), act.upper));
          }
        }
}

TEST_CASE("batch_norm: what it refuses, by name") {
  const tensor_type t{element::f32, {1, 2}, {}};
  const constant one = values({2}, {1, 1});
  const auto failure = [](const signature& s, float eps = 0.0f) {
    return failure_of([&] { check(operation(op::batch_norm{eps}), s); });
  };
  CHECK_FALSE(failure({{t}, t, {one, one, one, one}}));
  check_failure(failure({{t}, {element::f32, {1, 3}, {}}, {one, one, one, one}}),
                "batch_norm: output must have the input's extents");
  check_failure(failure({{t}, t, {one, one, one}}), "batch_norm: constant 3 must be f32[2]");
  check_failure(failure({{t}, t, {one, values({3}, {1, 2, 3}), one, one}}), "batch_norm: constant 1 must be f32[2]");
  check_failure(failure({{t}, t, {one, one, one, values({2}, {0, 1})}}), "batch_norm: multiplier inf is out of range");
  check_failure(failure({{t}, t, {one, one, one, values({2}, {1, -1e-3f})}}, 1e-5f), "batch_norm: multiplier",
                "nan is out of range");
}
