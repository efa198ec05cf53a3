// The matrix product of two activations: its reference evaluation, its place in graphs, and how it is quantized.
#include "octavo/op/matmul.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/builder.hpp"
#include "octavo/graph/passes.hpp"
#include "octavo/octavo.hpp"
#include "support/onnx_vectors.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"
#include "support/rounding.hpp"
#include "support/run.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor product(const tensor& a, const tensor& b, op::matmul f = {}) {
  const signature s{{{element::f32, a.extents(), {}}, {element::f32, b.extents(), {}}},
                    {element::f32, op::infer(f, a.extents(), b.extents()), {}},
                    {}};
  return reference_output(f, s, list_of(a.reshaped(a.extents()), b.reshaped(b.extents())));
}

/// A signature of random types over these extents.
signature integer_signature(const op::matmul& f, const dims& a, const dims& b, bool f32_out, random_numbers& random) {
  const auto zero = [&] {
    return random.chance(60) ? 128 * random.below(2) + 127 * random.below(2) : random.below(256);
  };
  return {{{element::u8, a, {0.02f, zero()}}, {element::u8, b, {0.03f, zero()}}},
          {f32_out ? element::f32 : element::u8, op::infer(f, a, b), f32_out ? affine{} : affine{0.1f, zero()}},
          {}};
}

/// The formula in 64 bits, with b as (slices, k, n) or (slices, n, k), then as rounding.hpp has it.
tensor integer_product(const op::matmul& f, const signature& s, const std::vector<tensor>& src) {
  const dims& y = s.dst->extents;
  const auto k = static_cast<std::size_t>(s.src[0].extents.back()), n = static_cast<std::size_t>(y.back()),
             m = static_cast<std::size_t>(y[y.rank - 2]);
  const double s_y = s.dst->is_u8() ? static_cast<double>(s.dst->q.scale) : 1.0;
  const float multiplier =
      static_cast<float>(static_cast<double>(s.src[0].q.scale) * static_cast<double>(s.src[1].q.scale) / s_y);
  const output_grid grid{s_y, s.dst->q.zero_point, static_cast<double>(f.act.lower), static_cast<double>(f.act.upper)};
  const auto a = src[0].as<std::uint8_t>(), b = src[1].as<std::uint8_t>();
  tensor out(s.dst->type, y);
  for (std::size_t i = 0; i < y.count(); ++i) {
    const std::size_t row = i / n, column = i % n, slice = row / m;
    std::int64_t acc = 0;
    for (std::size_t d = 0; d < k; ++d) {
      const std::size_t at = slice * k * n + (f.transpose_b ? column * k + d : d * n + column);
      acc += (std::int64_t{a[row * k + d]} - s.src[0].q.zero_point) * (std::int64_t{b[at]} - s.src[1].q.zero_point);
    }
    const float v = fused_multiply_add(static_cast<float>(acc), multiplier, 0.0f);
    if (s.dst->is_u8())
      out.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(grid(v));
    else
      out.as<float>()[i] = std::fmin(std::fmax(v, f.act.lower), f.act.upper);
  }
  return out;
}

/// softmax(q k^T) v: attention without its scale.
graph attention() {
  graph g;
  auto q = g.input<float, shape<upto<3>, 2, 9, 16>>("q");
  auto k = g.input<float, shape<upto<3>, 2, 12, 16>>("k");
  auto v = g.input<float, shape<upto<3>, 2, 12, 16>>("v");
  g.output(matmul(softmax(matmul_transposed(q, k)), v), "y");
  return g;
}

}  // namespace

TEST_CASE("matmul: FP32 by hand") {
  const tensor a = tensor::of<float>({2, 3}, std::vector<float>{1, 2, 3, -1, 0, 1});
  const tensor b = tensor::of<float>({3, 2}, std::vector<float>{1, 10, 100, 1, 1, 1});
  const std::vector<float> expected{204, 15, 0, -9};
  CHECK(std::ranges::equal(product(a, b).as<float>(), expected));
  CHECK(std::ranges::equal(product(a, transposed(b), {.transpose_b = true}).as<float>(), expected));
  CHECK(std::ranges::equal(product(a, b, {.act = relu6_activation}).as<float>(), std::vector<float>{6, 6, 0, 0}));
  CHECK(std::ranges::equal(product(transposed(a), b, {.transpose_a = true}).as<float>(), expected));
  CHECK(std::ranges::equal(product(a, b, {.alpha = -0.5f}).as<float>(), std::vector<float>{-102, -7.5f, 0, 4.5f}));
}

