// How many tasks a step has: the one place that decides. Where a step is cut is its kernel's affair: task_grid.hpp,
// elementwise.hpp and blocking/task_pieces.hpp.
#pragma once

#include <algorithm>

#include "octavo/base/arch_namespace.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// What a step takes its time for.
struct step_work {
  double multiply_adds = 0;  ///< of vector instructions; AMX tiles do eight in the time of one
  double weight_bytes = 0;   ///< read, at about the rate of multiply_adds
  double bytes = 0;          ///< read and written by kernels that do little else
};

/// How many tasks, at least 1, a step of so much work has. None is so small that waking a thread costs more than it
/// brings: a quarter of a million multiply-adds, or 16 KB. Tasks of multiply-adds are at most 16, enough for 8 threads
/// to share evenly, as each packs or transforms operands that others do too.
inline int task_count(const step_work& w) {
  const double dense = std::min(std::max(w.multiply_adds, w.weight_bytes) / (256 * 1024), 16.0);
  return static_cast<int>(std::clamp(std::max(dense, w.bytes / (16 * 1024)), 1.0, 0x1p30));
}

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
