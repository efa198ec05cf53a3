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
  CHECK_FALSE(has_step(net, "x.concat"));
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
  SUBCASE("another axis, of several images") { g.output(relu6(concat<1>(a, softmax(x))), "y"); }
  SUBCASE("the outermost axis, in the user's memory") { g.output(concat<0>(a, softmax(x)), "y"); }
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

TEST_CASE("placement: a concat along an axis outside of which all extents are 1 is free") {
  graph g;
  SUBCASE("the outermost axis") {
    auto x = g.input<float, image>("x");
    auto a = relu(x), b = softmax(x);
    auto both = concat<0>(a, b);
    g.output(relu6(both), "y");
    check_placed(g, a.id, both.id, 0, 6);
    check_placed(g, b.id, both.id, 144, 6);
    CHECK(checked_plan(g)->steps.size() == 3);
  }
  SUBCASE("rows of one image, in a concat of channels") {
    auto x = g.input<float, nhwc<1, 3, 4, 6>>("x");
    auto a = relu(x), b = softmax(x);
    auto rows = concat<1>(a, b);
    auto wide = concat(relu6(rows), rows);
    g.output(relu6(wide), "y");
    check_placed(g, b.id, wide.id, 6 + 3 * 4 * 12, 12);
    CHECK(checked_plan(g)->steps.size() == 4);
  }
  SUBCASE("one row of each of several sequences") {
    auto x = g.input<float, ntc<3, 1, 6>>("x");
    auto a = relu(x), b = softmax(x);
    auto both = concat<1>(a, b);
    g.output(relu6(both), "y");
    check_placed(g, b.id, both.id, 6, 12);
    CHECK(checked_plan(g)->steps.size() == 3);
  }
  SUBCASE("but not where its reshape moves to memory whose rows may lie apart") {
    auto x = g.input<float, nhwc<1, 3, 4, 6>>("x");
    g.output(reshape<nc<24, 6>>(concat<1>(relu(x), softmax(x))), "y");
    CHECK(checked_plan(g)->steps.size() == 3);
  }
}

TEST_CASE("placement: slices live in their input") {
  graph g;
  auto x = g.input<float, image>("x");
  auto a = relu(x);
  SUBCASE("of channels, and a slice of that") {
    auto s = slice<-1, 1, 5>(a);
    auto t = slice<-1, 1, 3>(s);
    g.output(relu6(s), "s");
    g.output(relu6(t), "t");
    check_placed(g, s.id, a.id, 1, 6);
    check_placed(g, t.id, a.id, 2, 6);
    CHECK(checked_plan(g)->steps.size() == 3);
  }
  SUBCASE("of channels of a network input") {
    auto s = slice<-1, 2, 4>(x);
    g.output(relu6(s), "s");
    check_placed(g, s.id, x.id, 2, 6);
    const network net = checked_plan(g);
    CHECK_FALSE(has_step(net, "x.slice"));
    std::vector<float> wide(24 * 7), y(48);  // whose rows may lie apart
    for (std::size_t i = 0; i < wide.size(); ++i) wide[i] = static_cast<float>(i % 7);
    session run(net);
    REQUIRE(run(view<const float>(wide.data(), image::value, 7), y));
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == static_cast<float>(2 + i % 2));
  }
  SUBCASE("of the outermost axis, and rows of that") {
    auto s = slice<0, 1, 2>(a);
    auto t = slice<1, 1, 3>(s);
    g.output(relu6(t), "t");
    check_placed(g, s.id, a.id, 72, 6);
    check_placed(g, t.id, a.id, 72 + 24, 6);
    CHECK(checked_plan(g)->steps.size() == 2);
  }
  SUBCASE("every second image, the last pixel of each row") {
    auto s = slice<2, 3, 4>(a);
    g.output(relu6(s), "s");
    check_placed(g, s.id, a.id, 18, 24);
    auto t = slice<0, 0, 2, 2>(a);
    g.output(relu6(t), "t");
    check_placed(g, t.id, a.id, 0, 6);
    CHECK(checked_plan(g)->steps.size() == 3);
  }
  SUBCASE("of a concat's input, and of the concat") {
    auto both = concat(softmax(x), a);
    auto s = slice<-1, 4, 9>(both);
    auto t = slice<-1, 0, 2>(a);
    g.output(relu6(s), "s");
    g.output(relu6(t), "t");
    check_placed(g, s.id, both.id, 4, 12);
    check_placed(g, t.id, both.id, 6, 12);
    CHECK(checked_plan(g)->steps.size() == 4);
  }
  SUBCASE("and what has its rows") {
    auto s = slice<2, 0, 1>(a);  // one pixel of each line: rows 24 apart
    auto lines = reshape<nhwc<2, 3, 1, 6>>(reshape<nc<6, 6>>(s));
    g.output(relu6(lines), "y");
    check_placed(g, lines.id, a.id, 0, 24);
    CHECK(checked_plan(g)->steps.size() == 2);
  }
}

