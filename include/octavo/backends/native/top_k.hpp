// argmax, argmin and top_k: their reference evaluations, which look at each element once for each that they find, on
// slices of the outermost axis at a time.
#pragma once

#include <optional>

#include "octavo/backends/native/elementwise.hpp"
#include "octavo/op/top_k.hpp"

namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE {

/// The axis along which `o` selects, else none.
inline std::optional<int> selection_axis(const operation& o) {
  if (const auto* a = o.as<op::argmax>()) return a->axis;
  if (const auto* a = o.as<op::argmin>()) return a->axis;
  if (const auto* t = o.as<op::top_k>()) return t->axis;
  return {};
}

/// Elements [begin, end) of the outermost axis of an operand.
inline operand outermost(operand o, element type, int begin, int end) {
  const std::ptrdiff_t step =
      o.extents.rank == 1 ? 1 : static_cast<std::ptrdiff_t>(o.extents.rows()) / o.extents[0] * o.stride;
  o.data = o.as<std::byte>() + begin * step * static_cast<std::ptrdiff_t>(size_of(type));
  o.extents[0] = end - begin;
  return o;
}

/// A prepared selection.
class selection final : public executable {
 public:
  explicit selection(const problem& p)
      : problem_(p), sliced_(axis_of(*selection_axis(p.op), p.src[0].extents.rank) > 0) {}

  int tasks(const arguments& a) const noexcept override {
    if (!sliced_) return 1;
    const double bytes = static_cast<double>(a.src[0].extents.count() * size_of(problem_.src[0].type));
    return std::min(a.src[0].extents[0], task_count({.bytes = bytes}));
  }

  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    if (!sliced_) return evaluate(problem_.op, problem_, a);
    const std::int64_t extent = a.src[0].extents[0], tasks = this->tasks(a);
    const int first = static_cast<int>(begin * extent / tasks), last = static_cast<int>(end * extent / tasks);
    if (first == last) return;
    const operand x = outermost(a.src[0], problem_.src[0].type, first, last);
    operand y[2];
    for (std::size_t i = 0; i < a.dst.size(); ++i) y[i] = outermost(a.dst[i], problem_.dst[i].type, first, last);
    evaluate(problem_.op, problem_, {std::span(&x, 1), std::span<const operand>(y, a.dst.size())});
  }

 private:
  problem problem_;
  bool sliced_;
};

/// Kernels for selections.
inline constexpr kernel selection_kernels[] = {
    {"selection", isa::portable, [](const problem& p) { return selection_axis(p.op).has_value(); },
     make_executable<selection>},
};

}  // namespace octavo::native::inline OCTAVO_ARCH_NAMESPACE
