// The option --isa of the benchmarks.
#pragma once

#include <string>

#include "octavo/octavo.hpp"

namespace octavo::bench {

/// The instruction set of that name; isa_in_use() for "". Throws octavo::error for another name, and where this CPU
/// does not run it.
inline isa isa_named(const std::string& name) {
  if (name.empty()) return isa_in_use();
  for (std::size_t i = 0; i < std::size(isa_names); ++i) {
    if (isa_names[i] != name) continue;
    require(x86::runs(static_cast<isa>(i)), "this CPU does not run ", name);
    return static_cast<isa>(i);
  }
  fail("unknown instruction set '", name, "': expected portable, avx2, avx_vnni, avx512_vnni or amx");
}

}  // namespace octavo::bench