TEST_CASE("matmul: batch slices are products of their own") {
  random_numbers random(1);
  const tensor a = random_tensor(element::f32, {2, 3, 4, 5}, random),
               b = random_tensor(element::f32, {2, 3, 5, 6}, random);
  const tensor y = product(a, b);
  for (std::size_t i = 0; i < 6; ++i) {
    const tensor one = product(tensor::of<float>({4, 5}, a.as<float>().subspan(i * 20, 20)),
                               tensor::of<float>({5, 6}, b.as<float>().subspan(i * 30, 30)));
    CHECK(std::ranges::equal(y.as<float>().subspan(i * 24, 24), one.as<float>()));
  }
}

TEST_CASE("matmul: batch extents broadcast by numpy's rule") {
  random_numbers random(2);
  const tensor a = random_tensor(element::f32, {2, 1, 4, 5}, random),
               b = random_tensor(element::f32, {3, 5, 6}, random);
  const tensor y = product(a, b);
  REQUIRE(y.extents() == dims{2, 3, 4, 6});
  for (std::size_t i = 0; i < 6; ++i) {
    const tensor one = product(tensor::of<float>({4, 5}, a.as<float>().subspan(i / 3 * 20, 20)),
                               tensor::of<float>({5, 6}, b.as<float>().subspan(i % 3 * 30, 30)));
    CHECK(std::ranges::equal(y.as<float>().subspan(i * 24, 24), one.as<float>()));
  }
}

// Attention over heads that lie in (N, T, H, D): the same as with (N, H, T, D), which transposes make.
TEST_CASE("matmul: interleaved matrices are those of transposed operands") {
  random_numbers random(3);
  const auto heads_first = [](const tensor& x) {
    const dims from = x.extents(), to = op::matrices_of(from, true);
    return reference_output(op::transpose{{0, 2, 1, 3}}, {{{element::f32, from, {}}}, {element::f32, to, {}}, {}},
                            list_of(x.reshaped(from)));
  };
  const tensor q = random_tensor(element::f32, {2, 5, 3, 4}, random),
               k = random_tensor(element::f32, {2, 6, 3, 4}, random);
  const tensor scores = product(q, k, {.transpose_b = true, .interleave_a = true, .interleave_b = true});
  REQUIRE(scores.extents() == dims{2, 3, 5, 6});
  CHECK(same_bits(scores, product(heads_first(q), heads_first(k), {.transpose_b = true})));
  const tensor y = product(scores, k, {.interleave_b = true, .interleave_y = true});
  REQUIRE(y.extents() == dims{2, 5, 3, 4});
  CHECK(same_bits(heads_first(y), product(scores, heads_first(k))));
}

// The vectors of matmul_1d_1d, matmul_1d_3d and matmul_4d_1d are the builder's affair.
TEST_CASE("matmul: ONNX MatMul") {
  // Sums of up to 4 products, here in one chain of fma and there in numpy's order: a few roundings of 2^-24.
  for (const onnx_vector& v : onnx_vectors({"matmul_2d", "matmul_3d", "matmul_4d", "matmul_bcast"}))
    CHECK_MESSAGE(largest_difference(product(v.x(), v.x(1)), v.y()) <= 1e-6f * largest_magnitude(v.y()), v.name);
}

// With scales of 1 the FP32 output is the 32-bit sum.
TEST_CASE("matmul: ONNX MatMulInteger") {
  for (const onnx_vector& v : onnx_vectors({"matmulinteger"})) {
    const signature s{{{element::u8, v.x().extents(), {1.0f, integer_at(v.x(2), 0)}},
                       {element::u8, v.x(1).extents(), {1.0f, integer_at(v.x(3), 0)}}},
                      {element::f32, v.y().extents(), {}},
                      {}};
    const tensor y = reference_output(op::matmul{}, s, list_of(as_u8(v.x()), as_u8(v.x(1))));
    for (std::size_t i = 0; i < y.extents().count(); ++i)
      CHECK(y.as<float>()[i] == static_cast<float>(integer_at(v.y(), i)));
  }
}

