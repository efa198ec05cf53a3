/// Procedural 32x32 RGB images of ten classes of simple figures.
///
/// Every image is drawn from a 64-bit seed with integer random numbers, so the same seed gives the
/// same image with every compiler (options such as -ffast-math aside). Geometry is in double
/// precision without transcendental functions, and pixels are rounded to 256 levels, so that a
/// compiler's choice to fuse a multiply and an add does not show in the result.
#pragma once

#include "draw_figures.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace octavo::example {

/// Height and width of an image in pixels.
inline constexpr int image_size = 32;
/// Number of colour planes of an image, in the order red, green, blue.
inline constexpr int image_channels = 3;
/// Number of float values of one image, all planes together.
inline constexpr std::size_t image_values = std::size_t{image_channels} * image_size * image_size;

/// A labelled set of images.
struct image_set {
  std::vector<float> planes;         ///< NCHW, pixels scaled to (v - 0.5) / 0.25, in [-2, 2].
  std::vector<std::int64_t> labels;  ///< One label in [0, class_count) per image.
};

namespace detail {

/// SplitMix64 pseudo-random generator (Steele, Lea and Flood, 2014). The standard distributions
/// are left out on purpose: their output differs between standard libraries.
class splitmix64 {
 public:
  /// Starts the sequence of `seed`; any value is allowed.
  explicit splitmix64(std::uint64_t seed) : state_(seed) {}

  /// Returns the next 64 uniform random bits.
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }

  /// Returns a uniform value in [low, high).
  double uniform(double low, double high) {
    const double unit = static_cast<double>(next() >> 11U) * 0x1.0p-53;
    return low + (high - low) * unit;
  }

  /// Returns a uniform integer in [0, bound), for 0 < bound < 2^31.
  int below(int bound) { return static_cast<int>(((next() >> 32U) * static_cast<std::uint64_t>(bound)) >> 32U); }

  /// Returns true with the given probability in [0, 1].
  bool chance(double probability) { return uniform(0.0, 1.0) < probability; }

  /// Returns an approximately normal value with mean 0 and standard deviation 1, in [-3.5, 3.5]:
  /// the sum of four 16-bit uniform values, which needs no logarithm.
  double normal() {
    const std::uint64_t bits = next();
    const std::uint64_t sum = (bits & 0xffffU) + ((bits >> 16U) & 0xffffU) + ((bits >> 32U) & 0xffffU) + (bits >> 48U);
    constexpr double sqrt_three = 1.7320508075688772;
    return (static_cast<double>(sum) / 65535.0 - 2.0) * sqrt_three;
  }

 private:
  std::uint64_t state_;
};

/// Red, green and blue in [0, 1].
using colour = std::array<double, image_channels>;

/// The image being drawn: one colour per pixel, by rows.
using canvas = std::vector<colour>;

/// Returns the place of a pixel in a canvas, for row and column in [0, image_size).
inline std::size_t pixel_index(int row, int column) {
  return static_cast<std::size_t>(row) * image_size + static_cast<std::size_t>(column);
}

/// Returns a random unit vector. The half-angle formula gives sine and cosine of an angle within
/// 45 degrees of the axis without libm; a random quarter turn covers the circle.
inline point random_direction(splitmix64& random) {
  constexpr double tan_of_pi_over_8 = 0.41421356237309503;
  const double t = random.uniform(-tan_of_pi_over_8, tan_of_pi_over_8);
  const point d{(1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)};
  switch (random.below(4)) {
    case 0: return d;
    case 1: return {-d.y, d.x};
    case 2: return {-d.x, -d.y};
    default: return {d.y, -d.x};
  }
}

/// Returns a random colour, uniform in the RGB cube.
inline colour random_colour(splitmix64& random) {
  colour result{};
  for (double& value : result) {
    value = random.uniform(0.0, 1.0);
  }
  return result;
}

/// Returns the sum over the channels of the absolute differences, in [0, 3].
inline double colour_distance(const colour& a, const colour& b) {
  double sum = 0.0;
  for (std::size_t c = 0; c < a.size(); ++c) {
    sum += std::abs(a[c] - b[c]);
  }
  return sum;
}

