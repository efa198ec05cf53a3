/// Draws a labelled set of images (see draw.hpp) and writes it as a binary file, little-endian:
///   int64    N, the number of images
///   float32  N * 3 * 32 * 32 pixels, NCHW, RGB, scaled to (v - 0.5) / 0.25
///   int64    N labels
/// With --sheet it also writes a PNG of the first 100 images: a row for every ten images, a column
/// for every class.
///
/// Build: g++ -std=c++20 -O2 examples/embedded/draw_images.cpp -o draw_images
#include "draw.hpp"

#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <system_error>

#include <CLI/CLI.hpp>

#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

namespace {

namespace example = octavo::example;
namespace fs = std::filesystem;

/// Limits the memory of a set to about 12 GB; a larger count is most likely a typing error.
constexpr int max_count = 1'000'000;

/// Returns an empty string if `text` is an integer in 0 to 2^64 - 1, else what is wrong. CLI11 would
/// read -1 as 2^64 - 1.
std::string check_seed(const std::string& text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) {
    return "'" + text + "' is not an integer in 0 to 2^64 - 1";
  }
  return {};
}

/// Writes the bytes of an unsigned integer in little-endian order, whatever the machine's order.
template <typename Unsigned>
void write_little_endian(std::ostream& out, Unsigned value) {
  std::array<char, sizeof(Unsigned)> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>((value >> (8 * i)) & 0xffU);
  }
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// Calls `write` with a temporary path next to `path`, then renames the file to `path`, so that an
/// interrupted run leaves no half-written file under the final name. Removes the temporary file and
/// rethrows if `write` fails.
void write_then_rename(const fs::path& path, const std::function<void(const fs::path&)>& write) {
  fs::path temporary = path;
  temporary += ".tmp";
  try {
    write(temporary);
    fs::rename(temporary, path);
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
}

/// Writes the set in the binary format described at the top of this file.
/// @throws std::system_error if the file cannot be opened or written.
void write_image_set(const fs::path& path, const example::image_set& images) {
  errno = 0;
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  if (!out) {
    throw std::system_error(errno, std::generic_category(), "cannot open " + path.string());
  }
  write_little_endian(out, static_cast<std::uint64_t>(images.labels.size()));
  for (const float value : images.planes) {
    write_little_endian(out, std::bit_cast<std::uint32_t>(value));
  }
  for (const std::int64_t label : images.labels) {
    write_little_endian(out, static_cast<std::uint64_t>(label));
  }
  out.close();
  if (!out) {
    throw std::system_error(errno, std::generic_category(), "cannot write " + path.string());
  }
}

/// Writes a PNG of the first 100 images (see the top of this file); missing images stay black.
/// @throws std::runtime_error if the file cannot be written.
void write_sheet(const fs::path& path, const example::image_set& images) {
  constexpr std::size_t side = example::image_size;
  constexpr std::size_t channels = example::image_channels;
  constexpr std::size_t cells = example::class_count;
  constexpr std::size_t pitch = side + 2;  // a black line of two pixels between the images
  constexpr std::size_t width = cells * pitch;
  std::vector<unsigned char> sheet(width * width * channels);
  for (std::size_t i = 0; i < std::min(images.labels.size(), cells * cells); ++i) {
    const std::size_t top = i / cells * pitch;
    const std::size_t left = static_cast<std::size_t>(images.labels[i]) * pitch;
    for (std::size_t k = 0; k < example::image_values; ++k) {
      const std::size_t channel = k / (side * side);
      const std::size_t row = top + k / side % side;
      const std::size_t column = left + k % side;
      const float value = images.planes[i * example::image_values + k] * 0.25F + 0.5F;
      sheet[(row * width + column) * channels + channel] = static_cast<unsigned char>(std::lround(value * 255.0F));
    }
  }
  constexpr int int_width = static_cast<int>(width);
  constexpr int int_channels = static_cast<int>(channels);
  if (stbi_write_png(path.string().c_str(), int_width, int_width, int_channels, sheet.data(),
                     int_width * int_channels) == 0) {
    throw std::runtime_error("cannot write the contact sheet " + path.string());
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string out;
  int count = 0;
  std::uint64_t seed = 0;
  std::string sheet;

  CLI::App app{"Draws labelled 32x32 RGB images of ten classes of figures."};
  app.add_option("out", out, "File to write (binary)")->required();
  app.add_option("--count", count, "Number of images")->required()->check(CLI::Range(1, max_count));
  app.add_option("--seed", seed, "Seed of the random numbers, 0 to 2^64 - 1")->required()->check(check_seed);
  app.add_option("--sheet", sheet, "Also write a PNG of the first 100 images");
  CLI11_PARSE(app, argc, argv);

  try {
    const example::image_set images = example::draw_images(seed, count);
    write_then_rename(out, [&](const fs::path& path) { write_image_set(path, images); });
    if (!sheet.empty()) {
      write_then_rename(sheet, [&](const fs::path& path) { write_sheet(path, images); });
    }
  } catch (const std::exception& error) {
    std::cerr << "draw_images: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
