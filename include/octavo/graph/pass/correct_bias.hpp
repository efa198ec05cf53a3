// Bias correction: rounding a layer's weights to 8 bits shifts the mean of its outputs by what the rounding errors make
// of the mean input. The bias takes that shift back:
//
//   b'[oc] = b[oc] + sum over inputs of (W - scale * q(W))[oc, i] * mean x[i]
//
// Source: Nagel et al., Data-Free Quantization, arXiv 1906.04721, section 4.2. Applied to the folded FP32 graph after
// round_weights and before quantize; the FP32 graph itself is then off by the same shift.
#pragma once

#include "octavo/graph/graph_index.hpp"
#include "octavo/quant/options.hpp"

namespace octavo::pass {

namespace detail {

/// The means that were found for a value, after a look at whether they can be its.
inline const std::vector<float>& checked_means(const std::string& name, const std::vector<float>& means,
                                               const dims& extents) {
  const auto channels = static_cast<std::size_t>(extents.back());
  require(means.size() == channels, "value '", name, "' has ", channels, " channels, and the calibration ",
          means.size(), " means for it: was the network calibrated from the same graph?");
  for (float m : means) require(std::isfinite(m), "value '", name, "': the calibration has the mean ", m);
  return means;
}

/// The channel means of an f32 tensor.
inline std::vector<float> means_of(const tensor& t) {
  const auto channels = static_cast<std::size_t>(t.extents().back()), rows = t.extents().rows();
  std::vector<float> means;
  for (std::size_t c = 0; c < channels; ++c) {
    double sum = 0;
    for (std::size_t r = 0; r < rows; ++r) sum += static_cast<double>(t.as<float>()[r * channels + c]);
    means.push_back(static_cast<float>(sum / static_cast<double>(rows)));
  }
  return means;
}

/// The channel means of a value, or nothing. No step computes a constant, nor what the planner made free: a slice of
/// channels, a concat or a reshape, whose means are those of what they copy; rows that a reshape made longer have the
/// same channels several times.
inline std::vector<float> means_of(const graph& g, const graph_index& index, int value, const channel_means& means) {
  const dims& extents = g.type(value).extents;
  const std::string& name = g.values[static_cast<std::size_t>(value)].name;
  if (const auto found = means.find(name); found != means.end()) return checked_means(name, found->second, extents);
  const node& n = g.nodes[static_cast<std::size_t>(index.producer[static_cast<std::size_t>(value)])];
  if (n.as<op::constant>()) return checked_means(name, means_of(*n.constants[0]), extents);
  if (const op::slice* s = n.as<op::slice>()) {
    const dims& x = g.type(n.src[0]).extents;
    const op::axis_range r = op::range_on_axis(*s, x.rank - 1, x.rank, x.back());
    const std::vector<float> all = means_of(g, index, n.src[0], means);
    if (all.empty() || r.step != 1 || x.rows() != extents.rows()) return {};
    return {all.begin() + r.start, all.begin() + r.start + r.count};
  }
  const op::concat* c = n.as<op::concat>();
  if (!n.as<op::reshape>() && !c) return {};
  const bool of_rows = c && c->axis != extents.rank - 1;
  std::vector<float> all(of_rows ? static_cast<std::size_t>(extents.back()) : 0);
  for (int v : n.src) {
    const std::vector<float> part = means_of(g, index, v, means);
    if (part.empty()) return {};
    if (!of_rows) all.insert(all.end(), part.begin(), part.end());
    for (std::size_t i = 0; of_rows && i < all.size(); ++i)
      all[i] += part[i] * static_cast<float>(g.type(v).extents[c->axis]) / static_cast<float>(extents[c->axis]);
  }
  const auto channels = static_cast<std::size_t>(extents.back()), known = all.size();
  if (channels % known != 0) return {};
  while (all.size() < channels) all.push_back(all[all.size() - known]);
  return all;
}

}  // namespace detail

/// The pass. Layers whose weights were not rounded, or whose input has no means, keep their biases. Throws
/// octavo::error, naming the value, where means do not fit it.
inline graph correct_bias(graph g, const channel_means& means) {
  const graph_index index(g);
  for (node& n : g.nodes) {
    if (!n.rounded || state_map(n.op)) continue;  // what meets a recurrent layer's weights is no value of the graph
    const std::vector<float> mean = detail::means_of(g, index, n.src[0], means);
    if (mean.empty()) continue;
    const tensor& weights = *n.constants[0];
    const quantized_weights& q = *n.rounded;
    const dims& e = weights.extents();
    const weight_layout layout(e, mean.size());
    // Outputs of a transposed convolution meet some of the taps each: on average one of so many.
    const op::conv_transpose2d* up = n.as<op::conv_transpose2d>();
    const double share = up ? 1.0 / up->stride.h / up->stride.w : 1.0;
    tensor bias = n.constants[1] ? n.constants[1]->reshaped({e[0]}) : tensor(element::f32, {e[0]});
    const std::span<const float> w = weights.as<float>(), scales = q.scales.as<float>();
    const std::span<const std::int8_t> rounded_weights = q.values.as<std::int8_t>();
    for (std::size_t r = 0; r < layout.rows; ++r) {
      double shift = 0;
      for (std::size_t i = 0; i < layout.depth; ++i) {
        const std::size_t at = r * layout.depth + i;
        const double rounded = static_cast<double>(scales[r]) * rounded_weights[at];
        shift = std::fma(static_cast<double>(w[at]) - rounded, static_cast<double>(mean[layout.input_of(r, i)]), shift);
      }
      bias.as<float>()[r] += static_cast<float>(shift * share);
    }
    n.constants[1] = make_constant(std::move(bias));
  }
  return g;
}

}  // namespace octavo::pass