/// Returns a random colour that differs from `other` by at least `contrast` (see colour_distance),
/// or the last of 32 tries.
inline colour random_contrasting_colour(splitmix64& random, const colour& other, double contrast) {
  colour result = random_colour(random);
  for (int attempt = 1; attempt < 32 && colour_distance(result, other) < contrast; ++attempt) {
    result = random_colour(random);
  }
  return result;
}

/// Blends `paint_colour` over the canvas wherever `inside(point)` holds, a point in pixels. The
/// share of 4x4 samples of a pixel that are inside is its opacity, which smooths the edges.
template <typename Inside>
void paint(canvas& image, const colour& paint_colour, Inside inside) {
  constexpr int samples = 4;
  for (int row = 0; row < image_size; ++row) {
    for (int column = 0; column < image_size; ++column) {
      int hits = 0;
      for (int i = 0; i < samples; ++i) {
        for (int j = 0; j < samples; ++j) {
          hits += inside(point{column + (j + 0.5) / samples, row + (i + 0.5) / samples}) ? 1 : 0;
        }
      }
      const double opacity = static_cast<double>(hits) / (samples * samples);
      colour& pixel = image[pixel_index(row, column)];
      for (std::size_t c = 0; c < pixel.size(); ++c) {
        pixel[c] += opacity * (paint_colour[c] - pixel[c]);
      }
    }
  }
}

/// Returns a canvas with a linear gradient in a random direction; `first` is the colour on one side
/// of the image and `second` that on the other.
inline canvas gradient(splitmix64& random, const colour& first, const colour& second) {
  canvas image(std::size_t{image_size} * image_size);
  const point direction = random_direction(random);
  constexpr double centre = 0.5 * (image_size - 1);
  for (int row = 0; row < image_size; ++row) {
    for (int column = 0; column < image_size; ++column) {
      const double along = ((column - centre) * direction.x + (row - centre) * direction.y) / image_size;
      const double mix = std::clamp(0.5 + along, 0.0, 1.0);
      colour& pixel = image[pixel_index(row, column)];
      for (std::size_t c = 0; c < pixel.size(); ++c) {
        pixel[c] = first[c] + mix * (second[c] - first[c]);
      }
    }
  }
  return image;
}

/// Draws a random distractor, which says nothing about the class: a short line or a small disc.
inline void paint_distractor(splitmix64& random, canvas& image) {
  const colour ink = random_colour(random);
  const bool line = random.chance(0.6);
  const double x = random.uniform(2.0, image_size - 2.0);
  const double y = random.uniform(2.0, image_size - 2.0);
  const point direction = random_direction(random);
  const double half_length = line ? random.uniform(3.0, 10.0) : 0.0;
  const double radius = line ? random.uniform(0.5, 1.2) : random.uniform(1.5, 3.5);
  paint(image, ink, [&](point p) {
    const double dx = p.x - x;
    const double dy = p.y - y;
    const double along = std::clamp(dx * direction.x + dy * direction.y, -half_length, half_length);
    const double ex = dx - along * direction.x;
    const double ey = dy - along * direction.y;
    return ex * ex + ey * ey <= radius * radius;
  });
}

/// Draws a figure of the class at a random place, in a random size, stretch and rotation. A part
/// may lie outside the image.
inline void paint_figure(splitmix64& random, canvas& image, int label, const colour& ink) {
  const double radius = random.uniform(5.5, 13.0);
  const double margin = 0.75 * radius;
  const double x = random.uniform(margin, image_size - margin);
  const double y = random.uniform(margin, image_size - margin);
  const point axis = random_direction(random);
  const double stretch = random.uniform(0.78, 1.0);
  const bool stretch_other_axis = random.chance(0.5);
  const double scale_x = radius * (stretch_other_axis ? 1.0 : stretch);
  const double scale_y = radius * (stretch_other_axis ? stretch : 1.0);
  const double detail = random.uniform(0.0, 1.0);
  const figure shape{label, detail, 4 + random.below(3)};
  paint(image, ink, [&](point p) {
    const double dx = p.x - x;
    const double dy = p.y - y;
    return in_figure(shape, {(dx * axis.x + dy * axis.y) / scale_x, (dy * axis.x - dx * axis.y) / scale_y});
  });
}

