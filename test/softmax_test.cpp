// Softmax's reference evaluation, and the exponential that it stands on.
#include "octavo/op/softmax.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <numeric>

#include "octavo/octavo.hpp"
#include "support/onnx_vectors.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr float infinity = std::numeric_limits<float>::infinity();

tensor softmax_of(const tensor& x, affine q_x = {}, affine q_y = {}, element out = element::f32) {
  return reference_output(op::softmax{}, {{{x.type(), x.extents(), q_x}}, {out, x.extents(), q_y}, {}},
                          list_of(x.reshaped(x.extents())));
}

/// In double, straight from the definition.
std::vector<double> exact_softmax(std::vector<double> x) {
  const double largest = *std::ranges::max_element(x);
  double sum = 0;
  for (double& v : x) sum += v = std::exp(v - largest);
  for (double& v : x) v /= sum;
  return x;
}

}  // namespace

TEST_CASE("exp_f32: relative error below 2e-7 from -87 to 88, gradual underflow below, infinity above") {
  double worst = 0;
  for (int i = -87'000; i <= 88'000; ++i) {
    const float x = static_cast<float>(i) / 1000.0f;
    worst = std::max(worst, std::fabs(static_cast<double>(exp_f32(x)) / std::exp(static_cast<double>(x)) - 1.0));
  }
  for (unsigned seed = 0; seed < 4; ++seed)
    for (random_numbers random(seed); double scale : {88.0, 1.0, 1e-3, 1e-20})
      for (int i = 0; i < 2000; ++i) {
        const float x = static_cast<float>(scale) * random.real(-0.98f, 1.0f);
        worst = std::max(worst, std::fabs(static_cast<double>(exp_f32(x)) / std::exp(static_cast<double>(x)) - 1.0));
      }
  CHECK(worst < 2e-7);
  CHECK(exp_f32(0.0f) == 1.0f);
  CHECK(exp_f32(-0.0f) == 1.0f);
  CHECK(exp_f32(-103.5f) == 0x1p-149f);
  CHECK(exp_f32(-104.0f) == 0.0f);
  CHECK(exp_f32(-infinity) == 0.0f);
  CHECK(exp_f32(88.72f) < infinity);
  CHECK(exp_f32(88.73f) == infinity);
  CHECK(exp_f32(infinity) == infinity);
  CHECK(std::isnan(exp_f32(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("sum_f32: element i goes to partial sum i mod 16, these are added pairwise") {
  for (int n : {0, 1, 2, 15, 16, 17, 33, 100}) {
    random_numbers random(static_cast<unsigned>(n));
    std::vector<float> x(static_cast<std::size_t>(n));
    for (float& v : x) v = random.real(-1, 1);
    float p[16] = {};
    for (std::size_t i = 0; i < x.size(); ++i) p[i % 16] = p[i % 16] + x[i];
    float e[8], f[4];
    for (int i = 0; i < 8; ++i) e[i] = p[i] + p[i + 8];
    for (int i = 0; i < 4; ++i) f[i] = e[i] + e[i + 4];
    CHECK(sum_f32(n, [&](int i) { return x[static_cast<std::size_t>(i)]; }) == (f[0] + f[2]) + (f[1] + f[3]));
  }
}

// Not expressible: softmax_axis_0 and softmax_axis_1 (it runs along the innermost axis).
TEST_CASE("softmax: ONNX Softmax") {
  for (const onnx_vector& v : onnx_vectors({"softmax_axis_2", "softmax_default_axis", "softmax_example",
                                            "softmax_large_number", "softmax_negative_axis"})) {
    CAPTURE(v.name);
    CHECK(largest_difference(softmax_of(v.x()), v.y()) <= 3e-7f);  // exp_f32 and the quotient, see below
  }
}

TEST_CASE("softmax: FP32 near the definition") {
  for (int columns : {1, 2, 3, 15, 16, 17, 100, 1000}) {
    random_numbers random(static_cast<unsigned>(columns));
    const tensor x = random_tensor(element::f32, {3, columns}, random, -20.0f, 20.0f), y = softmax_of(x);
    for (std::size_t r = 0; r < 3; ++r) {
      const auto row = x.as<float>().subspan(r * static_cast<std::size_t>(columns), static_cast<std::size_t>(columns));
      const std::vector<double> exact = exact_softmax({row.begin(), row.end()});
      // Relative: 2e-7 of exp, 2^-24 of the difference times its size (up to 40), sum, quotient and product.
      for (std::size_t c = 0; c < exact.size(); ++c)
        CHECK(std::fabs(static_cast<double>(y.as<float>()[r * exact.size() + c]) - exact[c]) <= 4e-6 * exact[c]);
    }
  }
}

TEST_CASE("softmax: large, equal and infinite numbers") {
  const auto row = [](std::vector<float> x) {
    const tensor y = softmax_of(tensor::of<float>({static_cast<int>(x.size())}, x));
    return std::vector<float>(y.as<float>().begin(), y.as<float>().end());
  };
  CHECK(row({1e30f, 1e30f}) == std::vector<float>{0.5f, 0.5f});
  CHECK(row({-1e30f, -1e30f, -1e30f, -1e30f}) == std::vector<float>(4, 0.25f));
  CHECK(row({3e38f, -3e38f}) == std::vector<float>{1, 0});
  CHECK(row({0, -infinity}) == std::vector<float>{1, 0});
  CHECK(row({-5}) == std::vector<float>{1});
}

TEST_CASE("softmax: u8 in and out") {
  random_numbers random(7);
  for (int zero_point : {0, 100, 255}) {
    const affine q_x{0.05f, zero_point}, q_y{1.0f / 256, 0};
    const tensor x = random_tensor(element::u8, {4, 21}, random);
    const tensor real = softmax_of(x, q_x), bytes = softmax_of(x, q_x, q_y, element::u8);
    for (std::size_t r = 0; r < 4; ++r) {
      std::vector<double> row;
      for (std::size_t c = 0; c < 21; ++c)
        row.push_back((x.as<std::uint8_t>()[r * 21 + c] - zero_point) * static_cast<double>(q_x.scale));
      const std::vector<double> exact = exact_softmax(row);
      for (std::size_t c = 0; c < 21; ++c) {
        const float y = real.as<float>()[r * 21 + c];
        CHECK(std::fabs(static_cast<double>(y) - exact[c]) <= 2e-6 * exact[c]);  // as above, differences up to 12.75
        CHECK(bytes.as<std::uint8_t>()[r * 21 + c] == std::min(rounded_to_even(static_cast<double>(y) * 256), 255.0));
      }
    }
    // The zero point drops out.
    CHECK(same_bits(real, softmax_of(x, {0.05f, 1})));
  }
}

TEST_CASE("softmax: elements from the length on count as -infinity") {
  graph g;
  const auto x = g.input<float, shape<2, 3, 4>>("x");
  const auto lengths = g.input<std::int32_t, shape<2>>("lengths");
  g.output(softmax(x, lengths), "y");
  const tensor numbers = [] {
    random_numbers random(5);
    return random_tensor(element::f32, {2, 3, 4}, random);
  }();
  const auto run = [&](std::int32_t first, std::int32_t second, const tensor& in) {
    tensor y(element::f32, {2, 3, 4});
    session s(octavo::compile(g));
    const run_status status = s(in, std::vector<std::int32_t>{first, second}, y);
    return std::pair{status.code(), std::move(y)};
  };
  tensor cut = numbers.reshaped(numbers.extents());
  for (std::size_t i = 0; i < 12; ++i)
    if (i % 4 >= 3) cut.as<float>()[i] = -infinity;
  const auto [code, y] = run(3, 4, numbers);
  CHECK(code == run_status::ok);
  CHECK(same_bits(y, run(4, 4, cut).second));
  CHECK(y.as<float>()[3] == 0.0f);
  for (const std::pair<int, int>& length : {std::pair{0, 1}, {-7, 1}, {5, 4}, {1 << 30, 4}}) {  // and what it counts as
    CAPTURE(length.first);
    const auto [wrong, found] = run(2, length.first, numbers);
    CHECK(wrong == run_status::refused_data);
    CHECK(same_bits(found, run(2, length.second, numbers).second));
  }
}

TEST_CASE("softmax: what it refuses, by name") {
  const tensor_type a{element::f32, {2, 3}, {}}, b{element::f32, {3, 2}, {}};
  check_failure(failure_of([&] {
                  check(operation(op::softmax{}), {{a}, b, {}});
                }),
                "softmax: input 2x3 and output 3x2");
  check_failure(failure_of([&] {
                  check(operation(op::softmax{}), {{a, a}, a, {}});
                }),
                "softmax: lengths must be s32[2], found f32[2x3]");
  const tensor_type lengths{element::s32, {2}, {}};
  check_failure(failure_of([&] {
                  check(op::softmax{0}, {{a, lengths}, a, {}});
                }),
                "softmax: lengths need the innermost axis of (N, ..., C)");
}
