// The fully connected layer's reference evaluation.
#include "octavo/op/fc.hpp"

#include <doctest/doctest.h>

#include "octavo/op/operation.hpp"
#include "support/onnx_vectors.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor layer(const tensor& x, constant weights, constant bias, const tensor* residual = nullptr, activation act = {}) {
  const op::fc f{.out = weights->extents()[0], .act = act, .residual = residual != nullptr};
  const tensor_type y{element::f32, op::infer(f, x.extents()), {}};
  signature s{{{element::f32, x.extents(), {}}}, y, {weights, bias}};
  std::vector<tensor> src = list_of(x.reshaped(x.extents()));
  if (residual) {
    s.src.push_back(y);
    src.push_back(residual->reshaped(y.extents));
  }
  return reference_output(f, s, src);
}

/// Row r of x times row o of the weights, zero points removed, in 64 bits; then as rounding.hpp has it.
tensor integer_layer(const op::fc& f, const signature& s, const std::vector<tensor>& src) {
  const auto depth = static_cast<std::size_t>(s.src[0].extents.back()), out = static_cast<std::size_t>(f.out);
  const auto x = src[0].as<std::uint8_t>();
  const auto w = s.constants[0]->as<std::int8_t>();
  const output_grid grid{s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0, s.dst->q.zero_point,
                         static_cast<double>(f.act.lower), static_cast<double>(f.act.upper)};
  tensor y(s.dst->type, s.dst->extents);
  for (std::size_t r = 0; r < s.dst->extents.rows(); ++r)
    for (std::size_t o = 0; o < out; ++o) {
      std::int64_t acc = 0, sum = 0;
      for (std::size_t i = 0; i < depth; ++i) {
        acc += (std::int64_t{x[r * depth + i]} - s.src[0].q.zero_point) * w[o * depth + i];
        sum += w[o * depth + i];
      }
      const folded_channel fold(s.src[0].q.scale, s.src[0].q.zero_point, s.constants[2]->as<float>()[o], sum,
                                s.constants[1] ? s.constants[1]->as<float>()[o] : 0.0f, grid.scale);
      float v = fold(acc + s.src[0].q.zero_point * sum);
      const std::size_t at = r * out + o;
      if (!s.dst->is_u8()) {
        if (f.residual) v += src[1].as<float>()[at];
        y.as<float>()[at] = std::fmin(std::fmax(v, f.act.lower), f.act.upper);
        continue;
      }
      if (f.residual) {
        const float m_r = static_cast<float>(static_cast<double>(s.src[1].q.scale) / grid.scale);
        v = fused_multiply_add(static_cast<float>(src[1].as<std::uint8_t>()[at] - s.src[1].q.zero_point), m_r, v);
      }
      y.as<std::uint8_t>()[at] = static_cast<std::uint8_t>(grid(v));
    }
  return y;
}

/// Every element times a factor.
constant scaled(const tensor& t, float factor) {
  tensor out = t.reshaped(t.extents());
  for (float& v : out.as<float>()) v *= factor;
  return make_constant(std::move(out));
}

/// A bias of ONNX's as one number per output.
constant bias_of(const onnx_vector& v, int out) {
  if (!v.has(2)) return nullptr;
  tensor bias(element::f32, {out});
  const auto given = v.x(2).as<float>();
  for (std::size_t i = 0; i < bias.as<float>().size(); ++i) bias.as<float>()[i] = given[given.size() == 1 ? 0 : i];
  return make_constant(std::move(bias));
}

/// Sums of up to 10 products, here in one chain of fma and there in numpy's order: a few roundings of 2^-24.
void check_close(const tensor& a, const tensor& b) { CHECK(largest_difference(a, b) <= 1e-6f * largest_magnitude(b)); }

}  // namespace

TEST_CASE("fc: FP32 by hand") {
  const tensor x = tensor::of<float>({2, 3}, std::vector<float>{1, 2, 3, -1, 0, 1});
  const constant w = values({2, 3}, {1, 10, 100, 1, 1, 1}), b = values({2}, {0.5f, -7});
  CHECK(std::ranges::equal(layer(x, w, nullptr).as<float>(), std::vector<float>{321, 6, 99, 0}));
  CHECK(std::ranges::equal(layer(x, w, b).as<float>(), std::vector<float>{321.5f, -1, 99.5f, -7}));
  const tensor r = tensor::of<float>({2, 2}, std::vector<float>{1, 2, 3, 4});
  CHECK(std::ranges::equal(layer(x, w, b, &r).as<float>(), std::vector<float>{322.5f, 1, 102.5f, -3}));
  CHECK(std::ranges::equal(layer(x, w, b, &r, relu6_activation).as<float>(), std::vector<float>{6, 1, 6, 0}));
}

