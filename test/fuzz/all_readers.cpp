// The readers, compiled once for all targets.
#include "readers.hpp"

namespace octavo::test {

void read_by(std::string_view name, some_bytes bytes) {
  for (const fuzzed_reader& reader : fuzzed_readers)
    if (reader.name == name) survives(reader, bytes);
}

}  // namespace octavo::test
