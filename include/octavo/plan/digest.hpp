// A number that tells problems apart by all that a kernel packs of them: operator, types, constants.
#pragma once

#include <iomanip>

#include "octavo/op/kernel.hpp"

namespace octavo {

/// A 64-bit hash of some bytes, going on from `seed`: multiply and mix, eight bytes at a time. Not for protection from
/// those who want two contents to have one digest.
inline std::uint64_t digest_of(std::span<const std::byte> bytes, std::uint64_t seed = 0) {
  constexpr std::uint64_t odd = 0x9e3779b97f4a7c15u;
  const auto mix = [](std::uint64_t h, std::uint64_t v) {
    h = (h ^ v) * odd;
    return h ^ h >> 29;
  };
  std::uint64_t lanes[4] = {seed, seed + 1, seed + 2, seed + 3};  // which a CPU multiplies side by side
  std::size_t i = 0;
  for (; i + 32 <= bytes.size(); i += 32)
    for (std::size_t lane = 0; lane < 4; ++lane) {
      std::uint64_t v;
      std::memcpy(&v, bytes.data() + i + 8 * lane, 8);
      lanes[lane] = mix(lanes[lane], v);
    }
  std::uint64_t h = mix(mix(mix(mix(bytes.size(), lanes[0]), lanes[1]), lanes[2]), lanes[3]);
  for (; i < bytes.size(); ++i) h = mix(h, std::to_integer<std::uint64_t>(bytes[i]));
  return mix(h, h >> 32);
}

inline std::uint64_t digest_of(std::string_view letters, std::uint64_t seed = 0) {
  return digest_of(std::as_bytes(std::span(letters)), seed);
}

/// That of the elements of a tensor, their type and its extents.
inline std::uint64_t digest_of_elements(const tensor& t) {
  return digest_of(t.bytes(), digest_of(text(name_of(t.type()), t.extents())));
}

/// The same, of which a tensor may know what it is.
inline std::uint64_t digest_of(const tensor& t) { return t.facts() ? t.facts()->digest : digest_of_elements(t); }

/// A digest as files and keys have it: 16 hexadecimal digits.
inline std::string hexadecimal(std::uint64_t digest) {
  std::ostringstream digits;
  digits << std::hex << std::setfill('0') << std::setw(16) << digest;
  return digits.str();
}

/// The digest of a problem, as 16 hexadecimal digits.
inline std::string digest_of(const problem& p) {
  std::ostringstream described;
  described << std::hexfloat << p.op;
  for (const tensor_type& t : p.src) described << "|" << t;
  for (const tensor_type& t : p.dst) described << "|" << t;
  std::uint64_t h = digest_of(described.str());
  for (const constant& c : p.constants) h = c ? digest_of(hexadecimal(digest_of(*c)), h) : h + 1;
  if (p.producer) h = digest_of(digest_of(*p.producer), h);
  return hexadecimal(h);
}

}  // namespace octavo
