// Decoding JPEG files: by libjpeg where OCTAVO_HAS_LIBJPEG is defined (link with -ljpeg), else by stb_image.
//
// Decoders differ by a few grey levels; on photographs stb_image is off libjpeg-turbo's slow integer DCT and smooth
// chroma upsampling, the usual choice of training pipelines, by 0.06 levels on average and by 3 at most. To reproduce
// published logits to more than two digits, use libjpeg. Define the macro for all files of a program or for none.
//
// JPEG has no checksums: a damaged file is noticed where its structure breaks, not where only a colour changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "octavo/base/error.hpp"
#include "octavo/io/jpeg_structure.hpp"
#include "octavo/io/rgb_image.hpp"

#if defined(OCTAVO_HAS_LIBJPEG)
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE

#include <jpeglib.h>
#else
#include <stb/stb_image.h>
#endif

namespace octavo::detail {

#if defined(OCTAVO_HAS_LIBJPEG)

/// libjpeg's decompressor. It reports errors by longjmp, which must not pass over objects with destructors: every
/// function that calls setjmp here has none, and returns false with `message` set.
class jpeg_decoder {
 public:
  jpeg_decoder() {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = stop;
    errors_.emit_message = stop_at_warning;
  }
  jpeg_decoder(const jpeg_decoder&) = delete;
  jpeg_decoder& operator=(const jpeg_decoder&) = delete;
  ~jpeg_decoder() { jpeg_destroy_decompress(&info_); }

  /// Reads the header of a file of `size` bytes, which must stay until the last row is read.
  bool read_header(const unsigned char* bytes, unsigned long size) {
    if (setjmp(on_error_) != 0) return false;
    jpeg_create_decompress(&info_);
    jpeg_mem_src(&info_, bytes, size);
    jpeg_read_header(&info_, TRUE);
    const bool four_inks = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    info_.out_color_space = four_inks ? JCS_CMYK : JCS_RGB;
    info_.dct_method = JDCT_ISLOW;
    info_.do_fancy_upsampling = TRUE;
    return true;
  }

  /// Decodes all rows, channels() bytes per pixel.
  bool read_rows(unsigned char* pixels) {
    if (setjmp(on_error_) != 0) return false;
    jpeg_start_decompress(&info_);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = pixels + std::size_t{info_.output_scanline} * info_.output_width * channels();
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  unsigned width() const { return info_.image_width; }
  unsigned height() const { return info_.image_height; }
  unsigned channels() const { return info_.out_color_space == JCS_CMYK ? 4 : 3; }
  const char* message() const { return message_; }

 private:
  [[noreturn]] static void stop(j_common_ptr info) {
    auto* self = static_cast<jpeg_decoder*>(info->client_data);
    info->err->format_message(info, self->message_);
    std::longjmp(self->on_error_, 1);
  }

  // Warnings are negative: libjpeg would go on with made-up pixels. The rest is tracing.
  static void stop_at_warning(j_common_ptr info, int level) {
    if (level < 0) stop(info);
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf on_error_{};
  char message_[JMSG_LENGTH_MAX] = {};
};

/// A JPEG file's pixels; grey becomes three equal channels, four inks are taken as Adobe writes them (inverted).
/// `file` opens messages. Throws octavo::error when the file is damaged, even if libjpeg could go on, or over
/// a limit.
inline rgb_image decode_jpeg(const std::string& file, std::span<const std::byte> bytes, const image_limits& limits) {
  check_jpeg_scans(file, bytes, limits);
  jpeg_decoder decoder;
  require(decoder.read_header(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()), file,
          ": JPEG: ", decoder.message());
  check_image_size(file, decoder.width(), decoder.height(), limits);
  rgb_image image{static_cast<int>(decoder.width()), static_cast<int>(decoder.height()), {}};
  const std::size_t pixels = std::size_t{decoder.width()} * decoder.height();
  image.pixels.resize(pixels * decoder.channels());
  require(decoder.read_rows(image.pixels.data()), file, ": JPEG: ", decoder.message());
  if (decoder.channels() == 4) {
    for (std::size_t p = 0; p < pixels; ++p)
      for (std::size_t c = 0; c < 3; ++c)
        image.pixels[p * 3 + c] =
            static_cast<std::uint8_t>((image.pixels[p * 4 + c] * image.pixels[p * 4 + 3] + 127) / 255);
    image.pixels.resize(pixels * 3);
  }
  return image;
}

#else

/// A JPEG file's pixels; grey becomes three equal channels, four inks are taken as Adobe writes them (inverted).
/// `file` opens messages. Throws octavo::error when the file's structure is damaged or it ends
/// too early, or is over a limit.
inline rgb_image decode_jpeg(const std::string& file, std::span<const std::byte> bytes, const image_limits& limits) {
  require(bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()), file, ": JPEG: over 2 GB");
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const int size = static_cast<int>(bytes.size());
  check_jpeg_scans(file, bytes, limits);
  jpeg_structure(file, bytes).check();  // first: even stbi_info trusts the tables
  int width = 0, height = 0, channels = 0;
  require(stbi_info_from_memory(data, size, &width, &height, &channels) != 0, file, ": JPEG: ", stbi_failure_reason());
  check_image_size(file, width, height, limits);
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(data, size, &width, &height, &channels, 3), stbi_image_free);
  if (!pixels) fail(file, ": JPEG: ", stbi_failure_reason());
  const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3;
  return {width, height, std::vector<std::uint8_t>(pixels.get(), pixels.get() + count)};
}

#endif

}  // namespace octavo::detail