/// Adds normal noise to the canvas, rounds to 256 levels and stores the planes, values in [0, 1].
inline void store_with_noise(splitmix64& random, const canvas& image, double deviation,
                             std::span<float, image_values> planes) {
  for (std::size_t i = 0; i < image.size(); ++i) {
    for (std::size_t c = 0; c < image[i].size(); ++c) {
      const double value = std::clamp(image[i][c] + deviation * random.normal(), 0.0, 1.0);
      const long level = std::lround(value * 255.0);
      planes[c * image.size() + i] = static_cast<float>(level) / 255.0F;
    }
  }
}

}  // namespace detail

/// Draws one image of the class `label`.
///
/// A figure of the class lies on a background gradient, at a random place, in a random size,
/// rotation and colour, with distractors below and above it and with noise. About one image in
/// four may have little contrast between figure and background.
///
/// @param seed    any value; the same seed and label always give the same image.
/// @param label   class in [0, class_count).
/// @param planes  receives the red, green and blue plane (CHW), values in [0, 1].
/// @throws std::invalid_argument if the label is out of range.
inline void draw_image(std::uint64_t seed, int label, std::span<float, image_values> planes) {
  if (label < 0 || label >= class_count) {
    throw std::invalid_argument("draw_image: label " + std::to_string(label) + " is not in 0.." +
                                std::to_string(class_count - 1));
  }
  detail::splitmix64 random(seed);
  const detail::colour first = detail::random_colour(random);
  const detail::colour other = detail::random_colour(random);
  detail::colour second{};
  detail::colour middle{};
  // A full change of colour over the image would hide every figure: keep a part of it.
  const double change = random.uniform(0.0, 0.6);
  for (std::size_t c = 0; c < first.size(); ++c) {
    second[c] = first[c] + change * (other[c] - first[c]);
    middle[c] = 0.5 * (first[c] + second[c]);
  }
  const double contrast = random.chance(0.25) ? 0.2 : 0.6;
  const detail::colour ink = detail::random_contrasting_colour(random, middle, contrast);

  detail::canvas image = detail::gradient(random, first, second);
  detail::paint_distractor(random, image);
  detail::paint_figure(random, image, label, ink);
  if (random.chance(0.7)) {
    detail::paint_distractor(random, image);
  }
  const double deviation = random.uniform(0.02, 0.17);
  detail::store_with_noise(random, image, deviation, planes);
}

/// Draws a balanced, shuffled set of images.
///
/// Every ten images in a row hold each class once, in random order, so the first n images are the
/// same for every count >= n.
///
/// @param seed   any value; different seeds give different images.
/// @param count  number of images, >= 0.
/// @return `count` images with pixels scaled to (v - 0.5) / 0.25, and their labels.
/// @throws std::invalid_argument if the count is negative.
inline image_set draw_images(std::uint64_t seed, int count) {
  if (count < 0) {
    throw std::invalid_argument("draw_images: count " + std::to_string(count) + " is negative");
  }
  const auto total = static_cast<std::size_t>(count);
  image_set result{std::vector<float>(total * image_values), std::vector<std::int64_t>(total)};
  detail::splitmix64 random(seed);
  std::array<int, class_count> order{};
  for (std::size_t i = 0; i < total; ++i) {
    const std::size_t in_block = i % order.size();
    if (in_block == 0) {
      for (int k = 0; k < class_count; ++k) {
        // Inside-out Fisher-Yates shuffle of the ten labels.
        const int j = random.below(k + 1);
        order[static_cast<std::size_t>(k)] = order[static_cast<std::size_t>(j)];
        order[static_cast<std::size_t>(j)] = k;
      }
    }
    const std::span<float, image_values> planes(result.planes.data() + i * image_values, image_values);
    draw_image(random.next(), order[in_block], planes);
    result.labels[i] = order[in_block];
    for (float& value : planes) {
      value = (value - 0.5F) / 0.25F;
    }
  }
  return result;
}

}  // namespace octavo::example
