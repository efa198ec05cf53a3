// Transposes and reshapes that follow each other become one, or none.
#include "octavo/graph/pass/fold_movement.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using image = nhwc<2, 3, 4, 6>;

}  // namespace

TEST_CASE("fold_movement: pairs become one move, or none") {
  graph g;
  auto x = g.input<float, image>("x");
  std::string expected;
  SUBCASE("transposes") {
    g.output(transpose<1, 0, 2, 3>(transpose<0, 3, 1, 2>(x)), "y");
    expected = "transpose";
  }
  SUBCASE("three transposes") {
    g.output(transpose<3, 2, 1, 0>(transpose<1, 0, 2, 3>(transpose<0, 3, 1, 2>(x))), "y");
    expected = "transpose";
  }
  SUBCASE("there and back, read by another") {
    g.output(relu(transpose<0, 2, 3, 1>(transpose<0, 3, 1, 2>(x))), "y");
    expected = "activate";
  }
  SUBCASE("there and back, an output: a copy that is free") {
    g.output(transpose<0, 2, 3, 1>(transpose<0, 3, 1, 2>(relu(x))), "y");
    expected = "activate reshape";
  }
  SUBCASE("reshapes") {
    g.output(reshape<shape<12, 12>>(reshape<shape<6, 24>>(reshape<shape<144>>(x))), "y");
    expected = "reshape";
  }
  SUBCASE("reshapes there and back") {
    g.output(relu(reshape<image>(reshape<shape<144>>(x))), "y");
    expected = "activate";
  }
  SUBCASE("to the extents that it has") {
    g.output(relu(reshape<image>(x)), "y");
    expected = "activate";
  }
  SUBCASE("a transpose of axes of 1 among reshapes") {
    auto means = reduce_mean<axis_numbers{1, 2}, true>(x);  // (2, 1, 1, 6)
    g.output(reshape<nc<2, 6>>(transpose<0, 3, 1, 2>(means)), "y");
    expected = "reduce reshape";
  }
  const graph folded = fold(g);
  CHECK(operators_of(folded) == expected);
  check_same_output(g, folded);
  CHECK(fold(folded).nodes.size() == folded.nodes.size());
}

// NCHW in between, as converters leave it
TEST_CASE("fold_movement: one transpose with several readers") {
  graph g;
  auto planes = transpose<0, 3, 1, 2>(g.input<float, image>("x"));
  g.output(relu(transpose<0, 2, 3, 1>(planes)), "a");
  g.output(relu6(transpose<0, 2, 3, 1>(planes)), "b");
  SUBCASE("all of which transpose back") { CHECK(operators_of(fold(g)) == "activate activate"); }
  SUBCASE("one of which does not") {
    g.output(planes, "c");
    CHECK(operators_of(fold(g)) == "transpose activate activate");
  }
  check_same_output(g, fold(g));
}

TEST_CASE("fold_movement: what is left lists what went into it") {
  graph g;
  const int x = g.append(op::input{}, "x", {}, {element::f32, {2, 3, 4}, {}});
  const int a = g.append(op::transpose{{0, 2, 1}}, "a", {x}), b = g.append(op::transpose{}, "b", {a});
  g.outputs.push_back({b, "y"});
  const graph folded = pass::fold_movement(g);
  REQUIRE(operators_of(folded) == "transpose");
  CHECK(folded.nodes[1].name == "b");
  CHECK(folded.nodes[1].fused == std::vector<std::string>{"a"});
  CHECK(folded.nodes[1].as<op::transpose>()->perm == axis_numbers{1, 2, 0});
  check_same_output(g, folded);
}

TEST_CASE("fold_movement: bounded axes") {
  graph g;
  auto x = g.input<float, ntc<1, upto<5>, 4>>("x");
  SUBCASE("there and back") {
    g.output(relu(transpose<1, 0, 2>(transpose<1, 0, 2>(x))), "y");
    CHECK(operators_of(fold(g)) == "activate");
  }
  SUBCASE("past an axis of 1") {
    g.output(relu(transpose<1, 0, 2>(x)), "y");
    CHECK(operators_of(fold(g)) == "reshape activate");
  }
  SUBCASE("from innermost past an axis of 1: rows of 5 and rows of 1 are no reshape") {
    g = {};
    g.output(relu(transpose<0, 2, 1>(g.input<float, shape<2, 1, upto<5>>>("x"))), "y");
    CHECK(operators_of(fold(g)) == "transpose activate");
  }
}

