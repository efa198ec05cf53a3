// The boxes that an SSD starts from at each pixel of a feature map (Liu et al., arXiv 1512.02325), as Caffe's and
// Paddle's prior_box have them. In pixels of the image, for pixel (h, w) of the map:
//   centre = ((w + offset) step_w, (h + offset) step_h)
//   for each min_size s_k: width s_k sqrt(r), height s_k / sqrt(r) for each ratio r, and where there is a max_size m_k
//   a square of side sqrt(s_k m_k): after all ratios, or with squares_first after r = 1
// The ratios are 1, then those of aspect_ratios that are not there already, each followed by 1 / r with flip.
// boxes: (H, W, P, 4) f32: xmin, ymin, xmax, ymax in units of the image's width and height.
// variances: the same extents, the four numbers of `variances` for each box.
#pragma once

#include <algorithm>
#include <cmath>

#include "octavo/op/signature.hpp"

namespace octavo::op {

/// An attribute of any number of numbers.
struct number_list : std::vector<float> {
  using std::vector<float>::vector;

  friend attribute to_attribute(const number_list& list) { return std::vector<double>(list.begin(), list.end()); }
  friend void from_attribute(const attribute& a, number_list& list) {
    list.clear();
    if (const auto* whole = std::get_if<std::vector<std::int64_t>>(&a))
      for (std::int64_t v : *whole) list.push_back(static_cast<float>(v));
    else
      for (double v : octavo::detail::attribute_as<std::vector<double>>(a, "a list of numbers"))
        list.push_back(static_cast<float>(v));
  }
  friend std::ostream& operator<<(std::ostream& out, const number_list& list) {
    for (std::size_t i = 0; i < list.size(); ++i) out << (i ? "," : "") << list[i];
    return out;
  }
};

/// Prior boxes in a graph. Sizes and steps are in pixels of the image.
struct prior_box {
  static constexpr std::string_view name = "prior_box";
  static constexpr port inputs[] = {{"x", port_rule::f32}, {"image", port_rule::f32}};
  static constexpr std::string_view outputs[] = {"boxes", "variances"};
  number_list min_sizes = {};                        ///< at least one
  number_list max_sizes = {};                        ///< none, or one for each of min_sizes
  number_list aspect_ratios = {};                    ///< width by height, besides 1
  number_list variances = {0.1f, 0.1f, 0.2f, 0.2f};  ///< of x, y, width, height
  bool flip = false;                                 ///< 1 / r for each ratio r, too
  bool clip = false;                                 ///< corners are clamped to [0, 1]
  bool squares_first = false;                        ///< Paddle's min_max_aspect_ratios_order
  float step_w = 0;                                  ///< 0: the image's width by the map's
  float step_h = 0;                                  ///< 0: the image's height by the map's
  float offset = 0.5f;                               ///< of the centres, in steps

