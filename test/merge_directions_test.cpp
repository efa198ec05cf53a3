// merge_directions: a forward and a reverse layer side by side are one of both directions.
#include "octavo/graph/pass/merge_directions.hpp"

#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "support/run.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr gru_options forward{.hidden = 6}, reverse{.hidden = 6, .direction = direction::reverse},
    other{.hidden = 6, .direction = direction::reverse, .origin_mode = true};

constexpr lstm_options along{.hidden = 6, .projected = 4, .peepholes = true},
    back{.hidden = 6, .projected = 4, .direction = direction::reverse, .peepholes = true};

template <class T>
int count_of_nodes(const graph& g) {
  return static_cast<int>(
      std::count_if(g.nodes.begin(), g.nodes.end(), [](const node& n) { return n.template as<T>(); }));
}

void check_same(const graph& before, const graph& after) {
  const std::vector<tensor> inputs = random_inputs(before, 1);
  CHECK(same_bits(outputs_of(plan_graph(before, {}), inputs), outputs_of(plan_graph(after, {}), inputs)));
}

template <class Forward, class Reverse>
graph side_by_side(Forward&& first, Reverse&& second) {
  graph g;
  auto x = g.input<float, ntc<2, 4, 5>>("x");
  auto lengths = constant_value<std::int32_t, shape<2>>(g, "lengths", std::array{4, 2});
  const params w = random_params(1);
  g.output(fc<3>(concat(first(x, w / "forward", lengths).y, second(x, w / "reverse", lengths).y), w / "fc"), "y");
  return g;
}

}  // namespace

// x -> fc -> gru ----\                 x -> fc -> gru both -> fc
//   -> fc -> gru ---- concat -> fc
TEST_CASE("merge_directions: gru and lstm") {
  const graph g = side_by_side([](auto x, auto w, auto lengths) { return gru<forward>(x, w, {.lengths = lengths}); },
                               [](auto x, auto w, auto lengths) { return gru<reverse>(x, w, {.lengths = lengths}); });
  const graph merged = pass::merge_directions(g);
  CHECK(g.nodes.size() == 8);
  CHECK(merged.nodes.size() == 5);
  CHECK(count_of_nodes<op::gru>(merged) == 1);
  CHECK(count_of_nodes<op::concat>(merged) == 0);
  check_same(g, merged);

  const graph l = side_by_side([](auto x, auto w, auto lengths) { return lstm<along>(x, w, {.lengths = lengths}); },
                               [](auto x, auto w, auto lengths) { return lstm<back>(x, w, {.lengths = lengths}); });
  const graph merged_l = pass::merge_directions(l);
  CHECK(merged_l.nodes.size() == 5);
  CHECK(count_of_nodes<op::lstm>(merged_l) == 1);
  check_same(l, merged_l);

  // fold() does it too, and what it makes can be quantized.
  CHECK(count_of_nodes<op::gru>(fold(g)) == 1);
  CHECK(count_of_nodes<op::gru>(quantized_graph(g)) == 1);
}

TEST_CASE("merge_directions: what must stay two layers") {
  const auto plain = [](auto x, auto w, auto lengths) { return gru<forward>(x, w, {.lengths = lengths}); };
  const auto check_stays = [](const graph& g) {
    const graph merged = pass::merge_directions(g);
    CHECK(count_of_nodes<op::gru>(merged) == 2);
    CHECK(merged.nodes.size() == g.nodes.size());
    check_same(g, merged);
  };
  check_stays(side_by_side(plain, plain));
  check_stays(side_by_side(plain, [](auto x, auto w, auto lengths) { return gru<other>(x, w, {.lengths = lengths}); }));
  check_stays(side_by_side(plain, [](auto x, auto w, auto) { return gru<reverse>(x, w); }));  // no lengths
  check_stays(side_by_side([](auto x, auto w, auto lengths) { return gru<reverse>(x, w, {.lengths = lengths}); },
                           plain));  // the order
  graph read =
      side_by_side(plain, [](auto x, auto w, auto lengths) { return gru<reverse>(x, w, {.lengths = lengths}); });
  for (const node& n : read.nodes)
    if (n.as<op::gru>()) {
      read.outputs.push_back({n.dst[1], "state"});
      break;
    }
  check_stays(read);
}