// (.., g c) as (.., g, c), transposed, is (.., c g)
TEST_CASE("fold_movement: reshape(transpose(reshape(x))) -> shuffle_channel(x)") {
  graph g;
  auto x = g.input<float, image>("x");
  SUBCASE("of images") { g.output(reshape<image>(transpose<0, 1, 2, 4, 3>(reshape<shape<2, 3, 4, 2, 3>>(x))), "y"); }
  SUBCASE("pixels as one axis") { g.output(reshape<image>(transpose<0, 2, 1>(reshape<shape<24, 2, 3>>(x))), "y"); }
  const graph folded = fold(g);
  REQUIRE(operators_of(folded) == "shuffle_channel");
  CHECK(folded.nodes[1].as<op::shuffle_channel>()->groups == 2);
  CHECK(folded.nodes[1].name == g.nodes[1].name);
  CHECK(folded.nodes[1].fused == std::vector{g.nodes[2].name, g.nodes[3].name});
  check_same_output(g, folded);
  CHECK(operators_of(quantized_graph(g)) == "convert shuffle_channel convert");
}

TEST_CASE("fold_movement: no shuffle") {
  graph g;
  auto x = g.input<float, image>("x");
  auto split = reshape<shape<2, 3, 4, 2, 3>>(x);
  SUBCASE("the parts are no channels") {
    g.output(reshape<image>(transpose<0, 2, 1>(reshape<shape<12, 2, 6>>(x))), "y");
  }
  SUBCASE("other axes") { g.output(reshape<image>(transpose<1, 0, 2, 4, 3>(split)), "y"); }
  SUBCASE("other extents") { g.output(reshape<shape<24, 6>>(transpose<0, 1, 2, 4, 3>(split)), "y"); }
  SUBCASE("the transpose is read by others") {
    auto swapped = transpose<0, 1, 2, 4, 3>(split);
    g.output(reshape<image>(swapped), "y");
    g.output(swapped, "z");
  }
  const graph folded = fold(g);
  CHECK(operators_of(folded) == "reshape transpose reshape");
  check_same_output(g, folded);
}

TEST_CASE("fold_movement: a transpose of what matmul reads") {
  graph g;
  auto a = g.input<float, shape<2, 3, 4>>("a");
  auto b = g.input<float, shape<2, 4, 5>>("b");
  op::matmul expected;
  SUBCASE("of a") {
    g.output(matmul(transpose<0, 2, 1>(g.input<float, shape<2, 4, 3>>("t")), b), "y");
    expected.transpose_a = true;
  }
  SUBCASE("of b") {
    g.output(matmul(a, transpose<0, 2, 1>(g.input<float, shape<2, 5, 4>>("t"))), "y");
    expected.transpose_b = true;
  }
  SUBCASE("of b, which is transposed already") { g.output(matmul_transposed(a, transpose<0, 2, 1>(b)), "y"); }
  SUBCASE("of both, and alpha stays") {
    g.output(matmul(transpose<0, 2, 1>(b), transpose<0, 2, 1>(a), 0.5f), "y");
    expected = {.transpose_b = true, .transpose_a = true, .alpha = 0.5f};
  }
  const graph folded = fold(g);
  REQUIRE(operators_of(folded) == "matmul");
  CHECK(folded.nodes.back().op == operation(expected));
  CHECK(folded.nodes.back().fused.size() == (expected.transpose_a && expected.transpose_b ? 2 : 1));
  check_same_output(g, folded);
  CHECK(operators_of(quantized_graph(g)) == "convert convert matmul");
}

