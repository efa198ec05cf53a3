// Draws what the benchmarks measured as SVG: `plot --help`.
//   ratio      a bar for each layer: oneDNN's time by Octavo's, above 1 Octavo is quicker
//   roofline   operations per second over operations per byte, under what the core can compute and read at most
#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <regex>
#include <set>

#include "octavo/io/atomic_file.hpp"
#include "plot_data.hpp"
#include "svg.hpp"

namespace {

using namespace octavo;
using namespace octavo::bench;

struct options {
  std::string input, output, chart = "ratio", filter, type = "int8";
};

options parse(int argc, char** argv) {
  options o;
  CLI::App app{
      "Draws measurements of bench_conv2d and its like (--benchmark_out) or of bench_network (--layers --json)"};
  app.add_option("input", o.input, "the JSON file")->required();
  app.add_option("output", o.output, "the SVG file")->required();
  app.add_option("--chart", o.chart, "ratio or roofline")->check(CLI::IsMember({"ratio", "roofline"}));
  app.add_option("--filter", o.filter, "regular expression: only benchmarks whose name contains a match");
  app.add_option("--type", o.type, "int8 or fp32")->check(CLI::IsMember({"int8", "fp32"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
  return o;
}

std::string rounded(double x, int digits) {
  char s[64];
  std::snprintf(s, sizeof s, "%.*f", digits, x);
  return s;
}

std::string join(const std::vector<std::string>& parts, const std::string& between) {
  std::string s;
  for (const std::string& p : parts) s += (s.empty() ? "" : between) + p;
  return s;
}

std::vector<measured_layer> matching(const std::vector<measured_layer>& layers, const std::string& filter) {
  std::vector<measured_layer> chosen;
  try {
    const std::regex wanted(filter);
    for (const measured_layer& l : layers)
      if (std::regex_search(join(l.name, "/"), wanted)) chosen.push_back(l);
  } catch (const std::regex_error& e) {
    fail("--filter '", filter, "': ", e.what());
  }
  return chosen;
}

/// Names apart from the parts that all share, which belong into the title.
struct labels {
  std::string shared;
  std::vector<std::string> own;
};

labels make_labels(const std::vector<measured_layer>& layers) {
  std::vector<std::string> shared;
  std::vector<std::vector<std::string>> own(layers.size());
  for (std::size_t part = 0; part < 4; ++part) {
    const bool same = std::all_of(layers.begin(), layers.end(),
                                  [&](const measured_layer& l) { return l.name[part] == layers[0].name[part]; });
    if (same && part != layer_part) shared.push_back(layers[0].name[part]);
    for (std::size_t i = 0; i < layers.size(); ++i)
      if (!same || part == layer_part) own[i].push_back(layers[i].name[part]);
  }
  labels l{join(shared, ", "), {}};
  for (const auto& parts : own) l.own.push_back(join(parts, " "));
  return l;
}

double widest(const std::vector<std::string>& words) {
  double width = 0;
  for (const std::string& w : words) width = std::max(width, width_of(w));
  return width;
}

constexpr double margin = 24, head = 92;

void draw_head(svg& s, const std::string& title, const std::string& second, const std::string& machine) {
  s.write({.x = margin, .y = 34, .size = 18, .bold = true}, title);
  s.write({.x = margin, .y = 55, .size = 13}, second);
  s.write({.x = margin, .y = 73, .colour = ink::faint, .size = 11}, machine);
}

/// 1, 2 or 5 times a power of ten, so that about `count` of them make `range`.
double tick_step(double range, int count) {
  const double raw = range / count, power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double m : {1.0, 2.0, 5.0})
    if (m * power >= raw) return m * power;
  return 10 * power;
}

std::string draw_ratios(const measurements& m, std::vector<measured_layer> layers, const std::string& type) {
  std::erase_if(layers, [](const measured_layer& l) { return l.onednn_us <= 0; });
  require(!layers.empty(), m.path, ": no layer that oneDNN ran too: nothing to compare");
  const labels names = make_labels(layers);
  std::vector<double> ratios;
  double largest = 1, logarithms = 0;
  for (const measured_layer& l : layers) {
    ratios.push_back(l.onednn_us / l.octavo_us);
    largest = std::max(largest, ratios.back());
    logarithms += std::log(ratios.back());
  }
  const double left = margin + widest(names.own) + 12, row = 21, width = std::max(left + 560, 860.0),
               right = width - margin - 40;
  const double bottom = head + row * static_cast<double>(layers.size()) + 8;
  const double unit = (right - left) / (1.05 * largest);

  svg s;
  const double mean = std::exp(logarithms / static_cast<double>(layers.size()));
  draw_head(s, "oneDNN time / Octavo time, " + std::string(type == "int8" ? "INT8" : "FP32"),
            names.shared + (names.shared.empty() ? "" : "; ") + "above 1 Octavo is quicker; geometric mean " +
                rounded(mean, 2),
            m.machine);
  const double step = tick_step(largest, 8);
  for (int i = 0; i * step <= 1.05 * largest; ++i) {
    const double x = left + i * step * unit;
    s.line(x, head, x, bottom, ink::grid);
    s.write({.x = x, .y = bottom + 17, .anchor = "middle", .colour = ink::faint}, rounded(i * step, step < 1 ? 1 : 0));
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const double y = head + row * static_cast<double>(i) + 6, length = ratios[i] * unit;
    s.write({.x = left - 8, .y = y + 11, .anchor = "end"}, names.own[i]);
    s.rectangle(left, y, length, 14, ratios[i] >= 1 ? ink::octavo : ink::onednn);
    s.write({.x = width - margin, .y = y + 11, .anchor = "end"}, rounded(ratios[i], 2));
  }
  s.line(left + unit, head - 4, left + unit, bottom + 4, ink::axis, 2);
  return s.sheet(width, bottom + 36);
}

/// A logarithmic axis: values to pixels.
struct log_axis {
  double lower, upper, from, to;
  double operator()(double v) const { return from + (to - from) * std::log(v / lower) / std::log(upper / lower); }
};

/// A point on the sheet.
struct place {
  double x, y;
};

/// Rectangles that are taken, so that labels do not cover each other.
class free_space {
 public:
  /// Takes the nearest free rectangle of that size around `p`, or the farthest tried where none is; returns its middle.
  place find(place p, double width, double height) {
    place middle = p;
    for (const double radius : {12.0, 20.0, 30.0, 42.0, 56.0})
      for (int i = 0; i < 16; ++i) {
        const double angle = (i % 2 ? -1 : 1) * ((i + 1) / 2) * 0.3927;  // to the right first, then more and more aside
        middle = {p.x + radius * std::cos(angle), p.y + radius * std::sin(angle)};
        if (take(middle, width, height)) return middle;
      }
    return middle;
  }
  void block(place p, double size) { taken_.push_back({p, size, size}); }

 private:
  struct rectangle {
    place middle;
    double width, height;
  };
  bool take(place p, double width, double height) {
    for (const rectangle& t : taken_)
      if (2 * std::abs(p.x - t.middle.x) < width + t.width && 2 * std::abs(p.y - t.middle.y) < height + t.height)
        return false;
    taken_.push_back({p, width, height});
    return true;
  }
  std::vector<rectangle> taken_;
};

double intensity(const measured_layer& l) { return l.operations / l.bytes; }
double gops(const measured_layer& l, double us) { return l.operations / us * 1e-3; }

/// Grid lines at powers of ten and, faintly labelled, at 2 and 5 times them.
void draw_log_grid(svg& s, const log_axis& x, const log_axis& y) {
  const auto each = [](const log_axis& a, const auto& draw) {
    for (double power = std::pow(10.0, std::floor(std::log10(a.lower))); power <= a.upper; power *= 10)
      for (const double m : {1.0, 2.0, 5.0})
        if (m * power >= a.lower && m * power <= a.upper) draw(m * power);
  };
  const auto label = [](double v) { return rounded(v, v < 1 ? 1 : 0); };
  each(x, [&](double v) {
    s.line(x(v), y.from, x(v), y.to, ink::grid);
    s.write({.x = x(v), .y = y.from + 17, .anchor = "middle", .colour = ink::faint}, label(v));
  });
  each(y, [&](double v) {
    s.line(x.from, y(v), x.to, y(v), ink::grid);
    s.write({.x = x.from - 7, .y = y(v) + 4, .anchor = "end", .colour = ink::faint}, label(v));
  });
  s.write({.x = (x.from + x.to) / 2, .y = y.from + 38, .anchor = "middle"}, "operations per byte of operands");
  s.write({.x = 22, .y = (y.from + y.to) / 2, .anchor = "middle", .degrees = -90}, "GOP/s");
}

/// What can be computed, and what can be read, at most.
void draw_roofs(svg& s, const measurements& m, double peak, const log_axis& x, const log_axis& y) {
  double slowest = std::numeric_limits<double>::infinity();
  for (const auto& [name, gbs] : m.read_gbs) slowest = std::min(slowest, gbs);
  for (const auto& [name, gbs] : m.read_gbs) {
    if (gbs <= 0) continue;
    const double begin = std::max(x.lower, y.lower / gbs), end = std::min(x.upper, peak / gbs);
    if (begin >= end) continue;
    s.line(x(begin), y(begin * gbs), x(end), y(end * gbs), ink::axis, 1.2, "6 4");
    const double degrees = std::atan2(y(end * gbs) - y(begin * gbs), x(end) - x(begin)) * 57.29578;
    const std::string words = name + " " + rounded(gbs, 0) + " GB/s";
    const double along = std::hypot(x(end) - x(begin), y(end * gbs) - y(begin * gbs));
    if (along < width_of(words, 11) + 20) continue;
    // The words end shortly before the line does. L3 and memory may be equally quick: the lowest line has them below
    // it.
    const double dx = (x(end) - x(begin)) / along, dy = (y(end * gbs) - y(begin * gbs)) / along;
    const double from = along - width_of(words, 11) - 12, aside = gbs == slowest ? -13 : 5;
    s.write({.x = x(begin) + from * dx + aside * dy,
             .y = y(begin * gbs) + from * dy - aside * dx,
             .colour = ink::axis,
             .size = 11,
             .degrees = degrees},
            words);
  }
  s.line(x.from, y(peak), x.to, y(peak), ink::axis, 2);
  s.write({.x = x.to - 4, .y = y(peak) - 7, .anchor = "end", .colour = ink::axis, .bold = true},
          "peak " + rounded(peak, 0) + " GOP/s");
}

std::string draw_roofline(const measurements& m, std::vector<measured_layer> layers) {
  std::erase_if(layers, [](const measured_layer& l) { return l.operations <= 0 || l.bytes <= 0; });
  require(!layers.empty(), m.path, ": no layer that multiplies: nothing to draw");
  std::set<std::string> sets;
  for (const measured_layer& l : layers) sets.insert(l.name[isa_part]);
  require(sets.size() == 1, m.path, ": a roofline is of one instruction set, found ",
          join({sets.begin(), sets.end()}, ", "), ": choose one with --filter");
  const auto found = m.peak.find(*sets.begin());
  require(found != m.peak.end() && found->second > 0, m.path, ": no peak of ", *sets.begin());
  const double peak = found->second;

  double x_lower = intensity(layers[0]), x_upper = x_lower, y_lower = peak, y_upper = peak;
  for (const measured_layer& l : layers) {
    x_lower = std::min(x_lower, intensity(l)), x_upper = std::max(x_upper, intensity(l));
    for (const double us : {l.octavo_us, l.onednn_us})
      if (us > 0) y_lower = std::min(y_lower, gops(l, us)), y_upper = std::max(y_upper, gops(l, us));
  }
  const labels names = make_labels(layers);
  const double bottom = std::max(head + 20 + 16.0 * static_cast<double>(layers.size() + 4), 600.0), left = 76,
               right = 760;
  const log_axis x{x_lower / 2, x_upper * 2, left, right}, y{y_lower / 1.5, y_upper * 1.6, bottom, head + 6};
  const double list = right + 24, width = list + 34 + std::max(widest(names.own), 130.0) + margin;

  svg s;
  draw_head(s, "Roofline, INT8", names.shared, m.machine);
  draw_log_grid(s, x, y);
  draw_roofs(s, m, peak, x, y);
  free_space space;
  for (const measured_layer& l : layers) {
    const double at = x(intensity(l));
    if (l.onednn_us > 0) {
      s.line(at, y(gops(l, l.octavo_us)), at, y(gops(l, l.onednn_us)), ink::faint, 0.8);
      s.circle(at, y(gops(l, l.onednn_us)), 3.6, "white", ink::onednn);
      space.block({at, y(gops(l, l.onednn_us))}, 9);
    }
    space.block({at, y(gops(l, l.octavo_us))}, 9);
  }
  const bool onednn = std::any_of(layers.begin(), layers.end(), [](const auto& l) { return l.onednn_us > 0; });
  s.circle(list + 5, head + 10, 4, ink::octavo, ink::octavo);
  s.write({.x = list + 16, .y = head + 14}, "Octavo");
  if (onednn) s.circle(list + 78, head + 10, 3.6, "white", ink::onednn);
  if (onednn) s.write({.x = list + 89, .y = head + 14}, "oneDNN");
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const double px = x(intensity(layers[i])), py = y(gops(layers[i], layers[i].octavo_us));
    const std::string number = std::to_string(i + 1);
    const place label = space.find({px, py}, width_of(number, 10) + 2, 10);
    if (std::hypot(label.x - px, label.y - py) > 15) s.line(px, py, label.x, label.y, ink::faint, 0.5);
    s.circle(px, py, 4, ink::octavo, ink::octavo);
    s.rectangle(label.x - width_of(number, 10) / 2, label.y - 4.5, width_of(number, 10), 9, "white");
    s.write({.x = label.x, .y = label.y + 3.5, .anchor = "middle", .size = 10}, number);
    const double row = head + 40 + 16 * static_cast<double>(i);
    s.write({.x = list + 22, .y = row, .anchor = "end", .colour = ink::faint, .size = 11}, number);
    s.write({.x = list + 30, .y = row, .size = 11}, names.own[i]);
  }
  return s.sheet(width, bottom + 54);
}

void run(const options& o) {
  require(o.chart != "roofline" || o.type == "int8", "a roofline is of INT8 only");
  const measurements m = read_measurements(o.input, o.type);
  const std::vector<measured_layer> layers = matching(m.layers, o.filter);
  require(!layers.empty(), o.input, ": none of its ", m.layers.size(), " measurements matches '", o.filter, "'");
  const std::string sheet = o.chart == "ratio" ? draw_ratios(m, layers, o.type) : draw_roofline(m, layers);
  atomic_file file(o.output);
  file.write(std::as_bytes(std::span(sheet)));
  file.commit();
}

}  // namespace

int main(int argc, char** argv) try { run(parse(argc, argv)); } catch (const std::exception& e) {
  std::cerr << "plot: " << e.what() << "\n";
  return 1;
}
