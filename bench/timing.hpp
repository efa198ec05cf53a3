// Measuring on a machine that others use too: contestants take turns, so that all of them see the same disturbances,
// and medians are reported.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace octavo::bench {

/// Which clock measures. The CPU time of this thread does not see that other processes took the core; it says nothing
/// where other threads help.
enum class clock_kind : std::uint8_t { thread_cpu, wall };

inline constexpr const char* name_of(clock_kind c) { return c == clock_kind::thread_cpu ? "thread CPU" : "wall"; }

/// The clock for that many threads.
inline clock_kind clock_for(int threads) {
#ifdef CLOCK_THREAD_CPUTIME_ID
  if (threads == 1) return clock_kind::thread_cpu;
#else
  (void)threads;
#endif
  return clock_kind::wall;
}

/// Microseconds since some moment.
inline double now_us(clock_kind clock) {
#ifdef CLOCK_THREAD_CPUTIME_ID
  if (clock == clock_kind::thread_cpu) {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) * 1e-3;
  }
#else
  (void)clock;
#endif
  const std::chrono::duration<double, std::micro> t = std::chrono::steady_clock::now().time_since_epoch();
  return t.count();
}

/// The value below which that fraction of the values lies; 0 where there are none.
inline double quantile(std::vector<double> values, double fraction) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(fraction * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}
inline double median(const std::vector<double>& values) { return quantile(values, 0.5); }

/// Something that is run again and again, and how long each run took.
struct contestant {
  std::string name;
  std::function<void()> run;
  std::vector<double> us{};  ///< duration of each timed run
  int repeat = 1;            ///< runs that are timed together: a clock is slow beside a run of a microsecond
};

/// Runs a contestant `repeat` times and keeps the mean duration.
inline void time_run(contestant& c, clock_kind clock) {
  const double start = now_us(clock);
  for (int i = 0; i < c.repeat; ++i) c.run();
  c.us.push_back((now_us(clock) - start) / c.repeat);
}

/// Runs the contestants in turn for about `seconds` altogether, and each in three turns or more. A turn begins with a
/// run that is not timed, which brings the contestant's weights back into the caches, and lasts `turn_us` or more.
inline void take_turns(std::span<contestant> contestants, double seconds, clock_kind clock, double turn_us = 5e4) {
  const double end = now_us(clock_kind::wall) + seconds * 1e6;
  for (int turn = 0; turn < 3 || now_us(clock_kind::wall) < end; ++turn)
    for (contestant& c : contestants) {
      c.run();
      const double first = now_us(clock_kind::wall);
      do time_run(c, clock);
      while (now_us(clock_kind::wall) - first < turn_us);
    }
}

/// The same where a turn is one run that finds nothing in the caches: `flush` empties them.
inline void take_cold_turns(std::span<contestant> contestants, double seconds, clock_kind clock, void (*flush)()) {
  const double end = now_us(clock_kind::wall) + seconds * 1e6;
  for (int turn = 0; turn < 3 || now_us(clock_kind::wall) < end; ++turn)
    for (contestant& c : contestants) {
      flush();
      time_run(c, clock);
    }
}

}  // namespace octavo::bench