TEST_CASE("placement: a split is free, and so is a concat behind it") {
  graph g;
  auto x = g.input<float, image>("x");
  auto a = relu(x);
  auto [left, right] = split<-1, 2, 4>(a);
  SUBCASE("where the concat takes others") {
    g.output(relu6(concat(relu6(left), softmax(right))), "y");
    CHECK(checked_plan(g)->steps.size() == 4);
  }
  SUBCASE("where it takes a part of the split, that part alone is copied") {
    g.output(relu6(concat(left, softmax(right))), "y");
    const network net = checked_plan(g);
    CHECK(net->steps.size() == 4);
    CHECK(has_step(net, "x.slice"));
    CHECK_FALSE(has_step(net, "x.slice_1"));
  }
}

TEST_CASE("placement: where a slice cannot live in its input, it copies") {
  graph g;
  auto x = g.input<float, image>("x");
  auto a = relu(x);
  SUBCASE("rows of a network input") { g.output(relu(slice<0, 1, 2>(x)), "y"); }
  SUBCASE("pixels of each line, several") { g.output(relu(slice<2, 0, 2>(a)), "y"); }
  SUBCASE("every second channel") { g.output(relu(slice<-1, 0, 6, 2>(a)), "y"); }
  SUBCASE("backwards") { g.output(relu(slice<0, 1, -3, -1>(a)), "y"); }
  SUBCASE("an output") { g.output(slice<-1, 0, 3>(a), "y"); }
  SUBCASE("in a concat") { g.output(relu(concat(slice<-1, 0, 3>(a), softmax(a))), "y"); }
  const network net = checked_plan(g);
  CHECK(has_step(net, "x.slice"));
}

TEST_CASE("placement: slices of bounded values, whatever their extents are in a run") {
  graph g;
  auto x = g.input<float, ntc<upto<5>, 4, 6>>("x");
  auto a = relu(x);
  auto first = slice<1, 0, 1>(a);  // a row of each sequence
  g.output(relu6(first), "first");
  auto image_0 = slice<0, 0, 1>(a);
  g.output(relu6(image_0), "image_0");
  auto last_image = slice<0, -1, 1000>(a);  // where it lies is known at each run
  g.output(relu6(last_image), "last_image");
  check_placed(g, first.id, a.id, 0, 24);
  check_placed(g, image_0.id, a.id, 0, 6);
  check_placed(g, last_image.id, last_image.id, 0, 6);
  const network net = plan_graph(g, {});
  CHECK(net->steps.size() == 5);
  for (int batch : {1, 2, 5}) {
    const std::vector<tensor> inputs = random_inputs(g, 3, batch), y = outputs_of(net, inputs, batch);
    const std::span<const float> in = inputs[0].as<float>();
    for (std::size_t i = 0; i < y[0].as<float>().size(); ++i)
      CHECK(y[0].as<float>()[i] == std::max(in[i / 6 * 24 + i % 6], 0.0f));
    for (std::size_t i = 0; i < 24; ++i) {
      CHECK(y[1].as<float>()[i] == std::max(in[i], 0.0f));
      CHECK(y[2].as<float>()[i] == std::max(in[in.size() - 24 + i], 0.0f));
    }
  }
}

