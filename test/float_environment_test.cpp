// A caller's rounding mode and treatment of subnormal numbers change no result, and are as they were afterwards: on the
// calling thread and on workers.
#include "octavo/base/float_environment.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <bit>
#include <cfenv>
#include <thread>

#include "octavo/exec/calibrate.hpp"
#include "octavo/plan/compile.hpp"
#include "octavo/plan/tune.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "support/run.hpp"
#include "support/worker_threads.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

// Not constants for the compiler, which would compute with them in its own rounding mode.
volatile float one = 1.0f, tiny = 1e-10f, least = 0x1p-126f, half = 0.5f;

/// What this thread's arithmetic does now: where sums round to, and whether subnormal results are kept. As bits: a
/// comparison of numbers may take subnormal ones for 0 too.
struct arithmetic {
  std::uint32_t up = std::bit_cast<std::uint32_t>(one + tiny), down = std::bit_cast<std::uint32_t>(one - tiny),
                subnormal = std::bit_cast<std::uint32_t>(least * half);
  friend bool operator==(const arithmetic&, const arithmetic&) = default;
};

constexpr arithmetic plain{0x3f800000, 0x3f800000, 0x00400000};  // 1, 1, 2^-127

/// Sets a mode of this thread, restores the one before.
class mode {
 public:
  explicit mode(void (*set)()) : before_(detail::float_control()) { set(); }
  ~mode() { detail::set_float_control(before_); }

 private:
  decltype(detail::float_control()) before_;
};

void round_up_mode() { std::fesetround(FE_UPWARD); }
void round_down_mode() { std::fesetround(FE_DOWNWARD); }
void truncate_mode() { std::fesetround(FE_TOWARDZERO); }
#if defined(OCTAVO_FLOAT_CONTROL_X86)
void flush_mode() { detail::set_float_control(detail::float_control() | 0x8040); }  // FTZ and DAZ
#elif defined(OCTAVO_FLOAT_CONTROL_AARCH64)
void flush_mode() { detail::set_float_control(detail::float_control() | 1 << 24); }  // FZ
#endif

void (*const modes[])() = {round_up_mode, round_down_mode, truncate_mode,
#if defined(OCTAVO_FLOAT_CONTROL_X86) || defined(OCTAVO_FLOAT_CONTROL_AARCH64)
                           flush_mode
#endif
};

/// Threads whose own mode is another, as those of a pool of the caller's may be; counts those that had it after a task.
class other_threads : public worker_threads {
 public:
  explicit other_threads(void (*set)()) : worker_threads(3, 1), set_(set) {}
  void run(int tasks, task_body body, void* context) noexcept override {
    struct call {
      task_body body;
      void* context;
      other_threads* self;
    } inner{body, context, this};
    worker_threads::run(
        tasks,
        [](void* given, int begin, int end, int worker) noexcept {
          const call& c = *static_cast<const call*>(given);
          const mode theirs(c.self->set_);
          const arithmetic before;
          c.body(c.context, begin, end, worker);
          ++(arithmetic() == before ? c.self->kept : c.self->lost);
        },
        &inner);
  }
  std::atomic<int> kept{0}, lost{0};

 private:
  void (*set_)();
};

/// All that a user gets from graph and samples: what calibration finds, the FP32 outputs and the INT8 outputs.
struct results {
  calibration found;
  std::vector<tensor> fp32, int8;
};

results all_results(const graph& g, parallel_for& threads) {
  const std::vector<kernel> rows{row_kernel};
  results r;
  const network net = plan_graph(fold(g), rows);
  r.found = calibrate(net, random_samples(2), {}, threads);
  const std::vector<tensor> inputs = random_inputs(g, 7);
  session fp32(net, threads), int8(plan_graph(quantize_graph(g, r.found), rows), threads);
  r.fp32 = outputs_of(fp32, inputs);
  r.int8 = outputs_of(int8, inputs);
  return r;
}

}  // namespace

TEST_CASE("float environment: the test's modes change arithmetic, the guard does not let them") {
  CHECK(arithmetic() == plain);
  for (const auto set : modes) {
    const mode theirs(set);
    const arithmetic changed;
    CHECK(changed != plain);
    {
      const float_environment exact;
      CHECK(arithmetic() == plain);
      const float_environment again;
      CHECK(arithmetic() == plain);
    }
    CHECK(arithmetic() == changed);
  }
  const mode up(round_up_mode);
  CHECK(arithmetic().up == plain.up + 1);
}

TEST_CASE("float environment: a caller's mode changes neither calibration nor any output, and is kept") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    const graph g = random_graph(seed, 10);
    const results expected = all_results(g, serial());
    for (const auto set : modes) {
      const mode theirs(set);
      const arithmetic before;
      const results found = all_results(g, serial());
      CHECK(arithmetic() == before);
      CHECK(found.found.ranges == expected.found.ranges);
      CHECK(found.found.means == expected.found.means);
      CHECK(same_bits(found.fp32, expected.fp32));
      CHECK(same_bits(found.int8, expected.int8));
    }
  }
}

TEST_CASE("float environment: neither does that of worker threads") {
  int kept = 0;
  for (unsigned seed = 0; seed < 10; ++seed) {
    CAPTURE(seed);
    const graph g = random_graph(seed, 10);
    const results expected = all_results(g, serial());
    for (const auto set : modes) {
      other_threads threads(set);
      const results found = all_results(g, threads);
      CHECK(found.found.ranges == expected.found.ranges);
      CHECK(same_bits(found.fp32, expected.fp32));
      CHECK(same_bits(found.int8, expected.int8));
      CHECK(threads.lost == 0);
      kept += threads.kept;
    }
  }
  CHECK(kept > 0);
}
