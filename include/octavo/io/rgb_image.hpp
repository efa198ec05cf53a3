// A decoded image, before it is scaled for a network.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
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

/// What an image may cost. A few kilobytes of a damaged or hostile file can claim gigabytes of memory and minutes of
/// work: what is over a limit is refused before any of that is spent.
struct image_limits {
  /// Width times height, also on the way of a resize; never more than 2147483647. Decoding needs up to 20 bytes for
  /// each.
  long long pixels = 50'000'000;
  /// Scans of a JPEG file. Each may pass over all pixels; a progressive file has about 10.
  int scans = 64;
};

namespace detail {

/// Throws octavo::error when an image of this size is refused. `what` opens the message: a file's name, say.
inline void check_image_size(const std::string& what, long long width, long long height, const image_limits& limits) {
  require(width >= 1 && height >= 1, what, ": an image of ", width, " x ", height, " pixels is empty");
  const long long limit = std::min<long long>(limits.pixels, std::numeric_limits<int>::max());
  require(width <= limit / height, what, ": an image of ", width, " x ", height, " pixels is over the limit of ",
          limit);
}

}  // namespace detail

}  // namespace octavo
