// Constants in a graph: nothing is copied, all sessions share them, and quantization makes u8 constants of them.
#include "octavo/op/constant.hpp"

#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using rows = nc<4, 6>;

tensor table() {
  random_numbers random(5);
  return random_tensor(element::f32, {4, 6}, random, -0.5f, 2.0f);
}

const planned_value& value_named(const network& net, const std::string& name) {
  for (const planned_value& v : net->values)
    if (v.name == name) return v;
  FAIL("no value '" << name << "'");
  return net->values.front();
}

quantize_options options_of(bool correct_bias, std::set<std::string> keep_fp32 = {}) {
  quantize_options o;
  o.correct_bias = correct_bias, o.keep_fp32 = std::move(keep_fp32);
  return o;
}

/// x + constant, and the product of x with it.
graph sums_with_constant(const constant& value) {
  graph g;
  auto x = g.input<float, rows>("x");
  const octavo::value<float, rows> c(&g, *g.append(op::constant{}, "table", {}, {value}));
  g.output(relu(x + c), "sum");
  g.output(matmul_transposed(x, c), "product");
  return g;
}

}  // namespace

TEST_CASE("constant: it is read where it lies, by all sessions") {
  const constant value = make_constant(table());
  const graph g = sums_with_constant(value);
  const network net = octavo::compile(g);
  CHECK(net->steps.size() == 2);
  CHECK(net->arena_bytes == 0);
  const planned_value& v = value_named(net, "table");
  CHECK(v.where == home::constants);
  CHECK(net->constants[static_cast<std::size_t>(v.index)] == value);  // the very same memory
  const std::vector<tensor> inputs = random_inputs(g, 1);
  session one(net), two(net);
  const std::vector<tensor> expected = reference_outputs(fold(g), inputs);
  CHECK(same_bits(outputs_of(one, inputs), expected));
  CHECK(same_bits(outputs_of(two, inputs), expected));
  CHECK(same_bits(*value, table()));
}

TEST_CASE("constant: any type of element, and u8 with a map of its own") {
  graph g;
  auto which = constant_value<std::int64_t, shape<2>>(g, "which", std::array<std::int64_t, 2>{2, 0});
  auto x = g.input<float, rows>("x");
  g.output(gather<0>(x, which), "y");
  const one_or_more<int> u8 = g.append(op::constant{}, "u8", {}, tensor_type{element::u8, {2}, {0.5f, 3}},
                                       {make_constant(tensor::of<std::uint8_t>({2}, std::vector<std::uint8_t>{3, 5}))});
  g.outputs.push_back({*g.append(op::convert{}, "real", {u8}, tensor_type{element::f32, {2}, {}}), "real"});
  const std::vector<tensor> inputs = random_inputs(g, 2), y = outputs_of(octavo::compile(g), inputs);
  CHECK(y[0].as<float>()[0] == inputs[0].as<float>()[12]);
  CHECK(std::ranges::equal(y[1].as<float>(), std::vector<float>{0, 1}));
  CHECK(text(g).find("which: s64[2] = constant ()\n") != std::string::npos);
}

TEST_CASE("constant: one that is an output is copied, also where it is reshaped or sliced") {
  graph g;
  const constant value = make_constant(table());
  const octavo::value<float, rows> c(&g, *g.append(op::constant{}, "table", {}, {value}));
  auto x = g.input<float, rows>("x");
  g.output(c, "again");
  g.output(reshape<nc<2, 12>>(c), "reshaped");
  g.output(slice<0, 1, 3>(c), "sliced");
  auto columns = slice<1, 2, 5>(c);
  auto longer = slice<1, 0, 3>(reshape<nc<2, 12>>(c));
  g.output(relu(columns), "columns");
  g.output(relu(longer), "longer");
  g.output(relu(x), "y");
  const network net = plan_graph(g, {});
  CHECK(net->steps.size() == 6);
  CHECK(value_named(net, "table.slice_1").where == home::constants);
  CHECK(value_named(net, "table.slice_1").offset == 2 * sizeof(float));
  const std::vector<tensor> inputs = random_inputs(g, 3);
  CHECK(same_bits(outputs_of(net, inputs), reference_outputs(g, inputs)));
  CHECK(same_bits(*value, table()));
}

TEST_CASE("constant: a sum does not overwrite it") {
  graph g;
  const params w = random_params(1);
  const tensor image = [] {
    random_numbers random(9);
    return random_tensor(element::f32, {1, 4, 4, 8}, random);
  }();
  auto x = g.input<float, nhwc<1, 4, 4, 8>>("x");
  auto c = constant_value<float, nhwc<1, 4, 4, 8>>(g, "prior", image.as<float>());
  g.output(relu(conv2d<conv{.out = 8, .kernel = 3, .pad = 1}>(relu(x), w / "conv") + c), "y");
  const graph folded = fold(g);
  const network net = octavo::compile(g);
  CHECK(net->steps.size() == 2);
  const std::vector<tensor> inputs = random_inputs(g, 4), first = outputs_of(net, inputs);
  CHECK(same_bits(outputs_of(net, inputs), first));
  const constant& kept = node_named(g, "prior").constants[0];
  CHECK(same_bits(*kept, image));
}

