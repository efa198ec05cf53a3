// Composing a network: recurrent layers. A layer is two nodes, the product of its whole input with the input weights,
// an fc, and the steps through time. Included by builder.hpp.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo {

/// How a gru layer is done: see op/gru.hpp.
struct gru_options {
  int hidden = 0;
  octavo::direction direction = octavo::direction::forward;
  bool reset_after = false;
  bool origin_mode = false;
  bool reset_first = false;  ///< rows of the weights are in the order reset, update, candidate, as PyTorch has them
};

/// The layer that PyTorch's nn.GRU is.
constexpr gru_options torch_gru(int hidden, direction d = direction::forward) { return {hidden, d, true, true, true}; }

/// How an lstm layer is done: see op/lstm.hpp.
struct lstm_options {
  int hidden = 0;
  int projected = 0;  ///< the size of h where a projection follows, else 0
  octavo::direction direction = octavo::direction::forward;
  bool peepholes = false;
  float clip = 0.0f;  ///< the largest cell; 0: any
};

/// What a recurrent layer may be given besides its input: see op/recurrent.hpp. A handle made by default is left out.
struct recurrent_inputs {
  value_handle lengths{}, h0{}, c0{};
};

/// The outputs of a gru: y (N, T, D H), and h (N, D H), the state after the last step.
template <class T, class Y, class H>
struct gru_outputs {
  value<T, Y> y;
  value<T, H> h;
};
/// The outputs of an lstm: y (N, T, D P), h (N, D P) and c (N, D H), the state and the cells after the last step.
template <class T, class Y, class H, class C>
struct lstm_outputs {
  value<T, Y> y;
  value<T, H> h;
  value<T, C> c;
};

namespace detail {

/// Indices of the outputs of the steps through time.
OCTAVO_COMPILED_ONCE one_or_more<int> append_gru_steps(const value_handle& x, const gru_options& g, const params& w,
                                                       const recurrent_inputs& given);
OCTAVO_COMPILED_ONCE one_or_more<int> append_gru(const value_handle& x, const gru_options& g, const params& w,
                                                 const recurrent_inputs& given);
OCTAVO_COMPILED_ONCE one_or_more<int> append_lstm(const value_handle& x, const lstm_options& l, const params& w,
                                                  const recurrent_inputs& given);

#if OCTAVO_BODIES

/// The rows of `parts` one after the other; of each those of blocks `order` of equal size, where that is not empty.
/// Null where the first part is. Throws octavo::error, beginning with `what`, where only some are.
inline constant stack_rows(std::span<const constant> parts, std::span<const int> order, std::string_view what) {
  for (const constant& p : parts)
    require(!p == !parts[0], what, ": only one direction has a constant that both or none must have");
  if (!parts[0]) return nullptr;
  dims e = parts[0]->extents();
  e[0] *= static_cast<int>(parts.size());
  tensor all(element::f32, e);
  float* to = all.as<float>().data();
  for (const constant& p : parts) {
    const std::span<const float> from = p->as<float>();
    const std::size_t block = order.empty() ? from.size() : from.size() / order.size();
    for (std::size_t i = 0; i < std::max<std::size_t>(order.size(), 1); ++i)
      to = std::ranges::copy(from.subspan(order.empty() ? 0 : static_cast<std::size_t>(order[i]) * block, block), to)
               .out;
  }
  return make_constant(std::move(all));
}

/// Where the weights of a recurrent layer come from, and how they lie in its nodes.
struct recurrent_weights {
  std::vector<params> directions;  ///< one for each
  int rows = 0;                    ///< gates times units
  std::vector<int> order;          ///< of the gates; empty: as it is

  recurrent_weights(const params& w, direction d, int all_rows, bool reset_first)
      : rows(all_rows), order(reset_first ? std::vector<int>{1, 0, 2} : std::vector<int>{}) {
    directions = count_of(d) == 1 ? std::vector{w} : std::vector{w / "forward", w / "reverse"};
  }

  /// The tensor `name` of all directions, rows by `columns`, or rows where that is 0.
  constant get(std::string_view name, int columns) const {
    return stacked([&](const params& w) { return w.get(name, dims{rows, columns}); });
  }
  /// Null where there is none; `name` or else `other`.
  constant maybe_bias(std::string_view name, std::string_view other = {}) const {
    return stacked([&](const params& w) {
      constant b = w.maybe(name, {rows});
      return b || other.empty() ? b : w.maybe(other, {rows});
    });
  }