TEST_CASE("fc: the innermost axis of any rank") {
  random_numbers random(1);
  const tensor x = random_tensor(element::f32, {2, 3, 1, 5}, random);
  const constant w = random_constant(element::f32, {4, 5}, random);
  const tensor y = layer(x, w, nullptr), rows = layer(x.reshaped({6, 5}), w, nullptr);
  CHECK(y.extents() == dims{2, 3, 1, 4});
  CHECK(std::ranges::equal(y.as<float>(), rows.as<float>()));
  CHECK(layer(x.reshaped({30}).reshaped({30}), random_constant(element::f32, {2, 30}, random), nullptr).extents() ==
        dims{2});
}

// Not expressible: gemm_transposeA and gemm_all_attributes (no transposed input), gemm with a matrix of weights per
// row.
TEST_CASE("fc: ONNX Gemm") {
  for (const onnx_vector& v :
       onnx_vectors({"gemm_transposeB", "gemm_default_no_bias", "gemm_default_vector_bias", "gemm_default_zero_bias",
                     "gemm_default_scalar_bias", "gemm_default_single_elem_vector_bias", "gemm_default_matrix_bias",
                     "gemm_alpha", "gemm_beta"})) {
    CAPTURE(v.name);
    const constant w = scaled(v.attribute("transB", 0) ? v.x(1).reshaped(v.x(1).extents()) : transposed(v.x(1)),
                              v.attribute("alpha", 1.0f));
    const int out = w->extents()[0];
    if (v.has(2) && v.x(2).extents() == v.y().extents()) {  // a bias for each row is a residual
      check_close(layer(v.x(), w, nullptr, &v.x(2)), v.y());
      continue;
    }
    const constant bias = bias_of(v, out);
    check_close(layer(v.x(), w, bias ? scaled(*bias, v.attribute("beta", 1.0f)) : nullptr), v.y());
  }
}

// Not expressible: matmul_1d_1d and so on with two run-time matrices; matmul_2d is here with its second as the weights.
TEST_CASE("fc: ONNX MatMul") {
  for (const onnx_vector& v : onnx_vectors({"matmul_2d"}))
    check_close(layer(v.x(), make_constant(transposed(v.x(1))), nullptr), v.y());
}

// With scales of 1 the FP32 output is the 32-bit sum.
TEST_CASE("fc: ONNX MatMulInteger") {
  for (const onnx_vector& v : onnx_vectors({"matmulinteger"})) {
    const tensor w = transposed(v.x(1));
    tensor weights(element::s8, w.extents());
    for (std::size_t i = 0; i < w.extents().count(); ++i)
      weights.as<std::int8_t>()[i] = static_cast<std::int8_t>(integer_at(w, i) - integer_at(v.x(3), 0));
    const op::fc f{.out = 2};
    const signature s{{{element::u8, v.x().extents(), {1.0f, integer_at(v.x(2), 0)}}},
                      {element::f32, v.y().extents(), {}},
                      {make_constant(std::move(weights)), nullptr, values({2}, {1, 1})}};
    const tensor y = reference_output(f, s, list_of(v.x().reshaped(v.x().extents())));
    for (std::size_t i = 0; i < y.extents().count(); ++i)
      CHECK(y.as<float>()[i] == static_cast<float>(integer_at(v.y(), i)));
  }
}