// s8 operands are taken as u8, 128 higher.
TEST_CASE("matmul: ONNX QLinearMatMul") {
  for (const onnx_vector& v : onnx_vectors({"qlinearmatmul_2D_uint8_float32", "qlinearmatmul_2D_int8_float32",
                                            "qlinearmatmul_3D_uint8_float32", "qlinearmatmul_3D_int8_float32"})) {
    const tensor expected = as_u8(v.y());
    const signature s{{{element::u8, v.x(0).extents(), map_of(v.x(1), v.x(2))},
                       {element::u8, v.x(3).extents(), map_of(v.x(4), v.x(5))}},
                      {element::u8, expected.extents(), map_of(v.x(6), v.x(7))},
                      {}};
    CHECK_MESSAGE(same_bits(reference_output(op::matmul{}, s, list_of(as_u8(v.x(0)), as_u8(v.x(3)))), expected),
                  v.name);
  }
}

TEST_CASE("matmul: INT8 against the formula") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    random_numbers random(seed);
    const op::matmul f{random.chance(50), seed % 3 ? activation{} : activation{-1.0f, 4.0f}};
    const int m = random.between(1, 5), n = random.between(1, 5), k = random.chance(20) ? 300 : random.between(1, 9);
    const dims a{2, 3, m, k}, b = f.transpose_b ? dims{2, 3, n, k} : dims{2, 3, k, n};
    const signature s = integer_signature(f, a, b, random.chance(30), random);
    const std::vector<tensor> src = random_sources(s, random);
    CHECK(same_bits(reference_output(f, s, src), integer_product(f, s, src)));
  }
}

