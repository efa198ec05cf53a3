// The epilogue of a dense kernel: the multiplier and the offset of each channel, and what is the same for all.
#pragma once

#include <algorithm>
#include <cmath>

#include "octavo/backends/blocking/dense_problem.hpp"
#include "octavo/backends/native/epilogue.hpp"
#include "octavo/base/pooled_memory.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// Multipliers and offsets, each group of channels padded with zeros to whole blocks, and the epilogue that all share.
class channel_epilogue {
 public:
  channel_epilogue() = default;

  /// Of a problem whose groups are padded to a multiple of `block` channels. Throws octavo::error when a sum could
  /// overflow.
  channel_epilogue(const dense_problem& s, int block)
      : group_padded_(ceil_div(s.conv.out / s.conv.groups, block) * block),
        padded_(s.conv.groups * group_padded_),
        memory_(2 * static_cast<std::size_t>(padded_) * sizeof(float)) {
    const op::conv2d& conv = s.conv;
    output_scales f;
    if (s.src[0].is_u8()) {
      f = fold_output_scales(s, conv.residual, s.name());
    } else {
      f.multiplier.assign(static_cast<std::size_t>(conv.out), 1.0f);
      f.offset = f32_biases(s, conv.out);
    }
    const int group_outputs = conv.out / conv.groups;
    const double depth = static_cast<double>(conv.kernel.h) * conv.kernel.w * s.src[0].extents.back() / conv.groups;
    double most = 0;  // no number before rounding is larger
    for (int oc = 0; oc < conv.out; ++oc) {
      const int at = oc / group_outputs * group_padded_ + oc % group_outputs;
      const float m = f.multiplier[static_cast<std::size_t>(oc)], b = f.offset[static_cast<std::size_t>(oc)];
      values()[at] = m, values()[padded_ + at] = b;
      most =
          std::max(most, 255.0 * 127 * depth * std::fabs(static_cast<double>(m)) + std::fabs(static_cast<double>(b)));
    }
    epilogue_ = native::make_epilogue(s, conv.act, conv.residual, most);
  }

  const native::epilogue& shared() const noexcept { return epilogue_; }
  /// Of the channels from `channel` of `group` on.
  const float* multiplier(int group, int channel) const noexcept { return values() + group * group_padded_ + channel; }
  const float* offset(int group, int channel) const noexcept { return multiplier(group, channel) + padded_; }
  std::size_t bytes() const noexcept { return memory_.size(); }

 private:
  float* values() const noexcept { return reinterpret_cast<float*>(memory_.data()); }

  native::epilogue epilogue_;
  int group_padded_ = 0, padded_ = 0;
  aligned_memory memory_;
};

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
