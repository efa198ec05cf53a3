// parallel_for on OpenMP's threads. Compile with -fopenmp (CMake: link OpenMP::OpenMP_CXX).
#pragma once

#include <omp.h>

#include <algorithm>

#include "octavo/base/parallel.hpp"

namespace octavo {

/// Splits the tasks of a step into one contiguous range per thread.
class openmp_parallel_for : public parallel_for {
 public:
  /// `threads` of OpenMP's, at least 1.
  explicit openmp_parallel_for(int threads) : threads_(std::max(threads, 1)) {}

  int workers() const noexcept override { return threads_; }

  void run(int tasks, task_body body, void* context) noexcept override {
#pragma omp parallel num_threads(std::min(threads_, tasks))
    {
      const int n = omp_get_num_threads(), i = omp_get_thread_num();
      const auto bound = [&](int k) { return static_cast<int>(static_cast<long long>(tasks) * k / n); };
      if (bound(i) < bound(i + 1)) body(context, bound(i), bound(i + 1), i);
    }
  }

 private:
  int threads_;
};

}  // namespace octavo
