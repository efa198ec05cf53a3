// Folders of JPEG and PNG images: the list, decoding, preprocessing, and every damaged file refused with a message.
#include "octavo/io/image_folder.hpp"

#include <doctest/doctest.h>
#include <stb/stb_image_write.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "octavo/io/image_binary.hpp"
#include "temporary_folder.hpp"

namespace octavo::test {
namespace {

/// Bytes that differ from pixel to pixel and change smoothly, so that JPEG keeps them nearly.
std::vector<std::uint8_t> gradient(int width, int height, int channels) {
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c) pixels.push_back(static_cast<std::uint8_t>(5 * x + 3 * y + 40 * c));
  return pixels;
}

/// What stb_image_write calls with the next bytes of a file.
void append(void* to, void* data, int size) {
  static_cast<std::string*>(to)->append(static_cast<const char*>(data), static_cast<std::size_t>(size));
}

std::string make_png(int width, int height, int channels, const std::vector<std::uint8_t>& pixels) {
  std::string png;
  REQUIRE(stbi_write_png_to_func(append, &png, width, height, channels, pixels.data(), 0) != 0);
  return png;
}

std::string make_jpeg(int width, int height, int channels, const std::vector<std::uint8_t>& pixels) {
  std::string jpeg;
  REQUIRE(stbi_write_jpg_to_func(append, &jpeg, width, height, channels, pixels.data(), 90) != 0);
  return jpeg;
}

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

std::string make_chunk(const std::string& type_and_data) {
  return big_endian(static_cast<std::uint32_t>(type_and_data.size() - 4)) + type_and_data +
         big_endian(detail::crc32(std::as_bytes(std::span(type_and_data))));
}

const std::string png_signature = "\x89PNG\r\n\x1a\n";

std::string make_ihdr(std::uint32_t width, std::uint32_t height, char depth, char colour, char interlace = 0) {
  return make_chunk("IHDR" + big_endian(width) + big_endian(height) + depth + colour + std::string(2, '\0') +
                    interlace);
}

/// A PNG of unpacked rows, each after its filter byte, in one block that deflate only stores.
std::string make_stored_png(const std::string& ihdr, const std::string& rows) {
  const auto n = static_cast<std::uint16_t>(rows.size());
  const std::string zlib =
      "\x78\x01\x01" + bytes_of(n) + bytes_of(static_cast<std::uint16_t>(~n)) + rows + std::string(4, '\0');
  return png_signature + ihdr + make_chunk("IDAT" + zlib) + make_chunk("IEND");
}

/// A segment of a JPEG file.
std::string make_segment(char marker, const std::string& content) {
  const std::size_t length = content.size() + 2;
  return text('\xff', marker, static_cast<char>(length >> 8), static_cast<char>(length), content);
}

/// A progressive JPEG file of grey pixels. After the first scan, 14 for each coefficient of the cosine transform: one
/// gives its upper bits, which are 0, each of the others one bit more. A code of one bit stands for a whole block.
std::string make_progressive_jpeg(std::uint16_t width, std::uint16_t height, int scans) {
  const auto big_endian16 = [](std::uint16_t v) { return text(static_cast<char>(v >> 8), static_cast<char>(v)); };
  const std::string one_code = '\1' + std::string(16, '\0'), no_bits(std::size_t{width} * height / 64 / 8 + 1, '\0');
  const auto make_scan = [&](int coefficient, int bits_before, int bits_after) {
    return make_segment('\xda', {1, 1, 0, static_cast<char>(coefficient), static_cast<char>(coefficient),
                                 static_cast<char>(bits_before << 4 | bits_after)}) +
           no_bits;
  };
  std::string jpeg =
      "\xff\xd8" + make_segment('\xdb', '\0' + std::string(64, '\1')) +
      make_segment('\xc2', '\x08' + big_endian16(height) + big_endian16(width) + std::string("\1\1\x11\0", 4)) +
      make_segment('\xc4', '\0' + one_code) + make_segment('\xc4', '\x10' + one_code) + make_scan(0, 0, 0);
  for (int i = 1; i < scans; ++i) {
    const int bits_after = 13 - (i - 1) % 14;
    jpeg += make_scan(1 + (i - 1) / 14, bits_after == 13 ? 0 : bits_after + 1, bits_after);
  }
  return jpeg + "\xff\xd9";
}

/// What decoding these bytes says; nothing where it succeeds, after checking the result's size. The bytes are a block
/// of memory of exactly their size, so that a sanitizer sees any read beyond it.
std::optional<std::string> failure_of_image(const std::string& content, const image_limits& limits = {}) {
  const std::vector<char> bytes(content.begin(), content.end());
  auto message = failure_of([&] {
    const rgb_image image = decode_image("damaged", std::as_bytes(std::span(bytes)), limits);
    CHECK(image.pixels.size() == static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
  });
  if (message) CHECK_MESSAGE(message->find("damaged: ") == 0, *message);
  return message;
}

}  // namespace

TEST_CASE("image folder: images, labels and names in the order of the list") {
  const temporary_folder folder;
  std::filesystem::create_directory(folder / "sub folder");
  folder.write("a.png", make_png(5, 4, 3, gradient(5, 4, 3)));
  folder.write("sub folder/b c.png", make_png(4, 7, 3, gradient(4, 7, 3)));
  folder.write("val_list.txt", "a.png 3\r\n\n  \nsub folder/b c.png  \t12 \na.png 2147483647");
  const image_folder set(folder / "", {.crop = 4});
  CHECK(set.count() == 3);
  CHECK(set.extents() == dims{4, 4, 3});
  CHECK(set.label(0) == 3);
  CHECK(set.label(1) == 12);
  CHECK(set.label(2) == 2147483647);
  CHECK(set.name(1) == (folder / "sub folder/b c.png").string());
  std::vector<float> image(48);
  set.read(0, image);  // left = (5 - 4) / 2 = 0, top = 0
  CHECK(image[0] == 0.0f);
  CHECK(image[1] == static_cast<float>(40 / 255.0));
  CHECK(image[3] == static_cast<float>(5 / 255.0));
  set.read(1, image);  // top = (7 - 4) / 2 = 1
  CHECK(image[0] == static_cast<float>(3 / 255.0));

  // And through the binary format.
  write_image_binary(folder / "set.bin", image_subset(set, 0, 2));
  const binary_image_set binary(folder / "set.bin", 4);
  std::vector<float> again(48);
  binary.read(1, again);
  CHECK(again == image);
  CHECK(binary.label(1) == 12);
}

TEST_CASE("image folder: lists that are refused") {
  const temporary_folder folder;
  folder.write("a.png", make_png(4, 4, 3, gradient(4, 4, 3)));
  const auto refused = [&](const std::string& list) {
    folder.write("val_list.txt", list);
    return failure_of([&] { image_folder(folder / "", {.crop = 4}); });
  };
  check_failure(failure_of([&] { image_folder(folder / ""); }), "val_list.txt", "cannot be opened");
  REQUIRE(!refused("a.png 0\n"));
  check_failure(refused(""), "val_list.txt", "found none");
  check_failure(refused("\n\n"), "found none");
  check_failure(refused("a.png 0\na.png\n"), "val_list.txt: line 2", "'path label'", "a.png");
  check_failure(refused("a.png 0\n\na.png x\n"), "line 3", "label", "'x'");
  check_failure(refused("a.png -1"), "line 1", "'-1'");
  check_failure(refused("a.png 1.5"), "'1.5'");
  check_failure(refused("a.png 0x1"), "'0x1'");
  check_failure(refused("a.png +1"), "'+1'");
  check_failure(refused("a.png 2147483648"), "'2147483648'");
  check_failure(refused("  7"), "no path before '7'");
  check_failure(refused("b.png 0"), "line 1", "there is no file", "b.png");
  check_failure(refused(". 0"), "there is no file");
  check_failure(refused(std::string("a.png\0b 0", 9)), "zero byte");
  std::string long_name(100'000, 'x');
  check_failure(refused(long_name += " 0"), "there is no file");
}

TEST_CASE("preprocessing: formula, crop, order of channels") {
  rgb_image image{6, 5, gradient(6, 5, 3)};
  std::vector<float> out(3 * 3 * 3);
  preprocessing options = imagenet_preprocessing();
  options.crop = 3;
  preprocess(image, options, out);
  // left = (6 - 3) / 2 = 1, top = (5 - 3) / 2 = 1: the first pixel is (5 + 3, 48, 88).
  CHECK(out[0] == doctest::Approx((8 / 255.0 - 0.485) / 0.229));
  CHECK(out[1] == doctest::Approx((48 / 255.0 - 0.456) / 0.224));
  CHECK(out[2] == doctest::Approx((88 / 255.0 - 0.406) / 0.225));
  CHECK(out[(2 * 3 + 1) * 3] == doctest::Approx(((5 * 2 + 3 * 3) / 255.0 - 0.485) / 0.229));
  std::vector<float> swapped(out.size());
  options.bgr = true;
  preprocess(image, options, swapped);
  for (std::size_t p = 0; p < 9; ++p)
    for (std::size_t c = 0; c < 3; ++c) CHECK(swapped[p * 3 + c] == out[p * 3 + 2 - c]);

  options = tf_preprocessing();
  options.crop = 1;
  for (int v = 0; v < 256; ++v) {
    const auto byte = static_cast<std::uint8_t>(v);
    preprocess({1, 1, {byte, byte, byte}}, options, std::span(out).first(3));
    CHECK(out[0] == static_cast<float>(v / 127.5 - 1));
  }

  options = {.crop = 4, .resize_short_side = 4, .filter = resize_filter::area};
  std::vector<float> resized(48);
  preprocess({8, 8, std::vector<std::uint8_t>(192, 51)}, options, resized);
  CHECK(resized == std::vector<float>(48, static_cast<float>(51 / 255.0)));
}

TEST_CASE("preprocessing: what is refused") {
  const rgb_image image{6, 5, gradient(6, 5, 3)};
  std::vector<float> out(6 * 6 * 3);
  const auto refused = [&](const preprocessing& options) {
    return failure_of([&] { preprocess(image, options, out); });
  };
  check_failure(refused({.crop = 6}), "6 x 5", "smaller than the crop of 6 x 6");
  check_failure(refused({.crop = 5}), "room for 75", "found 108");
  check_failure(refused({.crop = 0}), "crop", "found 0");
  check_failure(refused({.crop = 1 << 20}), "crop");
  check_failure(refused({.crop = 6, .resize_short_side = 5}), "resize_short_side", "found 5");
  check_failure(refused({.crop = 6, .resize_short_side = -1}), "found -1");
  check_failure(refused({.crop = 6, .deviation = {1, 0, 1}}), "deviation 1", "found 0");
  check_failure(refused({.crop = 6, .mean = {std::nanf(""), 0, 0}}), "mean 0");
  out.resize(27);
  check_failure(failure_of([&] { preprocess({3, 3, {1, 2}}, {.crop = 3}, out); }), "needs 27 bytes, has 2");
}

TEST_CASE("image folder: a broken or small image is named when it is read") {
  const temporary_folder folder;
  folder.write("small.png", make_png(5, 4, 3, gradient(5, 4, 3)));
  folder.write("text.jpg", "not an image");
  folder.write("empty.jpg", "");
  folder.write("val_list.txt", "small.png 0\ntext.jpg 1\nempty.jpg 2\n");
  const image_folder set(folder / "", {.crop = 5});
  std::vector<float> image(75);
  check_failure(failure_of([&] { set.read(0, image); }), "small.png", "5 x 4", "smaller than the crop");
  check_failure(failure_of([&] { set.read(1, image); }), "text.jpg", "expected a JPEG or PNG", "12 bytes");
  check_failure(failure_of([&] { set.read(2, image); }), "empty.jpg", "0 bytes");
}

TEST_CASE("images: what is no file") {
  check_refuses_no_file([](const auto& path) { (void)decode_image(path); });
  check_refuses_no_file([](const auto& path) { image_folder(path.parent_path(), {}, path.filename().string()); });
}

TEST_CASE("PNG: decoded exactly, whatever the number of channels") {
  const temporary_folder folder;
  for (const int channels : {1, 2, 3, 4}) {
    const auto pixels = gradient(7, 3, channels);
    const rgb_image image = decode_image(folder.write("x.png", make_png(7, 3, channels, pixels)));
    CHECK(image.width == 7);
    CHECK(image.height == 3);
    for (std::size_t p = 0; p < 21; ++p)
      for (std::size_t c = 0; c < 3; ++c)
        CHECK(image.pixels[p * 3 + c] == pixels[p * static_cast<std::size_t>(channels) + (channels < 3 ? 0 : c)]);
  }
  // 2 x 2 pixels of 1 bit, interlaced: pass 1 has the pixel (0, 0), pass 6 (1, 0), pass 7 the row below.
  const std::string rows{'\0', '\x80', '\0', '\0', '\0', '\x40'};
  const rgb_image image = decode_image(folder.write("i.png", make_stored_png(make_ihdr(2, 2, 1, 0, 1), rows)));
  CHECK(image.pixels == std::vector<std::uint8_t>{255, 255, 255, 0, 0, 0, 0, 0, 0, 255, 255, 255});
  // 16 bits are cut to 8.
  const rgb_image deep = decode_image(
      folder.write("d.png", make_stored_png(make_ihdr(1, 1, 16, 2), std::string("\0\x12\x34\x56\x78\x7f\xff", 7))));
  CHECK(deep.pixels == std::vector<std::uint8_t>{0x12, 0x56, 0x7f});
}

TEST_CASE("PNG: truncated at every length, any byte changed") {
  const std::string whole = make_png(9, 6, 3, gradient(9, 6, 3));
  REQUIRE(!failure_of_image(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK(failure_of_image(whole.substr(0, length)).has_value());
  }
  for (std::size_t position = 0; position < whole.size(); ++position)
    for (const int change : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[position] = static_cast<char>(bytes[position] ^ change);
      CAPTURE(position);
      CHECK(failure_of_image(bytes).has_value());  // every chunk has a checksum
    }
}

TEST_CASE("PNG: damaged behind right checksums") {
  const std::string row = std::string("\0\x01\x02\x03", 4);
  REQUIRE(!failure_of_image(make_stored_png(make_ihdr(1, 1, 8, 2), row)));
  const auto refused = [&](const std::string& ihdr, const std::string& rows) {
    return failure_of_image(make_stored_png(ihdr, rows));
  };
  check_failure(refused(make_ihdr(1, 1, 8, 2), row + "\x01"), "do not have the 4 bytes");
  check_failure(refused(make_ihdr(1, 1, 8, 2), row.substr(1)), "do not have the 4 bytes");
  check_failure(refused(make_ihdr(1, 1, 8, 2), text("\x05", row.substr(1))), "PNG: ");  // an unknown filter
  check_failure(refused(make_ihdr(0, 1, 8, 2), row), "0 x 1", "empty");
  check_failure(refused(make_ihdr(1, 1, 3, 2), row), "bit depth 3");
  check_failure(refused(make_ihdr(1, 1, 8, 5), row), "colour type 5");
  check_failure(refused(make_ihdr(1, 1, 8, 2, 2), row), "interlace");
  check_failure(refused(make_ihdr(1, 1, 8, 3), row.substr(2)), "PNG: ");  // no palette
  check_failure(refused(make_ihdr(1, 1, 8, 2) + make_ihdr(1, 1, 8, 2), row), "expected one IHDR", "offset 33");
  check_failure(refused(make_chunk("tEXtab"), row), "as the first chunk", "tEXt");
  check_failure(failure_of_image(png_signature + make_ihdr(1, 1, 8, 2) + make_chunk("IEND")), "do not have");
  // All changes of the header and the compressed bytes, with their checksums put right.
  const std::string ihdr = make_ihdr(3, 2, 8, 2);
  const std::string rows = std::string(10, '\0') + std::string(10, '\1');
  for (std::size_t position = 0; position < 13; ++position)
    for (int change = 1; change < 256; ++change) {
      std::string data = ihdr.substr(4, 17);
      data[4 + position] = static_cast<char>(data[4 + position] ^ change);
      CHECK(failure_of_image(make_stored_png(make_chunk(data), rows)).has_value());
    }
  const std::string whole = make_png(9, 6, 3, gradient(9, 6, 3));
  const std::size_t idat = 33;
  const std::string type_and_data = whole.substr(idat + 4, whole.size() - idat - 4 - 4 - 12);
  int accepted = 0;
  for (std::size_t position = 4; position < type_and_data.size(); ++position)
    for (const int change : {0x01, 0x10, 0x80, 0xff}) {
      std::string data = type_and_data;
      data[position] = static_cast<char>(data[position] ^ change);
      accepted += !failure_of_image(whole.substr(0, idat) + make_chunk(data) + whole.substr(whole.size() - 12));
    }
  CHECK(accepted > 0);  // pixels of other colours, which nothing can tell
}

TEST_CASE("PNG: headers and data that claim gigabytes") {
  const std::string row(100, '\0');
  const auto with_size = [&](std::uint32_t w, std::uint32_t h) {
    return failure_of_image(make_stored_png(make_ihdr(w, h, 8, 6), row));
  };
  check_failure(with_size(0x7fffffff, 0x7fffffff), "2147483647 x 2147483647", "over the limit");
  check_failure(with_size(0xffffffff, 0xffffffff), "over the limit");
  check_failure(with_size(10'001, 5'000), "10001 x 5000", "over the limit of 50000000");
  check_failure(with_size(10'000, 5'000), "cannot hold 10000 x 5000");
  check_failure(with_size(1, 50'000'000), "cannot hold");
  // 1000 x 1000 black pixels under a header that says 4 x 4.
  const std::string black = make_png(1000, 1000, 3, std::vector<std::uint8_t>(3'000'000));
  check_failure(failure_of_image(png_signature + make_ihdr(4, 4, 8, 2) + black.substr(33)), "do not have the 52 bytes");
}

TEST_CASE("images: limits can be set") {
  const auto pixels = gradient(20, 12, 3);
  for (const std::string& file : {make_png(20, 12, 3, pixels), make_jpeg(20, 12, 3, pixels)}) {
    CHECK(!failure_of_image(file, {.pixels = 240}));
    check_failure(failure_of_image(file, {.pixels = 239}), "20 x 12", "over the limit of 239");
  }
  const std::string huge = make_stored_png(make_ihdr(100'000, 100'000, 8, 6), "");
  check_failure(failure_of_image(huge, {.pixels = 1'000'000'000'000}), "over the limit of 2147483647");
  const std::string large = make_stored_png(make_ihdr(20'000, 20'000, 16, 6), "");
  check_failure(failure_of_image(large, {.pixels = 1'000'000'000'000}), "cannot hold");

  const temporary_folder folder;
  folder.write("a.png", make_png(20, 12, 3, pixels));
  folder.write("val_list.txt", "a.png 0");
  std::vector<float> image(16 * 16 * 3);
  const auto failure_with = [&](const image_limits& limits) {
    return failure_of(
        [&] { image_folder(folder / "", {.crop = 16, .resize_short_side = 16, .limits = limits}).read(0, image); });
  };
  CHECK(!failure_with({.pixels = 27 * 16}));
  check_failure(failure_with({.pixels = 27 * 16 - 1}), "a.png", "27 x 16", "over the limit of 431");
  check_failure(failure_with({.pixels = 239}), "a.png", "20 x 12", "over the limit of 239");
  check_failure(failure_with({.pixels = 0}), "at least 1 pixel");
  check_failure(failure_with({.scans = 0}), "1 scan");
}

TEST_CASE("JPEG: decoded nearly, in colour and grey") {
  const temporary_folder folder;
  for (const int channels : {1, 3}) {
    const auto pixels = gradient(20, 12, channels);
    const rgb_image image = decode_image(folder.write("x.jpg", make_jpeg(20, 12, channels, pixels)));
    REQUIRE(image.width == 20);
    REQUIRE(image.height == 12);
    for (std::size_t p = 0; p < 240; ++p)
      for (std::size_t c = 0; c < 3; ++c) {
        const int expected = pixels[p * static_cast<std::size_t>(channels) + (channels < 3 ? 0 : c)];
        CHECK(std::abs(image.pixels[p * 3 + c] - expected) <= 12);
      }
  }
}

TEST_CASE("JPEG: truncated at every length, any byte changed") {
  const std::string whole = make_jpeg(20, 12, 3, gradient(20, 12, 3));
  REQUIRE(!failure_of_image(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK(failure_of_image(whole.substr(0, length)).has_value());
  }
  int refused = 0;
  for (std::size_t position = 0; position < whole.size(); ++position)
    for (const int change : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[position] = static_cast<char>(bytes[position] ^ change);
      refused += failure_of_image(bytes).has_value();  // JPEG has no checksums: many are only other pixels
    }
  CHECK(refused > 0);
}

TEST_CASE("JPEG: a header that claims too many pixels") {
  std::string bytes = make_jpeg(20, 12, 3, gradient(20, 12, 3));
  const std::size_t frame = bytes.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  bytes.replace(frame + 5, 4, "\xff\xdc\xff\xdc");
  check_failure(failure_of_image(bytes), "65500 x 65500", "over the limit");
}

TEST_CASE("JPEG: progressive files of too many scans are refused before they are decoded") {
  CHECK(!failure_of_image(make_progressive_jpeg(16, 16, 64)));
  check_failure(failure_of_image(make_progressive_jpeg(16, 16, 65)), "65 scans are over the limit of 64");
  CHECK(!failure_of_image(make_progressive_jpeg(16, 16, 883), {.scans = 883}));
  check_failure(failure_of_image(make_progressive_jpeg(16, 16, 2), {.scans = 1}), "2 scans are over the limit of 1");
  // Nothing has been decoded: the last scan would have been found to be cut off.
  std::string bytes = make_progressive_jpeg(64, 64, 883);
  bytes.erase(bytes.size() - 4, 2);
  check_failure(failure_of_image(bytes), "883 scans are over the limit of 64");
}

TEST_CASE("JPEG: tables and scans that do not fit") {
  const std::string whole = make_jpeg(20, 12, 3, gradient(20, 12, 3));
  const std::size_t huffman = whole.find("\xff\xc4"), frame = whole.find("\xff\xc0"), scan = whole.find("\xff\xda");
  REQUIRE(std::max({huffman, frame, scan}) != std::string::npos);
  const auto with_byte = [&](std::size_t position, unsigned char value) {
    std::string bytes = whole;
    bytes[position] = static_cast<char>(value);
    return failure_of_image(bytes);
  };
  // stb_image would write a Huffman table of more than 256 codes beyond its end.
  check_failure(with_byte(huffman + 5, 255), "JPEG: ");
  check_failure(with_byte(huffman + 4, 0x33), "JPEG: ");
  check_failure(with_byte(frame + 12, 7), "JPEG: ");   // a quantization table that is not there
  check_failure(with_byte(scan + 6, 0x33), "JPEG: ");  // and Huffman tables
  check_failure(failure_of_image(whole.substr(0, frame) + whole.substr(scan)), "JPEG: ");
  check_failure(failure_of_image(whole.substr(0, scan) + "\xff\xd9"), "JPEG: ");
  const std::size_t frame_end = frame + 2 + 17;
  check_failure(failure_of_image(whole.substr(0, frame_end) + whole.substr(frame)), "JPEG: ");
}

TEST_CASE("JPEG: scans that leave pixels undefined") {
  const std::string whole = make_progressive_jpeg(16, 16, 1);  // four blocks
  const std::size_t scan = whole.find("\xff\xda"), frame = whole.find("\xff\xc2");
  const std::string header = whole.substr(0, scan), scan_header = whole.substr(scan, 10), end = "\xff\xd9";
  const std::string restart_every_2 = make_segment('\xdd', {0, 2}), eight_bits(1, '\0');
  const auto with_scan = [&](const std::string& coded) {
    const std::string file = header + restart_every_2 + scan_header + coded + end;
    const auto structure =
        failure_of([&] { detail::jpeg_structure("damaged", std::as_bytes(std::span(file))).check(); });
    CHECK(structure.has_value() == failure_of_image(file).has_value());
    return structure;
  };
  CHECK(!with_scan(eight_bits + "\xff\xd0" + eight_bits));
  check_failure(with_scan(eight_bits + eight_bits), "damaged: JPEG: ", "a scan of 0 restart markers, expected 1");

  // A first scan that claims to refine an earlier one.
  std::string refined = whole;
  refined[scan + 9] = 0x10;
  check_failure(failure_of_image(refined), "JPEG: ");
  const auto bytes = std::as_bytes(std::span(refined));
  check_failure(failure_of([&] { detail::jpeg_structure("damaged", bytes).check(); }), "component 1 is refined before");

  for (const char sampling : {'\x01', '\x10', '\x51'}) {
    std::string sampled = whole;
    sampled[frame + 11] = sampling;
    check_failure(failure_of_image(sampled), "JPEG: ");
  }
}

TEST_CASE("image folder: the validation images of the data folder") {
  const auto data = data_folder();
  if (!data) return;
  const image_folder set(*data / "images/val");
  CHECK(set.extents() == dims{224, 224, 3});
  std::vector<float> image(224 * 224 * 3);
  for (int i = 0; i < 16; ++i) {
    CHECK(set.label(i) < 1000);
    set.read(i, image);
    // The most negative and the largest number that black and white become.
    CHECK(*std::min_element(image.begin(), image.end()) >= -0.485f / 0.229f);
    CHECK(*std::max_element(image.begin(), image.end()) <= (1 - 0.406f) / 0.225f);
    CHECK(*std::max_element(image.begin(), image.end()) > 0);
  }
}

}  // namespace octavo::test
