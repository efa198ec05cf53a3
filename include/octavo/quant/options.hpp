// What a user decides about a quantized network.
#pragma once

#include <map>
#include <set>
#include <string>

#include "octavo/quant/affine.hpp"

namespace octavo {

/// The range of every value of a folded FP32 network, by the value's name. Made by calibrate().
using range_table = std::map<std::string, range>;

/// Choices for quantize().
struct quantize_options {
  /// Nodes that stay FP32, by name. A name that no node has is an error.
  std::set<std::string> keep_fp32;
};

}  // namespace octavo
