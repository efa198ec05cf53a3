// What stands before the first layer goes away where that is exact:
//   conv2d(gain x + shift) -> conv2d'(x), and the same for other convolutions and fc:
//     W'[oc, i] = W[oc, i] gain[i], b' = b + sum W shift
//     where nothing is padded, or nothing is shifted: padding is 0 after the normalisation
//   gain convert(u8 input) + shift -> convert(u8 input'), an input with the affine map that both make together
//     where all channels are scaled alike and real 0 is one of the 256 values, as in (pixel - 128) / 128
// fold_affine.hpp says what such a line may be: a batch norm, a scale, a product with a constant ...
#pragma once

#include "octavo/graph/pass/fold_affine.hpp"

namespace octavo::pass {
namespace detail {

/// Scales the input channels of a node's weights and adds to its bias what their shifts make: x -> gain x + shift.
inline void scale_inputs(node& n, const channel_line& x) {
  const tensor& old_weights = *n.constants[0];
  const weight_layout layout(old_weights.extents(), x.gain.size());
  tensor weights = old_weights, bias(element::f32, {old_weights.extents()[0]});
  for (std::size_t r = 0; r < layout.rows; ++r) {
    double shift = n.constants[1] ? static_cast<double>(n.constants[1]->as<float>()[r]) : 0.0;
    for (std::size_t i = 0; i < layout.depth; ++i) {
      float& w = weights.as<float>()[r * layout.depth + i];
      const std::size_t input = layout.input_of(r, i);
      shift = std::fma(static_cast<double>(w), x.shift[input], shift);
      w = static_cast<float>(static_cast<double>(w) * x.gain[input]);
    }
    bias.as<float>()[r] = static_cast<float>(shift);
  }
  n.constants[0] = make_constant(std::move(weights));
  n.constants[1] = make_constant(std::move(bias));
  n.rounded = nullptr;
}

/// Whether every weight of the layer meets an input at every output, none the padding.
inline bool is_unpadded(const operation& o) {
  if (const op::conv1d* c = o.as<op::conv1d>()) return c->pad == padding1(0);
  if (const op::conv2d* c = o.as<op::conv2d>()) return c->pad == padding(0);
  if (const op::conv3d* c = o.as<op::conv3d>()) return c->pad == padding3(0);
  return o.is<op::fc>();
}

/// conv2d(gain x + shift) -> conv2d'(x).
inline bool fold_into_weights(folding& f, node& layer) {
  if (!has_f32_weights(layer)) return false;
  const node* before = f.sole_producer(layer.src[0]);
  const std::optional<channel_line> line = before ? bare_line_of(f, *before) : std::nullopt;
  if (!line) return false;
  if (!is_unpadded(layer.op) && line->is_shifted()) return false;
  scale_inputs(layer, *line);
  f.read_through(layer, 0, line->input);
  return true;
}

/// gain convert(u8 input) + shift -> convert(u8 input').
inline bool fold_into_input(folding& f, std::size_t i) {
  const std::optional<channel_line> line = bare_line_of(f, f.at(i));
  if (!line || !line->is_uniform() || f.is_output(*f.at(i).dst)) return false;
  const node* convert = f.sole_producer(f.at(i).src[line->input]);
  if (!convert || !convert->as<op::convert>()) return false;
  const int input = convert->src[0];
  if (!f.type(input).is_u8() || f.uses(input) != 1 || !f.producer(input).as<op::input>()) return false;
  const affine q = f.type(input).q;
  const double scale = line->gain[0] * static_cast<double>(q.scale);
  const double zero = q.zero_point - line->shift[0] / scale;
  if (!is_scale(static_cast<float>(scale)) || zero != std::nearbyint(zero) || zero < 0 || zero > 255) return false;
  f.type(input).q = {static_cast<float>(scale), static_cast<std::int32_t>(zero)};
  f.bypass(i, line->input);
  return true;
}

}  // namespace detail

/// The pass.
inline graph fold_normalization(graph g) {
  return folding(std::move(g)).run([](folding& f, std::size_t i) {
    return detail::fold_into_input(f, i) || detail::fold_into_weights(f, f.at(i));
  });
}

}  // namespace octavo::pass
