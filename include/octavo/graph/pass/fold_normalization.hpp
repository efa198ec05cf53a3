// What stands before the first layer goes away where that is exact:
//   conv2d(batch_norm(x)) -> conv2d'(x), and the same for other convolutions and fc:
//     W'[oc, i] = W[oc, i] gain[i], b' = b + sum W shift
//     where nothing is padded, or nothing is shifted: padding is 0 after the normalisation
//   batch_norm(convert(u8 input)) -> convert(u8 input'), an input with the affine map that both make together
//     where all channels are scaled alike and real 0 is one of the 256 values, as in (pixel - 128) / 128
#pragma once

#include "octavo/graph/pass/fold_batch_norm.hpp"

namespace octavo::pass {
namespace detail {

/// Scales the input channels of a node's weights and adds to its bias what their shifts make: x -> gain x + shift.
inline void scale_inputs(node& n, const op::channel_affine& x) {
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

inline bool is_zero(double v) { return v == 0; }

/// Whether every weight of the layer meets an input at every output, none the padding.
inline bool is_unpadded(const operation& o) {
  if (const op::conv1d* c = o.as<op::conv1d>()) return c->pad == padding1(0);
  if (const op::conv2d* c = o.as<op::conv2d>()) return c->pad == padding(0);
  if (const op::conv3d* c = o.as<op::conv3d>()) return c->pad == padding3(0);
  return o.is<op::fc>();
}

/// conv2d(batch_norm(x)) -> conv2d'(x).
inline bool fold_into_weights(folding& f, node& layer) {
  if (!has_f32_weights(layer)) return false;
  const node* norm = f.sole_producer(layer.src[0]);
  const op::batch_norm* b = norm ? norm->as<op::batch_norm>() : nullptr;
  if (!b || !b->act.is_none() || f.type(norm->src[0]).type != element::f32) return false;
  const op::channel_affine map = op::as_affine(*b, norm->constants);
  if (!is_unpadded(layer.op) && !std::all_of(map.shift.begin(), map.shift.end(), is_zero)) return false;
  scale_inputs(layer, map);
  f.set_first_source(layer, norm->src[0]);
  return true;
}

/// batch_norm(convert(u8 input)) -> convert(u8 input').
inline bool fold_into_input(folding& f, std::size_t i) {
  const op::batch_norm* b = f.at(i).as<op::batch_norm>();
  if (!b || !b->act.is_none() || f.is_output(*f.at(i).dst) || f.type(*f.at(i).dst).is_u8()) return false;
  const node* convert = f.sole_producer(f.at(i).src[0]);
  if (!convert || !convert->as<op::convert>()) return false;
  const int input = convert->src[0];
  if (!f.type(input).is_u8() || f.uses(input) != 1 || !f.producer(input).as<op::input>()) return false;
  const op::channel_affine map = op::as_affine(*b, f.at(i).constants);
  const affine q = f.type(input).q;
  const double gain = map.gain[0], scale = gain * static_cast<double>(q.scale);
  const double zero = q.zero_point - map.shift[0] / scale;
  const auto is_first = [](double first) { return [first](double v) { return v == first; }; };
  if (!std::all_of(map.gain.begin(), map.gain.end(), is_first(gain)) ||
      !std::all_of(map.shift.begin(), map.shift.end(), is_first(map.shift[0])))
    return false;
  if (!is_scale(static_cast<float>(scale)) || zero != std::nearbyint(zero) || zero < 0 || zero > 255) return false;
  f.type(input).q = {static_cast<float>(scale), static_cast<std::int32_t>(zero)};
  f.bypass(i);
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
