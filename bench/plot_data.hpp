// Reading what the benchmarks write: Google Benchmark's JSON from bench_conv2d and its like, and bench_network --json.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "octavo/base/error.hpp"
#include "octavo/io/json.hpp"

namespace octavo::bench {

/// A layer's times, one arithmetic. 0 stands for what was not measured.
struct measured_layer {
  std::vector<std::string> name;  ///< network, layer, instruction set, and warm or cold
  double octavo_us = 0, onednn_us = 0;
  double operations = 0, bytes = 0;
};

/// A file of measurements.
struct measurements {
  std::string path;
  std::string machine;                     ///< CPU, compiler, flags, oneDNN
  std::map<std::string, double> peak;      ///< GOP/s by instruction set
  std::map<std::string, double> read_gbs;  ///< by what is read: "L2", "L3", "memory"
  std::vector<measured_layer> layers;
};

/// Where a name has its parts.
enum name_part : std::size_t { network_part, layer_part, isa_part, caches_part };

namespace detail {

using nlohmann::json;

/// The member as a number; 0 where there is none, or it is no number. Google Benchmark's context has numbers as text.
inline double number(const json& j, const std::string& key) {
  const auto found = j.find(key);
  if (found == j.end()) return 0;
  if (found->is_number()) return found->get<double>();
  return found->is_string() ? std::strtod(found->get_ref<const std::string&>().c_str(), nullptr) : 0.0;
}

inline std::string string(const json& j, const std::string& key) {
  const auto found = j.find(key);
  return found != j.end() && found->is_string() ? found->get<std::string>() : std::string();
}

inline std::string machine_of(const json& j) {
  const std::string onednn = string(j, "onednn");
  return string(j, "cpu") + "; " + string(j, "compiler") + " " + string(j, "flags") +
         (onednn.empty() ? "" : "; oneDNN " + onednn);
}

inline std::vector<std::string> split_name(std::string name) {
  constexpr std::string_view suffix = "/manual_time";  // Google Benchmark's
  if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
  std::vector<std::string> parts{""};
  for (const char c : name) {
    if (c == '/')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

/// `type` is "int8" or "fp32".
inline measurements read_layer_benchmarks(const json& j, const std::string& path, const std::string& type) {
  measurements m;
  m.path = path;
  const json& context = j.at("context");
  m.machine = machine_of(context);
  const std::string peak = "peak_" + type + "_gops_";
  for (const auto& [key, value] : context.items())
    if (key.starts_with(peak)) m.peak[key.substr(peak.size())] = number(context, key);
  m.read_gbs = {{"L2", number(context, "read_gbs_l2")},
                {"L3", number(context, "read_gbs_l3")},
                {"memory", number(context, "read_gbs_memory")}};
  for (const json& b : j.at("benchmarks")) {
    const std::string name = b.at("name").get<std::string>();
    if (b.contains("error_occurred") || string(b, "run_type") == "aggregate") continue;
    measured_layer l{split_name(name), number(b, "octavo_" + type + "_us"), number(b, "onednn_" + type + "_us"),
                     number(b, "operations"), number(b, "bytes")};
    require(l.name.size() == 4, path, ": benchmark '", name, "': expected <network>/<layer>/<isa>/<warm or cold>");
    if (l.octavo_us > 0) m.layers.push_back(std::move(l));
  }
  return m;
}

inline measurements read_network_benchmark(const json& j, const std::string& path, const std::string& type) {
  measurements m;
  m.path = path;
  m.machine = machine_of(j);
  const std::string isa = j.at("isa").get<std::string>();
  m.peak[isa] = number(j, type == "int8" ? "peak_gops" : "peak_f32_gops");
  if (const auto read = j.find("read_gbs"); read != j.end())
    m.read_gbs = {{"L2", number(*read, "l2")}, {"L3", number(*read, "l3")}, {"memory", number(*read, "memory")}};
  const auto layers = j.find("layers_" + type);
  require(layers != j.end(), path, ": has no layers: run bench_network with --layers");
  for (const json& l : *layers) {
    measured_layer x{{string(j, "network"), l.at("name").get<std::string>(), isa, "in place"},
                     number(l, "octavo_us"),
                     number(l, "onednn_us"),
                     number(l, "operations"),
                     number(l, "bytes")};
    if (x.octavo_us > 0) m.layers.push_back(std::move(x));
  }
  return m;
}

}  // namespace detail

/// Reads the times in `type` ("int8" or "fp32") of a file. Throws octavo::error, naming the file, where it cannot be
/// read or is no file of measurements.
inline measurements read_measurements(const std::string& path, const std::string& type) {
  const nlohmann::json j = load_json(path);
  try {
    if (j.contains("benchmarks")) return detail::read_layer_benchmarks(j, path, type);
    require(j.contains("network"), path, ": neither Google Benchmark's JSON nor that of bench_network --json");
    return detail::read_network_benchmark(j, path, type);
  } catch (const nlohmann::json::exception& e) {
    fail(path, ": not the JSON of a benchmark: ", e.what());
  }
}

}  // namespace octavo::bench
