// How the sums of a convolution become outputs: the constants of a packed layer that every kernel's ending reads.
#pragma once

#include <algorithm>
#include <cmath>

#include "octavo/backends/blocking/layer.hpp"
#include "octavo/base/pooled_memory.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// How u8 outputs are clamped. Where no number before rounding can leave s32, the saturation of packing does it.
enum class clamping : std::uint8_t {
  by_packing,  ///< to [0, 255], with zero point 0
  as_bytes,    ///< after packing
  as_floats    ///< before the conversion to s32, always right
};

/// The same for all channels. Bounds in binary32 are clamped to before the conversion.
struct ending {
  bool to_u8 = false;  ///< otherwise to f32
  float lower = 0.0f, upper = 0.0f;
  float residual_multiplier = 0.0f;
  std::int32_t residual_zero = 0;
  std::int32_t zero = 0;
  clamping clamp = clamping::as_floats;
  std::uint8_t lowest = 0, highest = 255;  ///< bounds of a u8 output
};

/// The ending of outputs of type `y` that come from no number larger than `most`, before rounding and in steps of y.
inline ending make_ending(const tensor_type& y, const activation& act, double most) {
  ending e;
  e.to_u8 = y.is_u8();
  e.lower = act.lower, e.upper = act.upper;
  if (!e.to_u8) return e;
  const saturation bounds = saturation_of(act, y.q);
  e.zero = bounds.zero_point;
  e.lower = static_cast<float>(bounds.lower - bounds.zero_point);
  e.upper = static_cast<float>(bounds.upper - bounds.zero_point);
  e.lowest = static_cast<std::uint8_t>(bounds.lower), e.highest = static_cast<std::uint8_t>(bounds.upper);
  if (most < 0x1p30) e.clamp = bounds == saturation{} ? clamping::by_packing : clamping::as_bytes;
  return e;
}

/// Multipliers and offsets, each group of channels padded with zeros to whole blocks, and the ending.
class output_stage {
 public:
  output_stage() = default;

  /// Of a layer whose groups are padded to a multiple of `block` channels. Throws octavo::error when a sum could
  /// overflow.
  output_stage(const layer& s, int block)
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
    end_ = make_ending(*s.dst, conv.act, most + 255 * static_cast<double>(f.residual_multiplier));
    if (!end_.to_u8) return;
    end_.residual_multiplier = f.residual_multiplier;
    if (conv.residual) end_.residual_zero = s.src[1].q.zero_point;
  }

  const ending& end() const noexcept { return end_; }
  /// Of the channels from `channel` of `group` on.
  const float* multiplier(int group, int channel) const noexcept { return values() + group * group_padded_ + channel; }
  const float* offset(int group, int channel) const noexcept { return multiplier(group, channel) + padded_; }
  std::size_t bytes() const noexcept { return memory_.size(); }

 private:
  float* values() const noexcept { return reinterpret_cast<float*>(memory_.data()); }

  ending end_;
  int group_padded_ = 0, padded_ = 0;
  aligned_memory memory_;
};

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
