// What a comparison of INT8 with FP32 found out, as a table for people and as JSON for scripts.
#pragma once

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <ostream>
#include <string>
#include <vector>

#include "octavo/io/atomic_file.hpp"

namespace octavo::example {

/// How one network did.
struct network_result {
  std::vector<double> batch_ms;  ///< duration of each run of a whole batch
  int batch = 1;
  bool equal_items = true;  ///< whether all take the same time
  std::size_t weight_bytes = 0, memory_bytes = 0, memory_without_reuse = 0;

  /// The duration below which that fraction of the runs stayed, in milliseconds.
  double percentile_ms(double fraction) const {
    std::vector<double> sorted = batch_ms;
    std::sort(sorted.begin(), sorted.end());
    const auto last = static_cast<double>(sorted.size() - 1);
    return sorted[static_cast<std::size_t>(fraction * last + 0.5)];
  }
  double median_ms() const { return percentile_ms(0.5); }
  /// Of items that take the same time by the median, which a slow moment of the machine does not move.
  double items_per_second() const {
    const double sum = std::accumulate(batch_ms.begin(), batch_ms.end(), 0.0);
    return 1000.0 * batch / (equal_items ? median_ms() : sum / static_cast<double>(batch_ms.size()));
  }
};

/// How right both networks are, as fractions.
struct accuracy {
  std::string label, key;  ///< in the table, in JSON
  double fp32 = 0, int8 = 0;
};

/// Everything that is reported.
struct comparison_report {
  std::string model, isa, recipe;
  std::string items = "items", noun = "images";  ///< what JSON and the table call what the networks were run on
  int threads = 1, batch = 1, evaluated = 0, calibrated = 0;
  std::vector<accuracy> accuracies;  ///< the first is what a tolerance is for
  int flips = 0;                     ///< items of which the networks say something else
  std::string flip;                  ///< what that is: "the first class differs"
  network_result fp32, int8;

  double ratio() const { return fp32.median_ms() / int8.median_ms(); }
};

/// Writes the table.
inline void write_table(std::ostream& out, const comparison_report& r) {
  const auto line = [&](const std::string& label, const char* format, double fp32, double int8) {
    char text[96];
    std::snprintf(text, sizeof text, "%-22s", label.c_str());
    out << text;
    for (double v : {fp32, int8}) {
      std::snprintf(text, sizeof text, format, v);
      char cell[96];
      std::snprintf(cell, sizeof cell, "%16s", text);
      out << cell;
    }
    out << "\n";
  };
  const network_result &f = r.fp32, &q = r.int8;
  constexpr double mib = 1.0 / (1024 * 1024);
  out << r.model << ", " << r.evaluated << " " << r.noun << ", batch " << r.batch << ", " << r.threads
      << (r.threads == 1 ? " thread, " : " threads, ") << r.isa << ", calibrated by " << r.recipe << " on "
      << r.calibrated << " " << r.noun << "\n";
  out << "                                  FP32            INT8\n";
  for (const accuracy& a : r.accuracies) line(a.label, "%.2f %%", 100 * a.fp32, 100 * a.int8);
  line("latency, median", "%.3f ms", f.median_ms(), q.median_ms());
  line("latency, p90", "%.3f ms", f.percentile_ms(0.9), q.percentile_ms(0.9));
  line(r.noun + " per second", "%.1f", f.items_per_second(), q.items_per_second());
  line("weights", "%.2f MiB", static_cast<double>(f.weight_bytes) * mib, static_cast<double>(q.weight_bytes) * mib);
  line("memory of a session", "%.2f MiB", static_cast<double>(f.memory_bytes) * mib,
       static_cast<double>(q.memory_bytes) * mib);
  line("  without reuse", "%.2f MiB", static_cast<double>(f.memory_without_reuse) * mib,
       static_cast<double>(q.memory_without_reuse) * mib);
  char last[160];
  std::snprintf(last, sizeof last, "INT8 is %.2f times as fast; %s on %d of %d %s\n", r.ratio(), r.flip.c_str(),
                r.flips, r.evaluated, r.noun.c_str());
  out << last;
}

/// The same for scripts; accuracies are fractions, bytes are the INT8 network's.
inline nlohmann::json to_json(const comparison_report& r) {
  const auto one = [&](const network_result& n, double accuracy::*value) {
    nlohmann::json j{
        {"median_ms", n.median_ms()}, {"p90_ms", n.percentile_ms(0.9)}, {r.items + "_per_s", n.items_per_second()}};
    for (const accuracy& a : r.accuracies) j[a.key] = a.*value;
    return j;
  };
  return {{"model", r.model},
          {"isa", r.isa},
          {"threads", r.threads},
          {"batch", r.batch},
          {r.items, r.evaluated},
          {"fp32", one(r.fp32, &accuracy::fp32)},
          {"int8", one(r.int8, &accuracy::int8)},
          {"ratio", r.ratio()},
          {"flips", r.flips},
          {"peak_bytes", r.int8.memory_bytes},
          {"weight_bytes", r.int8.weight_bytes}};
}

/// Writes the text to a file, complete or not at all.
inline void write_text(const std::string& path, const std::string& content) {
  atomic_file out(path);
  out.write(std::as_bytes(std::span(content)));
  out.commit();
}

}  // namespace octavo::example