TEST_CASE("fold_movement: attention reads and writes its heads where they lie") {
  using heads = shape<upto<2>, 5, 3, 4>;  // (N, T, H, D)
  graph g;
  auto q = reshape<heads>(g.input<float, shape<upto<2>, 5, 12>>("q"));
  auto k = g.input<float, shape<upto<2>, 6, 3, 4>>("k");
  auto v = transpose<0, 2, 1, 3>(g.input<float, shape<upto<2>, 6, 3, 4>>("v"));
  SUBCASE("keys are transposed twice") {
    auto scores = matmul(transpose<0, 2, 1, 3>(q), transpose<0, 1, 3, 2>(transpose<0, 2, 1, 3>(k)));
    g.output(reshape<shape<upto<2>, 5, 12>>(transpose<0, 2, 1, 3>(matmul(softmax(scores), v))), "y");
  }
  SUBCASE("keys are transposed at once") {
    auto scores = matmul(transpose<0, 2, 1, 3>(q), transpose<0, 2, 3, 1>(k));
    g.output(reshape<shape<upto<2>, 5, 12>>(transpose<0, 2, 1, 3>(matmul(softmax(scores), v))), "y");
  }
  SUBCASE("the product is of transposed keys") {
    auto scores = matmul_transposed(transpose<0, 2, 1, 3>(q), transpose<0, 2, 1, 3>(k));
    g.output(reshape<shape<upto<2>, 5, 12>>(transpose<0, 2, 1, 3>(matmul(softmax(scores), v))), "y");
  }
  const graph folded = fold(g);
  REQUIRE(operators_of(folded) == "reshape matmul softmax matmul reshape");
  CHECK(text(folded.nodes[folded.nodes.size() - 4].op) == "matmul transpose_b interleave_a interleave_b");
  CHECK(text(folded.nodes[folded.nodes.size() - 2].op) == "matmul interleave_b interleave_y");
  check_same_output(g, folded);
  CHECK(operators_of(quantized_graph(g)) ==
        "convert reshape convert matmul softmax convert convert matmul reshape convert");
}

TEST_CASE("fold_movement: a transpose that matmul cannot take over") {
  graph g;
  auto a = g.input<float, shape<2, 3, 4>>("a");
  SUBCASE("of other axes") { g.output(matmul(a, transpose<2, 0, 1>(g.input<float, shape<4, 5, 2>>("b"))), "y"); }
  SUBCASE("of rows that take turns") {
    auto t = transpose<0, 2, 1>(g.input<float, shape<2, 5, 4>>("b"));  // (2, 4, 5): 4 matrices of 2 rows
    const int y = g.append(op::matmul{.interleave_b = true, .interleave_y = true}, "product",
                           {g.append(op::input{}, "c", {}, {element::f32, {4, 3, 2}, {}}), t.id});
    g.outputs.push_back({y, "y"});
  }
  SUBCASE("that others read") {
    auto t = transpose<0, 2, 1>(a);
    g.output(matmul(a, t), "y");
    g.output(t, "z");
  }
  SUBCASE("that makes a bounded axis the innermost") {
    auto t = transpose<0, 2, 1>(g.input<float, shape<2, 4, upto<3>>>("b"));
    g.output(matmul(t, g.input<float, shape<2, 4, 5>>("c")), "y");
  }
  CHECK(operators_of(fold(g)) == "transpose matmul");
  check_same_output(g, fold(g));
}

TEST_CASE("fold_movement: u8 and other elements") {
  graph g;
  tensor_type type{element::u8, {2, 3, 4}, {0.1f, 7}};
  SUBCASE("u8") {}
  SUBCASE("s64") { type = {element::s64, {2, 3, 4}, {}}; }
  const int x = g.append(op::input{}, "x", {}, type);
  const int a = g.append(op::transpose{{0, 2, 1}}, "a", {x}), b = g.append(op::transpose{{0, 2, 1}}, "b", {a});
  g.outputs.push_back({g.append(op::slice{{0}, {1}, {0}}, "first", {b}), "y"});
  const graph folded = pass::fold_movement(g);
  CHECK(operators_of(folded) == "slice");
  check_same_output(g, folded);
}
