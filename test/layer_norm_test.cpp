// Layer normalisation's reference evaluation.
#include "octavo/op/layer_norm.hpp"

#include <doctest/doctest.h>

#include "octavo/op/operation.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "temporary_folder.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

constexpr element both[] = {element::u8, element::f32};

/// In double, straight from the definition.
std::vector<double> exact(const std::vector<double>& x, double eps, const signature& s) {
  double mean = 0, variance = 0;
  for (double v : x) mean += v / static_cast<double>(x.size());
  for (double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  std::vector<double> y;
  for (std::size_t c = 0; c < x.size(); ++c)
    y.push_back((x[c] - mean) / std::sqrt(variance + eps) * static_cast<double>(s.at(0)->as<float>()[c]) +
                static_cast<double>(s.at(1)->as<float>()[c]));
  return y;
}

}  // namespace

TEST_CASE("layer_norm: near the definition") {
  for (element type : both)
    for (int columns : {1, 2, 15, 16, 17, 64, 768, 1000}) {
      random_numbers random(static_cast<unsigned>(columns));
      const dims c{columns}, e{3, columns};
      const tensor_type x{type, e, {0.03f, 77}};
      const signature s{{x},
                        tensor_type{element::f32, e, {}},
                        {random_constant(element::f32, c, random), random_constant(element::f32, c, random)}};
      const tensor in = random_tensor(type, e, random, 3.0f, 5.0f);
      const tensor y = reference_output(op::layer_norm{.eps = 1e-3f}, s, list_of(in.reshaped(e)));
      for (std::size_t r = 0; r < 3; ++r) {
        std::vector<double> row;
        for (std::size_t i = r * c.count(); i < (r + 1) * c.count(); ++i)
          row.push_back(static_cast<double>(type == element::f32 ? in.as<float>()[i]
                                                                 : dequantize_u8(in.as<std::uint8_t>()[i], x.q)));
        const std::vector<double> expected = exact(row, static_cast<double>(1e-3f), s);
        // Of numbers near 4 that deviate by 0.5 the mean is known to 2^-22, 2^-21 of a deviation; a few roundings more.
        for (std::size_t k = 0; k < row.size(); ++k)
          CHECK(static_cast<double>(y.as<float>()[r * c.count() + k]) == doctest::Approx(expected[k]).epsilon(4e-6));
      }
    }
}

TEST_CASE("layer_norm: zero point and scale of u8 change nothing but eps") {
  random_numbers random(3);
  const dims e{4, 100};
  const tensor x = random_tensor(element::u8, e, random);
  const auto normalised = [&](const affine& q, float eps) {
    return reference_output(op::layer_norm{.eps = eps}, {{{element::u8, e, q}}, {element::f32, e, {}}, {}},
                            list_of(x.reshaped(e)));
  };
  CHECK(same_bits(normalised({0.5f, 0}, 1.0f), normalised({0.25f, 200}, 0.25f)));
  CHECK_FALSE(same_bits(normalised({0.5f, 0}, 1.0f), normalised({0.25f, 0}, 1.0f)));
}

TEST_CASE("layer_norm: a row of equal elements is the bias") {
  const dims e{2, 5};
  const signature s{{{element::f32, e, {}}}, {element::f32, e, {}}, {nullptr, values({5}, {1, 2, 3, 4, 5})}};
  tensor x(element::f32, e);
  std::ranges::fill(x.as<float>(), 1.5f);
  const tensor y = reference_output(op::layer_norm{}, s, list_of(std::move(x)));
  for (std::size_t i = 0; i < 10; ++i) CHECK(y.as<float>()[i] == static_cast<float>(i % 5 + 1));
}

TEST_CASE("layer_norm: what it refuses, by name") {
  const tensor_type x{element::f32, {2, 3}, {}}, y{element::f32, {2, 4}, {}}, long_row{element::u8, {1, 33026}, {}};
  const auto refusal = [](const op::layer_norm& o, const signature& s) {
    return failure_of([&] { check(operation(o), s); });
  };
  check_failure(refusal({}, {{x}, y, {}}), "layer_norm: input 2x3 and output 2x4");
  check_failure(refusal({.eps = 0}, {{x}, x, {}}), "layer_norm: eps must be positive and finite, found 0");
  check_failure(refusal({}, {{x}, x, {values({2}, {1, 1})}}), "layer_norm: weight must be f32[3]");
  check_failure(refusal({}, {{x}, x, {nullptr, values({2}, {1, 1})}}), "layer_norm: bias must be f32[3]");
  check_failure(refusal({}, {{long_row}, long_row, {}}), "layer_norm: the squares of 33026 u8 could overflow");
}
