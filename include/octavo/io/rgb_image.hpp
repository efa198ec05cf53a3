// A decoded image, before it is scaled for a network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "octavo/base/error.hpp"

namespace octavo {

/// 8-bit red, green, blue; rows from the top, without padding.
struct rgb_image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;  // (height, width, 3)
};

/// The most pixels of an image that is decoded or resized: 300 MB as RGB. A few bytes of a damaged or hostile file can
/// claim far more.
inline constexpr long long max_image_pixels = 100'000'000;

namespace detail {

/// Throws octavo::error when an image of this size is refused. `what` opens the message: a file's name, say.
inline void check_image_size(const std::string& what, long long width, long long height) {
  require(width >= 1 && height >= 1, what, ": an image of ", width, " x ", height, " pixels is empty");
  require(width <= max_image_pixels / height, what, ": an image of ", width, " x ", height,
          " pixels is over the limit of ", max_image_pixels);
}

}  // namespace detail

}  // namespace octavo
