// The problems that dense kernels take: convolutions, and fully connected layers as 1x1 convolutions.
#pragma once

#include "octavo/op/kernel.hpp"

namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE {

/// A convolution with its types and constants. `flat`: its operands come as (..., channels) rather than (N, H, W, C),
/// its weights as (OC, IC).
struct dense_problem : signature {
  op::conv2d conv;
  bool flat = false;
  block_source blocks{};

  /// How messages call it.
  std::string_view name() const { return flat ? op::fc::name : op::conv2d::name; }
};

/// Whether `p` is a convolution or a fully connected layer whose input is of type Src, u8 or f32.
template <element Src>
bool is_dense_problem(const problem& p) {
  if (!p.op.is<op::conv2d>() && !p.op.is<op::fc>()) return false;
  return p.src[0].type == Src && (p.dst->type == element::f32 || (Src == element::u8 && p.dst->is_u8()));
}

/// Whether dense kernels are for `p`: with one filter for each channel most of what they multiply would be zeros.
inline bool dense_pays(const problem& p) {
  const op::conv2d* c = p.op.as<op::conv2d>();
  return !c || !c->is_depthwise(p.src[0].extents[3]) || c->out != c->groups;
}

/// `p`, a convolution or a fully connected layer, as a convolution.
inline dense_problem dense_problem_of(const problem& p) {
  if (const op::fc* f = p.op.as<op::fc>()) return {p, op::as_convolution(*f), true, p.blocks};
  return {p, *p.op.as<op::conv2d>(), false, p.blocks};
}

}  // namespace octavo::blocking::inline OCTAVO_ARCH_NAMESPACE