  static constexpr auto fields = std::tuple{field{"min_sizes", &prior_box::min_sizes},
                                            field{"max_sizes", &prior_box::max_sizes},
                                            field{"aspect_ratios", &prior_box::aspect_ratios},
                                            field{"variances", &prior_box::variances},
                                            field{"flip", &prior_box::flip},
                                            field{"clip", &prior_box::clip},
                                            field{"squares_first", &prior_box::squares_first},
                                            field{"step_w", &prior_box::step_w},
                                            field{"step_h", &prior_box::step_h},
                                            field{"offset", &prior_box::offset}};
};

namespace detail {

/// Calls `use(ratio)` for each ratio of width to height, 1 first, none twice. Returns how many there are.
template <class Use>
int for_each_ratio(const prior_box& p, Use&& use) {
  const auto is_one = [](float r) { return std::fabs(r - 1.0f) < 1e-6f; };
  int count = 1;
  use(1.0f);
  for (auto r = p.aspect_ratios.begin(); r != p.aspect_ratios.end(); ++r) {
    const auto same = [&](float earlier) {
      return std::fabs(earlier - *r) < 1e-6f || (p.flip && std::fabs(1.0f / earlier - *r) < 1e-6f);
    };
    if (is_one(*r) || std::any_of(p.aspect_ratios.begin(), r, same)) continue;
    use(*r), ++count;
    if (p.flip) use(1.0f / *r), ++count;
  }
  return count;
}

}  // namespace detail

/// How many boxes a pixel has.
inline int boxes_per_pixel(const prior_box& p) {
  return detail::for_each_ratio(p, [](float) {}) * static_cast<int>(p.min_sizes.size()) +
         static_cast<int>(p.max_sizes.size());
}

/// (H, W, P, 4), twice.
inline std::vector<tensor_type> infer(const prior_box& p, std::span<const tensor_type> x) {
  const dims& map = x[0].extents;
  require(!p.min_sizes.empty(), "prior_box: expected at least one of min_sizes, found none");
  require(map.rank == 4, "prior_box: expected a map of (N, H, W, C), found ", map);
  return std::vector<tensor_type>(2, {element::f32, {map[1], map[2], boxes_per_pixel(p), 4}, {}});
}

/// Throws octavo::error, naming what is wrong, unless `s` describes prior boxes that can be made.
inline void check(const prior_box& p, const signature& s) {
  require(s.src.size() == 2, "prior_box: expected 2 inputs, found ", s.src.size());
  for (const tensor_type& t : s.src)
    require(t.extents.rank == 4 && only_batch_bounded(t.extents), "prior_box: expected a map and an image of ",
            "(N, H, W, C) with no bounded axis but N, found ", t.extents);
  require(p.max_sizes.empty() || p.max_sizes.size() == p.min_sizes.size(), "prior_box: expected none or ",
          p.min_sizes.size(), " max_sizes, found ", p.max_sizes.size());
  require(p.variances.size() == 4, "prior_box: expected 4 variances, found ", p.variances.size());
  for (const number_list* list : {&p.min_sizes, &p.max_sizes, &p.aspect_ratios})
    for (float v : *list)
      require(v > 0 && std::isfinite(v), "prior_box: sizes and ratios must be positive and finite, found ", v);
  for (float v : {p.step_w, p.step_h})
    require(v >= 0 && std::isfinite(v), "prior_box: steps must be positive, or 0 for the image's by the map's, found ",
            v);
  require(std::isfinite(p.offset), "prior_box: the offset must be finite, found ", p.offset);
  const std::vector<tensor_type> y = infer(p, s.src);
  for (std::size_t i = 0; i < 2; ++i)
    require(s.dst[i] == y[i], "prior_box: output must be ", y[i], ", found ", s.dst[i]);
}

/// Reference evaluation.
inline void evaluate(const prior_box& p, const signature&, const arguments& a) {
  const dims &map = a.src[0].extents, &image = a.src[1].extents;
  const float height = static_cast<float>(image[1]), width = static_cast<float>(image[2]);
  const float step_h = p.step_h > 0 ? p.step_h : height / static_cast<float>(map[1]);
  const float step_w = p.step_w > 0 ? p.step_w : width / static_cast<float>(map[2]);
  std::size_t row = 0;
  for (int h = 0; h < map[1]; ++h)
    for (int w = 0; w < map[2]; ++w) {
      const auto add = [&](float half_w, float half_h) {
        const float x = static_cast<float>(w) + p.offset, y = static_cast<float>(h) + p.offset;
        const float corners[] = {std::fma(x, step_w, -half_w) / width, std::fma(y, step_h, -half_h) / height,
                                 std::fma(x, step_w, half_w) / width, std::fma(y, step_h, half_h) / height};
        for (std::size_t i = 0; i < 4; ++i) {
          a.dst[0].row<float>(row)[i] = p.clip ? std::min(std::max(corners[i], 0.0f), 1.0f) : corners[i];
          a.dst[1].row<float>(row)[i] = p.variances[i];
        }
        ++row;
      };
      for (std::size_t k = 0; k < p.min_sizes.size(); ++k) {
        const float half = p.min_sizes[k] / 2;
        const auto add_square = [&] {
          if (p.max_sizes.empty()) return;
          const float side = std::sqrt(p.min_sizes[k] * p.max_sizes[k]);
          add(side / 2, side / 2);
        };
        detail::for_each_ratio(p, [&](float r) {
          add(half * std::sqrt(r), half / std::sqrt(r));
          if (r == 1.0f && p.squares_first) add_square();
        });
        if (!p.squares_first) add_square();
      }
    }
}

}  // namespace octavo::op