TEST_CASE("matmul: the deepest sum is exact") {
  const op::matmul f{};
  const int k = 33'025;
  tensor a(element::u8, {1, k}), b(element::u8, {k, 1});
  std::ranges::fill(a.as<std::uint8_t>(), std::uint8_t{255});
  std::ranges::fill(b.as<std::uint8_t>(), std::uint8_t{255});
  const signature s{
      {{element::u8, {1, k}, {1.0f, 0}}, {element::u8, {k, 1}, {1.0f, 0}}}, {element::f32, {1, 1}, {}}, {}};
  CHECK(reference_output(f, s, list_of(std::move(a), std::move(b))).as<float>()[0] == 255.0f * 255.0f * 33'025.0f);
}

TEST_CASE("matmul: what it refuses, by name") {
  op::matmul f{};
  signature s{{{element::f32, {2, 3, 4}, {}}, {element::f32, {2, 4, 5}, {}}}, {element::f32, {2, 3, 5}, {}}, {}};
  const auto failure = [&] { return failure_of([&] { check(operation(f), s); }); };
  CHECK_FALSE(failure());
  SUBCASE("one input") {
    s.src.pop_back();
    check_failure(failure(), "matmul: expected 2 inputs, found 1");
  }
  SUBCASE("another depth") {
    s.src[1].extents = {2, 5, 4};
    check_failure(failure(), "matmul: cannot multiply 2x3x4 by 2x5x4", "depth must be equal");
  }
  SUBCASE("a transposed b of another depth") {
    f.transpose_b = true;
    check_failure(failure(), "matmul: cannot multiply 2x3x4 by 2x4x5 transposed");
  }
  SUBCASE("another batch") {
    s.src[1].extents = {3, 4, 5};
    check_failure(failure(), "matmul: cannot multiply 2x3x4 by 3x4x5", "batch extents equal or 1");
  }
  SUBCASE("a transposed a of another depth") {
    f.transpose_a = true;
    check_failure(failure(), "matmul: cannot multiply 2x3x4 transposed by 2x4x5");
  }
  SUBCASE("an alpha that is no number") {
    f.alpha = std::numeric_limits<float>::quiet_NaN();
    check_failure(failure(), "matmul: multiplier nan is out of range");
  }
  SUBCASE("a bounded batch on one side only") {
    s.src[1].extents = {upto<2>, 4, 5};
    check_failure(failure(), "matmul: cannot multiply 2x3x4 by <=2x4x5");
  }
  SUBCASE("vectors") {
    s.src[0].extents = {4}, s.src[1].extents = {4};
    check_failure(failure(), "matmul: cannot multiply 4 by 4");
  }
  SUBCASE("a residual that is not there") {
    f.residual = true;
    check_failure(failure(), "matmul: expected 3 inputs, found 2");
  }
  SUBCASE("a residual of other extents") {
    f.residual = true, s.src.push_back({element::f32, {2, 1, 5}, {}});
    check_failure(failure(), "matmul: residual must be f32[2x3x5], found f32[2x1x5]");
  }
  SUBCASE("a residual whose scale is far from the output's") {
    for (tensor_type& t : s.src) t = {element::u8, t.extents, {1e-10f, 0}};
    s.dst = {element::u8, s.dst->extents, {1e-20f, 0}};
    CHECK_FALSE(failure());
    f.residual = true, s.src.push_back({element::u8, s.dst->extents, {1e20f, 0}});
    check_failure(failure(), "matmul: multiplier");
  }
  SUBCASE("matrices that have no axis to be interleaved along") {
    s.src[0].extents = {3, 4}, f.interleave_a = true;
    check_failure(failure(), "matmul: cannot multiply 3x4 interleaved by 2x4x5");
  }
  SUBCASE("bounded columns") {
    s.src[1].extents = {2, 4, upto<5>};
    check_failure(failure(), "columns not bounded");
  }
  SUBCASE("another output") {
    s.dst->extents = {2, 5, 3};
    check_failure(failure(), "matmul: output must be 2x3x5, found 2x5x3");
  }
  SUBCASE("mixed inputs") {
    s.src[1].type = element::u8;
    check_failure(failure(), "matmul: inputs must be both f32 or both u8, found f32[2x3x4] and u8[2x4x5]");
  }
  SUBCASE("a u8 output of f32 inputs") {
    s.dst->type = element::u8;
    check_failure(failure(), "matmul: output must be f32, or u8 where the inputs are, found u8[2x3x5]");
  }
  SUBCASE("a sum that could overflow") {
    for (tensor_type& t : s.src) t.type = element::u8;
    s.src[0].extents = {1, 33'026}, s.src[1].extents = {33'026, 1}, s.dst->extents = {1, 1};
    check_failure(failure(), "matmul: depth 33026 could overflow a 32-bit sum, expected at most 33025");
  }
  SUBCASE("scales that are far apart") {
    for (tensor_type& t : s.src) t = {element::u8, t.extents, {1e15f, 0}};
    s.dst = {element::u8, s.dst->extents, {1e-10f, 0}};
    check_failure(failure(), "matmul: multiplier");
  }
}

TEST_CASE("matmul: the types of results") {
  graph g;
  auto a = g.input<float, shape<upto<3>, 2, 9, 16>>("a");
  auto b = g.input<float, shape<upto<3>, 2, 16, 12>>("b");
  auto rows = g.input<std::uint8_t, nc<upto<50>, 8>>("rows");
  auto fixed = g.input<std::uint8_t, nc<8, 4>>("fixed");
  static_assert(std::is_same_v<decltype(matmul(a, b)), value<float, shape<upto<3>, 2, 9, 12>>>);
  static_assert(std::is_same_v<decltype(matmul_transposed(a, a)), value<float, shape<upto<3>, 2, 9, 9>>>);
  static_assert(std::is_same_v<decltype(matmul(rows, fixed)), value<std::uint8_t, nc<upto<50>, 4>>>);
  auto vector = g.input<float, shape<16>>("vector");
  auto matrix = g.input<float, nc<16, 12>>("matrix");
  static_assert(std::is_same_v<decltype(matmul(a, matrix)), value<float, shape<upto<3>, 2, 9, 12>>>);
  static_assert(std::is_same_v<decltype(matmul(vector, matrix)), value<float, shape<12>>>);
  static_assert(std::is_same_v<decltype(matmul(vector, b)), value<float, shape<upto<3>, 2, 12>>>);
  static_assert(std::is_same_v<decltype(matmul(a, vector)), value<float, shape<upto<3>, 2, 9>>>);
  static_assert(std::is_same_v<decltype(matmul(vector, vector)), value<float, shape<1>>>);
  matmul(a, b, 0.25f);
  CHECK(text(g.nodes.back().op) == "matmul alpha 0.25");
  matmul(a, b);
  CHECK(text(g.nodes.back().op) == "matmul");
  CHECK(text(g.nodes[static_cast<std::size_t>(g.producer(matmul_transposed(a, a).id))].op) == "matmul transpose_b");
  CHECK(text(operation(op::matmul{true, relu_activation})) == "matmul transpose_b relu");
  graph other;
  auto c = other.input<float, shape<upto<3>, 2, 16, 12>>("c");
  check_failure(failure_of([&] { matmul(a, c); }), "matmul: the inputs belong to different graphs");
}

TEST_CASE("matmul: vectors are rows on the left and columns on the right") {
  graph g;
  auto a = g.input<float, shape<3>>("a");
  auto m = g.input<float, nc<3, 3>>("m");
  g.output(matmul(a, m), "row");
  g.output(matmul(m, a), "column");
  g.output(matmul(a, a), "both");
  const std::vector<tensor> inputs = list_of(tensor::of<float>({3}, std::vector<float>{1, 10, 100}),
                                             tensor::of<float>({3, 3}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9}));
  const std::vector<tensor> y = reference_outputs(g, inputs);
  CHECK(std::ranges::equal(y[0].as<float>(), std::vector<float>{741, 852, 963}));
  CHECK(std::ranges::equal(y[1].as<float>(), std::vector<float>{321, 654, 987}));
  CHECK(std::ranges::equal(y[2].as<float>(), std::vector<float>{10101}));
  CHECK(same_bits(outputs_of(plan_graph(fold(g), {}), inputs), y));
}

