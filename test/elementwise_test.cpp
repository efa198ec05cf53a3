// Reference evaluations of add, convert, activate and bias_add.
#include "octavo/op/elementwise.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "octavo/op/binary.hpp"
#include "support/onnx_vectors.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr float infinity = std::numeric_limits<float>::infinity();

tensor floats(std::vector<float> list) { return tensor::of<float>({static_cast<int>(list.size())}, list); }
tensor bytes(std::vector<std::uint8_t> list) { return tensor::of<std::uint8_t>({static_cast<int>(list.size())}, list); }
bool equal(const tensor& t, std::vector<float> expected) { return std::ranges::equal(t.as<float>(), expected); }
bool equal_bytes(const tensor& t, std::vector<std::uint8_t> expected) {
  return std::ranges::equal(t.as<std::uint8_t>(), expected);
}

/// All 256 bytes.
tensor every_byte() {
  tensor t(element::u8, {256});
  for (int i = 0; i < 256; ++i) t.as<std::uint8_t>()[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i);
  return t;
}

tensor_type type_of(const tensor& t, affine q = {}) { return {t.type(), t.extents(), q}; }
tensor_type u8_like(const tensor& t, affine q) { return {element::u8, t.extents(), q}; }
tensor_type f32_like(const tensor& t) { return {element::f32, t.extents(), {}}; }

tensor unary(const operation& o, const tensor& x, affine q_x, const tensor_type& y) {
  return reference_output(o, {{type_of(x, q_x)}, y, {}}, list_of(x.reshaped(x.extents())));
}
tensor sum(const op::add& o, const tensor& a, affine q_a, const tensor& b, affine q_b, const tensor_type& y) {
  return reference_output(o, {{type_of(a, q_a), type_of(b, q_b)}, y, {}},
                          list_of(a.reshaped(a.extents()), b.reshaped(b.extents())));
}

output_grid grid_of(const tensor_type& y, const activation& act = {}) {
  return {static_cast<double>(y.q.scale), y.q.zero_point, static_cast<double>(act.lower),
          static_cast<double>(act.upper)};
}
float ratio(float a, float b) { return static_cast<float>(static_cast<double>(a) / static_cast<double>(b)); }

const affine maps[] = {{1, 0}, {0.5f, 128}, {0.1f, 255}, {0.013f, 77}, {2.5f, 1}};

}  // namespace

TEST_CASE("activate: FP32") {
  const tensor x = floats({-3, -0.0f, 0.5f, 6, 7, infinity, -infinity});
  CHECK(equal(unary(op::activate{relu_activation}, x, {}, f32_like(x)), {0, 0, 0.5f, 6, 7, infinity, 0}));
  CHECK(equal(unary(op::activate{relu6_activation}, x, {}, f32_like(x)), {0, 0, 0.5f, 6, 6, 6, 0}));
  CHECK(equal(unary(op::activate{{-1, 0.25f}}, x, {}, f32_like(x)), {-1, 0, 0.25f, 0.25f, 0.25f, 0.25f, -1}));
  const tensor nan = floats({std::numeric_limits<float>::quiet_NaN()});
  CHECK(std::isnan(unary(op::activate{relu_activation}, nan, {}, f32_like(nan)).as<float>()[0]));
}

TEST_CASE("activate: INT8 of every byte, against the formulas") {
  const tensor x = every_byte();
  for (const affine& q_x : maps)
    for (const affine& q_y : maps)
      for (const activation& act : {no_activation, relu_activation, relu6_activation, activation{-1.3f, 0.7f}}) {
        const tensor_type y = u8_like(x, q_y);
        const tensor result = unary(op::activate{act}, x, q_x, y);
        const output_grid grid = grid_of(y, act);
        for (int i = 0; i < 256; ++i)
          CHECK(result.as<std::uint8_t>()[static_cast<std::size_t>(i)] ==
                grid(static_cast<float>(i - q_x.zero_point) * ratio(q_x.scale, q_y.scale)));
      }
}

TEST_CASE("activate: on u8 with one map, relu is a maximum with the zero point") {
  const tensor x = every_byte();
  const tensor y = unary(op::activate{relu_activation}, x, {0.3f, 100}, u8_like(x, {0.3f, 100}));
  for (int i = 0; i < 256; ++i) CHECK(y.as<std::uint8_t>()[static_cast<std::size_t>(i)] == std::max(i, 100));
}

TEST_CASE("convert: there and back is the identity of every byte, for any map") {
  const tensor x = every_byte();
  for (const affine& q : maps) {
    const tensor real = unary(op::convert{}, x, q, f32_like(x));
    CHECK(real.as<float>()[static_cast<std::size_t>(q.zero_point)] == 0.0f);
    CHECK(same_bits(unary(op::convert{}, real, {}, u8_like(x, q)), x));
    CHECK(same_bits(unary(op::convert{}, x, q, u8_like(x, q)), x));
  }
}

