// What quantization starts from: the findings of calibration and the choices of the user.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "octavo/quant/affine.hpp"

namespace octavo {

/// The range of every value of a folded FP32 network, by the value's name.
using range_table = std::map<std::string, range>;

/// The mean of each channel of every value of a folded FP32 network, by the value's name.
using channel_means = std::map<std::string, std::vector<float>>;

/// What calibrate() finds out about a network.
struct calibration {
  range_table ranges;
  channel_means means;
};

/// Choices for quantize().
struct quantize_options {
  /// Nodes that stay FP32, by their name in the folded graph: a convolution keeps its own name when others are fused
  /// into it. A name that no node has is an error.
  std::set<std::string> keep_fp32;
  /// Whether biases make up for the shift of the mean that the rounding of weights causes.
  bool correct_bias = true;
  /// Whether nodes stay FP32 that read or write a value of which neither a range nor a map is known; else such a value
  /// is an error.
  bool unknown_stays_fp32 = false;
};

}  // namespace octavo
