// A libFuzzer target for one reader, OCTAVO_FUZZED_READER:
//   cmake --preset fuzz && cmake --build --preset fuzz
//   build/fuzz/bin/fuzz_onnx -max_total_time=600 found test/fuzz/corpus/onnx
#include <cstdint>
#include <span>
#include <string_view>

namespace octavo::test {
void read_by(std::string_view name, std::span<const std::byte> bytes);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  octavo::test::read_by(OCTAVO_FUZZED_READER, std::as_bytes(std::span(data, size)));
  return 0;
}
