// Which kernel runs which node, by name: what a user prefers, or tuning found, or a file keeps (io/kernel_choices.hpp).
#pragma once

#include <map>
#include <string>

#include "octavo/plan/network.hpp"

namespace octavo {

/// Kernels by the names of the nodes that they run. A node that is not there gets the first kernel that supports it.
struct kernel_choices {
  std::map<std::string, std::string> by_node{};  ///< e.g. {"layer1.0.conv1", "onednn"}
  std::string origin = "kernel choices";         ///< where they come from, for messages: a file's name
};

/// The choices that `net` was planned with, or that planning made: given to compile() with the same graph and kernels,
/// they make the same plan. Throws octavo::error for a null network.
inline kernel_choices choices_of(const network& net) {
  require(net != nullptr, "choices_of: the network is null");
  kernel_choices c;
  for (const step& s : net->steps) c.by_node.emplace(s.name, s.kernel);
  return c;
}

}  // namespace octavo
