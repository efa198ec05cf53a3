// Non-maximum suppression with lists of candidates: the scores are read once, and of a class only as many candidates
// are put in order as are looked at.
#pragma once

#include "octavo/op/kernel.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// A prepared suppression; a task is an image.
class suppression final : public executable {
 public:
  explicit suppression(const problem& p)
      : op_(*p.op.as<op::multiclass_nms>()), boxes_(static_cast<std::size_t>(p.src[0].extents[1])) {}

  int tasks(const arguments& a) const noexcept override { return a.dst->extents[0]; }
  std::size_t scratch_bytes() const noexcept override { return classes_at_once * boxes_ * sizeof(candidate); }

  void run(const arguments& a, int begin, int end, std::byte* scratch) const noexcept override {
    auto* lists = reinterpret_cast<candidate*>(scratch);
    const int classes = a.src[1].extents[2];
    for (int n = begin; n < end; ++n) {
      const std::size_t first_row = static_cast<std::size_t>(n) * boxes_;
      op::detail::detection_list found(*a.dst, static_cast<std::size_t>(n));
      for (int first = 0; first < classes; first += classes_at_once) {
        const int width = std::min(classes - first, classes_at_once);
        std::size_t counts[classes_at_once] = {};
        for (std::size_t b = 0; b < boxes_; ++b) {
          const float* scores = a.src[1].row<float>(first_row + b) + first;
          for (int k = 0; k < width; ++k)
            if (const auto list = static_cast<std::size_t>(k); scores[k] >= op_.score_threshold)
              lists[list * boxes_ + counts[list]++] = {scores[k], static_cast<std::uint32_t>(b)};
        }
        for (int k = 0; k < width; ++k)
          if (const auto list = static_cast<std::size_t>(k); first + k != op_.background)
            suppress({lists + list * boxes_, counts[list]}, first + k, a.src[0], first_row, found);
      }
    }
  }

 private:
  static constexpr int classes_at_once = 16;  // a cache line of scores

  struct candidate {
    float score;
    std::uint32_t box;

    /// Whether `b` comes before this one.
    bool operator<(const candidate& b) const noexcept { return score < b.score || (score == b.score && box > b.box); }
  };

  /// The candidates of one class, in any order, by falling score.
  void suppress(std::span<candidate> list, int label, const operand& boxes, std::size_t first_row,
                op::detail::detection_list& found) const noexcept {
    std::make_heap(list.begin(), list.end());
    const std::size_t most = op_.top_per_class == 0 ? list.size() : static_cast<std::size_t>(op_.top_per_class);
    for (std::size_t taken = 0; !list.empty() && taken < most; ++taken) {
      std::pop_heap(list.begin(), list.end());
      const candidate best = list.back();
      list = list.first(list.size() - 1);
      if (!found.has_room(best.score)) return;
      const float* box = boxes.row<float>(first_row + best.box);
      if (!found.overlaps(label, box, op_.iou_threshold)) found.insert(label, best.score, box);
    }
  }

  op::multiclass_nms op_;
  std::size_t boxes_;
};

inline constexpr kernel multiclass_nms_kernels[] = {
    {"multiclass_nms", isa::portable, [](const problem& p) { return p.op.is<op::multiclass_nms>(); },
     [](const problem& p) -> std::unique_ptr<const executable> { return std::make_unique<suppression>(p); }},
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
