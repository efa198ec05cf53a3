// Reference evaluations of the functions of one number: accuracy, special values, INT8.
#include "octavo/op/unary.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <functional>
#include <limits>

#include "octavo/op/operators.hpp"
#include "support/onnx_vectors.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr float infinity = std::numeric_limits<float>::infinity(), largest = std::numeric_limits<float>::max(),
                not_a_number = std::numeric_limits<float>::quiet_NaN();

/// What `o` makes of f32 numbers.
std::vector<float> results(const operation& o, const std::vector<float>& x) {
  const tensor t = tensor::of<float>({static_cast<int>(x.size())}, x);
  const tensor_type type{element::f32, t.extents(), {}};
  const tensor y = reference_output(o, {{type}, type, {}}, list_of(t));
  return {y.as<float>().begin(), y.as<float>().end()};
}
float result(const operation& o, float x) { return results(o, {x})[0]; }

/// The distance of `y` from `exact` in units in the last place of the latter.
double ulps(float y, double exact) {
  const float rounded = static_cast<float>(exact);
  if (std::bit_cast<std::uint32_t>(y) == std::bit_cast<std::uint32_t>(rounded) || (std::isnan(y) && std::isnan(exact)))
    return 0;
  if (!std::isfinite(y) || !std::isfinite(rounded)) return HUGE_VAL;
  int exponent = 0;
  std::frexp(rounded, &exponent);
  return std::fabs(static_cast<double>(y) - exact) / std::ldexp(1.0, std::max(exponent - 24, -149));
}

