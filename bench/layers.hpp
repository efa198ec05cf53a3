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
};

/// Whether the layer can be computed in FP32 too; a conversion between the two cannot.
inline bool has_fp32_form(const layer& l) { return !l.op.is<op::convert>(); }

/// What layers_of() takes: the classifiers, the detectors, "bert_base" and "tensors".
std::vector<std::string> layer_networks();

/// The distinct layers of a network, with activations and residual sums fused into them; besides, its activations and
/// sums alone, for users of single operators. "bert_base" has the fully connected layers and the softmax of BERT-base
/// (Devlin et al., arXiv 1810.04805), which are those of ERNIE 1.0 too, for 1, 16, 128 and 512 tokens; "tensors" has
/// the conversions. Throws octavo::error, with the names there are, for others.
std::vector<layer> layers_of(std::string_view network);

/// The layer with random weights, as INT8 or FP32.
problem make_problem(const layer& l, bool int8);

}  // namespace octavo::bench
