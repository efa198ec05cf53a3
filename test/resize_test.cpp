// Resizing against a plain evaluation of the definition in double precision, and properties that any resize must have.
#include "octavo/io/resize.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>
#include <vector>

#include "temporary_folder.hpp"

namespace octavo::test {
namespace {

rgb_image random_image(int width, int height, unsigned seed) {
  std::mt19937 random(seed);
  rgb_image image{width, height,
                  std::vector<std::uint8_t>(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3)};
  for (auto& v : image.pixels) v = static_cast<std::uint8_t>(random() % 4 == 0 ? 255 * (random() % 2) : random() % 256);
  return image;
}

double at(const rgb_image& image, int x, int y, int c) {
  return image
      .pixels[(static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(x)) * 3 +
              static_cast<std::size_t>(c)];
}

/// The weight of source pixel `k` in destination pixel `i`, before normalisation.
double weight(int k, int i, int from, int to, resize_filter filter) {
  const double scale = double(from) / to, stretch = std::max(1.0, scale), centre = (i + 0.5) * scale;
  if (filter == resize_filter::area) {
    const double left = centre - stretch / 2, right = centre + stretch / 2;
    return std::max(0.0, std::min(k + 1.0, right) - std::max(double(k), left));
  }
  if (filter == resize_filter::bilinear) return std::max(0.0, 1 - std::abs(k + 0.5 - centre) / stretch);
  // Every pixel whose centre is less than three stretched pixels away, the middle of a tie included on the left.
  if (k < std::floor(centre - 3 * stretch + 0.5) || k >= std::floor(centre + 3 * stretch + 0.5)) return 0;
  const double x = std::numbers::pi * (k + 0.5 - centre) / stretch;
  return x == 0 ? 1 : std::abs(x) >= 3 * std::numbers::pi ? 0 : 3 * std::sin(x) * std::sin(x / 3) / (x * x);
}

/// One pixel of the result without any intermediate rounding.
double reference(const rgb_image& source, int x, int y, int c, int width, int height, resize_filter filter) {
  std::vector<double> along_x(static_cast<std::size_t>(source.width));
  double sum_x = 0, sum_y = 0, sum = 0;
  for (int k = 0; k < source.width; ++k) {
    along_x[static_cast<std::size_t>(k)] = width == source.width ? k == x : weight(k, x, source.width, width, filter);
    sum_x += along_x[static_cast<std::size_t>(k)];
  }
  for (int j = 0; j < source.height; ++j) {
    const double along_y = height == source.height ? j == y : weight(j, y, source.height, height, filter);
    sum_y += along_y;
    if (along_y == 0) continue;
    double row = 0;
    for (int k = 0; k < source.width; ++k) row += along_x[static_cast<std::size_t>(k)] * at(source, k, j, c);
    // The first pass clamps: a byte cannot overshoot.
    sum += along_y * std::clamp(row / sum_x, 0.0, 255.0);
  }
  return std::clamp(sum / sum_y, 0.0, 255.0);
}

}  // namespace

TEST_CASE("resize: the definition, to the rounding of the two passes") {
  const int sizes[][4] = {{7, 5, 3, 4}, {16, 16, 8, 8}, {9, 4, 27, 12}, {40, 3, 13, 7},
                          {1, 1, 5, 5}, {5, 5, 1, 1},   {2, 9, 9, 2},   {33, 17, 32, 16},
                          {8, 8, 8, 3}, {8, 8, 3, 8},   {100, 2, 7, 2}, {3, 64, 3, 21}};
  for (const resize_filter filter : {resize_filter::lanczos, resize_filter::bilinear, resize_filter::area})
    for (const auto& size : sizes) {
      const int w = size[0], h = size[1], to_w = size[2], to_h = size[3];
      CAPTURE(w);
      CAPTURE(h);
      CAPTURE(to_w);
      CAPTURE(to_h);
      const rgb_image source = random_image(w, h, static_cast<unsigned>(w * 100 + h));
      const rgb_image result = resize(source, to_w, to_h, filter);
      REQUIRE(result.width == to_w);
      REQUIRE(result.height == to_h);
      // The second pass rounds by 1/2, and passes on the 1/2 of the first with weights whose magnitudes sum to at most
      // 1.4.
      for (int y = 0; y < to_h; ++y)
        for (int x = 0; x < to_w; ++x)
          for (int c = 0; c < 3; ++c)
            CHECK(std::abs(at(result, x, y, c) - reference(source, x, y, c, to_w, to_h, filter)) < 1.21);
    }
}

TEST_CASE("resize: a size of its own keeps every byte") {
  const rgb_image source = random_image(19, 23, 1);
  for (const resize_filter filter : {resize_filter::lanczos, resize_filter::bilinear, resize_filter::area})
    CHECK(resize(source, 19, 23, filter).pixels == source.pixels);
}

TEST_CASE("resize: one colour stays that colour") {
  for (const resize_filter filter : {resize_filter::lanczos, resize_filter::bilinear, resize_filter::area})
    for (const int value : {0, 1, 127, 254, 255})
      for (const int to : {1, 2, 9, 16, 17, 50}) {
        rgb_image source{17, 13, std::vector<std::uint8_t>(17 * 13 * 3, static_cast<std::uint8_t>(value))};
        const rgb_image result = resize(source, to, 51 - to, filter);
        CHECK(result.pixels == std::vector<std::uint8_t>(result.pixels.size(), static_cast<std::uint8_t>(value)));
      }
}

TEST_CASE("resize: a mirrored image gives the mirrored result") {
  const auto mirrored = [](const rgb_image& image) {
    rgb_image m = image;
    for (int y = 0; y < image.height; ++y)
      for (int x = 0; x < image.width; ++x)
        for (int c = 0; c < 3; ++c)
          m.pixels[static_cast<std::size_t>((y * image.width + x) * 3 + c)] =
              static_cast<std::uint8_t>(at(image, image.width - 1 - x, y, c));
    return m;
  };
  // By the factor of 2 all weights are exact mirror images of each other.
  const rgb_image source = random_image(32, 6, 3);
  for (const resize_filter filter : {resize_filter::lanczos, resize_filter::bilinear, resize_filter::area})
    CHECK(resize(mirrored(source), 16, 6, filter).pixels == mirrored(resize(source, 16, 6, filter)).pixels);
}

TEST_CASE("resize: area by a whole factor is the mean, rounded half up") {
  const rgb_image source{4, 1, {10, 0, 255, 20, 1, 255, 1, 2, 3, 2, 2, 4}};
  CHECK(resize(source, 2, 1, resize_filter::area).pixels == std::vector<std::uint8_t>{15, 1, 255, 2, 2, 4});
}

TEST_CASE("resize: short side") {
  const auto size_of_result = [](int w, int h, int side) {
    const rgb_image result = resize_short_side(random_image(w, h, 4), side, resize_filter::area);
    return std::pair(result.width, result.height);
  };
  CHECK(size_of_result(50, 40, 20) == std::pair(25, 20));
  CHECK(size_of_result(40, 50, 20) == std::pair(20, 25));
  CHECK(size_of_result(40, 40, 20) == std::pair(20, 20));
  CHECK(size_of_result(5, 4, 6) == std::pair(8, 6));            // 7.5
  CHECK(size_of_result(500, 375, 256) == std::pair(341, 256));  // 341.33
}

TEST_CASE("resize: what is refused") {
  const rgb_image source = random_image(4, 4, 5);
  const auto refused = [](const rgb_image& image, int w, int h) {
    return failure_of([&] { resize(image, w, h, resize_filter::lanczos); });
  };
  check_failure(refused(source, 0, 4), "0 x 4", "empty");
  check_failure(refused(source, 4, -1), "4 x -1");
  check_failure(refused(source, 100'000, 100'000), "over the limit");
  check_failure(refused({}, 4, 4), "source", "empty");
  check_failure(refused({4, 4, std::vector<std::uint8_t>(47)}, 4, 4), "needs 48 bytes, has 47");
  check_failure(failure_of([&] { resize_short_side(source, 0, resize_filter::area); }), "at least 1");
  const rgb_image thin = random_image(100'000, 1, 6);
  check_failure(failure_of([&] { resize_short_side(thin, 256, resize_filter::area); }), "25600000 x 256");
}

}  // namespace octavo::test
