// PaddlePaddle's embeddings, recurrent layers and sequence decoders. A tensor with LoD, (T, C) with the lengths of its
// sequences, is one sequence here: a batch of one. `rnn` has batches, (T, N, C).
#pragma once

#include "octavo/importer/paddle/layers.hpp"

namespace octavo::paddle {
namespace detail {

/// Rows of a table (R, C) by whole numbers: (..., 1) give (..., C), or in version 2 (...) do.
inline void lookup_table(const imported_op& o, bool drops_last) {
  const dims ids = o.net.extents(o.input("Ids"));
  require(!drops_last || (ids.rank >= 1 && ids.encoded(ids.rank - 1) == 1), "expected ids of (..., 1), found ", ids);
  int table = -1;
  if (const std::int64_t zero = o.integer("padding_idx", -1); zero >= 0) {  // whose row counts as zeros
    tensor w = o.net.needed(o.input("W"), "the table");
    require(w.extents().rank == 2 && zero < w.extents()[0], "padding_idx ", zero, " is no row of ", w.extents());
    const auto columns = static_cast<std::size_t>(w.extents()[1]);
    std::ranges::fill(w.as<float>().subspan(static_cast<std::size_t>(zero) * columns, columns), 0.0f);
    table = *o.net.append(op::constant{}, o.input("W"), {}, {make_constant(std::move(w))});
  } else {
    table = o.net.plain(o.input("W"));
  }
  const int y = o.append(op::gather{0}, {table, o.net.plain(o.input("Ids"))});
  if (!drops_last) return o.set(y);
  dims to;  // without the axis of 1
  const dims e = o.net.net.type(y).extents;
  for (int i = 0; i < e.rank; ++i)
    if (i != ids.rank - 1) to.push_back(e.encoded(i));
  o.set(o.append_inner(op::reshape{to}, y));
}

/// (T, C) as a batch of one sequence, and back.
inline int as_batch(const imported_op& o, int x, std::string_view slot) {
  const dims e = o.net.net.type(x).extents;
  require(e.rank == 2, "expected the steps of a sequence, (T, C), found ", e);
  return o.append_inner(op::reshape{{1, e.encoded(0), e.encoded(1)}}, x, {}, slot);
}
inline int as_steps(const imported_op& o, int x, std::string_view slot) {
  const dims e = o.net.net.type(x).extents;
  return o.append_inner(op::reshape{{e.encoded(1), e.encoded(2)}}, x, {}, slot);
}

/// Rows `gates` of blocks of `hidden` rows.
inline tensor gates_of(const tensor& rows, std::span<const int> gates) {
  tensor y(element::f32, rows.extents());
  const std::size_t block = rows.extents().count() / gates.size();
  for (std::size_t i = 0; i < gates.size(); ++i)
    std::ranges::copy(rows.as<float>().subspan(static_cast<std::size_t>(gates[i]) * block, block),
                      y.as<float>().subspan(i * block, block).begin());
  return y;
}

/// f32 weights of extents `e`.
inline const tensor& weights_of(const imported_op& o, const std::string& name, const dims& e) {
  const tensor& w = o.net.needed(name, "the weights");
  require(w.type() == element::f32 && w.extents() == e, "weights '", name, "' must be f32[", e, "], found ",
          name_of(w.type()), "[", w.extents(), "]");
  return w;
}

inline int hidden_of(const imported_op& o, const std::string& name) {
  const dims e = o.net.needed(name, "the weights").extents();
  require(e.rank == 2, "weights '", name, "' must be a matrix, found ", e);
  return e[0];
}

/// The weights of a gru (D, 3 D) are two matrices one after the other: of update and reset (D, 2 D), and of the
/// candidate (D, D).
inline tensor gru_weights(const imported_op& o, const std::string& name) {
  const int d = hidden_of(o, name);
  const std::span<const float> all = weights_of(o, name, {d, 3 * d}).as<float>();
  const std::size_t h = static_cast<std::size_t>(d), gates = 2 * h * h;
  tensor w(element::f32, {3 * d, d});
  const auto copy = [&](std::span<const float> from, std::size_t columns, std::size_t first) {
    for (std::size_t i = 0; i < h; ++i)
      for (std::size_t j = 0; j < columns; ++j) w.as<float>()[(first + j) * h + i] = from[i * columns + j];
  };
  copy(all.first(gates), 2 * h, 0);
  copy(all.subspan(gates), h, 2 * h);
  return w;
}

inline void check_activations(const imported_op& o, std::initializer_list<std::pair<const char*, const char*>> known) {
  for (const auto& [name, expected] : known)
    require(o.string(name, expected) == expected, "the ", name, " ", o.string(name, expected),
            " is not supported, only ", expected);
}

/// The gru of a sequence whose input product is `x`.
inline int append_gru(const imported_op& o, int x, bool reverse, const std::string& weights, constant bias,
                      std::string_view slot) {
  check_activations(o, {{"activation", "tanh"}, {"gate_activation", "sigmoid"}});
  tensor w = gru_weights(o, weights);
  const op::gru g{.hidden = w.extents()[1],
                  .direction = reverse ? direction::reverse : direction::forward,
                  .origin_mode = o.flag("origin_mode", false)};
  std::vector<int> src{as_batch(o, x, slot)};
  if (o.has("H0")) src = {src[0], -1, o.net.plain(o.input("H0"))};
  const auto y = o.net.append(g, o.output(slot), src, {make_constant(std::move(w)), std::move(bias)});
  return as_steps(o, y[0], slot);
}

inline void gru(const imported_op& o) {
  const auto rows = static_cast<std::size_t>(3 * hidden_of(o, o.input("Weight")));
  o.set(append_gru(o, o.net.plain(o.input("Input")), o.flag("is_reverse", false), o.input("Weight"),
                   o.maybe_row("Bias", rows), "Hidden"),
        false, "Hidden");
}

/// The product of an input with the weights (I, rows) of all gates, and a bias.
inline int append_input_product(const imported_op& o, int x, const std::string& weights, int rows, constant bias,
                                std::span<const int> gates = {}) {
  const int inputs = o.net.net.type(x).extents.back();
  tensor w = importer::transposed(weights_of(o, weights, {inputs, rows}), {1, 0});
  if (!gates.empty()) w = gates_of(w, gates);
  return o.net.append_layer(op::fc{.out = rows}, weights, x, {std::move(w), nullptr}, std::move(bias));
}

inline void fusion_gru(const imported_op& o) {
  const int rows = 3 * hidden_of(o, o.input("WeightH"));
  const int x = append_input_product(o, o.net.plain(o.input("X")), o.input("WeightX"), rows,
                                     o.maybe_row("Bias", static_cast<std::size_t>(rows)));
  o.set(append_gru(o, x, o.flag("is_reverse", false), o.input("WeightH"), nullptr, "Hidden"), false, "Hidden");
}

/// Layers of both directions, one after the other.
inline void multi_gru(const imported_op& o) {
  const std::vector<std::string>&in = o.inputs("WeightX"), &recurrent = o.inputs("WeightH"), &bias = o.inputs("Bias");
  require(!in.empty() && in.size() % 2 == 0 && recurrent.size() == in.size() && bias.size() == in.size(),
          "expected weights and biases of both directions of each layer, found ", in.size(), ", ", recurrent.size(),
          " and ", bias.size());
  int x = o.net.plain(o.input("X"));
  for (std::size_t i = 0; i < in.size(); i += 2) {
    std::vector<int> both;
    for (std::size_t k = i; k < i + 2; ++k) {
      const int rows = 3 * hidden_of(o, recurrent[k]);
      const constant b = make_constant(o.net.needed(bias[k], "the bias").reshaped({rows}));
      both.push_back(
          append_gru(o, append_input_product(o, x, in[k], rows, b), k == i + 1, recurrent[k], nullptr, "Hidden"));
    }
    x = *o.net.append(op::concat{1}, o.output("Hidden") + ".layer", both);
  }
  o.set(x, false, "Hidden");
}

/// Gates lie in the order candidate, input, forget, output; here input, forget, candidate, output.
inline constexpr int lstm_gates[] = {1, 2, 0, 3};

/// The lstm of a sequence whose input product is `x`, its gates in the order of here.
inline void append_lstm(const imported_op& o, int x, const std::string& weights) {
  check_activations(o, {{"gate_activation", "sigmoid"}, {"cell_activation", "tanh"}, {"candidate_activation", "tanh"}});
  const int d = hidden_of(o, weights);
  const op::lstm l{.hidden = d, .direction = o.flag("is_reverse", false) ? direction::reverse : direction::forward};
  std::vector<constant> constants{
      make_constant(gates_of(importer::transposed(weights_of(o, weights, {d, 4 * d}), {1, 0}), lstm_gates)), nullptr};
  const bool peepholes = o.flag("use_peepholes", true);
  const auto gates = static_cast<std::size_t>(4 * d), more = static_cast<std::size_t>(peepholes ? 3 * d : 0);
  if (o.has("Bias")) {
    const constant all = o.row("Bias", gates + more);
    constants[1] = make_constant(gates_of(tensor::of({4 * d}, all->as<float>().first(gates)), lstm_gates));
    if (peepholes)
      constants.insert(constants.end(), {nullptr, make_constant(tensor::of({3 * d}, all->as<float>().subspan(gates)))});
  }
  std::vector<int> src{as_batch(o, x, "Hidden")};
  if (o.has("H0")) src = {src[0], -1, o.net.plain(o.input("H0")), o.net.plain(o.input("C0"))};
  o.set(as_steps(o, o.net.append(l, o.output("Hidden"), src, std::move(constants))[0], "Hidden"), false, "Hidden");
}

inline void lstm(const imported_op& o) {
  const int x = o.net.plain(o.input("Input")), d = hidden_of(o, o.input("Weight"));
  const dims e = o.net.net.type(x).extents;
  require(e.rank == 2 && e.encoded(1) == 4 * d, "expected the input product (T, ", 4 * d, "), found ", e);
  std::vector<int> gates;
  for (int gate : lstm_gates)
    gates.push_back(o.append_inner(op::slice{{gate * d}, {(gate + 1) * d}, {1}, {}}, x, {}, "Hidden"));
  append_lstm(o, o.append_inner(op::concat{1}, gates, {}, "Hidden"), o.input("Weight"));
}

inline void fusion_lstm(const imported_op& o) {
  const int d = hidden_of(o, o.input("WeightH"));
  append_lstm(o, append_input_product(o, o.net.plain(o.input("X")), o.input("WeightX"), 4 * d, nullptr, lstm_gates),
              o.input("WeightH"));
}

// The op `rnn`: layers of one or both directions on (T, N, C). Its weights are, for each layer and direction, those of
// the input and of the state, then all biases in the same order.

/// Weights or biases number `i` of a layer, of all its directions one below the other.
inline tensor stacked(const imported_op& o, std::size_t first, std::size_t step, int directions,
                      std::span<const int> gates) {
  const auto& list = o.inputs("WeightList");
  const dims e = o.net.needed(list[first], "the weights").extents();
  dims all = e;
  all[0] *= directions;
  tensor y(element::f32, all);
  for (int d = 0; d < directions; ++d) {
    const tensor w = gates_of(weights_of(o, list[first + static_cast<std::size_t>(d) * step], e), gates);
    std::ranges::copy(w.as<float>(), y.as<float>().subspan(static_cast<std::size_t>(d) * e.count(), e.count()).begin());
  }
  return y;
}

inline bool is_zero(composer& net, const std::string& name) {
  const constant t = net.known(name);
  return t && t->type() == element::f32 && std::ranges::all_of(t->as<float>(), [](float v) { return v == 0; });
}

/// Of states (layers x directions, N, H) those of one layer, as (N, directions x H).
inline int state_of_layer(const imported_op& o, int states, int layer, int directions) {
  if (states < 0) return -1;
  const int first = layer * directions;
  const int own = o.append_inner(op::slice{{first}, {first + directions}, {0}, {}}, states);
  const int by_batch = o.append_inner(op::transpose{{1, 0, 2}}, own);
  const dims e = o.net.net.type(by_batch).extents;
  return o.append_inner(op::reshape{{e.encoded(0), std::int64_t{e[1]} * e[2]}}, by_batch);
}

inline void rnn(const imported_op& o) {
  const std::string mode = o.string("mode", "LSTM");
  require(mode == "LSTM" || mode == "GRU", "the mode ", mode, " is not supported");
  const bool is_lstm = mode == "LSTM";
  const int layers = o.small_integer("num_layers", 1), hidden = o.small_integer("hidden_size", 0);
  const int directions = o.flag("is_bidirec", false) ? 2 : 1;
  const auto per_layer = static_cast<std::size_t>(2 * directions);
  require(layers > 0 && o.inputs("WeightList").size() == 2 * per_layer * static_cast<std::size_t>(layers), "expected ",
          2 * per_layer, " weights and biases for each of ", layers, " layers, found ", o.inputs("WeightList").size());
  const std::vector<int> gates = is_lstm ? std::vector{0, 1, 2, 3} : std::vector{1, 0, 2};
  const auto both = directions == 2 ? direction::both : direction::forward;
  int x = o.append_inner(op::transpose{{1, 0, 2}}, o.net.plain(o.input("Input")));
  std::vector<int> states;  // before the first step; zeros are the default
  for (const std::string& name : o.inputs("PreState")) states.push_back(is_zero(o.net, name) ? -1 : o.net.plain(name));
  const int lengths = o.has("SequenceLength") ? o.net.plain(o.input("SequenceLength")) : -1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(layers); ++i) {
    const std::size_t weights = i * per_layer, biases = weights + static_cast<std::size_t>(layers) * per_layer;
    const auto part = [&](std::size_t first) { return make_constant(stacked(o, first, 2, directions, gates)); };
    const constant w = part(weights);
    const int product = *o.net.append(op::fc{.out = w->extents()[0]}, o.output() + ".input", {x}, {w, part(biases)});
    std::vector<int> src{product, lengths};
    for (int first : states) src.push_back(state_of_layer(o, first, static_cast<int>(i), directions));
    while (src.back() < 0) src.pop_back();
    const operation cell =
        is_lstm ? operation(op::lstm{.hidden = hidden, .direction = both})
                : operation(op::gru{.hidden = hidden, .direction = both, .reset_after = true, .origin_mode = true});
    x = o.net.append(cell, o.output() + ".steps", src, {part(weights + 1), part(biases + 1)})[0];
  }
  o.set(o.append(op::transpose{{1, 0, 2}}, {x}));
}

/// The best tags (T, 1) of a sequence of emissions (T, K); or of a batch (N, T, K) with lengths (N, T).
inline void crf_decoding(const imported_op& o) {
  int x = o.net.plain(o.input("Emission"));
  const bool batch = o.net.net.type(x).extents.rank == 3;
  if (!batch) x = as_batch(o, x, "ViterbiPath");
  std::vector<int> src{x};
  if (batch && o.has("Length")) src.push_back(o.net.plain(o.input("Length")));
  const auto y = o.net.append(op::crf_decode{}, o.output("ViterbiPath"), src,
                              {make_constant(o.net.needed(o.input("Transition"), "the transitions"))});
  o.set(batch ? y[0] : o.append_inner(op::transpose{}, y[0], {}, "ViterbiPath"), false, "ViterbiPath");
}

/// One vector (1, C) for all steps of a sequence.
inline void sequence_pool(const imported_op& o) {
  const std::string type = o.string("pooltype", "AVERAGE");
  const auto kind = [&]() -> op::sequence_pool::kind_type {
    for (const auto& [name, k] : {std::pair{"AVERAGE", op::sequence_pool::mean},
                                  {"SUM", op::sequence_pool::sum},
                                  {"MAX", op::sequence_pool::max},
                                  {"LAST", op::sequence_pool::last}})
      if (type == name) return k;
    fail("the pooltype ", type, " is not supported");
  }();
  o.set(o.append(op::sequence_pool{kind}, {as_batch(o, o.net.plain(o.input()), "Out")}));
}

inline void sequence_reverse(const imported_op& o) {
  const int y = o.append(op::reverse_sequence{}, {as_batch(o, o.net.plain(o.input()), "Y")}, {}, "Y");
  o.set(as_steps(o, y, "Y"), false, "Y");
}

}  // namespace detail

/// Embeddings and what works on sequences.
inline const operator_table& sequence_operators() {
  using namespace detail;
  static const operator_table table{
      {"lookup_table", [](const imported_op& o) { lookup_table(o, true); }},
      {"lookup_table_v2", [](const imported_op& o) { lookup_table(o, false); }},
      {"gru", gru},
      {"fusion_gru", fusion_gru},
      {"multi_gru", multi_gru},
      {"lstm", lstm},
      {"fusion_lstm", fusion_lstm},
      {"rnn", rnn},
      {"crf_decoding", crf_decoding},
      {"sequence_pool", sequence_pool},
      {"sequence_reverse", sequence_reverse},
  };
  return table;
}

}  // namespace octavo::paddle
