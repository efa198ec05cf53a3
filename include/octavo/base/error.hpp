// Errors: one exception type, thrown only while a network is built or a file is read, with a message
// that says what was expected and what was found.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

// Keeps building code, which runs once, out of the compiler's way: a network calls it hundreds of times.
#if defined(__GNUC__)
#define OCTAVO_NOINLINE [[gnu::noinline]]
#else
#define OCTAVO_NOINLINE
#endif

namespace octavo {

/// What every failure of Octavo throws. Never thrown from session::run().
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The parts written one after the other, as operator<< writes them.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Throws octavo::error with the parts as its message.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw error(text(parts...));
}

/// Throws octavo::error with the parts as its message unless `ok`. The parts are formatted only on failure.
template <class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) fail(parts...);
}

}  // namespace octavo
