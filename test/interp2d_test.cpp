// Resizing's reference evaluation. (ONNX's vectors here have no bilinear ones.)
#include "octavo/op/interp2d.hpp"

#include <doctest/doctest.h>

#include "octavo/op/operation.hpp"
#include "support/onnx_vectors.hpp"
#include "support/random.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor resized(const op::interp2d& o, const tensor& x, affine q = {}) {
  const std::vector<tensor_type> from{{x.type(), x.extents(), q}};
  return reference_output(o, {from, operation(o).infer(from), {}}, list_of(x.reshaped(x.extents())));
}

/// The input of ONNX Resize number `i` that holds scales or sizes, for height and width; 0 where it is left out.
std::pair<float, float> pair_of(const onnx_vector& v, std::size_t i) {
  if (!v.has(i) || v.x(i).extents().count() == 0) return {0.0f, 0.0f};
  const std::vector<int> axes = v.attribute("axes", std::vector<int>{0, 1, 2, 3});
  std::pair<float, float> found;
  for (std::size_t k = 0; k < axes.size(); ++k) {
    const tensor& t = v.x(i);
    const float n = t.type() == element::f32 ? t.as<float>()[k] : static_cast<float>(t.as<std::int64_t>()[k]);
    if (axes[k] == 2) found.first = n;
    if (axes[k] == 3) found.second = n;
  }
  return found;
}

std::vector<float> bilinear(const std::vector<float>& row, int to, op::interp2d::coordinates_type c) {
  const std::span<const float> all(row);
  const tensor y = resized({.mode = op::interp2d::bilinear, .size = {1, to}, .coordinates = c},
                           tensor::of({1, 1, static_cast<int>(row.size()), 1}, all));
  return {y.as<float>().begin(), y.as<float>().end()};
}

}  // namespace

TEST_CASE("interp2d: ONNX Resize, nearest") {
  for (const onnx_vector& v : onnx_vectors(
           {"resize_downsample_scales_nearest", "resize_downsample_sizes_nearest",
            "resize_downsample_sizes_nearest_not_larger", "resize_downsample_sizes_nearest_not_smaller",
            "resize_upsample_scales_nearest", "resize_upsample_scales_nearest_axes_2_3",
            "resize_upsample_scales_nearest_axes_3_2", "resize_upsample_sizes_nearest",
            "resize_upsample_sizes_nearest_axes_2_3", "resize_upsample_sizes_nearest_axes_3_2",
            "resize_upsample_sizes_nearest_ceil_half_pixel", "resize_upsample_sizes_nearest_floor_align_corners",
            "resize_upsample_sizes_nearest_not_larger", "resize_upsample_sizes_nearest_not_smaller",
            "resize_upsample_sizes_nearest_round_prefer_ceil_asymmetric"})) {
    CAPTURE(v.name);
    op::interp2d o;
    const std::string coordinates = v.attributes.value("coordinate_transformation_mode", "half_pixel"),
                      rounding = v.attributes.value("nearest_mode", "round_prefer_floor");
    from_attribute(coordinates, o.coordinates);
    from_attribute(rounding, o.rounding);
    const auto [scale_h, scale_w] = pair_of(v, 2);
    o.scale_h = scale_h, o.scale_w = scale_w;
    if (v.has(3)) o.size = {v.y().extents()[2], v.y().extents()[3]};
    if (v.attributes.value("keep_aspect_ratio_policy", "stretch") != "stretch") {  // both axes by one scale, known so
      const auto [h, w] = pair_of(v, 3);
      const float by_h = h / static_cast<float>(v.x().extents()[2]), by_w = w / static_cast<float>(v.x().extents()[3]);
      o.scale_h = o.scale_w =
          v.attributes["keep_aspect_ratio_policy"] == "not_larger" ? std::min(by_h, by_w) : std::max(by_h, by_w);
    }
    const tensor y = resized(o, channels_last(v.x()));
    CHECK(y.extents() == channels_last(v.y()).extents());
    CHECK(same_bits(y, channels_last(v.y())));
  }
}

