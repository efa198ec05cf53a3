// Kernel choices in a JSON file: {"kernels": {"<node>": "<kernel>", ...}}.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "octavo/io/atomic_file.hpp"
#include "octavo/io/json.hpp"
#include "octavo/plan/kernel_choices.hpp"

namespace octavo {

/// Writes `choices` to `path`, replacing any file of that name. Throws octavo::error, naming the file, when it cannot.
inline void save_kernel_choices(const std::filesystem::path& path, const kernel_choices& choices) {
  const std::string json = json_text(path.string(), {{"kernels", choices.by_node}}, 2) + "\n";
  atomic_file file(path);
  file.write(std::as_bytes(std::span(json)));
  file.commit();
}

/// Reads what save_kernel_choices() wrote. Throws octavo::error, naming the file and what is wrong, for anything else.
inline kernel_choices load_kernel_choices(const std::filesystem::path& path) {
  const std::string name = path.string();
  const nlohmann::json content = load_json(path);
  require(content.is_object() && content.size() == 1 && content.contains("kernels") && content["kernels"].is_object(),
          name, ": expected {\"kernels\": {\"<node>\": \"<kernel>\", ...}}");
  kernel_choices choices;
  choices.origin = name;
  for (const auto& [node, kernel] : content["kernels"].items()) {
    require(kernel.is_string(), name, ": node '", detail::excerpt(node), "': expected the name of a kernel, found ",
            kernel.type_name());
    choices.by_node.emplace(node, kernel.get<std::string>());
  }
  return choices;
}

}  // namespace octavo
