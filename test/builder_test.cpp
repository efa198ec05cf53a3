// Composing graphs: types of results, names, weights that are missing or have another shape.
#include "octavo/graph/builder.hpp"

#include <doctest/doctest.h>

#include "support/random.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

template <class Value, class Shape, class T = float>
concept is = std::is_same_v<Value, value<T, Shape>>;

}  // namespace

TEST_CASE("builder: the types of results") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, nhwc<1, 9, 8, 6>>("x");
  auto u = g.input<std::uint8_t, nhwc<upto<4>, 9, 8, 6>>("u");
  static_assert(is<decltype(x), nhwc<1, 9, 8, 6>>);
  static_assert(is<decltype(u), nhwc<upto<4>, 9, 8, 6>, std::uint8_t>);
  static_assert(is<decltype(conv2d<conv{.out = 5}>(x, w)), nhwc<1, 9, 8, 5>>);
  static_assert(is<decltype(conv2d<conv{.out = 5, .kernel = 3}>(x, w)), nhwc<1, 7, 6, 5>>);
  static_assert(is<decltype(conv2d<conv{.out = 5, .kernel = {3, 1}, .pad = {1, 0}}>(x, w)), nhwc<1, 9, 8, 5>>);
  static_assert(is<decltype(conv2d<conv{.out = 5, .kernel = 3, .stride = 2, .pad = same}>(x, w)), nhwc<1, 5, 4, 5>>);
  static_assert(is<decltype(conv2d<conv{.out = 4, .kernel = 3, .dilation = 2, .groups = 2}>(x, w)), nhwc<1, 5, 4, 4>>);
  static_assert(is<decltype(depthwise_conv2d<conv{.kernel = 3, .pad = 1}>(x, w)), nhwc<1, 9, 8, 6>>);
  static_assert(is<decltype(depthwise_conv2d<conv{.out = 12, .kernel = 3, .pad = 1}>(x, w)), nhwc<1, 9, 8, 12>>);
  static_assert(is<decltype(fc<10>(flatten(x), w)), nc<1, 10>>);
  static_assert(is<decltype(fc<10>(reshape<ntc<1, 72, 6>>(x), w)), ntc<1, 72, 10>>);
  static_assert(is<decltype(batch_norm(x, w)), nhwc<1, 9, 8, 6>>);
  static_assert(is<decltype(bias_add(x, w)), nhwc<1, 9, 8, 6>>);
  static_assert(is<decltype(relu(x)), nhwc<1, 9, 8, 6>>);
  static_assert(is<decltype(x + x), nhwc<1, 9, 8, 6>>);
  static_assert(is<decltype(max_pool2d<pool{.kernel = 2}>(u)), nhwc<upto<4>, 4, 4, 6>, std::uint8_t>);
  static_assert(is<decltype(average_pool2d<pool{.kernel = 2, .ceil_mode = true}>(x)), nhwc<1, 5, 4, 6>>);
  static_assert(is<decltype(max_pool2d<pool{.kernel = 3, .stride = 2, .pad = 1}>(x)), nhwc<1, 5, 4, 6>>);
  static_assert(is<decltype(global_average_pool(x)), nc<1, 6>>);
  static_assert(is<decltype(global_max_pool(u)), nc<upto<4>, 6>, std::uint8_t>);
  static_assert(is<decltype(concat(x, x, x)), nhwc<1, 9, 8, 18>>);
  static_assert(is<decltype(concat<-3>(x, x)), nhwc<1, 18, 8, 6>>);
  static_assert(is<decltype(concat<0>(x, x)), nhwc<2, 9, 8, 6>>);
  static_assert(is<decltype(pad_channels<1, 2>(x)), nhwc<1, 9, 8, 9>>);
  static_assert(is<decltype(slice<1, 2, -1, 3>(x)), nhwc<1, 2, 8, 6>>);
  static_assert(is<decltype(slice<0, 0, 1>(u)), nhwc<1, 9, 8, 6>, std::uint8_t>);
  static_assert(is<std::tuple_element_t<1, decltype(split<-1, 1, 2, 3>(u))>, nhwc<upto<4>, 9, 8, 2>, std::uint8_t>);
  static_assert(std::tuple_size_v<decltype(split_equally<2, 4>(x))> == 4);
  static_assert(is<std::tuple_element_t<3, decltype(split_equally<2, 4>(x))>, nhwc<1, 9, 2, 6>>);
  static_assert(is<decltype(transpose<0, 3, 1, 2>(u)), nhwc<upto<4>, 6, 9, 8>, std::uint8_t>);
  static_assert(is<decltype(squeeze<0>(x)), shape<9, 8, 6>>);
  static_assert(is<decltype(unsqueeze<-1>(u)), shape<upto<4>, 9, 8, 6, 1>, std::uint8_t>);
  static_assert(is<decltype(pad<axis_numbers{0, 1, -1, 0}, axis_numbers{0, 2, 0, 3}>(x)), nhwc<1, 12, 7, 9>>);
  static_assert(is<decltype(gather<2>(x, g.input<std::int64_t, shape<5, 3>>("i"))), shape<1, 9, 5, 3, 6>>);
  static_assert(is<decltype(embedding<10, 4>(g.input<std::int32_t, shape<upto<2>, 7>>("i"), w)), ntc<upto<2>, 7, 4>>);
  static_assert(is<decltype(shuffle_channel<3>(x)), nhwc<1, 9, 8, 6>>);
  static_assert(is<decltype(space_to_depth<4>(slice<1, 0, 8>(u))), nhwc<upto<4>, 2, 2, 96>, std::uint8_t>);
  static_assert(is<decltype(depth_to_space<1>(x)), nhwc<1, 9, 8, 6>>);
  static_assert(is<decltype(expand<shape<2, 5, 9, 8, 6>>(x)), shape<2, 5, 9, 8, 6>>);
  static_assert(is<decltype(interp2d<18, 4>(u, op::interp2d::nearest)), nhwc<upto<4>, 18, 4, 6>, std::uint8_t>);
  static_assert(is<decltype(tile<2, 1, 1, 3>(x)), nhwc<2, 9, 8, 18>>);
  static_assert(is<decltype(flatten(x)), nc<1, 432>>);
  static_assert(is<decltype(reshape<ntc<1, 72, 6>>(x)), ntc<1, 72, 6>>);
  static_assert(is<decltype(softmax(x)), nhwc<1, 9, 8, 6>>);
  static_assert(decltype(x)::extents == dims{1, 9, 8, 6});
}

