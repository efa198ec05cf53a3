// Where values live: what a concat reads lies in its buffer, a reshape costs nothing; and where that cannot be, a copy
// is made and the result is the same.
#include "octavo/plan/placement.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "octavo/graph/builder.hpp"
#include "octavo/plan/compile.hpp"
#include "support/random_graph.hpp"
#include "support/run.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<2, 3, 4, 6>;

/// Plans and runs `g`, compares with its nodes alone, and returns the plan.
network checked_plan(const graph& g) {
  const network net = plan_graph(g, {});
  const std::vector<tensor> inputs = random_inputs(g, 7);
  CHECK(same_bits(outputs_of(net, inputs), reference_outputs(g, inputs)));
  return net;
}

/// Whether a step of the plan computes the value of node `name`.
bool has_step(const network& net, const std::string& name) {
  return std::any_of(net->steps.begin(), net->steps.end(), [&](const step& s) { return s.name == name; });
}

placement placed(const graph& g, int v) { return place_values(g)[static_cast<std::size_t>(v)]; }

void check_placed(const graph& g, int v, int root, std::ptrdiff_t offset, std::ptrdiff_t stride) {
  const placement p = placed(g, v);
  CHECK(p.root == root);
  CHECK(p.offset == offset);
  CHECK(p.stride == stride);
}

}  // namespace

TEST_CASE("placement: the inputs of a concat along channels live in its buffer") {
  graph g;
  auto x = g.input<float, image>("x");
  auto a = relu(x);                // 6 channels
  auto b = pad_channels<1, 1>(x);  // 8 channels
  auto c = softmax(x);             // 6 channels
  auto both = concat(a, b, c);     // 20 channels
  g.output(relu6(both), "y");
  check_placed(g, a.id, both.id, 0, 20);
  check_placed(g, b.id, both.id, 6, 20);
  check_placed(g, c.id, both.id, 14, 20);
  check_placed(g, both.id, both.id, 0, 20);
  const network net = checked_plan(g);
  CHECK_FALSE(has_step(net, "concat"));
  CHECK(net->steps.size() == 4);
}

TEST_CASE("placement: a sum takes the place of its residual where nothing else needs that") {
  // x -> a -> conv(b) + a, where a is needed later or not
  for (const bool needed : {false, true}) {
    graph g;
    auto x = g.input<float, image>("x");
    auto a = relu(x), b = relu6(x);
    op::conv2d c;
    c.out = 6;
    c.residual = true;
    const auto append = [&](int src, int residual) {
      tensor w(element::f32, {6, 6, 1, 1});
      std::ranges::fill(w.as<float>(), 0.25f);
      return g.append(c, "conv", {src, residual}, g.type(a.id), {make_constant(std::move(w)), nullptr});
    };
    const int sum = append(b.id, a.id);
    const int twice = append(sum, sum);  // reads what it would overwrite
    const int last = needed ? append(twice, a.id) : append(b.id, twice);
    g.outputs.push_back({last, "y"});
    check_placed(g, sum, needed ? sum : a.id, 0, 6);
    check_placed(g, twice, twice, 0, 6);
    check_placed(g, last, last, 0, 6);  // the user's memory
    checked_plan(g);
  }
}

TEST_CASE("placement: nested concats share one buffer") {
  graph g;
  auto x = g.input<float, image>("x");
  auto a = relu(x), b = relu6(x), c = softmax(x);
  auto inner = concat(a, b);
  auto outer = concat(c, inner);
  g.output(relu(outer), "y");
  check_placed(g, inner.id, outer.id, 6, 18);
  check_placed(g, a.id, outer.id, 6, 18);
  check_placed(g, b.id, outer.id, 12, 18);
  check_placed(g, c.id, outer.id, 0, 18);
  CHECK(checked_plan(g)->steps.size() == 4);
}

TEST_CASE("placement: a slice can be read by others too") {
  graph g;
  auto x = g.input<float, image>("x");
  auto a = relu(x), b = softmax(a);
  auto both = concat(a, b);
  g.output(add(both, concat(b, a)), "y");  // the second concat finds its inputs taken, and copies
  check_placed(g, a.id, both.id + 1, 6, 12);
  check_placed(g, b.id, both.id + 1, 0, 12);
  const network net = checked_plan(g);
  CHECK(has_step(net, "x.concat"));
  CHECK_FALSE(has_step(net, "x.concat_1"));
}

