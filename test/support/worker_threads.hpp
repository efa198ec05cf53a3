// A parallel_for with real threads and random splits, and kernels that split: to show that neither changes a bit.
#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "octavo/base/parallel.hpp"
#include "octavo/op/kernel.hpp"
#include "support/random.hpp"

namespace octavo::test {

/// Cuts the tasks into random ranges, deals them to the workers at random, and runs each worker on a thread.
class worker_threads : public parallel_for {
 public:
  worker_threads(int workers, unsigned seed) : workers_(workers), random_(seed) {}
  int workers() const noexcept override { return workers_; }
  void run(int tasks, task_body body, void* context) noexcept override {
    struct range_of_tasks {
      int begin, end;
    };
    std::vector<std::vector<range_of_tasks>> work(static_cast<std::size_t>(workers_));
    for (int begin = 0; begin < tasks;) {
      const int end = random_.between(begin + 1, std::min(tasks, begin + 5));
      work[static_cast<std::size_t>(random_.below(workers_))].push_back({begin, end});
      begin = end;
    }
    std::vector<std::thread> threads;
    for (int w = 0; w < workers_; ++w)
      threads.emplace_back([&, w] {
        for (const range_of_tasks& r : work[static_cast<std::size_t>(w)]) body(context, r.begin, r.end, w);
      });
    for (std::thread& t : threads) t.join();
  }

 private:
  int workers_;
  random_numbers random_;
};

/// Counts where two tasks met in one scratch memory.
inline std::atomic<int> scratch_conflicts{0};

/// Runs the reference evaluation on one innermost row per task, for operators whose rows do not see each other.
class row_executable : public executable {
 public:
  explicit row_executable(const problem& p) : problem_(p) {}
  int tasks(const arguments& a) const noexcept override { return static_cast<int>(a.dst->extents.rows()); }
  std::size_t scratch_bytes() const noexcept override { return 100; }
  std::size_t packed_bytes() const noexcept override { return 7; }
  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    for (int row = begin; row < end; ++row) {
      const auto mark = static_cast<std::byte>(row);
      std::fill_n(scratch, scratch_bytes(), mark);
      std::vector<operand> src;
      for (std::size_t i = 0; i < a.src.size(); ++i) src.push_back(row_of(a.src[i], problem_.src[i], row));
      evaluate(problem_.op, problem_, {src, row_of(*a.dst, problem_.dst, row)});
      if (std::any_of(scratch, scratch + scratch_bytes(), [&](std::byte b) { return b != mark; }) ||
          reinterpret_cast<std::uintptr_t>(scratch) % cache_line != 0)
        ++scratch_conflicts;
    }
  }

 private:
  static operand row_of(const operand& o, const tensor_type& t, int row) {
    std::byte* first = o.as<std::byte>() + row * o.stride * static_cast<std::ptrdiff_t>(size_of(t.type));
    return {first, {1, o.extents.back()}, o.stride};
  }

  problem problem_;
};

/// Whether a row of the output comes from the same row of each input alone.
inline bool keeps_rows(const problem& p) {
  const operation& o = p.op;
  if (const op::softmax* s = o.as<op::softmax>()) return op::softmax_axis(s->axis, p.dst->extents) == -1;
  if (o.is<op::add>()) return p.src[0].extents == p.dst->extents && p.src[1].extents == p.dst->extents;
  return o.facts().elementwise || o.is<op::activate>() || o.is<op::convert>() || o.is<op::bias_add>() ||
         o.is<op::batch_norm>() || o.is<op::fc>();
}

inline constexpr kernel row_kernel{
    "rows", isa::portable, keeps_rows,
    [](const problem& p) -> std::unique_ptr<const executable> { return std::make_unique<row_executable>(p); }};

}  // namespace octavo::test
