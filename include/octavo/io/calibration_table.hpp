// Calibration tables: text files with the largest magnitude of each value, as other frameworks write them.
//
//   conv1 2.5
//   layer1.0.relu 6
//
// The name ends at the first space. The scale that follows is threshold / 127, or / 255 where a value cannot be
// negative. Lines whose threshold is infinite or not a number say nothing and are left out.
#pragma once

#include <charconv>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "octavo/graph/nonnegative_values.hpp"
#include "octavo/graph/passes.hpp"
#include "octavo/io/atomic_file.hpp"
#include "octavo/io/json.hpp"
#include "octavo/io/mapped_file.hpp"

namespace octavo {

/// The largest magnitude of each value, by its name.
using calibration_table = std::map<std::string, float>;

/// Writes `table`, one value a line; every number comes back as it is. Throws octavo::error, naming the file, when it
/// cannot, or for a name that is empty or has a space or a line break, or a threshold that is negative or not finite.
inline void save_calibration_table(const std::filesystem::path& path, const calibration_table& table) {
  std::string lines;
  for (const auto& [name, threshold] : table) {
    require(!name.empty() && name.find_first_of(" \r\n") == std::string::npos, path.string(), ": the name '",
            detail::excerpt(name), "' cannot be in a calibration table: it is empty or has a space or a line break");
    require(std::isfinite(threshold) && threshold >= 0, path.string(), ": value '", detail::excerpt(name),
            "' has the threshold ", threshold, ": it must be finite and not negative");
    char digits[32];
    lines.append(name).append(" ").append(digits, std::to_chars(digits, std::end(digits), threshold).ptr).append("\n");
  }
  atomic_file out(path);
  out.write(std::as_bytes(std::span(lines)));
  out.commit();
}

/// The table that `lines` hold; `file` is what messages call them. Throws octavo::error, with the number of the line,
/// for one without a space, a name that is empty or appeared before, or a threshold that is no number or negative.
inline calibration_table parse_calibration_table(const std::string& file, std::string_view lines) {
  calibration_table table;
  for (int number = 1; !lines.empty(); ++number) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string where = text(file, ": line ", number, ": ");
    const std::size_t space = line.find(' ');
    require(space != std::string_view::npos && space > 0, where, "expected '<name> <threshold>', found '",
            detail::excerpt(line), "'");
    const std::string_view name = line.substr(0, space), threshold = line.substr(space + 1);
    float value = 0;
    const auto [rest, fault] = std::from_chars(threshold.data(), threshold.data() + threshold.size(), value);
    require(fault == std::errc{} && rest == threshold.data() + threshold.size(), where, "expected a threshold, found '",
            detail::excerpt(threshold), "'");
    if (!std::isfinite(value)) continue;
    require(value >= 0, where, "the threshold ", value, " must not be negative");
    require(table.emplace(name, value).second, where, "'", detail::excerpt(name), "' appeared before");
  }
  return table;
}

/// Reads a calibration table. Throws octavo::error, naming the file, when it cannot, and as parse_calibration_table().
inline calibration_table load_calibration_table(const std::filesystem::path& path) {
  const mapped_file file(path, file_access::copy);
  return parse_calibration_table(file.name(),
                                 {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
}

/// What the table says about the values of the folded `g`, for quantize(): [-t, t], and [0, t] where a value cannot be
/// negative. A table tells no means, so biases stay as they are. Names that the folded graph does not have are left
/// out; throws octavo::error where that is all of them.
inline calibration calibration_of(const graph& g, const calibration_table& table) {
  const graph folded = fold(g);
  const std::vector<char> nonnegative = nonnegative_values(folded);
  calibration found;
  for (std::size_t v = 0; v < folded.values.size(); ++v)
    if (const auto line = table.find(folded.values[v].name); line != table.end())
      found.ranges[line->first] = {nonnegative[v] ? 0.0f : -line->second, line->second};
  require(!found.ranges.empty() || table.empty(), "the calibration table names no value of the folded graph: it has ",
          table.empty() ? std::string() : text("'", detail::excerpt(table.begin()->first), "'"),
          table.empty() ? std::string() : hint_for(folded, table.begin()->first));
  return found;
}

}  // namespace octavo