TEST_CASE("convert: quantize rounds ties to even and saturates") {
  const tensor x = floats({-0.5f, 0.5f, 1.5f, 2.5f, 254.5f, 255.5f, 1e30f, -1e30f, infinity, -infinity});
  CHECK(equal_bytes(unary(op::convert{}, x, {}, u8_like(x, {1, 0})), {0, 0, 2, 2, 254, 255, 255, 0, 255, 0}));
  CHECK(equal_bytes(unary(op::convert{}, x, {}, u8_like(x, {1, 128})), {128, 128, 130, 130, 255, 255, 255, 0, 255, 0}));
}

TEST_CASE("convert: requantize of every byte, against the formulas") {
  const tensor x = every_byte();
  for (const affine& q_x : maps)
    for (const affine& q_y : maps) {
      const tensor_type y = u8_like(x, q_y);
      const tensor result = unary(op::convert{}, x, q_x, y);
      for (int i = 0; i < 256; ++i)
        CHECK(result.as<std::uint8_t>()[static_cast<std::size_t>(i)] ==
              grid_of(y)(static_cast<float>(i - q_x.zero_point) * ratio(q_x.scale, q_y.scale)));
    }
}

TEST_CASE("convert: FP32 to FP32 is a copy") {
  const tensor x = floats({1.1f, -0.0f, infinity});
  CHECK(same_bits(unary(op::convert{}, x, {}, f32_like(x)), x));
}

// Not expressible: quantizelinear_axis, dequantizelinear_axis and the blocked ones (activations have one scale).
TEST_CASE("convert: ONNX QuantizeLinear and DequantizeLinear") {
  for (const onnx_vector& v : onnx_vectors({"quantizelinear"}))
    CHECK(same_bits(unary(op::convert{}, v.x(), {}, u8_like(v.x(), map_of(v.x(1), v.x(2)))), v.y()));
  for (const onnx_vector& v : onnx_vectors({"dequantizelinear"}))
    CHECK(same_bits(unary(op::convert{}, v.x(), map_of(v.x(1), v.x(2)), f32_like(v.x())), v.y()));
}

TEST_CASE("add: FP32, with and without activation") {
  const tensor a = floats({1, -2, 3, infinity}), b = floats({10, 1, -4, 5});
  CHECK(equal(sum({}, a, {}, b, {}, f32_like(a)), {11, -1, -1, infinity}));
  CHECK(equal(sum({relu6_activation}, a, {}, b, {}, f32_like(a)), {6, 0, 0, 6}));
}

// add_uint8 and add_int8 are integers without a scale, so the scale is 1; s8 is taken as u8, 128 higher. add_bcast adds
// a vector to each row, which bias_add does with a constant; binary_test.cpp has it as a sum.
TEST_CASE("add: ONNX Add") {
  for (const onnx_vector& v : onnx_vectors({"add"}))
    CHECK(same_bits(sum({}, v.x(), {}, v.x(1), {}, f32_like(v.x())), v.y()));
  for (const onnx_vector& v : onnx_vectors({"add_uint8"}))
    CHECK(same_bits(sum({}, v.x(), {1, 0}, v.x(1), {1, 0}, u8_like(v.x(), {1, 0})), v.y()));
  for (const onnx_vector& v : onnx_vectors({"add_int8"}))
    CHECK(same_bits(sum({}, as_u8(v.x()), {1, 128}, as_u8(v.x(1)), {1, 128}, u8_like(v.x(), {1, 128})), as_u8(v.y())));
  for (const onnx_vector& v : onnx_vectors({"add_bcast"}))
    CHECK(same_bits(reference_output(op::bias_add{}, {{type_of(v.x())}, f32_like(v.x()), {v.inputs[1]}},
                                     list_of(v.x().reshaped(v.x().extents()))),
                    v.y()));
}

TEST_CASE("add: INT8 of random bytes, against the formulas") {
  unsigned seed = 0;
  for (const affine& q_a : maps)
    for (const affine& q_b : maps)
      for (const affine& q_y : maps) {
        CAPTURE(seed);
        random_numbers random(++seed);
        const tensor a = random_tensor(element::u8, {3, 50}, random), b = random_tensor(element::u8, {3, 50}, random);
        const activation act = seed % 2 ? activation{} : activation{0.0f, 20.0f};
        const tensor_type y = u8_like(a, q_y);
        const tensor result = sum({act}, a, q_a, b, q_b, y);
        const float m_a = ratio(q_a.scale, q_y.scale), m_b = ratio(q_b.scale, q_y.scale);
        for (std::size_t i = 0; i < 150; ++i) {
          const float first = static_cast<float>(a.as<std::uint8_t>()[i] - q_a.zero_point) * m_a;
          const float t = fused_multiply_add(static_cast<float>(b.as<std::uint8_t>()[i] - q_b.zero_point), m_b, first);
          CHECK(result.as<std::uint8_t>()[i] == grid_of(y, act)(t));
        }
      }
}

TEST_CASE("add: u8 to FP32") {
  const tensor a = bytes({0, 128, 255}), b = bytes({255, 10, 0});
  CHECK(equal(sum({}, a, {0.5f, 128}, b, {2, 10}, f32_like(a)), {-64 + 490, 0, 63.5f - 20}));
}