 private:
  template <class Get>
  constant stacked(Get&& get) const {
    std::vector<constant> parts;
    for (const params& w : directions) parts.push_back(get(w));
    return stack_rows(parts, order, directions[0].path());
  }
};

/// The values that the steps read: those that are not given are left out.
inline std::vector<int> recurrent_sources(graph& g, int x, const recurrent_inputs& given, std::string_view what) {
  std::vector<int> src{x};
  for (const value_handle* v : {&given.lengths, &given.h0, &given.c0}) {
    if (v->id >= 0) require(&v->owner(what) == &g, what, ": the inputs belong to different graphs");
    src.push_back(v->id);
  }
  while (src.back() < 0) src.pop_back();
  return src;
}

/// The product of the whole input with the input weights.
inline int append_input_product(graph& g, const value_handle& x, const recurrent_weights& w, const std::string& path) {
  constant weight = w.get("weight_ih", g.type(x.id).extents.back()), bias = w.maybe_bias("bias_ih", "bias");
  const int rows = weight->extents()[0];
  return *g.append(op::fc{.out = rows}, path.empty() ? "input" : path + ".input", {x.id},
                   {std::move(weight), std::move(bias)});
}

inline op::gru gru_of(const gru_options& g) { return {g.hidden, g.direction, g.reset_after, g.origin_mode}; }

OCTAVO_COMPILED_ONCE one_or_more<int> append_gru_steps(const value_handle& x, const gru_options& options,
                                                       const params& w, const recurrent_inputs& given) {
  graph& g = x.owner("gru");
  const recurrent_weights weights(w, options.direction, 3 * options.hidden, options.reset_first);
  return g.append(gru_of(options), w.path(), recurrent_sources(g, x.id, given, "gru"),
                  {weights.get("weight", options.hidden), weights.maybe_bias("bias")});
}

OCTAVO_COMPILED_ONCE one_or_more<int> append_gru(const value_handle& x, const gru_options& options, const params& w,
                                                 const recurrent_inputs& given) {
  graph& g = x.owner("gru");
  const recurrent_weights weights(w, options.direction, 3 * options.hidden, options.reset_first);
  const int product = append_input_product(g, x, weights, w.path());
  return g.append(gru_of(options), w.path(), recurrent_sources(g, product, given, "gru"),
                  {weights.get("weight_hh", options.hidden), weights.maybe_bias("bias_hh")});
}

OCTAVO_COMPILED_ONCE one_or_more<int> append_lstm(const value_handle& x, const lstm_options& options, const params& w,
                                                  const recurrent_inputs& given) {
  graph& g = x.owner("lstm");
  const recurrent_weights weights(w, options.direction, 4 * options.hidden, false);
  const int product = append_input_product(g, x, weights, w.path());
  const op::lstm l{options.hidden, options.projected, options.direction, options.clip};
  std::vector<constant> constants{weights.get("weight_hh", l.state_size()), weights.maybe_bias("bias_hh"), nullptr};
  std::vector<constant> peepholes, projections;
  for (const params& from : weights.directions) {
    for (const char* name : {"peephole_i", "peephole_f", "peephole_o"})
      peepholes.push_back(options.peepholes ? from.get(name, {options.hidden}) : nullptr);
    if (options.projected > 0) projections.push_back(from.get("weight_hr", {options.projected, options.hidden}));
  }
  constants.push_back(stack_rows(peepholes, {}, w.path()));
  if (options.projected > 0) constants.push_back(stack_rows(projections, {}, w.path()));
  while (constants.size() > 2 && !constants.back()) constants.pop_back();
  return g.append(l, w.path(), recurrent_sources(g, product, given, "lstm"), std::move(constants));
}

#endif

/// Whether a recurrent layer can take an input of this shape.
template <class S>
concept is_sequence = S::value.rank == 3 && !innermost_bounded(S::value);

/// X (N, T, C) with so many units, and without its steps.
constexpr dims sequence_extents(const dims& x, int units) { return {x.encoded(0), x.encoded(1), units}; }
constexpr dims state_extents(const dims& x, int units) { return {x.encoded(0), units}; }

template <gru_options G, class T, class S>
auto gru_handles(graph& g, const one_or_more<int>& ids) {
  constexpr int units = count_of(G.direction) * G.hidden;
  constexpr dims y = sequence_extents(S::value, units), h = state_extents(S::value, units);
  return gru_outputs<T, shape_of<y>, shape_of<h>>{{&g, ids[0]}, {&g, ids[1]}};
}

}  // namespace detail

