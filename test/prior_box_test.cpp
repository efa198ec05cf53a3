// Prior boxes by hand, and their attributes as files have them.
#include "octavo/op/prior_box.hpp"

#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// Boxes and variances for a map and an image of (height, width).
std::vector<tensor> priors_of(const op::prior_box& p, hw map, hw image) {
  graph g;
  const tensor m(element::f32, {1, map.h, map.w, 2}), i(element::f32, {1, image.h, image.w, 3});
  const auto out = g.append(p, "priors",
                            {*g.append(op::input{}, "map", {}, tensor_type{element::f32, m.extents(), {}}),
                             *g.append(op::input{}, "image", {}, tensor_type{element::f32, i.extents(), {}})});
  g.outputs = {{out[0], "boxes"}, {out[1], "variances"}};
  return outputs_of(octavo::compile(g), std::vector<tensor>{m, i});
}

std::vector<float> numbers_of(const tensor& t) { return {t.as<float>().begin(), t.as<float>().end()}; }

}  // namespace

TEST_CASE("prior_box: by hand") {
  // Steps of 8 x 4 pixels; centres at 4, 12 and 2, 6.
  const op::prior_box p{.min_sizes = {4}, .max_sizes = {16}, .aspect_ratios = {4}};
  const std::vector<tensor> y = priors_of(p, {2, 2}, {8, 16});
  CHECK(y[0].extents() == dims{2, 2, 3, 4});
  const std::vector<float> first = numbers_of(y[0]);
  CHECK(std::vector<float>(first.begin(), first.begin() + 12) ==
        std::vector<float>{2 / 16.f, 0, 6 / 16.f, 4 / 8.f,    // 4 x 4
                           0, 1 / 8.f, 8 / 16.f, 3 / 8.f,     // 8 x 2
                           0, -2 / 8.f, 8 / 16.f, 6 / 8.f});  // 8 x 8, of sqrt(4 16)
  CHECK(std::vector<float>(first.end() - 12, first.end() - 8) ==
        std::vector<float>{10 / 16.f, 4 / 8.f, 14 / 16.f, 8 / 8.f});
  CHECK(y[1].extents() == y[0].extents());
  CHECK(std::ranges::equal(y[1].as<float>().last(4), std::vector<float>{0.1f, 0.1f, 0.2f, 0.2f}));
}

TEST_CASE("prior_box: attributes") {
  op::prior_box p{.min_sizes = {4}, .max_sizes = {16}, .aspect_ratios = {4}};
  const auto first_of = [&](std::size_t box) {
    const std::vector<float> all = numbers_of(priors_of(p, {1, 1}, {8, 16})[0]);
    return std::vector<float>(all.begin() + static_cast<std::ptrdiff_t>(box) * 4,
                              all.begin() + static_cast<std::ptrdiff_t>(box) * 4 + 4);
  };
  CHECK(first_of(2) == std::vector<float>{0.25f, 0, 0.75f, 1});  // the square
  p.squares_first = true;
  CHECK(first_of(1) == std::vector<float>{0.25f, 0, 0.75f, 1});
  p.flip = true;
  CHECK(op::boxes_per_pixel(p) == 4);
  CHECK(first_of(3) == std::vector<float>{7 / 16.f, 0, 9 / 16.f, 1});  // 2 x 8
  p.aspect_ratios = {1, 4, 0.25f, 4};
  CHECK(op::boxes_per_pixel(p) == 4);
  p.flip = false;
  CHECK(op::boxes_per_pixel(p) == 4);
  p.step_h = p.step_w = 4, p.offset = 0;
  CHECK(first_of(0) == std::vector<float>{-2 / 16.f, -2 / 8.f, 2 / 16.f, 2 / 8.f});
  p.clip = true;
  CHECK(first_of(0) == std::vector<float>{0, 0, 2 / 16.f, 2 / 8.f});
}

TEST_CASE("prior_box: attributes are read, written and printed") {
  const op::prior_box p{.min_sizes = {30, 60}, .aspect_ratios = {2}, .flip = true};
  const operation made = make_operation("prior_box", operation(p).attributes());
  CHECK(made == operation(p));
  CHECK(text(made) == "prior_box min_sizes 30,60 aspect_ratios 2 flip");
  CHECK(make_operation("prior_box", {{"min_sizes", std::vector<std::int64_t>{30, 60}}}) ==
        operation(op::prior_box{.min_sizes = {30, 60}}));
  check_failure(failure_of([] {
                  make_operation("prior_box", {{"min_sizes", 1.0}});
                }),
                "'min_sizes'", "a list of numbers");
}

TEST_CASE("prior_box: what it refuses, by name") {
  const auto refused = [](const op::prior_box& p, const char* why) {
    check_failure(failure_of([&] { priors_of(p, {1, 1}, {8, 8}); }), why);
  };
  refused({}, "at least one of min_sizes");
  refused({.min_sizes = {1, 2}, .max_sizes = {3}}, "expected none or 2 max_sizes, found 1");
  refused({.min_sizes = {0}}, "must be positive and finite, found 0");
  refused({.min_sizes = {1}, .aspect_ratios = {-2}}, "must be positive and finite, found -2");
  refused({.min_sizes = {1}, .variances = {1}}, "expected 4 variances, found 1");
  refused({.min_sizes = {1}, .step_w = -1}, "steps must be positive");
}
