/// The ten classes of figures that draw.hpp draws, as point-in-figure tests.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>

namespace octavo::example {

/// Number of classes; labels are 0 to class_count - 1.
inline constexpr int class_count = 10;
/// Name of the class of each label.
inline constexpr std::string_view class_names[class_count] = {"circle", "ring",    "square",       "triangle", "star",
                                                              "cross",  "stripes", "checkerboard", "crescent", "heart"};

namespace detail {

/// A point or direction; pixels for places in the image, 1 for the radius of a figure in its frame.
struct point {
  double x;
  double y;
};

/// Tells whether `p` lies in the polygon (even-odd rule).
inline bool in_polygon(std::span<const point> vertices, point p) {
  bool inside = false;
  for (std::size_t i = 0, j = vertices.size() - 1; i < vertices.size(); j = i++) {
    const point a = vertices[i];
    const point b = vertices[j];
    if ((a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x) {
      inside = !inside;
    }
  }
  return inside;
}

/// A figure in its own frame, about 1 in radius around the origin.
struct figure {
  int label;      ///< Class, in [0, class_count).
  double detail;  ///< In [0, 1): the thickness, depth or offset that varies within the class.
  int cells;      ///< Stripes or checkerboard cells along one side, 4 to 6.
};

/// Tells whether `p` lies in a five-pointed star with tips at radius 1 and notches at radius
/// `notch` in (0, 1).
inline bool in_star(double notch, point p) {
  // Cosines and sines of the multiples of 36 degrees.
  constexpr std::array<point, 10> directions{{{0.0, 1.0},
                                              {-0.58778525229247314, 0.80901699437494745},
                                              {-0.95105651629515353, 0.30901699437494745},
                                              {-0.95105651629515353, -0.30901699437494745},
                                              {-0.58778525229247314, -0.80901699437494745},
                                              {0.0, -1.0},
                                              {0.58778525229247314, -0.80901699437494745},
                                              {0.95105651629515353, -0.30901699437494745},
                                              {0.95105651629515353, 0.30901699437494745},
                                              {0.58778525229247314, 0.80901699437494745}}};
  std::array<point, 10> vertices{};
  for (std::size_t i = 0; i < vertices.size(); ++i) {
    const double radius = i % 2 == 0 ? 1.0 : notch;
    vertices[i] = {radius * directions[i].x, radius * directions[i].y};
  }
  return in_polygon(vertices, p);
}

/// Tells whether `p` lies in the heart-shaped curve (x^2 + y^2 - 1)^3 = x^2 y^3, shifted and scaled
/// to fill the unit circle.
inline bool in_heart(point p) {
  const double x = 1.2 * p.x;
  const double y = 1.2 * p.y + 0.1;
  const double d = x * x + y * y - 1.0;
  return d * d * d <= x * x * y * y * y;
}

/// Returns the number of the cell, of `cells` equal cells over [-0.85, 0.85], that holds `v`.
inline int cell_of(double v, int cells) { return static_cast<int>(std::floor((v + 0.85) / 1.7 * cells)); }

/// Tells whether `p`, in the frame of the figure, lies in the figure.
inline bool in_figure(const figure& shape, point p) {
  const double r2 = p.x * p.x + p.y * p.y;
  const double ax = std::abs(p.x);
  const double ay = std::abs(p.y);
  switch (shape.label) {
    case 0: return r2 <= 0.9 * 0.9;
    case 1: {
      const double inner = 0.35 + 0.35 * shape.detail;
      return r2 <= 0.95 * 0.95 && r2 >= inner * inner;
    }
    case 2: return std::max(ax, ay) <= 0.8;
    case 3: {
      constexpr std::array<point, 3> vertices{{{0.0, 1.0}, {-0.8660254037844386, -0.5}, {0.8660254037844386, -0.5}}};
      return in_polygon(vertices, p);
    }
    case 4: return in_star(0.38 + 0.17 * shape.detail, p);
    case 5: {
      const double half_width = 0.2 + 0.2 * shape.detail;
      return std::min(ax, ay) <= half_width && std::max(ax, ay) <= 0.95;
    }
    case 6: return std::max(ax, ay) <= 0.85 && cell_of(p.y, shape.cells) % 2 == 0;
    case 7: return std::max(ax, ay) <= 0.85 && (cell_of(p.x, shape.cells) + cell_of(p.y, shape.cells)) % 2 == 0;
    case 8: {
      const double dx = p.x - (0.35 + 0.3 * shape.detail);
      return r2 <= 0.95 * 0.95 && dx * dx + p.y * p.y > 0.8 * 0.8;
    }
    default: return in_heart(p);
  }
}

}  // namespace detail

}  // namespace octavo::example
