// JSON, read strictly. nlohmann's parser keeps the last of two equal names, takes a zero byte for the end of the text
// and builds values of any depth, which its dump() and comparisons then walk recursively, down to the end of the stack:
// here all that is an error, and every error an octavo::error that names the file.
#pragma once

#if !__has_include(<nlohmann/json.hpp>)
#error "octavo: reading JSON needs nlohmann-json: with CMake link octavo::json (Debian: nlohmann-json3-dev)"
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>

#include "octavo/base/error.hpp"
#include "octavo/io/mapped_file.hpp"

namespace octavo {

/// The deepest nesting of arrays and objects that is read.
inline constexpr int max_json_depth = 64;

/// The longest JSON text that is read, in bytes. In memory its values may take eight times as many.
inline constexpr std::size_t max_json_bytes = 100'000'000;

namespace detail {

/// `s` as a message quotes what a file holds: its first 200 bytes, in whole characters, without control characters.
inline std::string excerpt(std::string_view s) {
  std::size_t length = std::min<std::size_t>(s.size(), 200);
  const auto continues = [&](std::size_t i) {
    return i < s.size() && (static_cast<unsigned char>(s[i]) & 0xc0) == 0x80;
  };
  while (length > 0 && length < s.size() && continues(length)) --length;
  std::string shown(s.substr(0, length));
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  std::replace_if(shown.begin(), shown.end(), is_control, '?');
  return length < s.size() ? text(shown, "... (", s.size(), " bytes)") : shown;
}

/// Throws octavo::error when `json` has a zero byte or is too long. `where` opens the message; offsets count from
/// `start`.
inline void check_json_text(const std::string& where, std::string_view json, std::size_t start = 0) {
  require(json.size() <= max_json_bytes, where, "JSON of ", json.size(), " bytes is over the limit of ",
          max_json_bytes);
  const std::size_t zero = json.find('\0');
  require(zero == std::string_view::npos, where, "zero byte at offset ", start + zero);
}

}  // namespace detail

/// The value that `text` holds; `name` is what messages call it. Throws octavo::error when it is not JSON in UTF-8, a
/// name appears twice in an object, a number is too large for a double, or it is over one of the limits above.
inline nlohmann::json parse_json(const std::string& name, std::string_view text) {
  using nlohmann::json;
  detail::check_json_text(name + ": ", text);
  std::array<std::set<std::string>, max_json_depth> names;  // of the objects around the place being read, by depth
  const auto check = [&](int depth, json::parse_event_t event, const json& value) {
    const auto level = static_cast<std::size_t>(depth);
    if (event == json::parse_event_t::object_start || event == json::parse_event_t::array_start) {
      require(depth < max_json_depth, name, ": JSON is nested deeper than the limit of ", max_json_depth, " levels");
      names[level].clear();
    } else if (event == json::parse_event_t::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!names[level - 1].insert(key).second) fail(name, ": '", detail::excerpt(key), "' appears twice");
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), check);
  } catch (const json::exception& e) {
    fail(name, ": not valid JSON: ", detail::excerpt(e.what()));
  }
}

/// The value in a JSON file. Throws octavo::error when it cannot be read, and as parse_json() does.
inline nlohmann::json load_json(const std::filesystem::path& path) {
  const mapped_file file(path, file_access::copy, max_json_bytes);
  return parse_json(file.name(), {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
}

/// A number as a float, rounded where it is none. Throws octavo::error, beginning with `where`, for anything else and
/// for what is beyond the largest.
inline float json_float(const std::string& where, const nlohmann::json& value) {
  require(value.is_number(), where, ": expected a number, found ", value.type_name());
  const double number = value.get<double>();
  constexpr double largest = std::numeric_limits<float>::max();
  require(number >= -largest && number <= largest, where, ": ", number, " is out of the range of a float");
  return static_cast<float>(number);
}

/// `value` as JSON text, for the file `name`; indented by `indent` columns, or on one line where that is below 0.
/// Throws octavo::error when a string is not UTF-8.
inline std::string json_text(const std::string& name, const nlohmann::json& value, int indent = -1) {
  try {
    return value.dump(indent);
  } catch (const nlohmann::json::exception& e) {
    fail(name, ": cannot be written as JSON: ", detail::excerpt(e.what()));
  }
}

}  // namespace octavo
