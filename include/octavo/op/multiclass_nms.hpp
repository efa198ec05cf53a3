// The detections among overlapping boxes: greedy non-maximum suppression of each class, then the best of all classes.
// Of each class but the background, boxes whose score is at least score_threshold are taken by falling score, at most
// top_per_class of them; one whose IoU (area of the intersection by area of the union) with a box of its class that was
// kept is above iou_threshold is dropped. Of all that are kept the best `keep` are the result. On ties the lower class,
// then the lower box comes first.
// boxes: (N, B, 4) f32, corners: ymin, xmin, ymax, xmax, or x before y; scores: (N, B, C) f32;
// y: (N, keep, 6) f32: class, score, the box; by falling score. Rows that are not used have class -1, else zeros.
#pragma once

#include <algorithm>
#include <cmath>

#include "octavo/op/signature.hpp"

namespace octavo::op {

/// Non-maximum suppression in a graph.
struct multiclass_nms {
  static constexpr std::string_view name = "multiclass_nms";
  static constexpr port inputs[] = {{"boxes", port_rule::f32}, {"scores", port_rule::f32}};
  float score_threshold = 0.05f;
  float iou_threshold = 0.5f;
  int top_per_class = 0;  ///< 0: all
  int keep = 100;
  int background = 0;  ///< the class that is never a detection; -1: there is none

  static constexpr auto fields = std::tuple{
      field{"score_threshold", &multiclass_nms::score_threshold},
      field{"iou_threshold", &multiclass_nms::iou_threshold}, field{"top_per_class", &multiclass_nms::top_per_class},
      field{"keep", &multiclass_nms::keep}, field{"background", &multiclass_nms::background}};
};

/// (N, keep, 6).
constexpr dims infer(const multiclass_nms& m, const dims& boxes, const dims&) {
  dims y = boxes;
  if (y.rank == 3) y[1] = m.keep, y[2] = 6;  // others check() refuses
  return y;
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a suppression that can be run.
inline void check(const multiclass_nms& m, const signature& s) {
  require(s.src.size() == 2, "multiclass_nms: expected 2 inputs, found ", s.src.size());
  for (const tensor_type& t : {s.src[0], s.src[1], *s.dst})
    require(t.type == element::f32, "multiclass_nms: expected f32, found ", t);
  const dims &boxes = s.src[0].extents, &scores = s.src[1].extents;
  require(boxes.rank == 3 && boxes[2] == 4 && only_batch_bounded(boxes),
          "multiclass_nms: expected boxes of (N, B, 4) with no bounded axis but N, found ", boxes);
  require(scores.rank == 3 && scores.encoded(0) == boxes.encoded(0) && scores.encoded(1) == boxes[1] &&
              only_batch_bounded(scores),
          "multiclass_nms: expected scores of (N, B, C) for boxes of ", boxes, ", found ", scores);
  require(m.keep >= 1, "multiclass_nms: expected keep of at least 1, found ", m.keep);
  require(m.top_per_class >= 0, "multiclass_nms: expected top_per_class of at least 1, or 0 for all, found ",
          m.top_per_class);
  require(m.background >= -1 && m.background < scores[2], "multiclass_nms: expected a background class below ",
          scores[2], ", or -1 for none, found ", m.background);
  require(std::isfinite(m.score_threshold), "multiclass_nms: expected a finite score_threshold, found ",
          m.score_threshold);
  require(m.iou_threshold >= 0 && m.iou_threshold <= 1, "multiclass_nms: expected iou_threshold from 0 to 1, found ",
          m.iou_threshold);
  const dims y = infer(m, boxes, scores);
  require(s.dst->extents == y, "multiclass_nms: output must be ", y, ", found ", s.dst->extents);
}

/// Whether the IoU of two boxes, given by their corners, is above the threshold. A box without an area overlaps none.
inline bool overlap(const float* a, const float* b, float threshold) {
  const float h = std::min(a[2], b[2]) - std::max(a[0], b[0]), w = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (!(h > 0 && w > 0)) return false;
  const float intersection = h * w;
  const float both = std::fma(a[2] - a[0], a[3] - a[1], std::fma(b[2] - b[0], b[3] - b[1], -intersection));
  return intersection > threshold * both;
}

namespace detail {

/// The rows of one image's result that are used, by falling score.
class detection_list {
 public:
  detection_list(const operand& y, std::size_t image)
      : y_(y), first_(image * static_cast<std::size_t>(y.extents[1])), size_(static_cast<std::size_t>(y.extents[1])) {
    for (std::size_t i = 0; i < size_; ++i) {
      std::fill_n(row(i), 6, 0.0f);
      row(i)[0] = -1;
    }
  }

  /// Whether one of that score would come in: after those of its own score.
  bool has_room(float score) const { return used_ < size_ || score > row(size_ - 1)[1]; }

  bool overlaps(int label, const float* box, float threshold) const {
    for (std::size_t i = 0; i < used_; ++i)
      if (row(i)[0] == static_cast<float>(label) && overlap(row(i) + 2, box, threshold)) return true;
    return false;
  }

  /// Puts one in its place; the last leaves where there are too many.
  void insert(int label, float score, const float* box) {
    std::size_t at = used_ < size_ ? used_++ : size_ - 1;
    for (; at > 0 && row(at - 1)[1] < score; --at) std::copy_n(row(at - 1), 6, row(at));
    row(at)[0] = static_cast<float>(label);
    row(at)[1] = score;
    std::copy_n(box, 4, row(at) + 2);
  }

 private:
  float* row(std::size_t i) const { return y_.row<float>(first_ + i); }

  const operand& y_;
  std::size_t first_, size_, used_ = 0;
};

}  // namespace detail

/// Reference evaluation. Within a class scores fall, so that a box which does not come into the result ends its class,
/// and one that did can be pushed out by other classes only: the result alone knows what the class has kept.
inline void evaluate(const multiclass_nms& m, const signature&, const arguments& a) {
  const auto boxes = static_cast<std::size_t>(a.src[0].extents[1]);
  for (std::size_t n = 0; n < static_cast<std::size_t>(a.dst->extents[0]); ++n) {
    detail::detection_list found(*a.dst, n);
    for (int label = 0; label < a.src[1].extents[2]; ++label) {
      if (label == m.background) continue;
      const auto score = [&](std::size_t b) { return a.src[1].row<float>(n * boxes + b)[label]; };
      float last = HUGE_VALF;
      std::size_t after = 0;  // of boxes with the score `last`, those before this one have been taken
      for (int taken = 0; m.top_per_class == 0 || taken < m.top_per_class; ++taken) {
        std::size_t best = boxes;
        for (std::size_t b = 0; b < boxes; ++b)
          if (const float s = score(b);
              s >= m.score_threshold && (s < last || (s == last && b >= after)) && (best == boxes || s > score(best)))
            best = b;
        if (best == boxes || !found.has_room(score(best))) break;
        last = score(best), after = best + 1;
        const float* box = a.src[0].row<float>(n * boxes + best);
        if (!found.overlaps(label, box, m.iou_threshold)) found.insert(label, last, box);
      }
    }
  }
}

}  // namespace octavo::op
