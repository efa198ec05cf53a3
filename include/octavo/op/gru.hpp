// Gated recurrent unit: the steps of a layer whose input product is done. recurrent.hpp says what all of this means.
//
//   u = sigmoid(x_u + W_u h + b_u)        r = sigmoid(x_r + W_r h + b_r)
//   c = tanh(x_c + W_c (r o h) + b_c), or with reset_after, as PyTorch and cuDNN have it, tanh(x_c + r o (W_c h + b_c))
//   h' = (1 - u) o h + u o c, or in origin mode u o h + (1 - u) o c
//
// x: (N, T, D 3 H) f32, gates in the order update, reset, candidate, as are the rows of W (D 3 H, H) and b.
// With s8 weights r o h is quantized by the map of the state. Source: Cho et al., arXiv 1406.1078; Paddle's gru_unit.
#pragma once

#include "octavo/op/recurrent.hpp"

namespace octavo::op {

/// A gru in a graph.
struct gru {
  static constexpr std::string_view name = "gru";
  static constexpr port inputs[] = {{"x", port_rule::f32},
                                    {"lengths", port_rule::untouched, port_count::optional},
                                    {"h0", port_rule::untouched, port_count::optional}};
  static constexpr std::string_view outputs[] = {"y", "h_n"};
  static constexpr std::string_view constants[] = {"weights", "bias", "scales"};
  static constexpr bool sums_products = true;
  static constexpr std::size_t weights = 0, bias = 1, scales = 2;  // places of the constants
  static constexpr std::size_t quantized_outputs = 1;

  int hidden = 0;
  octavo::direction direction = octavo::direction::forward;
  bool reset_after = false;
  bool origin_mode = false;
  affine state = unit_map;

  detail::recurrent_shape shape() const { return {count_of(direction), 3, hidden, hidden}; }

  static constexpr auto fields = std::tuple{field{"hidden", &gru::hidden}, field{"direction", &gru::direction},
                                            field{"reset_after", &gru::reset_after},
                                            field{"origin_mode", &gru::origin_mode}, field{"state", &gru::state}};
};

/// Types of the outputs.
inline std::vector<tensor_type> infer(const gru& g, std::span<const tensor_type> x) { return g.shape().infer(x[0]); }

/// Throws octavo::error, naming what is wrong, unless `s` describes a gru that can be run.
inline void check(const gru& g, const signature& s) { detail::check_recurrent(s, g.shape(), g.state, gru::name); }

/// Bytes that the reference evaluation needs.
inline std::size_t workspace(const gru& g, const signature&) {
  return static_cast<std::size_t>(g.hidden) * (3 * sizeof(float) + 1);
}

/// Reference evaluation.
inline void evaluate(const gru& g, const signature& s, const arguments& a) {
  const auto units = static_cast<std::size_t>(g.hidden);
  auto* memory = reinterpret_cast<float*>(a.shared);
  const std::span<float> h(memory, units), update(memory + units, units), reset(memory + 2 * units, units);
  const std::span<std::uint8_t> rounded(reinterpret_cast<std::uint8_t*>(memory + 3 * units), units);
  const detail::recurrent_product multiply{s.at(gru::weights), s.at(gru::bias), s.at(gru::scales), g.state};
  const auto begin = [&](int n, int d) {
    detail::read_state(s, a, detail::recurrent::h0, n, d * g.hidden, g.hidden, h.data());
  };
  const auto step = [&](int n, int d, int t) {
    const float* x = a.src[0].row<float>(static_cast<std::size_t>(n * a.src[0].extents[1] + t)) + d * 3 * g.hidden;
    const auto product = [&](int gate, std::size_t j, std::span<const float> from) {
      return multiply((d * 3 + gate) * g.hidden + static_cast<int>(j), from, rounded);
    };
    multiply.round(h, rounded);
    for (std::size_t j = 0; j < units; ++j) {
      update[j] = x[j] + product(0, j, h);
      const float gate = x[units + j] + product(1, j, h);
      reset[j] = g.reset_after ? std::fma(scalar::through_gate(gate, 1.0f), product(2, j, h), x[2 * units + j])
                               : scalar::through_gate(gate, h[j]);
    }
    if (!g.reset_after) multiply.round(reset, rounded);
    for (std::size_t j = 0; j < units; ++j) {
      const float candidate = g.reset_after ? reset[j] : x[2 * units + j] + product(2, j, reset);
      h[j] = scalar::next_gru_state(update[j], candidate, h[j], g.origin_mode);
    }
    detail::write_state(s, a, n, t, d * g.hidden, g.hidden, h.data());
  };
  const auto end = [&](int n, int d) {
    std::ranges::copy(h, a.dst[detail::recurrent::h_n].row<float>(static_cast<std::size_t>(n)) + d * g.hidden);
  };
  detail::for_each_step(s, a, g.direction, g.shape(), begin, step, end);
}

}  // namespace octavo::op
