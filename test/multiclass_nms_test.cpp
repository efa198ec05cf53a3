// Non-maximum suppression: by hand, and against the definition with sorted lists.
#include "octavo/op/multiclass_nms.hpp"

#include <doctest/doctest.h>

#include <numeric>

#include "octavo/octavo.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor nms_of(const op::multiclass_nms& m, const tensor& boxes, const tensor& scores) {
  const tensor_type b{element::f32, boxes.extents(), {}}, s{element::f32, scores.extents(), {}};
  return reference_output(m, {{b, s}, {element::f32, op::infer(m, b.extents, s.extents), {}}, {}},
                          list_of(boxes, scores));
}

struct detection {
  float label, score;
  std::array<float, 4> box;
};

double area_of(const std::array<float, 4>& b) {
  return static_cast<double>(std::max(b[2] - b[0], 0.0f)) * static_cast<double>(std::max(b[3] - b[1], 0.0f));
}

double iou_of(const std::array<float, 4>& a, const std::array<float, 4>& b) {
  const double both = area_of({std::max(a[0], b[0]), std::max(a[1], b[1]), std::min(a[2], b[2]), std::min(a[3], b[3])});
  return both == 0 ? 0 : both / (area_of(a) + area_of(b) - both);
}

/// From the definition: a list of each class, sorted, suppressed, then all of them together, sorted.
std::vector<detection> sorted_and_suppressed(const op::multiclass_nms& m, std::span<const float> boxes,
                                             std::span<const float> scores) {
  const std::size_t count = boxes.size() / 4, classes = scores.size() / count;
  const auto by_score = [](const detection& a, const detection& b) { return a.score > b.score; };
  std::vector<detection> all;
  for (std::size_t c = 0; c < classes; ++c) {
    if (static_cast<int>(c) == m.background) continue;
    std::vector<detection> candidates, kept;
    for (std::size_t b = 0; b < count; ++b)
      if (scores[b * classes + c] >= m.score_threshold)
        candidates.push_back({static_cast<float>(c),
                              scores[b * classes + c],
                              {boxes[b * 4], boxes[b * 4 + 1], boxes[b * 4 + 2], boxes[b * 4 + 3]}});
    std::ranges::stable_sort(candidates, by_score);
    if (m.top_per_class > 0 && candidates.size() > static_cast<std::size_t>(m.top_per_class))
      candidates.resize(static_cast<std::size_t>(m.top_per_class));
    for (const detection& d : candidates)
      if (std::ranges::none_of(kept,
                               [&](const detection& k) { return iou_of(k.box, d.box) > double{m.iou_threshold}; }))
        kept.push_back(d);
    all.insert(all.end(), kept.begin(), kept.end());
  }
  std::ranges::stable_sort(all, by_score);
  if (all.size() > static_cast<std::size_t>(m.keep)) all.resize(static_cast<std::size_t>(m.keep));
  return all;
}

}  // namespace

TEST_CASE("multiclass_nms: by hand") {
  // Boxes 0 and 1 overlap with IoU 8 / 12, box 2 is apart. Class 0 is background.
  const tensor boxes = tensor::of<float>({1, 3, 4}, std::vector<float>{0, 0, 10, 1, 2, 0, 12, 1, 20, 0, 30, 1});
  const tensor scores = tensor::of<float>({1, 3, 3}, std::vector<float>{0.9f, 0.5f, 0.04f,  //
                                                                        0.9f, 0.7f, 0.05f,  //
                                                                        0.9f, 0.1f, 0.6f});
  const auto rows = [&](const op::multiclass_nms& m) {
    const tensor y = nms_of(m, boxes, scores);
    return std::vector<float>(y.as<float>().begin(), y.as<float>().end());
  };
  const std::vector<float> box1{2, 0, 12, 1}, box2{20, 0, 30, 1};
  const auto expected = [](std::initializer_list<std::vector<float>> parts) {
    std::vector<float> all;
    for (const auto& p : parts) all.insert(all.end(), p.begin(), p.end());
    return all;
  };
  const std::vector<float> none{-1, 0, 0, 0, 0, 0};
  CHECK(rows({.iou_threshold = 0.6f, .keep = 5}) ==
        expected({{1, 0.7f}, box1, {2, 0.6f}, box2, {1, 0.1f}, box2, {2, 0.05f}, box1, none}));
  CHECK(rows({.iou_threshold = 0.7f, .keep = 2}) == expected({{1, 0.7f}, box1, {2, 0.6f}, box2}));
  CHECK(rows({.iou_threshold = 0.7f, .keep = 3}) ==
        expected({{1, 0.7f}, box1, {2, 0.6f}, box2, {1, 0.5f}, {0, 0, 10, 1}}));
  CHECK(rows({.iou_threshold = 0.6f, .top_per_class = 1, .keep = 3}) ==
        expected({{1, 0.7f}, box1, {2, 0.6f}, box2, none}));
  CHECK(rows({.score_threshold = 0.8f, .keep = 2, .background = -1}) ==
        expected({{0, 0.9f}, {0, 0, 10, 1}, {0, 0.9f}, box2}));
  CHECK(rows({.score_threshold = 0.95f, .keep = 1}) == none);
}

TEST_CASE(
    "multiclass_nms: equal scores keep the order of classes, then of boxes; a box without an area overlaps none") {
  const tensor boxes = tensor::of<float>({1, 3, 4}, std::vector<float>{0, 0, 1, 1, 5, 5, 5, 5, 5, 5, 5, 5});
  const tensor scores = tensor::of<float>({1, 3, 2}, std::vector<float>(6, 0.5f));
  const tensor y = nms_of({.keep = 5, .background = -1}, boxes, scores);
  std::vector<float> order;
  for (std::size_t i = 0; i < 5; ++i) order.insert(order.end(), {y.as<float>()[6 * i], y.as<float>()[6 * i + 2]});
  CHECK(order == std::vector<float>{0, 0, 0, 5, 0, 5, 1, 0, 1, 5});
}

