// Reading a JPEG or PNG file, told apart by its first bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <span>
#include <string>

#include "octavo/base/error.hpp"
#include "octavo/io/jpeg.hpp"
#include "octavo/io/mapped_file.hpp"
#include "octavo/io/png.hpp"
#include "octavo/io/rgb_image.hpp"

namespace octavo {

/// The pixels of a JPEG or PNG file whose content is `bytes`; `name` is what messages call it. Grey becomes three equal
/// channels; transparency and the orientation that a camera noted are ignored. Throws octavo::error when it is neither
/// format, is damaged, or is over a limit.
inline rgb_image decode_image(const std::string& name, std::span<const std::byte> bytes,
                              const image_limits& limits = {}) {
  static constexpr std::array<unsigned char, 3> jpeg{0xff, 0xd8, 0xff};
  static constexpr std::array<unsigned char, 8> png{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  const auto starts_with = [&](std::span<const unsigned char> signature) {
    return bytes.size() >= signature.size() &&
           std::equal(signature.begin(), signature.end(), bytes.begin(),
                      [](unsigned char a, std::byte b) { return std::byte{a} == b; });
  };
  if (starts_with(jpeg)) return detail::decode_jpeg(name, bytes, limits);
  if (starts_with(png)) return detail::decode_png(name, bytes, limits);
  fail(name, ": expected a JPEG or PNG image, found ", bytes.size(), " bytes that start like neither");
}

/// The pixels of a JPEG or PNG file. Throws octavo::error when it cannot be read, and as above.
inline rgb_image decode_image(const std::filesystem::path& path, const image_limits& limits = {}) {
  // Copied: stb_image may trust what was checked before only as long as nobody can change it.
  const mapped_file file(path, file_access::copy, std::numeric_limits<int>::max());
  return decode_image(file.name(), file.bytes(), limits);
}

}  // namespace octavo
