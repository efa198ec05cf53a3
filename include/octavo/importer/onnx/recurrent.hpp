// GRU and LSTM of ONNX: an fc, the product of all steps with the input weights, and the steps. There sequences are
// (T, N, I), or (N, T, I) with layout 1, and directions an axis of states: (D, N, H), or (N, D, H).
#pragma once

#include "octavo/importer/onnx/layers.hpp"

namespace octavo::onnx {

/// What GRU and LSTM have in common. `gates`: places in ONNX of Octavo's gates.
class recurrent_import {
 public:
  int hidden, directions;
  octavo::direction direction;

  recurrent_import(node_import& n, std::vector<int> gates) : n_(n), gates_(std::move(gates)) {
    const std::string way = n.string("direction", "forward");
    require(way == "forward" || way == "reverse" || way == "bidirectional", "there is no direction '", way, "'");
    direction = way == "forward"   ? octavo::direction::forward
                : way == "reverse" ? octavo::direction::reverse
                                   : octavo::direction::both;
    directions = count_of(direction);
    batch_first_ = n.integer("layout", 0) == 1;
    const dims w = n.extents(1), r = n.extents(2);
    hidden = n.integer("hidden_size", r.rank == 3 ? r[2] : 0);
    const int rows = static_cast<int>(gates_.size()) * hidden;
    require(n.rank() == 3, "the input must be sequences of three axes, found ", n.extents());
    const dims of_input{directions, rows, n.extents().back()}, of_state{directions, rows, hidden};
    require(w == of_input && r == of_state, "weights must be ", of_input, " and ", of_state, ", found ", w, " and ", r);
    n.expects("input_forget", 0);
    check_activations();
  }

  /// (N, T, D G H): the product of all steps.
  int input_product() {
    const int x = batch_first_ ? n_.into.plain(n_.in()) : n_.transpose(n_.into.plain(n_.in()), {1, 0, 2}, ".sequences");
    layer_weights w = weights(1);
    const int rows = w.values.extents()[0];
    return n_.into.append_layer(op::fc{.out = rows}, n_.node.outputs.empty() ? "input" : title() + ".input", x,
                                std::move(w), bias(0));
  }
  /// Input `i`, weights (D, G H, I), as (D G H, I) with the gates in Octavo's order.
  layer_weights weights(std::size_t i) {
    const tensor& w = n_.needed(i);
    const dims& e = w.extents();
    return {in_order(w, {e[0] * e[1], e[2]}, 0, 1)};
  }
  /// Half `half` of the biases (D, 2 G H), or null.
  constant bias(int half) {
    if (!n_.has(3)) return nullptr;
    const int rows = static_cast<int>(gates_.size()) * hidden;
    const dims expected{directions, 2 * rows};
    require(n_.extents(3) == expected, "biases must be ", expected, ", found ", n_.extents(3));
    return make_constant(in_order(n_.needed(3), {directions * rows}, half, 2));
  }
  /// Lengths, or -1 where all sequences are whole.
  int lengths() {
    if (!n_.has(4)) return -1;
    const int steps = n_.extents()[batch_first_ ? 1 : 0];
    if (n_.known(4) && std::ranges::all_of(n_.known_integers(4), [&](std::int64_t t) { return t == steps; })) return -1;
    return n_.into.plain(n_.in(4));
  }
  /// Input `i`, states, as (N, D H); -1 where they are missing or all 0.
  int states(std::size_t i) {
    if (!n_.has(i)) return -1;
    if (const constant t = n_.known(i))
      if (std::ranges::all_of(t->as<float>(), [](float v) { return v == 0.0f; })) return -1;
    const dims e = n_.extents(i);
    const int batch = batch_first_ ? 0 : 1;
    require(e.rank == 3 && e[1 - batch] == directions && e[2] == hidden, "states must be of ", directions,
            " directions and ", hidden, " units, found ", e);
    int x = n_.into.plain(n_.in(i));
    if (!batch_first_) x = n_.transpose(x, {1, 0, 2}, text(".state", i));
    return n_.reshape(x, {e.encoded(batch), directions * hidden}, text(".states", i));
  }
  /// Writes y (N, T, D H) as output 0, the last states (N, D H) as output 1 and, where there are any, cells as 2.
  void write(const one_or_more<int>& y) {
    for (std::size_t i = 0; i < y.size(); ++i) {
      if (!n_.writes(i)) continue;
      const dims e = n_.into.net.type(y[i]).extents;
      dims split;
      for (int axis = 0; axis + 1 < e.rank; ++axis) split.push_back(e.encoded(axis));
      split.push_back(directions), split.push_back(hidden);
      const bool sequence = split.rank == 4;
      int v = n_.reshape(y[i], split, text(".directions", i));
      if (!batch_first_)
        v = n_.transpose(v, sequence ? axis_numbers{1, 2, 0, 3} : axis_numbers{1, 0, 2}, text(".y", i));
      n_.write(v, false, i);
    }
  }
  const std::string& title() const {
    return *std::ranges::find_if(n_.node.outputs, [](const std::string& s) { return !s.empty(); });
  }