TEST_CASE("builder: what is appended is what was asked for") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, nhwc<1, 9, 8, 6>>("x");
  auto y = depthwise_conv2d<conv{.kernel = 3, .stride = 2, .pad = same}>(x, w / "dw");
  const op::conv2d* c = g.nodes.back().as<op::conv2d>();
  REQUIRE(c);
  CHECK(c->groups == 6);
  CHECK(c->out == 6);
  CHECK(c->pad == padding(1, 0, 1, 1));  // top 1, left 0, bottom 1, right 1: 9 rows need 2, 8 columns 1
  CHECK(g.type(y.id).extents == dims{1, 5, 4, 6});
  CHECK(g.nodes.back().constants[0]->extents() == dims{6, 1, 3, 3});
  CHECK(g.nodes.back().constants[1]->extents() == dims{6});
  clip(y, -1.0f, 2.0f);
  CHECK(g.nodes.back().as<op::activate>()->act == activation{-1.0f, 2.0f});
  check_failure(failure_of([&] { clip(y, 2.0f, -1.0f); }), "node 'dw.clip_1'", "the lower bound 2",
                "the upper bound -1");
  max_pool2d<pool{.kernel = 2}>(x);
  CHECK(g.nodes.back().as<op::pool2d>()->stride == hw(2));
}

TEST_CASE("builder: names are made unique") {
  graph g;
  auto x = g.input<float, nc<1, 3>>("x");
  auto x_again = g.input<float, nc<1, 3>>("x");
  relu(relu(x));
  relu(x_again);
  bias_add(x, random_params(1) / "x" / "relu_1");
  std::vector<std::string> names;
  for (const node& n : g.nodes) names.push_back(n.name);
  CHECK(names == std::vector<std::string>{"x", "x_1", "x.relu", "x.relu_1", "x_1.relu", "x.relu_1_1"});
  for (const node& n : g.nodes) CHECK(g.values[static_cast<std::size_t>(n.dst)].name == n.name);
}

