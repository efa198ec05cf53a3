// Where the time goes: statistics of each step, and their table.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "octavo/base/compiled.hpp"

namespace octavo {

/// Number, sum, minimum and maximum of some durations, in milliseconds.
struct duration_statistics {
  int calls = 0;
  double total = 0, min = 0, max = 0;

  void add(std::chrono::nanoseconds d) noexcept {
    const double ms = static_cast<double>(d.count()) * 1e-6;
    min = calls == 0 ? ms : std::min(min, ms);
    max = std::max(max, ms);
    total += ms;
    ++calls;
  }
  /// These and the others together.
  void add(const duration_statistics& other) noexcept {
    if (other.calls == 0) return;
    min = calls == 0 ? other.min : std::min(min, other.min);
    max = std::max(max, other.max);
    total += other.total;
    calls += other.calls;
  }
};

/// The durations of one step.
struct step_profile {
  std::string name;
  std::string operation;
  std::string_view kernel;
  duration_statistics time;
};

/// Writes a table: event, calls, total, min, max, average, share. Steps in order of execution, then sums by kernel.
OCTAVO_COMPILED_ONCE void write_profile(std::ostream& out, const std::vector<step_profile>& steps);

#if OCTAVO_BODIES

OCTAVO_COMPILED_ONCE void write_profile(std::ostream& out, const std::vector<step_profile>& steps) {
  double total = 0;
  std::size_t width = 10;
  std::map<std::string, duration_statistics> by_kernel;
  for (const step_profile& s : steps) {
    total += s.time.total;
    width = std::max({width, s.name.size(), s.kernel.size()});
    by_kernel[std::string(s.kernel)].add(s.time);
  }
  const auto line = [&](const std::string& event, const duration_statistics& t, const std::string& note) {
    char numbers[160];
    std::snprintf(numbers, sizeof numbers, " %7d %11.3f %9.4f %9.4f %9.4f %6.2f%%  ", t.calls, t.total, t.min, t.max,
                  t.calls ? t.total / t.calls : 0.0, total > 0 ? 100 * t.total / total : 0.0);
    out << event << std::string(width - event.size(), ' ') << numbers << note << "\n";
  };
  out << "event" << std::string(width - 5, ' ') << "   calls    total ms    min ms    max ms    avg ms   share\n";
  for (const step_profile& s : steps) line(s.name, s.time, std::string(s.kernel) + "  " + s.operation);
  out << "by kernel\n";
  for (const auto& [kernel, time] : by_kernel) line(kernel, time, "");
}

#endif

}  // namespace octavo
