// The layers that are benchmarked, each alone: those of real networks, for one image.
#pragma once

#include "networks.hpp"
#include "octavo/op/kernel.hpp"

namespace octavo::bench {

/// An operator, and what it reads and writes as INT8 and, where there is such a form, as FP32.
struct layer {
  std::string name;
  operation op;
  std::vector<dims> src;
  dims dst;
  dims weights{};                                ///< rank 0 where it has none
  element from = element::u8, to = element::u8;  ///< of the INT8 form
  bool zero_points = true;                       ///< else a product of u8 by s8, which is what oneDNN can multiply
};

/// Whether the layer can be computed in FP32 too; a conversion between the two cannot, nor what has another form there.
inline bool has_fp32_form(const layer& l) { return !l.op.is<op::convert>() && l.zero_points; }

/// Whether the operator does nothing but move elements.
inline bool moves_elements(const operation& o) {
  return o.rule(0) == port_rule::moved && !o.is<op::pool2d>() && !o.is<op::reduce>();
}

/// What layers_of() takes: the classifiers, the detectors, "bert_base", "tensors", "operators" and "matmul".
std::vector<std::string> layer_networks();

/// The distinct layers of a network, with activations and residual sums fused into them; besides, its activations and
/// sums alone, for users of single operators. "bert_base" has the fully connected layers of BERT-base (Devlin et al.,
/// arXiv 1810.04805), which are those of ERNIE 1.0 too, its attention, layer normalisations and softmax, for 1, 16, 128
/// and 512 tokens; "tensors" has the conversions, "operators" those that no network here has, or in few shapes,
/// "matmul" products of activations, and <slices>x<m>x<k>x<n> that product. Throws octavo::error, with the names there
/// are, for others.
std::vector<layer> layers_of(std::string_view network);

/// The layer with random weights, as INT8 or FP32.
problem make_problem(const layer& l, bool int8);

/// Random inputs of a problem, then its output. Ids are those of rows of the first input.
std::vector<tensor> random_operands(const problem& p);

}  // namespace octavo::bench
