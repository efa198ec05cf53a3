// Everything of Octavo that reads what comes from outside, as functions of bytes: what they refuse, they refuse by
// octavo::error; anything else, a crash, a leak, memory beyond what the bytes can ask for, is a finding.
#pragma once

#include "octavo/graph/print.hpp"
#include "octavo/importer/onnx.hpp"
#include "octavo/importer/paddle.hpp"
#include "octavo/io/calibration_file.hpp"
#include "octavo/io/calibration_table.hpp"
#include "octavo/io/decode_image.hpp"
#include "octavo/io/image_binary.hpp"
#include "octavo/io/network_file.hpp"
#include "octavo/io/npy.hpp"
#include "octavo/io/packed_cache.hpp"
#include "octavo/io/safetensors.hpp"

namespace octavo::test {

using some_bytes = std::span<const std::byte>;

inline std::string_view letters(some_bytes b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }

/// What a network is read for: it is folded, planned and printed. What has large tensors is only read: memory that a
/// run takes may be larger than the file.
inline void use_network(const graph& g) {
  constexpr std::size_t largest = 1 << 20;
  for (const graph_value& v : g.values)
    if (v.type.extents.count() > largest) return;
  std::ostringstream out;
  out << plan_graph(fold(g), {})->source;
}

/// A reader and its name, that of its folder of small files too.
struct fuzzed_reader {
  std::string_view name;
  void (*read)(some_bytes);
};

/// A Paddle network in one piece: four bytes say how long the program is, which the parameters follow.
inline void read_paddle(some_bytes b) {
  std::uint32_t length = 0;
  require(b.size() >= sizeof length, "expected the program's length");
  std::memcpy(&length, b.data(), sizeof length);
  require(length <= b.size() - sizeof length, "the program is longer than the file");
  use_network(paddle::load("fuzz", b.subspan(sizeof length, length), b.subspan(sizeof length + length)));
}

inline constexpr fuzzed_reader fuzzed_readers[] = {
    {"safetensors",
     [](some_bytes b) {
       const safetensors file("fuzz", b);
       for (const std::string& name : file.names()) file.get(name);
     }},
    {"network", [](some_bytes b) { use_network(parse_network("fuzz", b)); }},
    {"packed_cache",
     [](some_bytes b) {
       packed_cache cache("fuzz", b, "network", "kernels");
       cache.find_or_fill("conv/weights", 64, [](std::byte*) {});
     }},
    {"onnx", [](some_bytes b) { use_network(onnx::load("fuzz", b)); }},
    {"paddle", read_paddle},
    {"calibration", [](some_bytes b) { parse_calibration("fuzz", letters(b)); }},
    {"calibration_table", [](some_bytes b) { parse_calibration_table("fuzz", letters(b)); }},
    {"npy", [](some_bytes b) { load_npy("fuzz", b); }},
    {"image", [](some_bytes b) { decode_image("fuzz", b); }},
};

/// Has `bytes` read by the reader of that name; whether it was not refused.
inline bool survives(const fuzzed_reader& reader, some_bytes bytes) {
  try {
    reader.read(bytes);
    return true;
  } catch (const error&) {
    return false;
  }
}

}  // namespace octavo::test