// Weights with a zero point can be beyond s8: each is split into two, and the input is taken twice. s8 inputs and
// outputs are taken as u8, 128 higher. Not expressible: qlinearmatmul_3D (a matrix of weights for each batch).
TEST_CASE("fc: ONNX QLinearMatMul") {
  for (const onnx_vector& v : onnx_vectors({"qlinearmatmul_2D_uint8_float32", "qlinearmatmul_2D_int8_float32"})) {
    CAPTURE(v.name);
    const tensor w = transposed(v.x(3)), x = as_u8(v.x(0)), expected = as_u8(v.y());
    const int out = w.extents()[0], depth = w.extents()[1];
    tensor weights(element::s8, {out, 2 * depth}), twice(element::u8, {x.extents()[0], 2 * depth});
    for (int o = 0; o < out; ++o)
      for (int i = 0; i < depth; ++i) {
        const int value = integer_at(w, static_cast<std::size_t>(o * depth + i)) - integer_at(v.x(5), 0);
        weights.as<std::int8_t>()[static_cast<std::size_t>(o * 2 * depth + i)] = static_cast<std::int8_t>(value / 2);
        weights.as<std::int8_t>()[static_cast<std::size_t>(o * 2 * depth + depth + i)] =
            static_cast<std::int8_t>(value - value / 2);
      }
    for (int r = 0; r < x.extents()[0]; ++r)
      for (int i = 0; i < 2 * depth; ++i)
        twice.as<std::uint8_t>()[static_cast<std::size_t>(r * 2 * depth + i)] =
            x.as<std::uint8_t>()[static_cast<std::size_t>(r * depth + i % depth)];
    tensor scales(element::f32, {out});
    std::ranges::fill(scales.as<float>(), v.x(4).as<float>()[0]);
    const signature s{{{element::u8, twice.extents(), map_of(v.x(1), v.x(2))}},
                      {element::u8, expected.extents(), map_of(v.x(6), v.x(7))},
                      {make_constant(std::move(weights)), nullptr, make_constant(std::move(scales))}};
    CHECK(same_bits(reference_output(op::fc{.out = out}, s, list_of(std::move(twice))), expected));
  }
}

TEST_CASE("fc: INT8 against the formulas") {
  unsigned seed = 0;
  for (int depth : {1, 2, 3, 64, 65, 200})
    for (int zero_point : {0, 128, 255})
      for (bool f32_out : {false, true})
        for (bool residual : {false, true}) {
          CAPTURE(seed);
          random_numbers random(++seed);
          const op::fc f{.out = 7, .act = seed % 3 ? activation{} : activation{0.0f, 4.0f}, .residual = residual};
          const tensor_type y = f32_out ? tensor_type{element::f32, {3, 2, 7}, {}}
                                        : tensor_type{element::u8, {3, 2, 7}, {0.05f, 255 - zero_point}};
          signature s{{{element::u8, {3, 2, depth}, {0.02f, zero_point}}}, y, {}};
          if (residual) s.src.push_back(f32_out ? y : tensor_type{element::u8, y.extents, {0.1f, zero_point}});
          s.constants = {random_constant(element::s8, {7, depth}, random),
                         seed % 2 ? random_constant(element::f32, {7}, random, -3, 3) : nullptr,
                         random_constant(element::f32, {7}, random, 0.0005f, 0.01f)};
          const std::vector<tensor> src = random_sources(s, random);
          CHECK(same_bits(reference_output(f, s, src), integer_layer(f, s, src)));
        }
}

TEST_CASE("fc: what it refuses, by name") {
  const op::fc f{.out = 4};
  signature s{
      {{element::f32, {2, 6}, {}}}, {element::f32, {2, 4}, {}}, {make_constant(tensor(element::f32, {4, 6})), nullptr}};
  const auto failure = [&] { return failure_of([&] { check(operation(f), s); }); };
  CHECK_FALSE(failure());
  SUBCASE("weights of another shape") {
    s.constants[0] = make_constant(tensor(element::f32, {6, 4}));
    check_failure(failure(), "fc: weights must be f32[4x6], found f32[6x4]");
  }
  SUBCASE("no weights") {
    s.constants[0] = nullptr;
    check_failure(failure(), "fc: weights must be f32[4x6], found none");
  }
  SUBCASE("a bias of another length") {
    s.constants[1] = values({6}, {1, 2, 3, 4, 5, 6});
    check_failure(failure(), "bias must be f32[4]");
  }
  SUBCASE("another output") {
    s.dst->extents = {2, 5};
    check_failure(failure(), "fc: output must be 2x4, found 2x5");
  }
  SUBCASE("a scalar input") {
    s.src[0].extents = {};
    check_failure(failure(), "fc: input must have at least one axis");
  }
  SUBCASE("a residual that is missing") {
    const op::fc with_residual{.out = 4, .residual = true};
    check_failure(failure_of([&] { check(operation(with_residual), s); }), "expected 2 inputs, found 1");
  }
  SUBCASE("no weight scales") {
    s.src[0].type = element::u8;
    s.constants[0] = make_constant(tensor(element::s8, {4, 6}));
    check_failure(failure(), "s8 weights need f32[4] scales");
  }
}
