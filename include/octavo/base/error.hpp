// Errors: one exception type, thrown only while a network is built or a file is read, with a message
// that says what was expected and what was found.
#pragma once

#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string>

// For code that builds networks and runs once: not inlined into the many places that call it, which a network of 50
// layers would otherwise repeat 50 times, and compiled for size.
#if defined(__GNUC__)
#define OCTAVO_COLD [[gnu::noinline, gnu::cold]]
#else
#define OCTAVO_COLD
#endif

namespace octavo {

/// What every failure of Octavo throws; only memory that runs out is a std::bad_alloc, and what a callback of the
/// user's throws passes through. Never thrown from session::run().
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace detail {

/// Something to be written, its type erased: messages are many, and the compiler should see one function for all.
struct message_part {
  const void* object;
  void (*write)(std::ostream&, const void*);
};

template <class T>
message_part part_of(const T& value) {
  return {&value, [](std::ostream& out, const void* object) { out << *static_cast<const T*>(object); }};
}
inline message_part part_of(const char* literal) {
  return {literal, [](std::ostream& out, const void* object) { out << static_cast<const char*>(object); }};
}

OCTAVO_COLD inline std::string join_parts(std::initializer_list<message_part> parts) {
  std::ostringstream out;
  for (const message_part& p : parts) p.write(out, p.object);
  return out.str();
}

OCTAVO_COLD [[noreturn]] inline void throw_error(std::initializer_list<message_part> parts) {
  throw error(join_parts(parts));
}

}  // namespace detail

/// The parts written one after the other, as operator<< writes them.
template <class... Parts>
std::string text(const Parts&... parts) {
  return detail::join_parts({detail::part_of(parts)...});
}

/// Throws octavo::error with the parts as its message.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  detail::throw_error({detail::part_of(parts)...});
}

/// Throws octavo::error with the parts as its message unless `ok`. The parts are written only on failure.
template <class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) detail::throw_error({detail::part_of(parts)...});
}

}  // namespace octavo