TEST_CASE("placement: where an input cannot be a slice, the concat copies") {
  graph g;
  auto x = g.input<float, image>("x");
  auto a = relu(x);
  SUBCASE("an input used twice") { g.output(relu6(concat(a, a)), "y"); }
  SUBCASE("a network input") { g.output(relu6(concat(a, x)), "y"); }
  SUBCASE("a network output") {
    g.output(a, "a");
    g.output(relu6(concat(softmax(x), a)), "y");
  }
  SUBCASE("another axis") { g.output(relu6(concat<1>(a, softmax(x))), "y"); }
  SUBCASE("the outermost axis") { g.output(relu6(concat<0>(a, softmax(x))), "y"); }
  const network net = checked_plan(g);
  CHECK(has_step(net, "x.concat"));
}

TEST_CASE("placement: a concat that is an output gets its inputs written into the user's memory") {
  graph g;
  auto x = g.input<float, image>("x");
  auto a = relu(x), b = softmax(x);
  auto both = concat(a, b);
  g.output(both, "y");
  check_placed(g, b.id, both.id, 6, 12);
  const network net = checked_plan(g);
  CHECK(net->steps.size() == 2);
  CHECK(net->arena_bytes == 0);

  // The user's rows may lie apart.
  const std::vector<tensor> inputs = random_inputs(g, 3);
  const tensor expected = reference_outputs(g, inputs)[0].reshaped({2 * 3 * 4, 12});
  std::vector<float> wide(2 * 3 * 4 * 15, -1.0f);
  session run(net);
  REQUIRE(run(inputs[0].as<float>(), view<float>(wide.data(), {2, 3, 4, 12}, 15)));
  for (std::size_t r = 0; r < 24; ++r)
    for (std::size_t c = 0; c < 15; ++c) CHECK(wide[r * 15 + c] == (c < 12 ? expected.as<float>()[r * 12 + c] : -1.0f));
}

TEST_CASE("placement: a reshape is free") {
  graph g;
  auto x = g.input<float, image>("x");
  SUBCASE("between two nodes: the output lives where the input does") {
    auto a = relu(x);
    auto r = reshape<nhwc<2, 4, 3, 6>>(a);
    auto flat = flatten(r);
    g.output(softmax(flat), "y");
    check_placed(g, r.id, a.id, 0, 6);
    check_placed(g, flat.id, a.id, 0, 72);
    CHECK(checked_plan(g)->steps.size() == 2);
  }
  SUBCASE("of a network input") {
    auto r = reshape<nhwc<2, 4, 3, 6>>(x);
    g.output(relu(r), "y");
    check_placed(g, r.id, x.id, 0, 6);
    CHECK(checked_plan(g)->steps.size() == 1);
  }
  SUBCASE("that is a network output: the input lives where the output does") {
    auto pooled = average_pool2d<pool{.kernel = {3, 4}}>(x);
    auto flat = flatten(pooled);
    g.output(flat, "y");
    check_placed(g, pooled.id, flat.id, 0, 6);
    CHECK(checked_plan(g)->steps.size() == 1);
  }
  SUBCASE("of a concat") {
    auto a = relu(x), b = softmax(x);
    auto both = concat(a, b);
    auto flat = flatten(both);
    g.output(softmax(flat), "y");
    check_placed(g, a.id, both.id, 0, 12);
    check_placed(g, flat.id, both.id, 0, 144);
    CHECK(checked_plan(g)->steps.size() == 3);
  }
}

TEST_CASE("placement: where a reshape cannot be free, it copies") {
  graph g;
  auto x = g.input<float, image>("x");
  auto a = relu(x);
  SUBCASE("of a network input to an output") { g.output(reshape<nhwc<2, 4, 3, 6>>(x), "y"); }
  SUBCASE("of an output to an output") {
    g.output(a, "a");
    g.output(reshape<nhwc<2, 4, 3, 6>>(a), "y");
  }
  SUBCASE("to two outputs") {
    g.output(reshape<nhwc<2, 4, 3, 6>>(a), "y");
    g.output(reshape<nhwc<2, 12, 1, 6>>(a), "z");
  }
  SUBCASE("into a concat's buffer") {
    auto r = reshape<image>(average_pool2d<pool{.kernel = 1}>(reshape<nhwc<2, 4, 3, 6>>(a)));
    g.output(relu(concat(softmax(x), r)), "y");
  }
  SUBCASE("of a slice") {
    g.output(relu(concat(softmax(x), a)), "y");
    g.output(relu(flatten(a)), "z");
  }
  SUBCASE("both sides in one concat") { g.output(relu(concat(a, reshape<image>(a))), "y"); }
  const network net = checked_plan(g);
  const auto copies = std::count_if(net->steps.begin(), net->steps.end(),
                                    [](const step& s) { return s.name.starts_with("x.reshape"); });
  CHECK(copies == 1);
}

