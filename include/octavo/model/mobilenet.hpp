// MobileNet-V1 (Howard et al., arXiv 1704.04861) and MobileNet-V2 (Sandler et al., arXiv 1801.04381).
// Parameter names: V1 conv1, bn1, blocks.0.dw, dw_bn, pw, pw_bn ... fc; V2 torchvision's.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo::model {

/// Variants of MobileNet-V1 that differ in shape or structure.
struct mobilenet_v1_options {
  int width_percent = 100;  ///< of the channels of every layer
  bool relu6 = false;       ///< relu6 instead of relu
  padding pad = 1;          ///< of the 3x3: 1 as in Caffe and PyTorch, or octavo::same as in TensorFlow

  constexpr int channels(int full) const { return full * width_percent / 100; }
};

namespace detail {

template <mobilenet_v1_options V>
auto normalised(auto x, const params& bn, float eps) {
  if constexpr (V.relu6)
    return octavo::relu6(batch_norm(x, bn, eps));
  else
    return relu(batch_norm(x, bn, eps));
}

/// Depthwise 3x3, then 1x1.
template <mobilenet_v1_options V, int Out, int Stride>
auto separable(auto x, const params& w, float eps) {
  auto d =
      normalised<V>(depthwise_conv2d<conv{.kernel = 3, .stride = Stride, .pad = V.pad}>(x, w / "dw"), w / "dw_bn", eps);
  return normalised<V>(conv2d<conv{.out = V.channels(Out)}>(d, w / "pw"), w / "pw_bn", eps);
}

}  // namespace detail

/// Image (N, 224, 224, 3) -> logits (N, 1000). `eps` is the batch norms': 1e-3 for weights that come from Keras.
template <mobilenet_v1_options V = mobilenet_v1_options{}>
auto mobilenet_v1(auto image, const params& w, float eps = 1e-5f) {
  using detail::separable;
  const params b = w / "blocks";
  auto x = detail::normalised<V>(
      conv2d<conv{.out = V.channels(32), .kernel = 3, .stride = 2, .pad = V.pad}>(image, w / "conv1"), w / "bn1",
      eps);                                        // (N, 112, 112, 32)
  auto x0 = separable<V, 64, 1>(x, b / 0, eps);    // (N, 112, 112, 64)
  auto x1 = separable<V, 128, 2>(x0, b / 1, eps);  // (N, 56, 56, 128)
  auto x2 = separable<V, 128, 1>(x1, b / 2, eps);
  auto x3 = separable<V, 256, 2>(x2, b / 3, eps);  // (N, 28, 28, 256)
  auto x4 = separable<V, 256, 1>(x3, b / 4, eps);
  auto x5 = separable<V, 512, 2>(x4, b / 5, eps);  // (N, 14, 14, 512)
  for (int i = 6; i <= 10; ++i) x5 = separable<V, 512, 1>(x5, b / i, eps);
  auto x11 = separable<V, 1024, 2>(x5, b / 11, eps);  // (N, 7, 7, 1024)
  auto x12 = separable<V, 1024, 1>(x11, b / 12, eps);
  return fc<1000>(global_average_pool(x12), w / "fc");  // (N, 1000)
}

/// 1x1 expansion by `Expand` (absent where it is 1), depthwise 3x3, 1x1 without activation; a shortcut where it fits.
template <int Out, int Stride, int Expand>
auto inverted_residual(auto x, const params& block) {
  const params w = block / "conv";
  constexpr int hidden = decltype(x)::extents.back() * Expand, first = Expand == 1 ? 0 : 1;
  auto expanded = [&] {
    if constexpr (Expand == 1)
      return x;
    else
      return relu6(batch_norm(conv2d<conv{.out = hidden}>(x, w / 0 / 0), w / 0 / 1));
  }();
  auto d = relu6(batch_norm(depthwise_conv2d<conv{.kernel = 3, .stride = Stride, .pad = 1}>(expanded, w / first / 0),
                            w / first / 1));
  auto y = batch_norm(conv2d<conv{.out = Out}>(d, w / (first + 1)), w / (first + 2));
  if constexpr (std::is_same_v<decltype(x), decltype(y)>)
    return y + x;
  else
    return y;
}

/// `blocks` inverted residuals; the first has the stride. `at` is the index of the first under "features".
template <int Out, int Stride, int Expand>
auto inverted_stage(auto x, int blocks, const params& features, int at) {
  auto y = inverted_residual<Out, Stride, Expand>(x, features / at);
  for (int i = 1; i < blocks; ++i) y = inverted_residual<Out, 1, Expand>(y, features / (at + i));
  return y;
}

/// Image (N, 224, 224, 3) -> logits (N, 1000).
auto mobilenet_v2(auto image, const params& w) {
  const params f = w / "features";
  auto x = relu6(batch_norm(conv2d<conv{.out = 32, .kernel = 3, .stride = 2, .pad = 1}>(image, f / 0 / 0), f / 0 / 1));
  auto s1 = inverted_stage<16, 1, 1>(x, 1, f, 1);     // (N, 112, 112, 16)
  auto s2 = inverted_stage<24, 2, 6>(s1, 2, f, 2);    // (N, 56, 56, 24)
  auto s3 = inverted_stage<32, 2, 6>(s2, 3, f, 4);    // (N, 28, 28, 32)
  auto s4 = inverted_stage<64, 2, 6>(s3, 4, f, 7);    // (N, 14, 14, 64)
  auto s5 = inverted_stage<96, 1, 6>(s4, 3, f, 11);   // (N, 14, 14, 96)
  auto s6 = inverted_stage<160, 2, 6>(s5, 3, f, 14);  // (N, 7, 7, 160)
  auto s7 = inverted_stage<320, 1, 6>(s6, 1, f, 17);  // (N, 7, 7, 320)
  auto y = relu6(batch_norm(conv2d<conv{.out = 1280}>(s7, f / 18 / 0), f / 18 / 1));
  return fc<1000>(global_average_pool(y), w / "classifier" / 1);  // (N, 1000)
}

}  // namespace octavo::model