// relu(matmul(a, b)) -> matmul with relu
TEST_CASE("matmul: an activation is fused") {
  graph g;
  auto a = g.input<float, nc<4, 6>>("a");
  auto b = g.input<float, nc<6, 4>>("b");
  g.output(relu(matmul(a, b)), "y");
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "matmul");
  CHECK(text(folded.nodes.back().op) == "matmul relu");
  const std::vector<tensor> inputs = random_inputs(g, 1);
  CHECK(same_bits(reference_outputs(folded, inputs), reference_outputs(g, inputs)));
}

// relu(matmul(a, b) + r) -> matmul with a residual and relu, in the place of r
TEST_CASE("matmul: a sum with a tensor of its extents is fused") {
  for (const bool first : {true, false}) {
    CAPTURE(first);
    graph g;
    auto a = g.input<float, shape<3, 20, 6>>("a");
    auto b = g.input<float, shape<3, 6, 20>>("b");
    auto r = g.input<float, shape<3, 20, 20>>("r");
    auto product = matmul(a, b, 0.5f), sum = first ? product + abs(r) : abs(r) + product;
    g.output(relu(sum), "y");
    const graph folded = fold(g);
    REQUIRE(operators_of(folded) == "abs matmul");
    CHECK(text(folded.nodes.back().op) == "matmul alpha 0.5 residual relu");
    const std::vector<tensor> inputs = random_inputs(g, 1), y = reference_outputs(g, inputs);
    CHECK(same_bits(reference_outputs(folded, inputs), y));
    CHECK(same_bits(outputs_of(plan_graph(folded, native_kernels()), inputs), y));
  }
}

// matmul(softmax(matmul(q, k)), v) -> matmul_u8(convert(softmax(matmul_u8(convert(q), convert(k)))), convert(v))
TEST_CASE("matmul: both inputs are quantized, sums that FP32 nodes read stay FP32") {
  const graph g = attention();
  const graph q = quantized_graph(g, {.recipe = minmax{}});
  CHECK(operators_of(q) == "convert convert matmul softmax convert convert matmul");
  for (const node& n : q.nodes)
    if (n.as<op::matmul>()) {
      CHECK(q.type(n.src[0]).is_u8());
      CHECK(q.type(n.src[1]).is_u8());
      CHECK(q.type(n.dst).type == element::f32);
    }
  check_order(q);
}

TEST_CASE("matmul: a quantized graph is as near as its steps allow, for any batch") {
  const graph g = attention();
  const graph q = quantized_graph(g, {.recipe = minmax{}});
  const network fp32 = plan_graph(fold(g), {}), int8 = plan_graph(q, {});
  for (int batch = 1; batch <= 3; ++batch) {
    std::vector<tensor> inputs;
    for (int v : g.input_values()) inputs.emplace_back(element::f32, with_batch(g.type(v).extents, batch));
    random_samples().read(0, inputs);
    // Inputs in [-1, 1] lie half a step, 2/255/2, off. A score sums 16 products of numbers below 1: off by at most
    // 16 * 2 * 0.004 = 0.13, which changes a probability by at most a factor exp(0.26); 12 of them times v, |v| <= 1:
    const float most = 0.35f;
    const tensor a = std::move(outputs_of(fp32, inputs, batch)[0]), b = std::move(outputs_of(int8, inputs, batch)[0]);
    CHECK(a.extents() == dims{batch, 2, 9, 16});
    CHECK(largest_difference(a, b) <= most);
    CHECK(largest_difference(a, b) > 0.0f);
  }
}
