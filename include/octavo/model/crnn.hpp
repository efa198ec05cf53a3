// A recogniser of text lines, CRNN (Shi, Bai and Yao, arXiv 1507.05717), as PaddleOCR's mobile one is built: a narrow
// MobileNet-V3 that keeps the width, two layers of lstm in both directions, a class for each of its columns, CTC.
// Parameter names, each with .weight and .bias: conv1, blocks.N.expand, .dw, .se.fc1, .se.fc2, .project, conv2, fc; and
// lstm.N.forward.weight_ih, .weight_hh, .bias, the same of lstm.N.reverse.
#pragma once

#include <set>

#include "octavo/graph/builder.hpp"

namespace octavo::model {

/// One block of the convolutional part.
struct crnn_block {
  int kernel;
  int hidden;  ///< channels of the depthwise convolution
  int out;
  bool squeeze_excite;
  bool hard_swish;       ///< else relu
  int stride = 1;        ///< vertical; the horizontal one is 1
  bool shortcut = true;  ///< where the extents stay
};

namespace detail {

template <bool HardSwish>
auto crnn_activation(auto x) {
  if constexpr (HardSwish)
    return hard_swish(x);
  else
    return relu(x);
}

/// x times a factor from 0 to 1 for each channel, which two fully connected layers make of the channels' means. The
/// slope is 0.2 where MobileNet-V3 has 1/6.
auto crnn_squeeze_excite(auto x, const params& w) {
  constexpr dims d = decltype(x)::extents;
  auto means = reduce_mean<axis_numbers{1, 2}>(x);  // (N, C)
  auto gates = hard_sigmoid(fc<d[3]>(relu(fc<d[3] / 4>(means, w / "fc1")), w / "fc2"), 0.2f, 0.5f);
  return mul(x, reshape<nhwc<d.encoded(0), 1, 1, d[3]>>(gates));
}

/// 1x1 to `hidden` channels, depthwise, squeeze and excitation, 1x1 without activation, the shortcut.
template <crnn_block B>
auto apply_crnn_block(auto x, const params& w) {
  constexpr conv depthwise{.kernel = B.kernel, .stride = {B.stride, 1}, .pad = B.kernel / 2};
  auto expanded = crnn_activation<B.hard_swish>(conv2d<conv{.out = B.hidden}>(x, w / "expand"));
  auto d = crnn_activation<B.hard_swish>(depthwise_conv2d<depthwise>(expanded, w / "dw"));
  auto excited = [&] {
    if constexpr (B.squeeze_excite)
      return crnn_squeeze_excite(d, w / "se");
    else
      return d;
  }();
  auto y = conv2d<conv{.out = B.out}>(excited, w / "project");
  if constexpr (B.shortcut && std::is_same_v<decltype(x), decltype(y)>)
    return y + x;
  else
    return y;
}

/// Image (N, 32, W, 3) -> sequence (N, W/4, 288).
auto crnn_columns(auto image, const params& w) {
  using block = crnn_block;
  const params b = w / "blocks";
  auto x = hard_swish(conv2d<conv{.out = 8, .kernel = 3, .stride = 2, .pad = 1}>(image, w / "conv1"));
  auto x0 = apply_crnn_block<block{3, 8, 8, true, false, 1, false}>(x, b / 0);  // (N, 16, W/2, 8)
  auto x1 = apply_crnn_block<block{3, 40, 16, false, false, 2}>(x0, b / 1);     // (N, 8, W/2, 16)
  auto x2 = apply_crnn_block<block{3, 48, 16, false, false}>(x1, b / 2);
  auto x3 = apply_crnn_block<block{5, 48, 24, true, true, 2}>(x2, b / 3);  // (N, 4, W/2, 24)
  for (int i : {4, 5}) x3 = apply_crnn_block<block{5, 120, 24, true, true}>(x3, b / i);
  auto x6 = apply_crnn_block<block{5, 64, 24, true, true}>(x3, b / 6);
  auto x7 = apply_crnn_block<block{5, 72, 24, true, true}>(x6, b / 7);
  auto x8 = apply_crnn_block<block{5, 144, 48, true, true, 2}>(x7, b / 8);  // (N, 2, W/2, 48)
  for (int i : {9, 10}) x8 = apply_crnn_block<block{5, 288, 48, true, true}>(x8, b / i);
  auto y = max_pool2d<pool{.kernel = 2}>(hard_swish(conv2d<conv{.out = 288}>(x8, w / "conv2")));
  return squeeze<1>(y);
}

}  // namespace detail

/// Image (N, 32, W, 3), W fixed or bounded -> logits (N, W/4, Classes), of which 0 is the blank: see
/// op/ctc_greedy_decode.hpp.
/// Published weights want v / 127.5 - 1, channels blue, green, red, and zeros on the right up to 320 columns.
template <int Classes = 6625, int Hidden = 48>
auto crnn(auto image, const params& w) {
  static_assert(equals<decltype(image)::extents.rank, 4> && equals<decltype(image)::extents[1], 32>,
                "octavo: crnn needs images of (N, 32, W, C)");
  constexpr lstm_options layer{.hidden = Hidden, .direction = direction::both};
  auto x = detail::crnn_columns(image, w);     // (N, T, 288)
  auto y0 = lstm<layer>(x, w / "lstm" / 0).y;  // (N, T, 2 Hidden)
  auto y1 = lstm<layer>(y0, w / "lstm" / 1).y;
  return fc<Classes>(y1, w / "fc");  // (N, T, Classes)
}

/// The nodes that the published weights want in FP32, for quantize_options::keep_fp32: the first convolution and four
/// blocks, and of the other blocks what is around the depthwise convolution. Its channels' ranges differ by a hundred,
/// so that 256 levels for all of them lose some channels. The 1x1 convolutions of later blocks, the lstms and the
/// classes, most of the multiplications, are INT8.
inline std::set<std::string> crnn_nodes_in_fp32() {
  std::set<std::string> names{"conv1", "conv1.hard_swish"};
  for (int i = 0; i <= 10; ++i) {
    const auto add = [&](bool is_there, std::initializer_list<const char*> parts) {
      for (const char* part : parts)
        if (is_there) names.insert(text("blocks.", i, ".", part));
    };
    const bool is_early = i <= 3, swishes = i >= 3, squeezes = i == 0 || i >= 3;
    add(is_early, {"expand", "project"});
    add(true, {"dw"});
    add(swishes, {"expand.hard_swish", "dw.hard_swish"});
    add(squeezes, {"dw.mean", "dw.mul"});
    add(is_early && squeezes, {"se.fc1", "se.fc2", "se.fc2.hard_sigmoid", "se.fc2.reshape"});
  }
  return names;
}

}  // namespace octavo::model
