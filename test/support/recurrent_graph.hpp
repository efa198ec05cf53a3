// A graph of recurrent layers of every kind, for tests of whole networks.
#pragma once

#include "octavo/graph/builder.hpp"
#include "support/random.hpp"

namespace octavo::test {

/// One input, (9, 5, 7); sequences of up to 5 steps.
inline graph recurrent_graph() {
  graph g;
  const params w = random_params(5);
  auto x = g.input<float, ntc<9, 5, 7>>("x");
  const auto lengths = constant_value<std::int32_t, shape<9>>(g, "lengths", std::array{5, 2, 0, 5, 4, 1, 3, 5, 2});
  const auto a = gru<gru_options{.hidden = 19, .direction = direction::both}>(x, w / "a", {.lengths = lengths});
  const auto b =
      gru<gru_options{.hidden = 10, .direction = direction::reverse, .reset_after = true, .origin_mode = true}>(
          a.y, w / "b", {.lengths = lengths});
  constexpr lstm_options projected{
      .hidden = 21, .projected = 10, .direction = direction::both, .peepholes = true, .clip = 0.5f};
  const auto c = lstm<projected>(a.y, w / "c", {.lengths = lengths});
  const auto d = lstm<lstm_options{.hidden = 10}>(c.y, w / "d", {.h0 = b.h});
  g.output(fc<4>(d.y + b.y, w / "fc"), "y");
  g.output(c.h, "h");
  g.output(c.c, "c");
  return g;
}

}  // namespace octavo::test
