// What every program here does with its command line.
#pragma once

#include <CLI/CLI.hpp>

namespace octavo::example {

/// Reads the command line into the options of `app`. Ends the program where it asks for help, or is wrong, which is
/// told on stderr.
inline void parse_command_line(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    std::exit(app.exit(e));
  }
}

}  // namespace octavo::example
