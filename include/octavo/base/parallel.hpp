// Threads are the caller's: a session splits a step into tasks and hands them to a parallel_for.
#pragma once

namespace octavo {

/// A range of tasks, [begin, end), run by worker number `worker`.
using task_body = void (*)(void* context, int begin, int end, int worker) noexcept;

/// Runs tasks. The default runs them all on the calling thread; derive from it to inject a thread pool.
class parallel_for {
 public:
  virtual ~parallel_for() = default;

  /// How many workers there are; a worker's number is below this.
  virtual int workers() const noexcept { return 1; }

  /// Calls `body` on disjoint ranges that cover [0, tasks), then returns when all are done.
  /// No two calls that run at the same time may have the same worker number.
  virtual void run(int tasks, task_body body, void* context) noexcept { body(context, 0, tasks, 0); }
};

/// The calling thread alone.
inline parallel_for& serial() {
  static parallel_for one;
  return one;
}

}  // namespace octavo