/// A gru layer: auto [y, h] = gru<gru_options{.hidden = 128}>(x, w / "gru", {.lengths = lengths}). Reads "weight_ih"
/// (3 H, I), "weight_hh" (3 H, H) and, where they exist, "bias_ih" or "bias", and "bias_hh" (3 H), of `w`; in both
/// directions those of w / "forward" and w / "reverse". Throws octavo::error where what is given besides does not fit.
template <gru_options G, class T, class S>
auto gru(const value<T, S>& x, const params& w, const recurrent_inputs& given = {}) {  // (N, T, I)
  static_assert(G.hidden > 0, "octavo: gru needs at least one hidden unit: gru_options{.hidden = ...}");
  static_assert(detail::is_sequence<S>, "octavo: gru needs an input of (N, T, C), C not bounded");
  if constexpr (G.hidden > 0 && detail::is_sequence<S>)
    return detail::gru_handles<G, T, S>(x.owner("gru"), detail::append_gru(x, G, w, given));  // (N, T, D H), (N, D H)
  else
    return gru_outputs<T, S, S>{};
}

/// The steps of a gru whose input product `x` is done. Reads "weight" (3 H, H) and, where it exists, "bias" (3 H) of
/// `w`; in both directions those of w / "forward" and w / "reverse".
template <gru_options G, class T, class S>
auto gru_steps(const value<T, S>& x, const params& w, const recurrent_inputs& given = {}) {  // (N, T, D 3 H)
  constexpr bool fits = detail::is_sequence<S> && S::value.back() == count_of(G.direction) * 3 * G.hidden;
  static_assert(fits, "octavo: gru_steps needs an input of (N, T, 3 H) for each direction");
  if constexpr (fits)
    return detail::gru_handles<G, T, S>(x.owner("gru"), detail::append_gru_steps(x, G, w, given));
  else
    return gru_outputs<T, S, S>{};
}

/// Layers gru layers, each of which reads the one before: the first has its weights in w / 0, and so on. Returns the
/// last one's outputs. Every layer is given the same lengths, and begins with zeros.
template <gru_options G, int Layers, class T, class S>
auto multi_gru(const value<T, S>& x, const params& w, const value_handle& lengths = {}, int first = 0) {
  static_assert(Layers > 0, "octavo: multi_gru needs at least one layer");
  const auto outputs = gru<G>(x, w / first, {.lengths = lengths});
  if constexpr (Layers > 1)
    return multi_gru<G, Layers - 1>(outputs.y, w, lengths, first + 1);
  else
    return outputs;
}

/// An lstm layer: auto [y, h, c] = lstm<lstm_options{.hidden = 128}>(x, w / "lstm"). Reads "weight_ih" (4 H, I),
/// "weight_hh" (4 H, P) and, where they exist, "bias_ih" or "bias", and "bias_hh" (4 H), of `w`; with peepholes
/// "peephole_i", "peephole_f" and "peephole_o" (H), with a projection "weight_hr" (P, H); in both directions those of
/// w / "forward" and w / "reverse". Throws octavo::error where what is given besides does not fit.
template <lstm_options L, class T, class S>
auto lstm(const value<T, S>& x, const params& w, const recurrent_inputs& given = {}) {  // (N, T, I)
  static_assert(L.hidden > 0, "octavo: lstm needs at least one hidden unit: lstm_options{.hidden = ...}");
  static_assert(detail::is_sequence<S>, "octavo: lstm needs an input of (N, T, C), C not bounded");
  if constexpr (L.hidden > 0 && detail::is_sequence<S>) {
    constexpr int d = count_of(L.direction), p = d * (L.projected > 0 ? L.projected : L.hidden);
    constexpr dims y = detail::sequence_extents(S::value, p), h = detail::state_extents(S::value, p),
                   c = detail::state_extents(S::value, d * L.hidden);
    graph& g = x.owner("lstm");
    const one_or_more<int> ids = detail::append_lstm(x, L, w, given);
    return lstm_outputs<T, shape_of<y>, shape_of<h>, shape_of<c>>{{&g, ids[0]}, {&g, ids[1]}, {&g, ids[2]}};
  } else {
    return lstm_outputs<T, S, S, S>{};
  }
}

}  // namespace octavo