TEST_CASE("placement: a concat of one value, both in another concat, is not mistaken for a free one") {
  graph g;
  auto x = g.input<float, image>("x");
  auto a = relu(x);
  auto same_again = concat(a);
  g.output(relu(concat(same_again, a)), "y");
  const network net = checked_plan(g);
  CHECK(has_step(net, "x.concat"));
  CHECK_FALSE(has_step(net, "x.concat_1"));
}

TEST_CASE("placement: in the user's memory rows may lie apart, so no value with other rows lives there") {
  constexpr std::ptrdiff_t apart = 7;  // elements between the rows of 6
  graph g;
  auto x = g.input<float, image>("x");
  SUBCASE("an input's reshape with rows of the same length") { g.output(relu(reshape<nhwc<2, 4, 3, 6>>(x)), "y"); }
  SUBCASE("an input's reshape with longer rows") { g.output(reshape<image>(softmax(flatten(x))), "y"); }
  SUBCASE("an output's source with longer rows") {
    g.output(reshape<image>(relu(reshape<nc<2, 72>>(softmax(x)))), "y");
  }
  SUBCASE("an output's source with rows of the same length") {
    g.output(reshape<image>(relu(reshape<nhwc<2, 4, 3, 6>>(x))), "y");
  }
  SUBCASE("a value, its reshape, and that in an output") {
    auto a = relu(x);
    g.output(softmax(flatten(a)), "z");
    g.output(reshape<image>(a), "y");
  }
  std::vector<float> wide_x(24 * apart), wide_y(24 * apart);
  const std::vector<tensor> inputs = random_inputs(g, 11);
  for (std::size_t r = 0; r < 24; ++r)
    for (std::size_t c = 0; c < 6; ++c) wide_x[r * 7 + c] = inputs[0].as<float>()[r * 6 + c];
  const dims y_extents = g.type(g.outputs.back().value).extents;
  const std::vector<tensor> expected = reference_outputs(g, inputs);

  session run(plan_graph(g, {}));
  tensor flat(element::f32, {2, 72});
  std::vector<tensor_argument> arguments{view<const float>(wide_x.data(), image::value, apart)};
  if (expected.size() == 2) arguments.emplace_back(flat);
  arguments.push_back(view<float>(wide_y.data(), y_extents, apart));
  run.run(arguments).or_throw();
  const tensor y = expected.back().reshaped({24, 6});
  for (std::size_t r = 0; r < 24; ++r)
    for (std::size_t c = 0; c < 6; ++c) CHECK(wide_y[r * 7 + c] == y.as<float>()[r * 6 + c]);
  if (expected.size() == 2) CHECK(same_bits(flat, expected[0]));
}

TEST_CASE("placement: outputs that are inputs, or asked for twice, are copied") {
  graph g;
  auto x = g.input<float, image>("x");
  auto a = relu(x);
  g.output(x, "x_again");
  g.output(a, "a");
  g.output(a, "a_again");
  g.output(x, "x_once_more");
  const network net = checked_plan(g);
  CHECK(net->steps.size() == 4);
  CHECK(net->outputs.size() == 4);
}

TEST_CASE("placement: u8 slices are placed by elements and bytes alike") {
  graph g;
  auto x = g.input<std::uint8_t, image>("x");
  auto a = max_pool2d<pool{.kernel = 1}>(x), b = max_pool2d<pool{.kernel = 3, .stride = 1, .pad = 1}>(x);
  auto both = concat(a, b);
  g.output(max_pool2d<pool{.kernel = 1}>(both), "y");
  check_placed(g, b.id, both.id, 6, 12);
  const network net = checked_plan(g);
  const std::size_t from = net->values[static_cast<std::size_t>(both.id)].offset;
  CHECK(net->values[static_cast<std::size_t>(b.id)].offset == from + 6);
}
