// A straight line for each channel goes into the weights and the bias of the layer before it:
//   gain conv2d(x) + shift -> conv2d'(x), and the same for fc:   W'[oc] = W[oc] * gain[oc],   b' = b * gain + shift
// Lines are batch norms, scales, biases, and sums, differences, products and quotients with a constant that has one
// number, or one for each channel.
#pragma once

#include "octavo/graph/pass/fuse.hpp"

namespace octavo::pass {

/// y(..., c) = gain(c) x(..., c) + shift(c), where x is input `input` of the node that computes it.
struct channel_line {
  std::size_t input = 0;
  std::vector<double> gain, shift;

  bool is_shifted() const {
    return !std::all_of(shift.begin(), shift.end(), [](double v) { return v == 0; });
  }
  /// Whether it is the same for all channels.
  bool is_uniform() const {
    return std::all_of(gain.begin(), gain.end(), [&](double v) { return v == gain[0]; }) &&
           std::all_of(shift.begin(), shift.end(), [&](double v) { return v == shift[0]; });
  }
};

namespace detail {

/// The numbers of the constant that `value` is, if they are f32, and one or one for each channel; else none.
inline std::span<const float> channel_constant(folding& f, int value, int channels) {
  const node& n = f.producer(value);
  if (!n.as<op::constant>() || f.type(value).type != element::f32) return {};
  const std::span<const float> numbers = n.constants[0]->as<float>();
  const bool is_row = numbers.size() == static_cast<std::size_t>(channels) && f.type(value).extents.back() == channels;
  return is_row || numbers.size() == 1 ? numbers : std::span<const float>{};
}

/// Gain and shift of x combined with the constant number `v`: v - x where `x_is_second`.
inline std::pair<double, double> line_with_constant(const operation& o, double v, bool x_is_second) {
  if (o.is<op::mul>()) return {v, -0.0};
  if (o.is<op::div>()) return {1.0 / v, -0.0};
  if (o.is<op::add>()) return {1.0, v};
  return x_is_second ? std::pair{-1.0, v} : std::pair{1.0, -v};
}

}  // namespace detail

/// The line that `n` is before its activation, if it is one, and all of it f32 and finite.
inline std::optional<channel_line> line_of(folding& f, const node& n) {
  if (n.src.empty() || f.type(*n.dst).type != element::f32) return std::nullopt;
  const dims& y = f.type(*n.dst).extents;
  channel_line line;
  const auto fill = [&](auto&& in_channel) {
    for (std::size_t c = 0; c < static_cast<std::size_t>(y.back()); ++c) {
      const auto [gain, shift] = in_channel(c);
      line.gain.push_back(gain), line.shift.push_back(shift);
    }
  };
  if (const op::batch_norm* b = n.as<op::batch_norm>()) {
    fill([&](std::size_t c) { return op::as_affine(*b, n.constants, c); });
  } else if (const op::scale* s = n.as<op::scale>(); s && !innermost_bounded(y)) {
    fill([&](std::size_t c) { return op::as_affine(*s, n.constants, c); });
  } else if (n.as<op::bias_add>()) {
    fill([&](std::size_t c) { return std::pair{1.0, static_cast<double>(n.constants[0]->as<float>()[c])}; });
  } else if (n.as<op::add>() || n.as<op::sub>() || n.as<op::mul>() || n.as<op::div>()) {
    std::span<const float> numbers = detail::channel_constant(f, n.src[1], y.back());
    if (numbers.empty() && !n.as<op::div>()) {
      line.input = 1;
      numbers = detail::channel_constant(f, n.src[0], y.back());
    }
    if (numbers.empty() || innermost_bounded(y)) return std::nullopt;
    fill([&](std::size_t c) {
      const float v = numbers[numbers.size() == 1 ? 0 : c];
      return detail::line_with_constant(n.op, static_cast<double>(v), line.input == 1);
    });
  }
  const auto is_finite = [](double v) { return std::isfinite(v); };
  const bool is_line = !line.gain.empty() && std::all_of(line.gain.begin(), line.gain.end(), is_finite) &&
                       std::all_of(line.shift.begin(), line.shift.end(), is_finite);
  const tensor_type& x = f.type(n.src[line.input]);
  if (!is_line || x.type != element::f32 || x.extents != y) return std::nullopt;
  return line;
}

/// The line that `n` is, if it has no activation.
inline std::optional<channel_line> bare_line_of(folding& f, const node& n) {
  const activation* act = fused_activation(n.op);
  return act && act->is_none() ? line_of(f, n) : std::nullopt;
}

/// Weights on a grid whose rows are scaled: the same places on a grid that is scaled, turned round where that is
/// negative.
inline std::shared_ptr<const quantized_weights> scale_rows(quantized_weights q, std::span<const double> gain) {
  const std::size_t depth = q.values.extents().count() / gain.size();
  for (std::size_t c = 0; c < gain.size(); ++c) {
    float& scale = q.scales.as<float>()[c];
    scale = static_cast<float>(static_cast<double>(scale) * std::fabs(gain[c]));
    if (!is_scale(scale)) return nullptr;
    if (gain[c] < 0)
      for (std::int8_t& v : q.values.as<std::int8_t>().subspan(c * depth, depth)) v = static_cast<std::int8_t>(-v);
  }
  return std::make_shared<const quantized_weights>(std::move(q));
}

/// Scales the rows of a node's weights and moves its bias: y -> gain * y + shift.
inline void scale_outputs(node& n, std::span<const double> gain, std::span<const double> shift) {
  const tensor& old_weights = *n.constants[0];
  const tensor* old_bias = n.constants[1].get();
  tensor weights(element::f32, old_weights.extents()), bias(element::f32, {static_cast<int>(gain.size())});
  const std::size_t depth = old_weights.extents().count() / gain.size();
  const std::span<const float> from = old_weights.as<float>();
  const std::span<float> to = weights.as<float>();
  for (std::size_t c = 0; c < gain.size(); ++c) {
    for (std::size_t i = c * depth; i < (c + 1) * depth; ++i)
      to[i] = static_cast<float>(static_cast<double>(from[i]) * gain[c]);
    const double b = old_bias ? static_cast<double>(old_bias->as<float>()[c]) : 0.0;
    bias.as<float>()[c] = static_cast<float>(std::fma(b, gain[c], shift[c]));
  }
  n.constants[0] = make_constant(std::move(weights));
  n.constants[1] = make_constant(std::move(bias));
  if (n.rounded) n.rounded = scale_rows(*n.rounded, gain);
}

/// Whether scale_outputs can scale the node: its weights are not quantized yet.
inline bool has_f32_weights(const node& n) { return has_weights(n.op) && n.constants[0]->type() == element::f32; }

/// The pass.
inline graph fold_affine(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    const std::optional<channel_line> line = line_of(f, f.at(i));
    node* producer = line ? f.sole_producer(f.at(i).src[line->input]) : nullptr;
    if (!producer || !has_f32_weights(*producer) || !is_bare(*producer)) return false;
    scale_outputs(*producer, line->gain, line->shift);
    *fused_activation(producer->op) = *fused_activation(f.at(i).op);
    f.absorb(*producer, i);
    return true;
  });
}

}  // namespace octavo::pass
