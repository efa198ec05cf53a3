// The small files of test/fuzz/corpus, whole and damaged, under whatever sanitizers this is built with. What goes on
// for longer than a test may is test/fuzz/fuzz_reader.cpp.
#include <doctest/doctest.h>

#include "fuzz/readers.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

std::vector<std::byte> bytes_of(const std::filesystem::path& path) {
  const mapped_file file(path, file_access::copy);
  return {file.bytes().begin(), file.bytes().end()};
}

}  // namespace

TEST_CASE("fuzz: each reader takes its whole files, and refuses or takes what is left of them") {
  for (const fuzzed_reader& reader : fuzzed_readers) {
    const std::filesystem::path folder = std::filesystem::path(OCTAVO_FUZZ_CORPUS) / reader.name;
    int files = 0, whole = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      INFO(entry.path().string());
      ++files;
      const std::vector<std::byte> bytes = bytes_of(entry.path());
      whole += survives(reader, bytes);
      const std::size_t step = std::max<std::size_t>(1, bytes.size() / 200);
      for (std::size_t i = 0; i < bytes.size(); i += step) {
        survives(reader, some_bytes(bytes).first(i));
        for (const int change : {0x01, 0x80, 0xff}) {
          std::vector<std::byte> damaged = bytes;
          damaged[i] ^= static_cast<std::byte>(change);
          survives(reader, damaged);
        }
      }
    }
    CAPTURE(reader.name);
    CHECK(files > 0);
    CHECK(whole > 0);
  }
}