TEST_CASE("add: strided inputs and output") {
  const float a[] = {1, 2, -1, 3, 4, -1}, b[] = {10, 20, 30, 40};
  float y[] = {-7, -7, -7, -7, -7, -7, -7, -7};
  const tensor_type t{element::f32, {2, 2}, {}};
  const operand src[] = {{const_cast<float*>(a), {2, 2}, 3}, {const_cast<float*>(b), {2, 2}, 2}};
  evaluate(op::add{}, signature{{t, t}, t, {}}, arguments{src, operand{y, {2, 2}, 4}});
  CHECK(std::ranges::equal(y, std::vector<float>{11, 22, -7, -7, 33, 44, -7, -7}));
}

TEST_CASE("bias_add: FP32 and INT8") {
  const dims e{2, 3};
  const constant bias = values({3}, {10, -20, 0.25f});
  const auto run = [&](const tensor& x, affine q_x, tensor_type y, activation act = {}) {
    return reference_output(op::bias_add{act}, {{type_of(x, q_x)}, y, {bias}}, list_of(x.reshaped(x.extents())));
  };
  const tensor x = tensor::of<float>(e, std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(equal(run(x, {}, f32_like(x)), {11, -18, 3.25f, 14, -15, 6.25f}));
  CHECK(equal(run(x, {}, f32_like(x), {-16.0f, 12.0f}), {11, -16, 3.25f, 12, -15, 6.25f}));
  unsigned seed = 0;
  for (const affine& q_x : maps)
    for (const affine& q_y : maps) {
      random_numbers random(++seed);
      const tensor u = random_tensor(element::u8, e, random);
      const tensor_type y = u8_like(u, q_y);
      const tensor result = run(u, q_x, y, relu_activation);
      for (std::size_t i = 0; i < 6; ++i)
        CHECK(result.as<std::uint8_t>()[i] ==
              grid_of(y, relu_activation)(
                  fused_multiply_add(static_cast<float>(u.as<std::uint8_t>()[i] - q_x.zero_point),
                                     ratio(q_x.scale, q_y.scale), ratio(bias->as<float>()[i % 3], q_y.scale))));
    }
}

TEST_CASE("activation: one clamp after another is one clamp") {
  CHECK(relu6_activation.after(relu_activation) == relu6_activation);
  CHECK(relu_activation.after(no_activation) == relu_activation);
  CHECK(no_activation.after(relu6_activation) == relu6_activation);
  CHECK(activation{5, 6}.after({0, 3}) == activation{5, 5});
  CHECK(activation{0, 3}.after({5, 6}) == activation{3, 3});
  CHECK(no_activation.is_none());
  CHECK_FALSE(relu_activation.is_none());
}

TEST_CASE("activation: its bounds on a u8 grid") {
  CHECK(saturation_of(no_activation, {0.1f, 7}) == saturation{7, 0, 255});
  CHECK(saturation_of(relu_activation, {0.1f, 7}) == saturation{7, 7, 255});
  CHECK(saturation_of(relu6_activation, {0.1f, 7}) == saturation{7, 7, 67});
  CHECK(saturation_of(relu6_activation, {0.01f, 0}) == saturation{0, 0, 255});
  CHECK(saturation_of({-1.0f, 1.0f}, {0.5f, 128}) == saturation{128, 126, 130});
  CHECK(saturation_of({-100.0f, -99.0f}, {0.5f, 128}) == saturation{128, 0, 0});
}

TEST_CASE("elementwise: what they refuse, by name") {
  const tensor_type a{element::f32, {2, 3}, {}}, other{element::f32, {3, 2}, {}}, integers{element::s32, {2, 3}, {}},
      tiny{element::u8, {2, 3}, {1e-30f, 0}}, byte{element::u8, {2, 3}, {1, 0}};
  const auto failure = [](const operation& o, const signature& s) { return failure_of([&] { check(o, s); }); };
  check_failure(failure(op::add{}, {{a}, a, {}}), "add: expected 2 inputs, found 1");
  check_failure(failure(op::add{}, {{a, other}, a, {}}), "add: inputs of 2x3 and 3x2 do not broadcast");
  check_failure(failure(op::activate{}, {{a}, other, {}}), "activate: input 2x3 and output 3x2");
  check_failure(failure(op::convert{}, {{a, a}, a, {}}), "convert: expected 1 inputs, found 2");
  check_failure(failure(op::convert{}, {{integers}, a, {}}),
                "convert: input and output must be f32 or u8, found s32[2x3]");
  check_failure(failure(op::convert{}, {{byte}, tiny, {}}), "convert: multiplier 1e+30 is out of range");
  check_failure(failure(op::bias_add{}, {{a}, a, {values({2}, {1, 2})}}), "bias_add: bias must be f32[3]");
  check_failure(failure(op::bias_add{}, {{a}, a, {}}), "bias_add: bias must be f32[3]");
  check_failure(failure(op::bias_add{}, {{a}, a, {values({3}, {1, infinity, 2})}}),
                "bias_add: multiplier inf is out of range");
}
