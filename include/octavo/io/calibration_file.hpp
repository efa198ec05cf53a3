// Calibrations in JSON files, one value of the network a line:
//
//   {"octavo_calibration": 1,
//    "ranges": {"conv1": [-1.5, 2.25], ...},
//    "means": {"conv1": [0.125, -0.5, ...], ...}}
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "octavo/io/atomic_file.hpp"
#include "octavo/io/json.hpp"
#include "octavo/quant/options.hpp"

namespace octavo {

/// The version of the format that save_calibration() writes and load_calibration() reads.
inline constexpr int calibration_file_version = 1;

namespace detail {

/// Throw octavo::error, naming file and value, for what no calibration finds.
inline void check_range(const std::string& file, const std::string& value, const range& r) {
  require(std::isfinite(r.lower) && std::isfinite(r.upper) && r.lower <= r.upper, file, ": value '", excerpt(value),
          "' has the range [", r.lower, ", ", r.upper, "]: it must be finite and not empty");
}
inline void check_means(const std::string& file, const std::string& value, const std::vector<float>& means) {
  for (float m : means) require(std::isfinite(m), file, ": value '", excerpt(value), "' has the mean ", m);
}

/// `{"<name>": [<numbers>], ...}`, one name a line.
template <class Table, class Numbers>
std::string json_lines(const std::string& file, const Table& table, const Numbers& numbers_of) {
  std::string lines;
  for (const auto& [name, entry] : table)
    lines += text(lines.empty() ? "\n" : ",\n", json_text(file, name), ": ", json_text(file, numbers_of(entry)));
  return "{" + lines + "}";
}

/// The numbers of the array `json`, of value `name` in `file`.
inline std::vector<float> floats_of(const std::string& file, const std::string& name, const nlohmann::json& json) {
  const std::string where = text(file, ": value '", excerpt(name), "'");
  require(json.is_array(), where, ": expected a list of numbers, found ", json.type_name());
  std::vector<float> all;
  for (const nlohmann::json& number : json) all.push_back(json_float(where, number));
  return all;
}

}  // namespace detail

/// Writes `found` to `path`, replacing any file of that name; every number comes back as it is. Throws octavo::error,
/// naming the file, when it cannot, or for a range that is not finite or empty, or a mean that is not finite.
inline void save_calibration(const std::filesystem::path& path, const calibration& found) {
  const std::string file = path.string();
  for (const auto& [value, r] : found.ranges) detail::check_range(file, value, r);
  for (const auto& [value, m] : found.means) detail::check_means(file, value, m);
  const std::string json =
      text("{\"octavo_calibration\": ", calibration_file_version, ",\n\"ranges\": ",
           detail::json_lines(file, found.ranges,
                              [](const range& r) {
                                return std::vector{r.lower, r.upper};
                              }),
           ",\n\"means\": ", detail::json_lines(file, found.means, [](const auto& m) { return m; }), "}\n");
  atomic_file out(path);
  out.write(std::as_bytes(std::span(json)));
  out.commit();
}

/// The calibration that `json` holds, as save_calibration() writes it; `name` is what messages call it. Throws
/// octavo::error, naming the value, for anything else.
inline calibration parse_calibration(const std::string& name, std::string_view json) {
  const nlohmann::json content = parse_json(name, json);
  require(content.is_object() && content.contains("octavo_calibration"), name,
          ": expected {\"octavo_calibration\": ", calibration_file_version, ", \"ranges\": {...}, \"means\": {...}}");
  const nlohmann::json& version = content["octavo_calibration"];
  require(version == calibration_file_version, name, ": expected a calibration of version ", calibration_file_version,
          ", found ", detail::excerpt(json_text(name, version)));
  for (const auto& [key, part] : content.items())
    require(key == "octavo_calibration" || key == "ranges" || key == "means", name, ": unknown key '",
            detail::excerpt(key), "'");
  for (const char* key : {"ranges", "means"})
    require(content.contains(key) && content[key].is_object(), name, ": expected an object '", key, "', found ",
            content.contains(key) ? content[key].type_name() : "none");
  calibration found;
  for (const auto& [value, numbers] : content["ranges"].items()) {
    const std::vector<float> ends = detail::floats_of(name, value, numbers);
    require(ends.size() == 2, name, ": value '", detail::excerpt(value), "': expected a range of 2 numbers, found ",
            ends.size());
    detail::check_range(name, value, found.ranges[value] = {ends[0], ends[1]});
  }
  for (const auto& [value, numbers] : content["means"].items())
    found.means[value] = detail::floats_of(name, value, numbers);
  return found;
}

/// Reads what save_calibration() wrote. Throws octavo::error, naming the file and what is wrong, for anything else.
inline calibration load_calibration(const std::filesystem::path& path) {
  const mapped_file file(path, file_access::copy, max_json_bytes);
  return parse_calibration(file.name(), {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
}

}  // namespace octavo
