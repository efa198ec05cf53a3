// Reference evaluations of the arithmetic of two tensors, and of scale and prelu.
#include "octavo/op/binary.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "octavo/graph/builder.hpp"
#include "support/onnx_vectors.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr float infinity = std::numeric_limits<float>::infinity(),
                not_a_number = std::numeric_limits<float>::quiet_NaN();

/// What `o` makes of a and b.
tensor combined(const operation& o, const tensor& a, affine q_a, const tensor& b, affine q_b,
                element out = element::f32, affine q_y = {}) {
  const tensor_type x0{a.type(), a.extents(), q_a}, x1{b.type(), b.extents(), q_b};
  return reference_output(o, {{x0, x1}, {out, op::broadcast(a.extents(), b.extents()), q_y}, {}}, list_of(a, b));
}

tensor floats(const dims& extents, std::vector<float> list) { return tensor::of<float>(extents, list); }
bool equal(const tensor& t, const std::vector<float>& expected) {
  return std::ranges::equal(t.as<float>(), expected,
                            [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); });
}

/// Each operator, and the same in double.
struct described {
  operation op;
  double (*exact)(double, double);
};
const described operators[] = {{op::add{}, [](double a, double b) { return a + b; }},
                               {op::sub{}, [](double a, double b) { return a - b; }},
                               {op::mul{}, [](double a, double b) { return a * b; }},
                               {op::div{}, [](double a, double b) { return a / b; }},
                               {op::min{}, [](double a, double b) { return b < a ? b : a; }},
                               {op::max{}, [](double a, double b) { return b > a ? b : a; }}};

/// Element `i` of the broadcast result in a tensor of extents `x`.
std::size_t place_in(const dims& x, const dims& y, std::size_t i) {
  std::size_t at = 0, step = 1;
  for (int axis = 1; axis <= y.rank; ++axis) {
    const auto extent = static_cast<std::size_t>(y[y.rank - axis]), index = i % extent;
    i /= extent;
    if (axis > x.rank) continue;
    if (x[x.rank - axis] != 1) at += index * step;
    step *= static_cast<std::size_t>(x[x.rank - axis]);
  }
  return at;
}

const dims pairs[][2] = {{{2, 3, 4}, {2, 3, 4}}, {{2, 3, 4}, {4}},    {{4}, {2, 3, 4}},
                         {{2, 3, 4}, {}},        {{}, {3}},           {{}, {}},
                         {{2, 3, 4}, {2, 1, 4}}, {{2, 3, 4}, {3, 1}}, {{2, 1, 4}, {1, 3, 1}},
                         {{2, 1, 1, 5}, {3, 5}}, {{1}, {2, 3}},       {{5, 1}, {1, 6}}};

}  // namespace

TEST_CASE("broadcast: extents by numpy's rule") {
  static_assert(op::broadcast({2, 3, 4}, {4}) == dims{2, 3, 4});
  static_assert(op::broadcast({2, 1, 4}, {1, 3, 1}) == dims{2, 3, 4});
  static_assert(op::broadcast({}, {5}) == dims{5});
  static_assert(op::broadcast({upto<8>, 1, 1, 3}, {6, 6, 3}) == dims{upto<8>, 6, 6, 3});
  static_assert(op::broadcasts({upto<8>, 3}, {1, 3}) && op::broadcasts({upto<8>, 3}, {upto<8>, 1}));
  static_assert(!op::broadcasts({upto<8>, 3}, {8, 3}) && !op::broadcasts({2, 3}, {2}) &&
                !op::broadcasts({2, 3}, {3, 2}));
}

TEST_CASE("binary: FP32 is the exact result, rounded once, for every kind of broadcasting") {
  random_numbers random(1);
  for (const described& o : operators)
    for (const auto& pair : pairs) {
      const dims a_extents = pair[0], b_extents = pair[1];
      CAPTURE(text(o.op, " on ", a_extents, " and ", b_extents));
      const tensor a = random_tensor(element::f32, a_extents, random),
                   b = random_tensor(element::f32, b_extents, random);
      const tensor y = combined(o.op, a, {}, b, {});
      REQUIRE(y.extents().count() >= 1);
      bool same_numbers = true;
      for (std::size_t i = 0; i < y.extents().count(); ++i) {
        const float v0 = a.as<float>()[place_in(a_extents, y.extents(), i)],
                    v1 = b.as<float>()[place_in(b_extents, y.extents(), i)];
        same_numbers = same_numbers && y.as<float>()[i] == static_cast<float>(o.exact(v0, v1));
      }
      CHECK(same_numbers);
    }
}

