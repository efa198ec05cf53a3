// MobileNet-V3, large and small (Howard et al., arXiv 1905.02244). Parameter names: torchvision's, features.0.0,
// features.1.block.0.0 ... classifier.3; batch norms with eps 1e-3 as there.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo::model {

/// One row of the paper's tables 1 and 2.
struct mobilenet_v3_block {
  int kernel;
  int hidden;  ///< channels of the depthwise convolution; no 1x1 before it where the input has as many
  int out;
  bool squeeze_excite;
  bool hard_swish;  ///< else relu
  int stride;
};

namespace detail {

/// The multiple of 8 next to `channels`, not below 8 nor more than a tenth below `channels`.
constexpr int multiple_of_8(int channels) {
  const int rounded = std::max(8, (channels + 4) / 8 * 8);
  return 10 * rounded < 9 * channels ? rounded + 8 : rounded;
}

template <conv C, bool HardSwish>
auto v3_convolution(auto x, const params& w) {
  auto y = batch_norm(conv2d<C>(x, w / 0), w / 1, 1e-3f);
  if constexpr (HardSwish)
    return hard_swish(y);
  else
    return relu(y);
}

/// x times a factor from 0 to 1 for each channel, which two 1x1 make of the channels' means (Hu, Shen and Sun, arXiv
/// 1709.01507).
auto squeeze_excite(auto x, const params& w) {
  constexpr dims d = decltype(x)::extents;
  auto means = average_pool2d<pool{.kernel = {d[1], d[2]}}>(x);  // (N, 1, 1, C)
  auto narrow = relu(conv2d<conv{.out = multiple_of_8(d[3] / 4)}>(means, w / "fc1"));
  return mul(x, hard_sigmoid(conv2d<conv{.out = d[3]}>(narrow, w / "fc2"), 1.0f / 6, 0.5f));
}

/// 1x1 to `hidden` channels, depthwise, squeeze and excitation, 1x1 without activation; a shortcut where it fits.
template <mobilenet_v3_block B>
auto v3_block(auto x, const params& feature) {
  const params w = feature / "block";
  constexpr int in = decltype(x)::extents.back(), first = in == B.hidden ? 0 : 1, last = first + B.squeeze_excite + 1;
  auto expanded = [&] {
    if constexpr (first == 0)
      return x;
    else
      return v3_convolution<conv{.out = B.hidden}, B.hard_swish>(x, w / 0);
  }();
  constexpr conv depthwise{
      .out = B.hidden, .kernel = B.kernel, .stride = B.stride, .pad = B.kernel / 2, .groups = B.hidden};
  auto d = v3_convolution<depthwise, B.hard_swish>(expanded, w / first);
  auto excited = [&] {
    if constexpr (B.squeeze_excite)
      return squeeze_excite(d, w / (first + 1));
    else
      return d;
  }();
  auto y = batch_norm(conv2d<conv{.out = B.out}>(excited, w / last / 0), w / last / 1, 1e-3f);
  if constexpr (std::is_same_v<decltype(x), decltype(y)>)
    return y + x;
  else
    return y;
}

/// What follows the last block: 1x1 to `Features` channels, their means, two fully connected layers.
template <int Features, int Hidden>
auto v3_classifier(auto x, const params& feature, const params& classifier) {
  auto means = global_average_pool(v3_convolution<conv{.out = Features}, true>(x, feature));
  return fc<1000>(hard_swish(fc<Hidden>(means, classifier / 0)), classifier / 3);  // (N, 1000)
}

/// The first convolution: (N, 224, 224, 3) -> (N, 112, 112, 16).
auto v3_stem(auto image, const params& features) {
  return v3_convolution<conv{.out = 16, .kernel = 3, .stride = 2, .pad = 1}, true>(image, features / 0);
}

}  // namespace detail

/// Image (N, 224, 224, 3) -> logits (N, 1000).
auto mobilenet_v3_large(auto image, const params& w) {
  using block = mobilenet_v3_block;
  const params f = w / "features";
  auto x = detail::v3_stem(image, f);
  auto x1 = detail::v3_block<block{3, 16, 16, false, false, 1}>(x, f / 1);   // (N, 112, 112, 16)
  auto x2 = detail::v3_block<block{3, 64, 24, false, false, 2}>(x1, f / 2);  // (N, 56, 56, 24)
  auto x3 = detail::v3_block<block{3, 72, 24, false, false, 1}>(x2, f / 3);
  auto x4 = detail::v3_block<block{5, 72, 40, true, false, 2}>(x3, f / 4);  // (N, 28, 28, 40)
  for (int i : {5, 6}) x4 = detail::v3_block<block{5, 120, 40, true, false, 1}>(x4, f / i);
  auto x7 = detail::v3_block<block{3, 240, 80, false, true, 2}>(x4, f / 7);  // (N, 14, 14, 80)
  auto x8 = detail::v3_block<block{3, 200, 80, false, true, 1}>(x7, f / 8);
  for (int i : {9, 10}) x8 = detail::v3_block<block{3, 184, 80, false, true, 1}>(x8, f / i);
  auto x11 = detail::v3_block<block{3, 480, 112, true, true, 1}>(x8, f / 11);  // (N, 14, 14, 112)
  auto x12 = detail::v3_block<block{3, 672, 112, true, true, 1}>(x11, f / 12);
  auto x13 = detail::v3_block<block{5, 672, 160, true, true, 2}>(x12, f / 13);  // (N, 7, 7, 160)
  for (int i : {14, 15}) x13 = detail::v3_block<block{5, 960, 160, true, true, 1}>(x13, f / i);
  return detail::v3_classifier<960, 1280>(x13, f / 16, w / "classifier");
}

/// Image (N, 224, 224, 3) -> logits (N, 1000).
auto mobilenet_v3_small(auto image, const params& w) {
  using block = mobilenet_v3_block;
  const params f = w / "features";
  auto x = detail::v3_stem(image, f);
  auto x1 = detail::v3_block<block{3, 16, 16, true, false, 2}>(x, f / 1);    // (N, 56, 56, 16)
  auto x2 = detail::v3_block<block{3, 72, 24, false, false, 2}>(x1, f / 2);  // (N, 28, 28, 24)
  auto x3 = detail::v3_block<block{3, 88, 24, false, false, 1}>(x2, f / 3);
  auto x4 = detail::v3_block<block{5, 96, 40, true, true, 2}>(x3, f / 4);  // (N, 14, 14, 40)
  for (int i : {5, 6}) x4 = detail::v3_block<block{5, 240, 40, true, true, 1}>(x4, f / i);
  auto x7 = detail::v3_block<block{5, 120, 48, true, true, 1}>(x4, f / 7);  // (N, 14, 14, 48)
  auto x8 = detail::v3_block<block{5, 144, 48, true, true, 1}>(x7, f / 8);
  auto x9 = detail::v3_block<block{5, 288, 96, true, true, 2}>(x8, f / 9);  // (N, 7, 7, 96)
  for (int i : {10, 11}) x9 = detail::v3_block<block{5, 576, 96, true, true, 1}>(x9, f / i);
  return detail::v3_classifier<576, 1024>(x9, f / 12, w / "classifier");
}

}  // namespace octavo::model