TEST_CASE("constant: quantized by its own range, or by one that a table gives") {
  const constant value = make_constant(table());
  const graph g = sums_with_constant(value);
  calibration found = random_calibration(g);
  CHECK_FALSE(found.ranges.contains("table"));
  const auto check_map = [&](range expected) {
    const graph int8 = quantize_graph(g, found);
    const node& n = node_named(int8, "table.quantize");
    REQUIRE(n.as<op::constant>());
    const tensor_type& t = int8.type(n.dst);
    CHECK(t.q == choose_affine(expected));
    CHECK(t.is_u8());
    for (std::size_t i = 0; i < 24; ++i)
      CHECK(n.constants[0]->as<std::uint8_t>()[i] == quantize_u8(value->as<float>()[i], t.q));
    CHECK(std::ranges::none_of(int8.nodes, [](const node& m) { return m.name == "table"; }));  // the f32 one is dead
    const network net = plan_graph(int8, native_kernels());
    std::vector<tensor> inputs = random_inputs(g, 5);
    random_samples().read(0, inputs);  // that of the calibration
    const std::vector<tensor> y = outputs_of(net, inputs);
    CHECK(same_bits(y, reference_outputs(int8, inputs)));
    const std::vector<tensor> exact = reference_outputs(g, inputs);
    for (std::size_t i = 0; i < y.size(); ++i)
      CHECK(largest_difference(y[i], exact[i]) <= 0.05f * largest_magnitude(exact[i]));  // a few of 255 steps
  };
  const std::span<const float> all = value->as<float>();
  check_map({std::ranges::min(all), std::ranges::max(all)});
  found.ranges["table"] = {-1, 3};
  check_map({-1, 3});
}

TEST_CASE("constant: one map for it and what is moved from it, and a bias that is corrected by its means") {
  graph g;
  const params w = random_params(2);
  auto x = g.input<float, nc<3, 6>>("x");
  const octavo::value<float, rows> c(&g, *g.append(op::constant{}, "table", {}, {make_constant(table())}));
  auto both = concat<0>(relu(x), slice<0, 0, 3>(c));
  g.output(fc<5>(both, w / "fc"), "y");
  g.output(fc<5>(c, w / "alone"), "z");
  const calibration found = random_calibration(g);
  const graph int8 = quantize_graph(g, found, options_of(true));
  CHECK(int8.type(node_named(int8, "x.concat").dst).q == int8.type(node_named(int8, "table.quantize").dst).q);
  const constant plain = node_named(quantize_graph(g, found, options_of(false)), "alone").constants[1],
                 corrected = node_named(int8, "alone").constants[1];
  CHECK_FALSE(same_bits(*plain, *corrected));
  const std::vector<tensor> inputs = random_inputs(g, 6);
  CHECK(same_bits(outputs_of(plan_graph(int8, native_kernels()), inputs), reference_outputs(int8, inputs)));
}

TEST_CASE("constant: what is not finite stays FP32, and is refused where it would be quantized") {
  tensor mask = table();
  mask.as<float>()[3] = -std::numeric_limits<float>::infinity();
  const graph g = sums_with_constant(make_constant(std::move(mask)));
  calibration found;
  for (const graph_value& v : g.values) found.ranges[v.name] = {-1, 1};
  found.ranges.erase("table");
  check_failure(failure_of([&] { quantize_graph(g, found, options_of(false, {"x.matmul"})); }), "'table'",
                "has the element -inf");
  check_failure(failure_of([&] { quantize_graph(g, found, options_of(false)); }), "x.matmul", "is not finite");
  CHECK_FALSE(failure_of([&] { quantize_graph(g, found, options_of(false, {"x.add", "x.matmul"})); }));
}

TEST_CASE("constant: what it refuses, by name") {
  graph g;
  const int x = g.append(op::input{}, "x", {}, tensor_type{element::f32, {2}, {}});
  check_failure(failure_of([&] { g.append(op::constant{}, "c", {}); }), "node 'c'", "expected its value");
  check_failure(failure_of([&] { g.append(op::constant{}, "c", {}, {nullptr}); }), "expected its value");
  check_failure(failure_of([&] { g.append(op::constant{}, "c", {x}, {values({1}, {1})}); }), "expected 0 inputs");
  check_failure(failure_of([&] {
                  g.append(op::constant{}, "c", {}, tensor_type{element::f32, {2}, {}}, {values({1}, {1})});
                }),
                "constant: output must be f32[1], found f32[2]");
  check_failure(failure_of([&] { constant_value<float, shape<3>>(g, "c", std::array{1.0f}); }), "needs 3 elements");
}