TEST_CASE("binary: INT8 of random bytes, against the formulas") {
  random_numbers random(2);
  const affine maps[] = {{1, 0}, {0.5f, 128}, {0.1f, 255}, {0.013f, 77}};
  for (const described& o : operators)
    for (const affine& q_a : maps)
      for (const affine& q_b : maps)
        for (const affine& q_y : maps) {
          const tensor a = random_tensor(element::u8, {3, 4, 5}, random),
                       b = random_tensor(element::u8, {4, 1}, random);
          const tensor y = combined(o.op, a, q_a, b, q_b, element::u8, q_y);
          const double s_a = q_a.scale, s_b = q_b.scale, s_y = q_y.scale;
          const auto expected = [&](float v0, float v1) -> float {
            if (o.op.is<op::mul>()) return v0 * v1 * static_cast<float>(s_a * s_b / s_y);
            if (o.op.is<op::div>()) return v0 / v1 * static_cast<float>(s_a / (s_b * s_y));
            const float m0 = static_cast<float>(s_a / s_y), m1 = static_cast<float>(s_b / s_y), first = v0 * m0;
            if (o.op.is<op::add>()) return fused_multiply_add(v1, m1, first);
            if (o.op.is<op::sub>()) return fused_multiply_add(-v1, m1, first);
            return o.op.is<op::min>() ? std::min(first, v1 * m1) : std::max(first, v1 * m1);
          };
          bool same_bytes = true;
          for (std::size_t i = 0; i < 60; ++i) {
            const float t = expected(static_cast<float>(a.as<std::uint8_t>()[i] - q_a.zero_point),
                                     static_cast<float>(b.as<std::uint8_t>()[i / 5 % 4] - q_b.zero_point));
            const int q = std::isnan(t) ? 0 : output_grid{s_y, q_y.zero_point}(t);
            same_bytes = same_bytes && y.as<std::uint8_t>()[i] == q;
          }
          CAPTURE(text(o.op));
          CHECK(same_bytes);
        }
}

TEST_CASE("binary: NaN, infinities, zeros and activations") {
  const tensor a = floats({4}, {not_a_number, 1, 0, -1}), b = floats({4}, {1, not_a_number, 0, 0});
  for (const described& o : operators) {
    const tensor y = combined(o.op, a, {}, b, {});
    CHECK(std::isnan(y.as<float>()[0]));
    CHECK(std::isnan(y.as<float>()[1]));
  }
  CHECK(equal(combined(op::div{}, a, {}, b, {}), {not_a_number, not_a_number, not_a_number, -infinity}));
  CHECK(equal(combined(op::sub{{relu_activation}}, floats({2}, {1, 5}), {}, floats({1}, {3}), {}), {0, 2}));
  CHECK(equal(combined(op::mul{{relu6_activation}}, floats({2}, {1, 5}), {}, floats({1}, {3}), {}), {3, 6}));
}

// The integers without a scale have the scale 1; s8 is taken as u8, 128 higher. Their products wrap around in ONNX, and
// are clamped here.
TEST_CASE("binary: ONNX Add, Sub and Mul") {
  const auto check = [](const std::vector<std::string>& names, const operation& o) {
    for (const onnx_vector& v : onnx_vectors(names)) {
      CAPTURE(v.name);
      CHECK(same_bits(combined(o, v.x(), {}, v.x(1), {}), v.y()));
    }
  };
  check({"add", "add_bcast"}, op::add{});
  check({"sub", "sub_bcast", "sub_example"}, op::sub{});
  check({"mul", "mul_bcast", "mul_example"}, op::mul{});
  for (const onnx_vector& v : onnx_vectors({"sub_uint8"}))
    CHECK(same_bits(combined(op::sub{}, v.x(), {1, 0}, v.x(1), {1, 0}, element::u8, {1, 0}), v.y()));
  for (const onnx_vector& v : onnx_vectors({"sub_int8"}))
    CHECK(same_bits(combined(op::sub{}, as_u8(v.x()), {1, 128}, as_u8(v.x(1)), {1, 128}, element::u8, {1, 128}),
                    as_u8(v.y())));
}

TEST_CASE("scale: per channel or for all, in FP32 and INT8") {
  const dims e{2, 3};
  const tensor x = floats(e, {1, -2, 3, 4, 5, -6});
  const tensor_type f32{element::f32, e, {}};
  const auto run = [&](const op::scale& o, std::vector<constant> constants) {
    return reference_output(o, {{f32}, f32, std::move(constants)}, list_of(x));
  };
  const constant weight = values({3}, {2, 3, -1}), bias = values({3}, {10, 0, 1});
  CHECK(equal(run({}, {weight, bias}), {12, -6, -2, 18, 15, 7}));
  CHECK(equal(run({}, {weight}), {2, -6, -3, 8, 15, 6}));
  CHECK(equal(run({}, {nullptr, bias}), {11, -2, 4, 14, 5, -5}));
  CHECK(equal(run({2, 1}, {}), {3, -3, 7, 9, 11, -11}));
  CHECK(equal(run({2, 1, relu_activation}, {weight, bias}), {15, 0, 0, 27, 31, 14}));
  random_numbers random(3);
  const affine q_x{0.03f, 100}, q_y{0.05f, 30};
  const tensor u = random_tensor(element::u8, e, random);
  const tensor y = reference_output(op::scale{1.5f, 0.25f},
                                    {{{element::u8, e, q_x}}, {element::u8, e, q_y}, {weight, bias}}, list_of(u));
  for (std::size_t i = 0; i < 6; ++i) {
    const double m = 1.5 * static_cast<double>(weight->as<float>()[i % 3]) * static_cast<double>(q_x.scale) /
                     static_cast<double>(q_y.scale),
                 b = (0.25 + static_cast<double>(bias->as<float>()[i % 3])) / static_cast<double>(q_y.scale);
    const float t = fused_multiply_add(static_cast<float>(u.as<std::uint8_t>()[i] - 100), static_cast<float>(m),
                                       static_cast<float>(b));
    CHECK(y.as<std::uint8_t>()[i] == output_grid{static_cast<double>(q_y.scale), 30}(t));
  }
}

