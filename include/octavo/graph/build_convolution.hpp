// Composing a network: convolutions of sequences and volumes, and transposed ones. conv2d is in builder.hpp, which
// includes this.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo {

namespace detail {

OCTAVO_COMPILED_ONCE value_handle append_conv1d(const value_handle& x, const conv1& options, const params& w);
OCTAVO_COMPILED_ONCE value_handle append_conv3d(const value_handle& x, const conv3& options, const params& w);
OCTAVO_COMPILED_ONCE value_handle append_conv_transpose2d(const value_handle& x, const conv_transpose& options,
                                                          const params& w);

#if OCTAVO_BODIES

/// Appends the operator `c` with "weight" and "bias" of `w`.
template <class Convolution>
value_handle append_convolution(const value_handle& x, const Convolution& c, const params& w) {
  graph& g = x.owner(Convolution::name);
  constant weight = w.get("weight", op::weight_extents(c, g.type(x.id).extents)), bias = w.maybe("bias", {c.out});
  return {&g, *g.append(c, w.path(), {x.id}, {std::move(weight), std::move(bias)})};
}

OCTAVO_COMPILED_ONCE value_handle append_conv1d(const value_handle& x, const conv1& options, const params& w) {
  return append_convolution(x, op::conv1d{options}, w);
}

OCTAVO_COMPILED_ONCE value_handle append_conv3d(const value_handle& x, const conv3& options, const params& w) {
  return append_convolution(x, op::conv3d{options}, w);
}

OCTAVO_COMPILED_ONCE value_handle append_conv_transpose2d(const value_handle& x, const conv_transpose& options,
                                                          const params& w) {
  const op::conv_transpose2d c{options};
  graph& g = x.owner(c.name);
  const int inputs = g.type(x.id).extents.back();
  const constant by_input = w.get("weight", {inputs, c.out / c.groups, c.kernel.h, c.kernel.w});
  return {&g, *g.append(c, w.path(), {x.id},
                        {make_constant(weights_by_output(*by_input, c.groups)), w.maybe("bias", {c.out})})};
}

#endif

/// Whether the channels and groups of convolution C, one of the option structs, suit an input of shape S.
template <auto C, class S>
concept suits_channels = C.out > 0 && divides_into<S::value.back(), C.groups>&& divides_into<C.out, C.groups>;

/// Whether there is at least one output along every axis.
constexpr bool has_outputs(const dims& y) {
  for (int i = 1; i + 1 < y.rank; ++i)
    if (y[i] < 1) return false;
  return true;
}

}  // namespace detail

/// 1-d convolution of sequences; reads "weight" (OC, IC/groups, K) and, where it exists, "bias" (OC) of `w`.
template <conv1 C, class T, class S>
auto conv1d(const value<T, S>& x, const params& w) {  // (N, T, IC)
  constexpr conv image = op::as_convolution(C);
  constexpr bool window = is_window(image.kernel, image.stride, image.dilation, image.pad);
  constexpr bool sequence = S::value.rank == 3, bounds = !innermost_bounded(S::value);
  static_assert(window, "octavo: conv1d's kernel, stride and dilation must be from 1 to 32768, its padding from 0");
  static_assert(sequence, "octavo: conv1d needs an input of (N, T, C)");
  static_assert(C.out > 0, "octavo: conv1d needs the number of its output channels: conv1{.out = ...}");
  static_assert(divides_into<S::value.back(), C.groups>, "octavo: conv1d's groups must divide its input channels");
  static_assert(divides_into<C.out, C.groups>, "octavo: conv1d's groups must divide its output channels");
  static_assert(bounds, "octavo: conv1d's innermost axis cannot be bounded");
  if constexpr (window && sequence && bounds && detail::suits_channels<C, S>) {
    constexpr dims y = op::infer(C, S::value);
    static_assert(detail::has_outputs(y), "octavo: conv1d's kernel does not fit its padded input");
    if constexpr (detail::has_outputs(y))
      return value<T, shape_of<y>>(detail::append_conv1d(x, C, w));  // (N, OT, OC)
    else
      return x;
  } else {
    return x;  // something to go on with, so that the failed assertion is the only error
  }
}

/// 3-d convolution; reads "weight" (OC, IC/groups, KD, KH, KW) and, where it exists, "bias" (OC) of `w`.
template <conv3 C, class T, class S>
auto conv3d(const value<T, S>& x, const params& w) {  // (N, D, H, W, IC)
  constexpr bool window = is_window(C.kernel, C.stride, C.dilation, C.pad);
  constexpr bool volume = S::value.rank == 5, bounds = !innermost_bounded(S::value);
  static_assert(window, "octavo: conv3d's kernel, stride and dilation must be from 1 to 32768, its padding from 0");
  static_assert(volume, "octavo: conv3d needs an input of (N, D, H, W, C)");
  static_assert(C.out > 0, "octavo: conv3d needs the number of its output channels: conv3{.out = ...}");
  static_assert(divides_into<S::value.back(), C.groups>, "octavo: conv3d's groups must divide its input channels");
  static_assert(divides_into<C.out, C.groups>, "octavo: conv3d's groups must divide its output channels");
  static_assert(bounds, "octavo: conv3d's innermost axis cannot be bounded");
  if constexpr (window && volume && bounds && detail::suits_channels<C, S>) {
    constexpr dims y = op::infer(C, S::value);
    static_assert(detail::has_outputs(y), "octavo: conv3d's kernel does not fit its padded input");
    if constexpr (detail::has_outputs(y))
      return value<T, shape_of<y>>(detail::append_conv3d(x, C, w));  // (N, OD, OH, OW, OC)
    else
      return x;
  } else {
    return x;
  }
}

/// 2-d transposed convolution; reads "weight" (IC, OC/groups, KH, KW) and, where it exists, "bias" (OC) of `w`.
template <conv_transpose C, class T, class S>
auto conv_transpose2d(const value<T, S>& x, const params& w) {  // (N, H, W, IC)
  constexpr bool window = op::is_transposable(C);
  constexpr bool image = S::value.rank == 4, bounds = only_batch_bounded(S::value);
  static_assert(window,
                "octavo: conv_transpose2d's kernel, stride and dilation must be from 1 to 32768, its padding explicit "
                "and from 0, its output padding less than stride or dilation");
  static_assert(image, "octavo: conv_transpose2d needs an input of (N, H, W, C)");
  static_assert(C.out > 0,
                "octavo: conv_transpose2d needs the number of its output channels: conv_transpose{.out = ...}");
  static_assert(divides_into<S::value.back(), C.groups>,
                "octavo: conv_transpose2d's groups must divide its input channels");
  static_assert(divides_into<C.out, C.groups>, "octavo: conv_transpose2d's groups must divide its output channels");
  static_assert(bounds, "octavo: conv_transpose2d's height, width and channels cannot be bounded");
  if constexpr (window && image && bounds && detail::suits_channels<C, S>) {
    constexpr dims y = op::infer(C, S::value);
    static_assert(detail::has_outputs(y), "octavo: conv_transpose2d's padding leaves nothing of its output");
    if constexpr (detail::has_outputs(y))
      return value<T, shape_of<y>>(detail::append_conv_transpose2d(x, C, w));  // (N, OH, OW, OC)
    else
      return x;
  } else {
    return x;
  }
}

}  // namespace octavo