TEST_CASE("placement: where a bounded axis lies inside, no one knows where the next index begins") {
  graph g;
  auto x = g.input<float, shape<3, upto<5>, 6>>("x");
  auto a = relu(x);
  auto second = slice<0, 1, 2>(a), first = slice<0, 0, 1>(a);
  g.output(relu6(second), "second");
  g.output(relu6(first), "first");
  auto columns = slice<-1, 2, 4>(a);
  g.output(relu6(columns), "columns");
  check_placed(g, second.id, second.id, 0, 6);
  check_placed(g, first.id, a.id, 0, 6);
  check_placed(g, columns.id, a.id, 2, 6);
  const network net = plan_graph(g, {});
  for (std::size_t length : {1u, 3u, 5u}) {
    std::vector<float> in(3 * length * 6), y(length * 6), z(length * 6), c(3 * length * 2);
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i % 6) / 8.0f;
    const int n = static_cast<int>(length);
    for (std::size_t i = 0; i < y.size(); ++i) in[y.size() + i] += 1;
    session run(net);
    run(view<const float>(in.data(), {3, n, 6}), view<float>(y.data(), {1, n, 6}), view<float>(z.data(), {1, n, 6}),
        view<float>(c.data(), {3, n, 2}))
        .or_throw();
    for (std::size_t i = 0; i < y.size(); ++i) {
      CHECK(y[i] == in[y.size() + i]);
      CHECK(z[i] == in[i]);
    }
    for (std::size_t i = 0; i < c.size(); ++i) CHECK(c[i] == in[i / 2 * 6 + 2 + i % 2]);
  }
}

TEST_CASE("placement: a sum overwrites no value of which a slice is needed, and what it overwrites keeps its rows") {
  graph g;
  auto x = g.input<float, image>("x");
  op::conv2d c;
  c.out = 6;
  c.residual = true;
  const auto sum_of = [&](int src, int residual) {
    tensor w(element::f32, {6, 6, 1, 1});
    std::ranges::fill(w.as<float>(), 0.25f);
    return value<float, image>(
        &g, *g.append(c, "conv", {src, residual}, g.type(residual), {make_constant(std::move(w)), nullptr}));
  };
  auto a = relu(x), b = relu6(x);
  SUBCASE("a slice of the residual is read later") {
    auto s = slice<-1, 0, 3>(a);
    auto sum = sum_of(b.id, a.id);
    g.output(relu(concat(relu6(s), relu(sum))), "y");
    check_placed(g, s.id, a.id, 0, 6);
    check_placed(g, sum.id, sum.id, 0, 6);
  }
  SUBCASE("a slice of the residual was read before") {
    auto s = relu6(slice<-1, 0, 3>(a));
    auto sum = sum_of(b.id, a.id);
    g.output(relu(concat(s, relu(sum))), "y");
    check_placed(g, sum.id, a.id, 0, 6);
  }
  SUBCASE("the residual is a slice of what the convolution reads") {
    auto wide = concat(a, b);
    auto s = slice<-1, 3, 9>(wide), t = slice<-1, 0, 6>(wide);
    auto sum = sum_of(t.id, s.id);
    g.output(relu(sum), "y");
    check_placed(g, sum.id, sum.id, 0, 6);
  }
  SUBCASE("the residual is a slice that nothing else needs") {
    auto wide = concat(a, b);
    auto s = slice<-1, 3, 9>(wide);
    auto d = slice<-1, 0, 6>(softmax(wide));
    auto sum = sum_of(d.id, s.id);
    g.output(relu(sum), "y");
    check_placed(g, sum.id, wide.id, 3, 12);
  }
  SUBCASE("the residual is in a concat, and others live in the sum") {
    auto wide = concat(a, b);
    auto d = slice<-1, 0, 6>(relu(wide));
    auto sum = sum_of(d.id, a.id);
    g.output(softmax(flatten(sum)), "y");
    g.output(relu(slice<0, 1, 2>(sum)), "z");
    check_placed(g, sum.id, sum.id, 0, 6);
  }
  SUBCASE("the residual is in a concat, and nothing lives in the sum") {
    auto wide = concat(a, b);
    auto d = slice<-1, 0, 6>(relu(wide));
    auto sum = sum_of(d.id, a.id);
    g.output(softmax(sum), "y");
    check_placed(g, sum.id, wide.id, 0, 12);
  }
  checked_plan(g);
}