TEST_CASE("prelu: a slope for each channel or for all, in FP32 and INT8") {
  const dims e{2, 3};
  const tensor x = floats(e, {1, -2, -3, -4, 5, not_a_number});
  const tensor_type f32{element::f32, e, {}};
  const auto run = [&](const constant& slope) {
    return reference_output(op::prelu{}, {{f32}, f32, {slope}}, list_of(x));
  };
  CHECK(equal(run(values({3}, {0.5f, 2, -1})), {1, -4, 3, -2, 5, not_a_number}));
  CHECK(equal(run(values({1}, {0.5f})), {1, -1, -1.5f, -2, 5, not_a_number}));
  tensor u(element::u8, {256});
  for (int i = 0; i < 256; ++i) u.as<std::uint8_t>()[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i);
  const affine q_x{0.03f, 100}, q_y{0.05f, 30};
  const tensor y = reference_output(
      op::prelu{}, {{{element::u8, {256}, q_x}}, {element::u8, {256}, q_y}, {values({1}, {0.3f})}}, list_of(u));
  for (int i = 0; i < 256; ++i) {
    const double m =
        (i < 100 ? static_cast<double>(0.3f) : 1.0) * static_cast<double>(q_x.scale) / static_cast<double>(q_y.scale);
    CHECK(y.as<std::uint8_t>()[static_cast<std::size_t>(i)] ==
          output_grid{static_cast<double>(q_y.scale), 30}(static_cast<float>(i - 100) * static_cast<float>(m)));
  }
}

TEST_CASE("binary: a network of them has the extents of their operands") {
  graph g;
  auto image = g.input<float, nhwc<upto<4>, 6, 5, 8>>("image");
  auto gate = g.input<float, nhwc<upto<4>, 1, 1, 8>>("gate");
  auto plane = g.input<float, shape<6, 5, 1>>("plane");
  auto y = -(image * gate + plane) / max(gate, image) - min(plane, scale(image, 2.0f, 1.0f));
  static_assert(decltype(y)::extents == dims{upto<4>, 6, 5, 8});
  static_assert(decltype(sub(plane, gate))::extents == dims{upto<4>, 6, 5, 8});
  g.output(y, "y");
  CHECK(g.type(y.id).extents == dims{upto<4>, 6, 5, 8});
}

TEST_CASE("binary: what they refuse, by name") {
  const tensor_type a{element::f32, {2, 3}, {}}, other{element::f32, {3, 2}, {}}, row{element::f32, {3}, {}},
      ids{element::s32, {2, 3}, {}}, small{element::u8, {2, 3}, {1e-30f, 0}}, byte{element::u8, {2, 3}, {1, 0}};
  const auto failure = [](const operation& o, const signature& s) { return failure_of([&] { check(o, s); }); };
  check_failure(failure(op::mul{}, {{a, other}, a, {}}), "mul: inputs of 2x3 and 3x2 do not broadcast");
  check_failure(failure(op::sub{}, {{a, row}, row, {}}), "sub: output must be 2x3, found 3");
  check_failure(failure(op::div{}, {{a}, a, {}}), "div: expected 2 inputs, found 1");
  check_failure(failure(op::max{}, {{ids, ids}, ids, {}}), "max: input and output must be f32 or u8");
  check_failure(failure(op::mul{}, {{byte, byte}, small, {}}), "mul: multiplier 1e+30 is out of range");
  check_failure(failure(op::div{}, {{byte, small}, byte, {}}), "div: multiplier 1e+30 is out of range");
  check_failure(failure(op::scale{}, {{a}, a, {values({2}, {1, 2})}}), "scale: weight must be f32[3]");
  check_failure(failure(op::scale{}, {{a}, a, {nullptr, values({2}, {1, 2})}}), "scale: bias must be f32[3]");
  check_failure(failure(op::scale{infinity}, {{a}, a, {}}), "scale: multiplier inf is out of range");
  check_failure(failure(op::prelu{}, {{a}, a, {}}), "prelu: slope must be f32[3] or f32[1]");
  check_failure(failure(op::prelu{}, {{a}, a, {values({2}, {1, 2})}}), "prelu: slope must be f32[3] or f32[1], found");
}
