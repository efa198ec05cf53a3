// Kernel choices in a JSON file: {"kernels": {"<node>": "<kernel>", ...}}.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "octavo/io/atomic_file.hpp"
#include "octavo/io/mapped_file.hpp"
#include "octavo/plan/kernel_choices.hpp"

namespace octavo {

/// Writes `choices` to `path`, replacing any file of that name. Throws octavo::error, naming the file, when it cannot.
inline void save_kernel_choices(const std::filesystem::path& path, const kernel_choices& choices) {
  const std::string json = nlohmann::json{{"kernels", choices.by_node}}.dump(2) + "\n";
  atomic_file file(path);
  file.write(std::as_bytes(std::span(json)));
  file.commit();
}

/// Reads what save_kernel_choices() wrote. Throws octavo::error, naming the file and what is wrong, for anything else.
inline kernel_choices load_kernel_choices(const std::filesystem::path& path) {
  using nlohmann::json;
  const std::string name = path.string();
  const mapped_file file(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  std::set<std::string> seen;  // the parser would keep the last of two
  const auto refuse_twice = [&](int depth, json::parse_event_t event, const json& key) {
    if (event == json::parse_event_t::key && depth == 2)
      require(seen.insert(key.get<std::string>()).second, name, ": node '", key.get<std::string>(), "' appears twice");
    return true;
  };
  json content;
  try {
    content = json::parse(bytes.begin(), bytes.end(), refuse_twice);
  } catch (const json::exception& e) {
    fail(name, ": not valid JSON: ", e.what());
  }
  require(content.is_object() && content.size() == 1 && content.contains("kernels") && content["kernels"].is_object(),
          name, ": expected {\"kernels\": {\"<node>\": \"<kernel>\", ...}}");
  kernel_choices choices;
  choices.origin = name;
  for (const auto& [node, kernel] : content["kernels"].items()) {
    require(kernel.is_string(), name, ": node '", node, "': expected the name of a kernel, found ", kernel.dump());
    choices.by_node.emplace(node, kernel.get<std::string>());
  }
  return choices;
}

}  // namespace octavo