/// Numbers of all sizes from lower to upper, and many near 0; in order.
std::vector<float> sweep(float lower, float upper) {
  std::vector<float> x{lower, upper};
  const auto add = [&](float v) {
    if (v > lower && v < upper) x.push_back(v);
  };
  for (std::uint64_t bits = 0; bits < 0x100000000; bits += 150'001)
    add(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  for (int i = 0; i <= 40'000; ++i)
    for (double range : {1.0, 20.0, 120.0}) add(static_cast<float>((i - 20'000) * range / 20'000));
  std::ranges::sort(x);
  return x;
}

struct described {
  operation op;
  std::function<double(double)> exact;
  double ulp;
  float lower = -largest, upper = largest;
};

double exact_sigmoid(double x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
double exact_softplus(double x) { return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }
double exact_elu(double x) { return x < 0 ? std::expm1(x) : x; }
double exact_normal(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double exact_gelu_tanh(double x) {
  return x * exact_sigmoid(2 * std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x));
}

/// The accuracies that unary.hpp states.
std::vector<described> functions() {
  const auto power = [](float exponent) {
    return described{op::pow{{}, exponent}, [=](double x) { return std::pow(x, static_cast<double>(exponent)); },
                     2 + std::fabs(static_cast<double>(exponent)), exponent == std::floor(exponent) ? -1e5f : 1e-7f,
                     1e5f};
  };
  return {{op::exp{}, [](double x) { return std::exp(x); }, 1},
          {op::log{}, [](double x) { return std::log(x); }, 1, 1e-45f},
          {op::tanh{}, [](double x) { return std::tanh(x); }, 3},
          {op::erf{}, [](double x) { return std::erf(x); }, 1},
          {op::sigmoid{}, exact_sigmoid, 3},
          {op::softplus{}, exact_softplus, 2},
          {op::elu{}, exact_elu, 2},
          {op::elu{{}, 0.5f}, [](double x) { return x < 0 ? 0.5 * std::expm1(x) : x; }, 2},
          {op::selu{}, [](double x) { return 1.05070102 * (x < 0 ? 1.67326319 * std::expm1(x) : x); }, 2},
          {op::swish{}, [](double x) { return x * exact_sigmoid(x); }, 4, -87.0f},
          {op::mish{}, [](double x) { return x * std::tanh(exact_softplus(x)); }, 5, -86.0f},
          {op::gelu{}, [](double x) { return x * exact_normal(x); }, 4, 0.0f},
          {op::gelu{{}, true}, exact_gelu_tanh, 4, 0.0f},
          {op::softsign{}, [](double x) { return x / (1 + std::fabs(x)); }, 1.5},
          {op::reciprocal{}, [](double x) { return 1 / x; }, 0.5},
          {op::square{}, [](double x) { return x * x; }, 0.5},
          {op::sqrt{}, [](double x) { return std::sqrt(x); }, 0.5, 0.0f},
          {op::hard_sigmoid{}, [](double x) { return std::clamp(0.2f * x + 0.5, 0.0, 1.0); }, 0.5},
          {op::leaky_relu{}, [](double x) { return x < 0 ? 0.01f * x : x; }, 0.5},
          {op::abs{}, [](double x) { return std::fabs(x); }, 0},
          {op::neg{}, [](double x) { return -x; }, 0},
          {op::floor{}, [](double x) { return std::floor(x); }, 0},
          {op::ceil{}, [](double x) { return std::ceil(x); }, 0},
          {op::round{}, [](double x) { return rounded_to_even(std::fabs(x)) * (std::signbit(x) ? -1.0 : 1.0); }, 0},
          {op::sign{}, [](double x) { return x > 0   ? 1.0
                                             : x < 0 ? -1.0
                                                     : 0.0; }, 0},
          {op::thresholded_relu{}, [](double x) { return x > 1 ? x : 0.0; }, 0},
          power(2),
          power(3),
          power(4),
          power(7),
          power(-2),
          power(-3),
          power(0.5f),
          power(-0.5f),
          power(1.5f),
          power(2.2f),
          power(1),
          power(-1),
          power(0)};
}

tensor every_byte() {
  tensor t(element::u8, {256});
  for (int i = 0; i < 256; ++i) t.as<std::uint8_t>()[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(i);
  return t;
}

}  // namespace

TEST_CASE("unary: FP32 is as near to the exact function as stated") {
  for (const described& f : functions()) {
    CAPTURE(text(f.op));
    const std::vector<float> x = sweep(f.lower, f.upper), y = results(f.op, x);
    REQUIRE(x.size() > 10'000);
    double worst = 0;
    float at = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (const double u = ulps(y[i], f.exact(static_cast<double>(x[i]))); u > worst) worst = u, at = x[i];
    CAPTURE(at);
    CHECK(worst <= f.ulp);
  }
}

TEST_CASE("unary: gelu and hard_swish below 0 are near the definition in absolute terms") {
  const std::vector<float> x = sweep(-largest, 0.0f);
  const auto worst = [&](const operation& o, auto&& exact) {
    const std::vector<float> y = results(o, x);
    double most = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      most = std::max(most, std::fabs(static_cast<double>(y[i]) - exact(static_cast<double>(x[i]))));
    return most;
  };
  CHECK(worst(op::gelu{}, [](double v) { return v * exact_normal(v); }) <= 2e-7);
  CHECK(worst(op::gelu{{}, true}, [](double v) { return v < -100 ? 0.0 : exact_gelu_tanh(v); }) <= 2e-7);
  CHECK(worst(op::hard_swish{}, [](double v) { return v * std::clamp(v / 6 + 0.5, 0.0, 1.0); }) <= 2e-7);
}

TEST_CASE("unary: no function that rises falls by more than its error") {
  for (const operation& o : {operation(op::exp{}), operation(op::log{}), operation(op::tanh{}),
                             operation(op::sigmoid{}), operation(op::erf{}), operation(op::softplus{})}) {
    CAPTURE(text(o));
    const std::vector<float> y = results(o, sweep(o.is<op::log>() ? 1e-45f : -largest, largest));
    double worst = 0;
    for (std::size_t i = 1; i < y.size(); ++i)
      if (y[i] < y[i - 1]) worst = std::max(worst, ulps(y[i], static_cast<double>(y[i - 1])));
    CHECK(worst <= 3);
    CHECK(std::ranges::is_sorted(y, [](float a, float b) { return a < b - 3e-7f * std::fabs(b); }));
  }
}

TEST_CASE("unary: infinities, zeros and NaN") {
  struct expected {
    operation op;
    float at_minus_infinity, at_infinity, at_zero;
  };
  const expected all[] = {{op::leaky_relu{}, -infinity, infinity, 0},
                          {op::thresholded_relu{}, 0, infinity, 0},
                          {op::elu{}, -1, infinity, 0},
                          {op::selu{}, -1.67326319f * 1.05070102f, infinity, 0},
                          {op::sigmoid{}, 0, 1, 0.5f},
                          {op::hard_sigmoid{}, 0, 1, 0.5f},
                          {op::swish{}, 0, infinity, 0},
                          {op::swish{{}, -1}, -infinity, 0, 0},
                          {op::hard_swish{}, 0, infinity, 0},
                          {op::mish{}, 0, infinity, 0},
                          {op::gelu{}, 0, infinity, 0},
                          {op::gelu{{}, true}, 0, infinity, 0},
                          {op::softplus{}, 0, infinity, 0.693147182f},
                          {op::softsign{}, -1, 1, 0},
                          {op::tanh{}, -1, 1, 0},
                          {op::erf{}, -1, 1, 0},
                          {op::exp{}, 0, infinity, 1},
                          {op::log{}, not_a_number, infinity, -infinity},
                          {op::pow{{}, 4}, infinity, infinity, 0},
                          {op::pow{{}, 5}, -infinity, infinity, 0},
                          {op::pow{{}, -3}, 0, 0, infinity},
                          {op::pow{{}, 1.5f}, not_a_number, infinity, 0},
                          {op::pow{{}, -1.5f}, not_a_number, 0, infinity},
                          {op::pow{{}, 1e30f}, infinity, infinity, 0},
                          {op::sqrt{}, not_a_number, infinity, 0},
                          {op::square{}, infinity, infinity, 0},
                          {op::reciprocal{}, 0, 0, infinity},
                          {op::abs{}, infinity, infinity, 0},
                          {op::neg{}, infinity, -infinity, 0},
                          {op::sign{}, -1, 1, 0},
                          {op::floor{}, -infinity, infinity, 0},
                          {op::ceil{}, -infinity, infinity, 0},
                          {op::round{}, -infinity, infinity, 0}};
  const auto alike = [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); };
  for (const expected& e : all) {
    CAPTURE(text(e.op));
    CHECK(alike(result(e.op, -infinity), e.at_minus_infinity));
    CHECK(alike(result(e.op, infinity), e.at_infinity));
    CHECK(alike(result(e.op, 0.0f), e.at_zero));
    CHECK(std::isnan(result(e.op, not_a_number)));
  }
  for (const operation& odd : {operation(op::tanh{}), operation(op::erf{}), operation(op::softsign{}),
                               operation(op::sqrt{}), operation(op::leaky_relu{}), operation(op::round{})})
    CHECK(std::signbit(result(odd, -0.0f)));
  CHECK(result(op::reciprocal{}, -0.0f) == -infinity);
  CHECK(result(op::exp{}, 88.72f) < infinity);
  CHECK(result(op::exp{}, 88.73f) == infinity);
  CHECK(result(op::exp{}, -103.9f) == 0x1p-149f);
  CHECK(result(op::pow{{}, 3}, -3) == -27);
  CHECK(result(op::pow{{}, 0}, not_a_number) == 1);
}

// Not expressible: hardsigmoid_default and the like differ from the others by attributes only, all are here.
TEST_CASE("unary: ONNX") {
  const auto check = [](const std::vector<std::string>& names, auto&& make) {
    for (const onnx_vector& v : onnx_vectors(names)) {
      CAPTURE(v.name);
      const tensor_type type{element::f32, v.x().extents(), {}};
      const tensor y = reference_output(make(v), {{type}, type, {}}, list_of(v.x()));
      CHECK(largest_difference(y, v.y()) <= 3e-7f * std::max(1.0f, largest_magnitude(v.y())));  // numpy's own errors
    }
  };
  check({"leakyrelu", "leakyrelu_default", "leakyrelu_example"}, [](const onnx_vector& v) {
    return op::leaky_relu{{}, v.attribute("alpha", 0.01f)};
  });
  check({"sigmoid", "sigmoid_example"}, [](const onnx_vector&) { return op::sigmoid{}; });
  check({"tanh", "tanh_example"}, [](const onnx_vector&) { return op::tanh{}; });
  check({"hardsigmoid", "hardsigmoid_default", "hardsigmoid_example"}, [](const onnx_vector& v) {
    return op::hard_sigmoid{{}, v.attribute("alpha", 0.2f), v.attribute("beta", 0.5f)};
  });
  check({"hardswish"}, [](const onnx_vector&) { return op::hard_swish{}; });
  check({"gelu_default_1", "gelu_default_2", "gelu_tanh_1", "gelu_tanh_2"}, [](const onnx_vector& v) {
    return op::gelu{{}, v.attributes.value("approximate", "none") == "tanh"};
  });
}

TEST_CASE("unary: INT8 of every byte is the function between the real numbers, rounded once") {
  const tensor x = every_byte();
  for (const described& f : functions())
    for (const affine& q_x : {affine{0.05f, 0}, affine{0.05f, 128}, affine{0.013f, 200}})
      for (const affine& q_y : {affine{0.02f, 0}, affine{0.03f, 100}}) {
        CAPTURE(text(f.op));
        const tensor_type from{element::u8, {256}, q_x}, u8{element::u8, {256}, q_y}, f32{element::f32, {256}, {}};
        const tensor y = reference_output(f.op, {{from}, u8, {}}, list_of(x)),
                     real = reference_output(f.op, {{from}, f32, {}}, list_of(x));
        bool equal = true;
        for (int i = 0; i < 256; ++i) {
          const auto at = static_cast<std::size_t>(i);
          const float v = result(f.op, q_x.scale * static_cast<float>(i - q_x.zero_point));
          const int q =
              std::isnan(v) ? 0 : output_grid{static_cast<double>(q_y.scale), q_y.zero_point}(v * (1.0f / q_y.scale));
          equal = equal && y.as<std::uint8_t>()[at] == q;
          equal = equal && std::bit_cast<std::uint32_t>(real.as<float>()[at]) == std::bit_cast<std::uint32_t>(v);
        }
        CHECK(equal);
      }
}

TEST_CASE("unary: what they refuse, by name") {
  const tensor_type a{element::f32, {2, 3}, {}}, other{element::f32, {3, 2}, {}}, ids{element::s32, {2, 3}, {}};
  const auto failure = [](const operation& o, const signature& s) { return failure_of([&] { check(o, s); }); };
  check_failure(failure(op::sigmoid{}, {{a}, other, {}}), "sigmoid: input 2x3 and output 3x2");
  check_failure(failure(op::mish{}, {{a, a}, a, {}}), "mish: expected 1 inputs, found 2");
  check_failure(failure(op::abs{}, {{ids}, ids, {}}), "abs: input and output must be f32 or u8");
  check_failure(failure(op::pow{{}, not_a_number}, {{a}, a, {}}), "pow: exponent must be finite, found nan");
  check_failure(failure(op::selu{{}, 1, infinity}, {{a}, a, {}}), "selu: gamma must be finite, found inf");
}
