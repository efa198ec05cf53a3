// From the pixels of a photograph to the numbers that a network expects: resize, crop, scale.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "octavo/base/error.hpp"
#include "octavo/io/resize.hpp"
#include "octavo/io/rgb_image.hpp"

namespace octavo {

/// How an image becomes a network's input. A pixel of 0..255 becomes (v / 255 - mean) / deviation.
struct preprocessing {
  int crop = 224;                                 ///< side of the square cut out of the centre, in pixels
  int resize_short_side = 0;                      ///< before the crop: new length of the short side; 0 = no resize
  resize_filter filter = resize_filter::lanczos;  ///< of the resize
  std::array<float, 3> mean{0, 0, 0};             ///< of red, green, blue, in units of 255 (also if bgr)
  std::array<float, 3> deviation{1, 1, 1};        ///< of red, green, blue, in units of 255 (also if bgr)
  bool bgr = false;                               ///< channels come out as blue, green, red
  image_limits limits{};                          ///< of the image, decoded and resized
};

/// What networks trained with torchvision expect: (v / 255 - (.485, .456, .406)) / (.229, .224, .225). The usual
/// resize for photographs of any size is resize_short_side = 256.
inline preprocessing imagenet_preprocessing() {
  return {.mean = {0.485f, 0.456f, 0.406f}, .deviation = {0.229f, 0.224f, 0.225f}};
}

/// What TensorFlow's MobileNets expect: v / 127.5 - 1, from -1 to 1.
inline preprocessing tf_preprocessing() { return {.mean = {0.5f, 0.5f, 0.5f}, .deviation = {0.5f, 0.5f, 0.5f}}; }

/// Throws octavo::error when an option has no meaning, with its name and value.
inline void check_preprocessing(const preprocessing& options) {
  require(options.crop >= 1 && options.crop <= 8192, "preprocessing: expected crop from 1 to 8192, found ",
          options.crop);
  require(options.resize_short_side == 0 || options.resize_short_side >= options.crop,
          "preprocessing: expected resize_short_side of 0 (no resize) or at least the crop of ", options.crop,
          ", found ", options.resize_short_side);
  require(options.limits.pixels >= 1 && options.limits.scans >= 1,
          "preprocessing: expected limits of at least 1 pixel and 1 scan, found ", options.limits.pixels, " and ",
          options.limits.scans);
  for (std::size_t c = 0; c < 3; ++c) {
    require(std::isfinite(options.mean[c]), "preprocessing: mean ", c, " is not finite");
    require(std::isfinite(options.deviation[c]) && options.deviation[c] > 0, "preprocessing: expected deviation ", c,
            " above 0, found ", options.deviation[c]);
  }
}

/// Resizes, crops and scales `image` into `nhwc` (crop, crop, 3). The crop is centred, its left and top edges rounded
/// down. Throws octavo::error when an option has no meaning, the image is smaller than the crop or `nhwc` has another
/// size.
inline void preprocess(const rgb_image& image, const preprocessing& options, std::span<float> nhwc) {
  check_preprocessing(options);
  const auto crop = static_cast<std::size_t>(options.crop);
  require(nhwc.size() == crop * crop * 3, "preprocess: expected room for ", crop * crop * 3, " numbers, found ",
          nhwc.size());
  rgb_image resized;
  if (options.resize_short_side != 0)
    resized = resize_short_side(image, options.resize_short_side, options.filter, options.limits);
  const rgb_image& source = options.resize_short_side != 0 ? resized : image;
  require(source.width >= options.crop && source.height >= options.crop, "an image of ", source.width, " x ",
          source.height, " pixels is smaller than the crop of ", options.crop, " x ", options.crop);
  const auto width = static_cast<std::size_t>(source.width), height = static_cast<std::size_t>(source.height);
  require(source.pixels.size() == width * height * 3, "preprocess: an image of ", width, " x ", height, " needs ",
          width * height * 3, " bytes, has ", source.pixels.size());

  // Rounded once, from double: the same numbers whichever way the formula is written.
  std::array<std::array<float, 256>, 3> scaled;
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t v = 0; v < 256; ++v)
      scaled[c][v] = static_cast<float>((static_cast<double>(v) / 255 - static_cast<double>(options.mean[c])) /
                                        static_cast<double>(options.deviation[c]));
  const std::size_t left = (width - crop) / 2, top = (height - crop) / 2;
  float* out = nhwc.data();
  for (std::size_t y = 0; y < crop; ++y) {
    const std::uint8_t* in = source.pixels.data() + ((top + y) * width + left) * 3;
    for (std::size_t x = 0; x < crop; ++x, in += 3, out += 3)
      for (std::size_t c = 0; c < 3; ++c) out[options.bgr ? 2 - c : c] = scaled[c][in[c]];
  }
}

}  // namespace octavo