TEST_CASE("multiclass_nms: as sorted lists give it") {
  int checked = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    random_numbers random(seed);
    const int n = random.between(1, 3), count = random.between(1, 60), classes = random.between(1, 5);
    op::multiclass_nms m{.score_threshold = 0.3f,
                         .iou_threshold = random.real(0.05f, 0.9f),
                         .top_per_class = random.between(0, 1) * random.between(1, 20),
                         .keep = random.between(1, 40),
                         .background = random.between(-1, classes - 1)};
    tensor boxes(element::f32, {n, count, 4}), scores = random_tensor(element::f32, {n, count, classes}, random, 0, 1);
    // Sixteenths: every area and sum is exact, so that double and float agree on each side of the threshold but for
    // quotients that equal it, which these thresholds are not.
    for (std::size_t i = 0; i < boxes.extents().rows(); ++i)
      for (std::size_t axis = 0; axis < 2; ++axis) {
        const int from = random.between(0, 40), to = from + random.between(0, 30);
        boxes.as<float>()[i * 4 + axis] = static_cast<float>(from) / 16;
        boxes.as<float>()[i * 4 + axis + 2] = static_cast<float>(to) / 16;
      }
    if (seed % 2 == 0)  // many ties
      for (float& s : scores.as<float>()) s = std::floor(s * 4) / 4;
    const tensor y = nms_of(m, boxes, scores);
    const auto rows = static_cast<std::size_t>(count), c = static_cast<std::size_t>(classes);
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
      const auto expected = sorted_and_suppressed(m, boxes.as<float>().subspan(i * rows * 4, rows * 4),
                                                  scores.as<float>().subspan(i * rows * c, rows * c));
      for (std::size_t k = 0; k < static_cast<std::size_t>(m.keep); ++k) {
        const float* found = y.as<float>().data() + (i * static_cast<std::size_t>(m.keep) + k) * 6;
        const detection d = k < expected.size() ? expected[k] : detection{-1, 0, {}};
        CAPTURE(seed);
        CHECK((found[0] == d.label && found[1] == d.score && std::equal(d.box.begin(), d.box.end(), found + 2)));
        checked += d.label >= 0;
      }
    }
  }
  CHECK(checked > 500);
}

TEST_CASE("multiclass_nms: its kernel gives the reference's bits, fewer images than there is room for") {
  for (unsigned seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    random_numbers random(seed);
    const int n = random.between(1, 3), count = random.between(1, 60), classes = random.between(1, 40);
    const op::multiclass_nms m{.score_threshold = 0.3f,
                               .iou_threshold = random.real(0, 1),
                               .top_per_class = random.below(2) * random.between(1, 20),
                               .keep = random.between(1, 100),
                               .background = random.between(-1, classes - 1)};
    tensor boxes = random_tensor(element::f32, {n, count, 4}, random, 0, 1),
           scores = random_tensor(element::f32, {n, count, classes}, random, 0, 1);
    for (float& s : scores.as<float>()) s = std::floor(s * 50) / 50;  // ties
    graph g;
    const int b = *g.append(op::input{}, "boxes", {}, tensor_type{element::f32, {-3, count, 4}, {}});
    const int s = *g.append(op::input{}, "scores", {}, tensor_type{element::f32, {-3, count, classes}, {}});
    g.outputs = {{*g.append(m, "detections", {b, s}), "detections"}};
    const network net = octavo::compile(g);
    CHECK(net->steps.at(0).kernel == "multiclass_nms");
    CHECK(same_bits(outputs_of(net, list_of(boxes, scores), n).at(0), nms_of(m, boxes, scores)));
  }
  graph g;
  auto boxes = g.input<float, shape<upto<3>, 8, 4>>("boxes");
  auto detections = multiclass_nms<4>(boxes, g.input<float, shape<upto<3>, 8, 3>>("scores"), {.score_threshold = 0.2f});
  static_assert(std::is_same_v<decltype(detections), value<float, shape<upto<3>, 4, 6>>>);
}

TEST_CASE("multiclass_nms: what it refuses, by name") {
  const tensor_type boxes{element::f32, {1, 5, 4}, {}}, scores{element::f32, {1, 5, 3}, {}};
  const auto refused = [&](const op::multiclass_nms& m, const tensor_type& b, const tensor_type& s, const char* why) {
    check_failure(failure_of([&] {
                    graph g;
                    g.append(m, "nms", {*g.append(op::input{}, "b", {}, b), *g.append(op::input{}, "s", {}, s)});
                  }),
                  why);
  };
  refused({}, boxes, {element::f32, {1, 6, 3}, {}}, "expected scores of (N, B, C) for boxes of 1x5x4, found 1x6x3");
  refused({}, {element::f32, {1, 5, 6}, {}}, scores, "expected boxes of (N, B, 4)");
  refused({}, boxes, {element::u8, {1, 5, 3}, {}}, "expected f32");
  refused({.background = 3}, boxes, scores, "expected a background class below 3, or -1 for none, found 3");
  refused({.iou_threshold = 1.5f}, boxes, scores, "expected iou_threshold from 0 to 1, found 1.5");
  refused({.top_per_class = -1}, boxes, scores, "top_per_class");
  refused({.score_threshold = HUGE_VALF}, boxes, scores, "score_threshold");
}
