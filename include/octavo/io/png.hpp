// Decoding PNG files by stb_image (link with -lstb, or define STB_IMAGE_IMPLEMENTATION in one file of the program),
// after the checks that stb_image leaves out: checksums, and how much the compressed pixels unpack to.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <stb/stb_image.h>

#include "octavo/base/error.hpp"
#include "octavo/io/rgb_image.hpp"

namespace octavo::detail {

/// CRC-32 as PNG uses it (reflected polynomial 0xedb88320).
inline std::uint32_t crc32(std::span<const std::byte> bytes) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int bit = 0; bit < 8; ++bit) t[i] = t[i] >> 1 ^ (t[i] & 1 ? 0xedb88320u : 0u);
    }
    return t;
  }();
  std::uint32_t crc = 0xffffffffu;
  for (std::byte b : bytes) crc = crc >> 8 ^ table[(crc ^ std::to_integer<std::uint32_t>(b)) & 255];
  return ~crc;
}

/// The structure of a PNG file: all that has to be known before its pixels are unpacked.
struct png_layout {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t bits_per_pixel = 0;
  bool interlaced = false;
  std::vector<char> compressed;  ///< all IDAT chunks, one after the other
  std::size_t size = 0;          ///< of the file, up to the end of IEND

  /// Bytes that the compressed data must unpack to: rows of packed pixels, each after a byte for its filter.
  std::uint64_t unpacked_bytes() const {
    const auto pass = [this](std::uint64_t w, std::uint64_t h) {
      return w == 0 || h == 0 ? 0 : h * (1 + (w * bits_per_pixel + 7) / 8);
    };
    if (!interlaced) return pass(width, height);
    // Adam7: pass i takes every dx[i]-th pixel from x0[i] on, of every dy[i]-th row from y0[i] on.
    static constexpr std::uint64_t x0[] = {0, 4, 0, 2, 0, 1, 0}, dx[] = {8, 8, 4, 4, 2, 2, 1};
    static constexpr std::uint64_t y0[] = {0, 0, 4, 0, 2, 0, 1}, dy[] = {8, 8, 8, 4, 4, 2, 2};
    std::uint64_t bytes = 0;
    for (int i = 0; i < 7; ++i)
      bytes += pass((width - x0[i] + dx[i] - 1) / dx[i], (height - y0[i] + dy[i] - 1) / dy[i]);
    return bytes;
  }
};

inline std::uint32_t read_big_endian(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(bytes[offset + i]);
  return value;
}

/// Reads the 13 bytes of an IHDR chunk.
inline void read_png_header(const std::string& file, std::span<const std::byte> chunk, const image_limits& limits,
                            png_layout& layout) {
  require(chunk.size() == 13, file, ": PNG: expected an IHDR of 13 bytes, found ", chunk.size());
  layout.width = read_big_endian(chunk, 0);
  layout.height = read_big_endian(chunk, 4);
  const auto depth = std::to_integer<std::uint32_t>(chunk[8]), colour = std::to_integer<std::uint32_t>(chunk[9]);
  require(depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16, file, ": PNG: unknown bit depth ",
          depth);
  static constexpr std::uint32_t channels[] = {1, 0, 3, 1, 2, 0, 4};  // by colour type
  require(colour < std::size(channels) && channels[colour] != 0, file, ": PNG: unknown colour type ", colour);
  layout.bits_per_pixel = channels[colour] * depth;
  require(chunk[10] == std::byte{0} && chunk[11] == std::byte{0} && chunk[12] <= std::byte{1}, file,
          ": PNG: unknown compression, filter or interlace method");
  layout.interlaced = chunk[12] == std::byte{1};
  check_image_size(file, layout.width, layout.height, limits);
}

/// Walks the chunks of a PNG file and checks their lengths and checksums. Throws octavo::error with the offset.
inline png_layout read_png_layout(const std::string& file, std::span<const std::byte> bytes,
                                  const image_limits& limits) {
  png_layout layout;
  std::size_t offset = 8;  // after the signature
  for (;;) {
    require(bytes.size() - offset >= 12, file, ": PNG: expected a chunk at offset ", offset,
            ", found the end of the file at ", bytes.size());
    const std::size_t length = read_big_endian(bytes, offset);
    require(length <= bytes.size() - offset - 12, file, ": PNG: the chunk at offset ", offset, " has a length of ",
            length, ", beyond the end of the file at ", bytes.size());
    const std::string type(reinterpret_cast<const char*>(bytes.data()) + offset + 4, 4);
    const std::span<const std::byte> data = bytes.subspan(offset + 8, length);
    require(crc32(bytes.subspan(offset + 4, length + 4)) == read_big_endian(bytes, offset + 8 + length), file,
            ": PNG: the checksum of the chunk at offset ", offset, " does not match");
    require((type == "IHDR") == (offset == 8), file, ": PNG: expected one IHDR, as the first chunk; found ", type,
            " at offset ", offset);
    if (type == "IHDR") read_png_header(file, data, limits, layout);
    if (type == "IDAT") {
      const auto* first = reinterpret_cast<const char*>(data.data());
      layout.compressed.insert(layout.compressed.end(), first, first + data.size());
    }
    offset += 12 + length;
    if (type == "IEND") break;
  }
  layout.size = offset;
  return layout;
}

/// A PNG file's pixels; grey becomes three equal channels, transparency is dropped, 16 bits are cut to 8. `file` opens
/// messages. Throws octavo::error when the file is damaged or over a limit.
inline rgb_image decode_png(const std::string& file, std::span<const std::byte> bytes, const image_limits& limits) {
  constexpr auto int_max = static_cast<std::uint64_t>(std::numeric_limits<int>::max());  // stb_image counts in int
  require(bytes.size() <= int_max, file, ": PNG: over 2 GB");
  const png_layout layout = read_png_layout(file, bytes, limits);
  // stb_image unpacks without a limit, and a few bytes can unpack to gigabytes: unpack into a buffer of the right size
  // first. Deflate gains at most a factor of 1032, so that a header which claims too much costs no memory.
  const std::uint64_t expected = layout.unpacked_bytes();
  require(expected / 1032 <= layout.compressed.size(), file, ": PNG: ", layout.compressed.size(),
          " compressed bytes cannot hold ", layout.width, " x ", layout.height, " pixels");
  require(expected <= int_max, file, ": PNG: over 2 GB when unpacked");
  {
    std::vector<char> unpacked(static_cast<std::size_t>(expected));
    const int found = stbi_zlib_decode_buffer(unpacked.data(), static_cast<int>(expected), layout.compressed.data(),
                                              static_cast<int>(layout.compressed.size()));
    require(found >= 0 && static_cast<std::uint64_t>(found) == expected, file,
            ": PNG: the compressed pixels are damaged, or do not have the ", expected, " bytes that ", layout.width,
            " x ", layout.height, " pixels need");
  }
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()), static_cast<int>(layout.size), &width,
                            &height, &channels, 3),
      stbi_image_free);
  if (!pixels) fail(file, ": PNG: ", stbi_failure_reason());
  const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
  return {width, height, std::vector<std::uint8_t>(pixels.get(), pixels.get() + count)};
}

}  // namespace octavo::detail
