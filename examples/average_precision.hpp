// How right a detector is: mean average precision, as in Pascal VOC since 2010 (Everingham et al., IJCV 2010).
#pragma once

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <vector>

namespace octavo::example {

/// A box by its corners, ymin, xmin, ymax, xmax, and the class of what is in it.
struct labelled_box {
  int label = 0;
  std::array<float, 4> corners{};
  float score = 0;  ///< of a detection
};

/// The area of the intersection by that of the union.
inline double intersection_over_union(const std::array<float, 4>& a, const std::array<float, 4>& b) {
  const auto area = [](double h, double w) { return std::max(h, 0.0) * std::max(w, 0.0); };
  const auto side = [](float from, float to) { return static_cast<double>(to) - static_cast<double>(from); };
  const double both =
      area(side(std::max(a[0], b[0]), std::min(a[2], b[2])), side(std::max(a[1], b[1]), std::min(a[3], b[3])));
  const double sum = area(side(a[0], a[2]), side(a[1], a[3])) + area(side(b[0], b[2]), side(b[1], b[3]));
  return both > 0 ? both / (sum - both) : 0;
}

/// Boxes of each image.
using boxes_of_images = std::vector<std::vector<labelled_box>>;

/// The area under the precision-recall curve of one class, made monotone. By falling score, in the order of images
/// where scores are equal, a detection is compared with the box of the truth that it overlaps most among those not
/// taken: where their IoU is at least `iou` it is right and takes it.
inline double average_precision(const boxes_of_images& detections, const boxes_of_images& truth, int label,
                                double iou) {
  struct candidate {
    std::size_t image;
    labelled_box box;
  };
  std::vector<candidate> candidates;
  std::vector<std::vector<bool>> taken;
  std::size_t wanted = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    for (const labelled_box& d : detections[i])
      if (d.label == label) candidates.push_back({i, d});
    taken.emplace_back(truth[i].size());
    wanted += static_cast<std::size_t>(
        std::count_if(truth[i].begin(), truth[i].end(), [&](const labelled_box& t) { return t.label == label; }));
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const candidate& a, const candidate& b) { return a.box.score > b.box.score; });
  std::vector<double> precisions, recalls;
  int right = 0;
  for (const auto& [image, d] : candidates) {
    double most = 0;
    std::size_t best = 0;
    for (std::size_t k = 0; k < truth[image].size(); ++k)
      if (const labelled_box& t = truth[image][k]; t.label == label && !taken[image][k])
        if (const double overlap = intersection_over_union(d.corners, t.corners); overlap > most)
          most = overlap, best = k;
    if (most > 0 && most >= iou) taken[image][best] = true, ++right;
    precisions.push_back(right / static_cast<double>(precisions.size() + 1));
    recalls.push_back(right / static_cast<double>(wanted));
  }
  double area = 0, highest = 0;
  for (std::size_t i = precisions.size(); i-- > 0;) {
    highest = std::max(highest, precisions[i]);
    area += (recalls[i] - (i > 0 ? recalls[i - 1] : 0)) * highest;
  }
  return area;
}

/// The mean of average_precision() over the classes that the truth has; 0 where it has none. Both lists have an entry
/// for each image.
inline double mean_average_precision(const boxes_of_images& detections, const boxes_of_images& truth,
                                     double iou = 0.5) {
  std::set<int> labels;
  for (const auto& boxes : truth)
    for (const labelled_box& b : boxes) labels.insert(b.label);
  double sum = 0;
  for (int label : labels) sum += average_precision(detections, truth, label, iou);
  return labels.empty() ? 0 : sum / static_cast<double>(labels.size());
}

}  // namespace octavo::example