TEST_CASE("builder: weights are read by name below their place") {
  graph g;
  auto x = g.input<float, nc<1, 2>>("x");
  const params w(std::make_shared<known_weights>(std::map<std::string, constant>{
      {"a.0.weight", values({1, 2}, {1, 2})},
      {"a.0.bias", values({1}, {3})},
      {"b.weight", values({1, 2}, {1, 2})},
  }));
  fc<1>(x, w / "a" / 0);
  CHECK(g.nodes.back().name == "a.0");
  CHECK(g.nodes.back().constants[1] != nullptr);
  fc<1>(x, w / "b");
  CHECK(g.nodes.back().constants[1] == nullptr);
}

TEST_CASE("builder: weights that are missing or have another shape") {
  graph g;
  auto x = g.input<float, nhwc<1, 4, 4, 2>>("x");
  const params w(std::make_shared<known_weights>(std::map<std::string, constant>{
      {"transposed.weight", values({2, 1, 1, 3}, {1, 2, 3, 4, 5, 6})},
      {"integers.weight", make_constant(tensor(element::s8, {3, 2, 1, 1}))},
      {"bias.weight", values({3, 2, 1, 1}, {1, 2, 3, 4, 5, 6})},
      {"bias.bias", values({2}, {1, 2})},
  }));
  const auto flat = flatten(x);
  const std::size_t nodes = g.nodes.size();
  const auto failure = [&](const char* name) { return failure_of([&] { conv2d<conv{.out = 3}>(x, w / name); }); };
  check_failure(failure("absent"), "known weights: tensor 'absent.weight': missing; expected f32 3x2x1x1");
  check_failure(failure("transposed"),
                "known weights: tensor 'transposed.weight': expected f32 3x2x1x1, found f32 2x1x1x3");
  check_failure(failure("integers"), "known weights: tensor 'integers.weight': expected f32 3x2x1x1, found s8 3x2x1x1");
  check_failure(failure("bias"), "known weights: tensor 'bias.bias': expected f32 3, found f32 2");
  check_failure(failure_of([&] { batch_norm(x, w / "absent"); }), "'absent.weight': missing; expected f32 2");
  check_failure(failure_of([&] { fc<3>(flat, params() / "no" / "where"); }), "weights for 'no.where'",
                "no weight source");
  CHECK(g.nodes.size() == nodes);
}

TEST_CASE("builder: a batch norm that divides by zero is refused, and the graph stays as it was") {
  graph g;
  auto x = g.input<float, nc<1, 1>>("x");
  const constant one = values({1}, {1});
  const params w(std::make_shared<known_weights>(std::map<std::string, constant>{
      {"bn.weight", one}, {"bn.bias", one}, {"bn.running_mean", one}, {"bn.running_var", values({1}, {0})}}));
  check_failure(failure_of([&] { batch_norm(x, w / "bn", 0.0f); }), "node 'bn'", "batch_norm");
  CHECK(g.nodes.size() == 1);
  CHECK(g.values.size() == 1);
  batch_norm(x, w / "bn");
  CHECK(g.nodes.back().name == "bn");
}

TEST_CASE("builder: values of two graphs do not mix") {
  graph g, h;
  auto x = g.input<float, nc<1, 3>>("x");
  auto y = h.input<float, nc<1, 3>>("y");
  check_failure(failure_of([&] { x + y; }), "add: the inputs belong to different graphs");
  check_failure(failure_of([&] { concat(x, x, y); }), "concat: the inputs belong to different graphs");
  check_failure(failure_of([&] { g.output(y, "out"); }), "output 'out': the value belongs to another graph");
}

TEST_CASE("builder: any DAG of ordinary functions") {
  graph g;
  const params w = random_params(1);
  const auto block = [](auto in, const params& p) { return relu(fc<3>(in, p) + in); };
  auto x = g.input<float, nc<upto<2>, 3>>("x");
  auto y = x;
  for (int i = 0; i < 4; ++i) y = block(y, w / "block" / i);
  g.output(y, "y");
  g.output(concat(x, y), "both");
  CHECK(g.nodes.size() == 1 + 4 * 3 + 1);
  CHECK(g.uses(x.id) == 3);
  CHECK(g.is_output(y.id));
  CHECK(g.uses(y.id) == 2);
  CHECK(g.nodes[static_cast<std::size_t>(g.producer(y.id))].name == "block.3.relu");
  CHECK(g.input_values() == std::vector<int>{x.id});
}
