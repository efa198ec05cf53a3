// Long short-term memory: the steps of a layer whose input product is done (see recurrent.hpp for what all of this
// means).
//
//   i = sigmoid(x_i + W_i h + b_i [+ p_i o c])    f = sigmoid(x_f + W_f h + b_f [+ p_f o c])
//   g = tanh(x_g + W_g h + b_g)                   c' = clip(f o c + i o g)
//   o = sigmoid(x_o + W_o h + b_o [+ p_o o c'])
//   h' = o o tanh(c') [or, with a projection, R (o o tanh(c'))]
//
// x: (N, T, D 4 H) f32, gates in the order i, f, g, o, as are the rows of W (D 4 H, P) and b. Constants besides:
// peepholes (D 3 H) f32, p_i, p_f and p_o; projection R (D P, H) f32, or s8 with a scale for each row, whose input is
// then quantized by the map of [-1, 1]. Sources: Hochreiter and Schmidhuber 1997; Gers et al. 2002; Sak et al., arXiv
// 1402.1128.
#pragma once

#include "octavo/op/recurrent.hpp"

namespace octavo::op {

/// An lstm in a graph.
struct lstm {
  static constexpr std::string_view name = "lstm";
  static constexpr port inputs[] = {{"x", port_rule::f32},
                                    {"lengths", port_rule::untouched, port_count::optional},
                                    {"h0", port_rule::untouched, port_count::optional},
                                    {"c0", port_rule::untouched, port_count::optional}};
  static constexpr std::string_view outputs[] = {"y", "h_n", "c_n"};
  static constexpr std::string_view constants[] = {"weights",   "bias",       "scales",
                                                   "peepholes", "projection", "projection_scales"};
  static constexpr bool sums_products = true;
  static constexpr std::size_t weights = 0, bias = 1, scales = 2, peepholes = 3, projection = 4, projection_scales = 5;
  static constexpr std::size_t quantized_outputs = 1;
  static constexpr std::size_t c0 = 3, c_n = 2;  // places of input and output

  int hidden = 0;
  int projected = 0;  ///< P, the size of h; 0: H, without a projection
  octavo::direction direction = octavo::direction::forward;
  float clip = 0.0f;  ///< the largest cell; 0: any
  affine state = unit_map;

  int state_size() const { return projected > 0 ? projected : hidden; }
  detail::recurrent_shape shape() const { return {count_of(direction), 4, hidden, state_size()}; }

  static constexpr auto fields =
      std::tuple{field{"hidden", &lstm::hidden}, field{"projected", &lstm::projected},
                 field{"direction", &lstm::direction}, field{"clip", &lstm::clip}, field{"state", &lstm::state}};
};

/// Types of the outputs.
inline std::vector<tensor_type> infer(const lstm& l, std::span<const tensor_type> x) {
  const detail::recurrent_shape r = l.shape();
  std::vector<tensor_type> all = r.infer(x[0]);
  all.push_back(all[1]);
  if (all[2].extents.rank == 2) all[2].extents[1] = r.directions * l.hidden;
  return all;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes an lstm that can be run.
inline void check(const lstm& l, const signature& s) {
  const detail::recurrent_shape r = l.shape();
  require(l.projected >= 0 && l.clip >= 0 && std::isfinite(l.clip),
          "lstm: projected and clip must not be negative, found ", l.projected, " and ", l.clip);
  detail::check_recurrent(s, r, l.state, lstm::name);
  const tensor_type c = infer(l, s.src)[lstm::c_n];
  detail::check_state(s, lstm::c0, c.extents, lstm::name);
  require(s.dst[lstm::c_n] == c, "lstm: the last cells must be ", c, ", found ", s.dst[lstm::c_n]);
  const dims peepholes{r.directions * 3 * l.hidden};
  if (const tensor* p = s.at(lstm::peepholes))
    require(p->type() == element::f32 && p->extents() == peepholes, "lstm: peepholes must be f32[", peepholes,
            "], found ", name_of(p->type()), "[", p->extents(), "]");
  if (l.projected > 0)
    detail::check_product(s.at(lstm::projection), nullptr, s.at(lstm::projection_scales), r.directions * l.projected,
                          l.hidden, s.at(lstm::weights)->type() == element::s8, unit_map, "lstm: the projection's");
}

/// Bytes that the reference evaluation needs.
inline std::size_t workspace(const lstm& l, const signature&) {
  const auto units = static_cast<std::size_t>(l.hidden), state = static_cast<std::size_t>(l.state_size());
  return (state + 2 * units) * sizeof(float) + std::max(units, state);
}

/// Reference evaluation.
inline void evaluate(const lstm& l, const signature& s, const arguments& a) {
  const auto units = static_cast<std::size_t>(l.hidden), states = static_cast<std::size_t>(l.state_size());
  auto* memory = reinterpret_cast<float*>(a.shared);
  const std::span<float> h(memory, states), c(memory + states, units), out(memory + states + units, units);
  auto* bytes = reinterpret_cast<std::uint8_t*>(memory + states + 2 * units);
  const std::span<std::uint8_t> rounded(bytes, states), rounded_out(bytes, units);  // the one is read before the other
  const detail::recurrent_product multiply{s.at(lstm::weights), s.at(lstm::bias), s.at(lstm::scales), l.state};
  const detail::recurrent_product project{s.at(lstm::projection), nullptr, s.at(lstm::projection_scales), unit_map};
  const auto begin = [&](int n, int d) {
    detail::read_state(s, a, detail::recurrent::h0, n, d * l.state_size(), l.state_size(), h.data());
    detail::read_state(s, a, lstm::c0, n, d * l.hidden, l.hidden, c.data());
  };
  const auto step = [&](int n, int d, int t) {
    const float* x = a.src[0].row<float>(static_cast<std::size_t>(n * a.src[0].extents[1] + t)) + d * 4 * l.hidden;
    multiply.round(h, rounded);
    for (std::size_t j = 0; j < units; ++j) {
      const auto gate = [&](std::size_t g) {
        return x[g * units + j] + multiply((d * 4 + static_cast<int>(g)) * l.hidden + static_cast<int>(j), h, rounded);
      };
      const auto through = [&](std::size_t p, float cell, float sum) {  // a peephole
        const tensor* w = s.at(lstm::peepholes);
        return w ? std::fma(w->as<float>()[(static_cast<std::size_t>(d) * 3 + p) * units + j], cell, sum) : sum;
      };
      const float input = through(0, c[j], gate(0)), forget = through(1, c[j], gate(1));
      c[j] = scalar::next_cell(input, forget, gate(2), c[j], l.clip);
      out[j] = scalar::cell_output(through(2, c[j], gate(3)), c[j]);
    }
    if (l.projected == 0) {
      std::ranges::copy(out, h.begin());
    } else {
      project.round(out, rounded_out);
      for (std::size_t j = 0; j < states; ++j) h[j] = project(d * l.projected + static_cast<int>(j), out, rounded_out);
    }
    detail::write_state(s, a, n, t, d * l.state_size(), l.state_size(), h.data());
  };
  const auto end = [&](int n, int d) {
    const auto row = static_cast<std::size_t>(n);
    std::ranges::copy(h, a.dst[detail::recurrent::h_n].row<float>(row) + d * l.state_size());
    std::ranges::copy(c, a.dst[lstm::c_n].row<float>(row) + d * l.hidden);
  };
  detail::for_each_step(s, a, l.direction, l.shape(), begin, step, end);
}

}  // namespace octavo::op