TEST_CASE("interp2d: the four coordinates, bilinear") {
  CHECK(bilinear({0, 8}, 4, op::interp2d::half_pixel) == std::vector<float>{0, 2, 6, 8});
  CHECK(bilinear({0, 8}, 4, op::interp2d::asymmetric) == std::vector<float>{0, 4, 8, 8});
  CHECK(bilinear({0, 3}, 4, op::interp2d::align_corners) == std::vector<float>{0, 1, 2, 3});
  CHECK(bilinear({0, 2, 4, 6}, 1, op::interp2d::half_pixel) == std::vector<float>{3});
  CHECK(bilinear({0, 2, 4, 6}, 1, op::interp2d::pytorch_half_pixel) == std::vector<float>{0});
  CHECK(bilinear({1, 2, 4, 6}, 1, op::interp2d::align_corners) == std::vector<float>{1});
  CHECK(bilinear({0, 2, 4, 6}, 2, op::interp2d::half_pixel) == std::vector<float>{1, 5});
}

TEST_CASE("interp2d: rows are blended too, and u8 is rounded to nearest even") {
  const tensor x = tensor::of<std::uint8_t>({1, 2, 2, 1}, std::vector<std::uint8_t>{0, 255, 2, 255});
  const op::interp2d o{.mode = op::interp2d::bilinear, .size = {3, 3}, .coordinates = op::interp2d::align_corners};
  for (int zero_point : {0, 77})  // the map goes through and changes nothing
    CHECK(std::ranges::equal(resized(o, x, {0.1f, zero_point}).as<std::uint8_t>(),
                             std::vector<std::uint8_t>{0, 128, 255, 1, 128, 255, 2, 128, 255}));
}

TEST_CASE("interp2d: against a sum of four weighted pixels in double") {
  random_numbers random(3);
  const tensor x = random_tensor(element::f32, {2, 5, 7, 3}, random);
  const op::interp2d o{.mode = op::interp2d::bilinear, .size = {8, 4}};
  const tensor y = resized(o, x);
  const auto at = [&](int n, int h, int w, int c) {
    return static_cast<double>(x.as<float>()[static_cast<std::size_t>(((n * 5 + h) * 7 + w) * 3 + c)]);
  };
  for (std::size_t i = 0; i < y.extents().count(); ++i) {
    const position p = position_of(i, y.extents());
    const double h = std::clamp((p[1] + 0.5) * 5 / 8 - 0.5, 0.0, 4.0),
                 w = std::clamp((p[2] + 0.5) * 7 / 4 - 0.5, 0.0, 6.0);
    double sum = 0;
    for (int dh = 0; dh < 2; ++dh)
      for (int dw = 0; dw < 2; ++dw) {
        const int row = static_cast<int>(h) + dh, column = static_cast<int>(w) + dw;
        const double weight = (1 - std::fabs(h - row)) * (1 - std::fabs(w - column));
        if (weight > 0) sum += weight * at(p[0], row, column, p[3]);
      }
    // Five roundings of numbers up to 2, each at most 2^-24, and those of the weights.
    CHECK(std::fabs(static_cast<double>(y.as<float>()[i]) - sum) <= 1e-6);
  }
}

TEST_CASE("interp2d: what it refuses, by name") {
  const auto failure = [](const op::interp2d& o, const tensor_type& x) {
    return failure_of([&] { check(operation(o), {{x}, {x.type, op::infer(o, x.extents), x.q}, {}}); });
  };
  const tensor_type x{element::f32, {1, 4, 4, 2}, {}}, ids{element::s64, {1, 4, 4, 2}, {}};
  CHECK_FALSE(failure({.size = {2, 3}}, x));
  CHECK_FALSE(failure({.scale_h = 0.3f, .scale_w = 7}, x));
  CHECK_FALSE(failure({.size = {2, 3}}, ids));
  check_failure(failure({.mode = op::interp2d::bilinear, .size = {2, 3}}, ids), "bilinear needs u8 or f32");
  check_failure(failure({.size = {2, 0}}, x), "size 0 and scale 0 of an extent of 4 give no output");
  check_failure(failure({.size = {-2, 2}}, x), "size -2");
  check_failure(failure({.scale_h = 0.2f, .scale_w = 1}, x), "scale 0.2 of an extent of 4");
  check_failure(failure({.scale_h = NAN, .scale_w = 1}, x), "scale nan");
  check_failure(failure({.size = 2}, {element::f32, {4, 4, 2}, {}}), "interp2d: expected (N, H, W, C)", "4x4x2");
}
