// reshape(matmul(softmax(matmul(reshape(q), reshape(k)) + mask), reshape(v))) -> attention(q, k, v, mask)
#include "octavo/graph/pass/fuse_attention.hpp"

#include <doctest/doctest.h>

#include "octavo/graph/passes.hpp"
#include "support/pass_checks.hpp"
#include "support/quantized_graph.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// (N, T, H D) -> (N, H, T, D), as exporters write it.
template <int Heads>
auto heads_of(auto x) {
  using S = typename decltype(x)::shape_type;
  constexpr dims split{S::value.encoded(0), S::value[1], Heads, S::value[2] / Heads};
  return transpose<0, 2, 1, 3>(reshape<shape_of<split>>(x));
}
/// Back again.
auto joined(auto x) {
  using S = typename decltype(x)::shape_type;
  constexpr dims all{S::value.encoded(0), S::value[2], S::value[1] * S::value[3]};
  return reshape<shape_of<all>>(transpose<0, 2, 1, 3>(x));
}

struct projections {
  value<float, shape<2, 5, 12>> q;
  value<float, shape<2, 7, 12>> k;
  value<float, shape<2, 7, 6>> v;

  explicit projections(graph& g) : q(g.input<float, shape<2, 5, 12>>("q")) {
    const auto x = g.input<float, shape<2, 7, 4>>("x");
    const params w = random_params(1);
    k = fc<12>(x, w / "key"), v = fc<6>(x, w / "value");
  }
};

void check_fused(const graph& g, const op::attention& expected, std::size_t sources,
                 const std::string& before = "fc fc") {
  const graph folded = fold(g);
  CHECK(operators_of(folded) == before + " attention");
  const node& n = folded.nodes.back();
  REQUIRE(n.as<op::attention>());
  CHECK(n.op == operation(expected));
  CHECK(n.src.size() == sources);
  check_same_output(g, folded);
}

/// Nothing becomes an attention.
void check_not_fused(const graph& g) {
  for (const node& n : fold(g).nodes) CHECK_FALSE(n.as<op::attention>());
}

}  // namespace

TEST_CASE("fuse_attention: heads, as exporters write them") {
  graph g;
  const projections x(g);
  const auto q = heads_of<3>(x.q);
  const auto k = heads_of<3>(x.k);
  const auto v = heads_of<3>(x.v);
  SUBCASE("plain") {
    g.output(joined(matmul(softmax(matmul_transposed(q, k)), v)), "y");
    check_fused(g, {3, 1.0f}, 3);
  }
  SUBCASE("k transposed by itself, a factor behind the product") {
    g.output(joined(matmul(softmax(scale(matmul(q, transpose<0, 1, 3, 2>(k)), 0.5f)), v)), "y");
    check_fused(g, {3, 0.5f}, 3);
  }
  SUBCASE("a mask on either side of the sum") {
    const auto mask = g.input<float, shape<2, 1, 1, 7>>("mask");
    g.output(joined(matmul(softmax(mask + matmul_transposed(q, k, 0.25f)), v)), "y");
    check_fused(g, {3, 0.25f}, 4);
  }
  SUBCASE("a mask for every score, which a product could take as its residual") {
    const auto mask = g.input<float, shape<2, 3, 5, 7>>("mask");
    g.output(joined(matmul(softmax(matmul_transposed(q, k) + mask), v)), "y");
    check_fused(g, {3, 1.0f}, 4);
  }
}

TEST_CASE("fuse_attention: one head, lengths") {
  graph g;
  const projections x(g);
  const auto v = fc<12>(x.v, random_params(2) / "v");
  SUBCASE("plain") {
    g.output(matmul(softmax(matmul_transposed(x.q, x.k, 0.1f)), v), "y");
    check_fused(g, {1, 0.1f}, 3, "fc fc fc");
  }
  SUBCASE("lengths") {
    const tensor two = tensor::of<std::int32_t>({2}, std::vector<std::int32_t>{4, 7});
    const value<std::int32_t, shape<2>> lengths(&g,
                                                *g.append(op::constant{}, "lengths", {}, {make_constant(tensor(two))}));
    g.output(matmul(softmax(matmul_transposed(x.q, x.k, 0.1f), lengths), v), "y");
    check_fused(g, {1, 0.1f}, 5, "fc fc fc constant");
  }
  SUBCASE("a mask for all batches") {
    const auto mask = g.input<float, shape<5, 7>>("mask");
    g.output(matmul(softmax(matmul_transposed(x.q, x.k) + mask), v), "y");
    check_fused(g, {1, 1.0f}, 4, "fc fc fc");
  }
  SUBCASE("a mask for each batch has no place for the head") {
    const auto mask = g.input<float, shape<2, 5, 7>>("mask");
    g.output(matmul(softmax(matmul_transposed(x.q, x.k) + mask), v), "y");
    check_not_fused(g);
  }
}

TEST_CASE("fuse_attention: what stays as it is") {
  graph g;
  const projections x(g);
  const auto q = heads_of<3>(x.q);
  const auto k = heads_of<3>(x.k);
  const auto v = heads_of<3>(x.v);
  SUBCASE("scores that are an output") {
    const auto scores = matmul_transposed(q, k);
    g.output(scores, "scores");
    g.output(joined(matmul(softmax(scores), v)), "y");
  }
  SUBCASE("probabilities that are an output") {
    const auto p = softmax(matmul_transposed(q, k));
    g.output(p, "p");
    g.output(joined(matmul(p, v)), "y");
  }
  SUBCASE("softmax along another axis") { g.output(joined(matmul(softmax<2>(matmul_transposed(q, k)), v)), "y"); }
  SUBCASE("a clamp of scores") { g.output(joined(matmul(softmax(relu(matmul_transposed(q, k))), v)), "y"); }
  SUBCASE("a factor behind the last product") {
    g.output(joined(scale(matmul(softmax(matmul_transposed(q, k)), v), 0.5f)), "y");
  }
  check_not_fused(g);
}

TEST_CASE("fuse_attention: names, and INT8") {
  graph g;
  const projections x(g);
  const auto scores = matmul_transposed(heads_of<3>(x.q), heads_of<3>(x.k), 0.5f);
  g.output(joined(matmul(softmax(scores), heads_of<3>(x.v))), "y");
  const graph folded = fold(g);
  const node& n = folded.nodes.back();
  CHECK(n.name == g.values[static_cast<std::size_t>(scores.id)].name);
  CHECK(n.fused.size() == 10);  // softmax, product, four reshapes, four transposes
  const graph int8 = quantized_graph(g);
  CHECK(operators_of(int8) == "convert fc fc convert attention");
  for (std::size_t k = 0; k < 3; ++k) CHECK(int8.type(int8.nodes.back().src[k]).is_u8());
  CHECK(int8.type(*int8.nodes.back().dst).type == element::f32);
}