 private:
  void check_activations() const {
    const file_attribute* a = n_.node.attribute("activations");
    if (!a) return;
    for (std::size_t i = 0; i < a->strings.size(); ++i) {
      const std::string_view usual = i % (gates_.size() - 1) == 0 ? "Sigmoid" : "Tanh";
      require(a->strings[i] == usual, "activation ", i, " must be ", usual, ", found ", a->strings[i]);
    }
  }

  /// Of `t` (D, halves G H, ..) the rows of one half, gates in Octavo's order.
  tensor in_order(const tensor& t, const dims& to, int half, int halves) const {
    tensor y(element::f32, to);
    const auto gates = gates_.size(), block = y.extents().count() / gates / static_cast<std::size_t>(directions);
    for (std::size_t d = 0; d < static_cast<std::size_t>(directions); ++d)
      for (std::size_t g = 0; g < gates; ++g) {
        const std::size_t from = (d * static_cast<std::size_t>(halves) + static_cast<std::size_t>(half)) * gates +
                                 static_cast<std::size_t>(gates_[g]);
        std::ranges::copy(t.as<float>().subspan(from * block, block),
                          y.as<float>().begin() + static_cast<std::ptrdiff_t>((d * gates + g) * block));
      }
    return y;
  }

  node_import& n_;
  std::vector<int> gates_;
  bool batch_first_ = false;
};

/// Sums of gates that are clipped from this bound on change a gate by less than 3.4e-4: that is left out. Smaller
/// bounds are refused.
inline void check_clip(const node_import& n) {
  const float clip = n.real("clip", 0.0f);
  require(clip == 0.0f || clip >= 8.0f, "attribute 'clip' of ", clip, ", which bounds sums of gates, is not supported");
}

inline void gru(node_import& n) {
  check_clip(n);
  recurrent_import r(n, {0, 1, 2});
  const op::gru steps{
      .hidden = r.hidden, .direction = r.direction, .reset_after = n.flag("linear_before_reset"), .origin_mode = true};
  const int x = r.input_product();
  r.write(
      n.into.append(steps, r.title(), {x, r.lengths(), r.states(5)}, {make_constant(r.weights(2).values), r.bias(1)}));
}

inline void lstm(node_import& n) {
  check_clip(n);
  recurrent_import r(n, {0, 2, 3, 1});
  const op::lstm steps{.hidden = r.hidden, .direction = r.direction};
  const int x = r.input_product();
  std::vector<constant> constants{make_constant(r.weights(2).values), r.bias(1)};
  if (n.has(7)) {  // peepholes (D, 3 H) of input, output and forget gate
    const tensor& p = n.needed(7);
    const dims expected{r.directions, 3 * r.hidden};
    require(p.extents() == expected, "peepholes must be ", expected, ", found ", p.extents());
    tensor ordered(element::f32, {r.directions * 3 * r.hidden});
    const auto units = static_cast<std::size_t>(r.hidden);
    for (std::size_t i = 0; i < ordered.extents().count(); ++i) {
      constexpr std::size_t from[] = {0, 2, 1};
      const std::size_t gate = i / units % 3;
      ordered.as<float>()[i] = p.as<float>()[i + (from[gate] - gate) * units];
    }
    constants.insert(constants.end(), {nullptr, make_constant(std::move(ordered))});
  }
  r.write(n.into.append(steps, r.title(), {x, r.lengths(), r.states(5), r.states(6)}, std::move(constants)));
}

}  // namespace octavo::onnx
