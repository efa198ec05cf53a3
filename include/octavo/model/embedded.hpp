// A small CNN of 10 classes on 32 x 32 images that uses every operator of an image network: dense and depthwise
// convolution, batch norm, relu and relu6, residual add, concat, max, average and global pooling, fully connected.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo::model {

namespace detail {

/// 3x3, 3x3, add, relu at a constant number of channels.
auto plain_residual(auto x, const params& w) {
  constexpr conv same_width{.out = decltype(x)::extents.back(), .kernel = 3, .pad = 1};
  auto y = relu(batch_norm(conv2d<same_width>(x, w / "conv1"), w / "bn1"));
  return relu(batch_norm(conv2d<same_width>(y, w / "conv2"), w / "bn2") + x);
}

}  // namespace detail

/// Image (N, 32, 32, 3) -> logits (N, 10).
auto embedded(auto image, const params& w) {
  const params down = w / "down1", b1 = w / "branch1", b3 = w / "branch3", head = w / "head";
  auto stem =
      relu(batch_norm(conv2d<conv{.out = 16, .kernel = 3, .pad = 1}>(image, w / "stem" / "conv"), w / "stem" / "bn"));
  auto dw =
      relu6(batch_norm(depthwise_conv2d<conv{.kernel = 3, .stride = 2, .pad = 1}>(stem, down / "dw"), down / "dw_bn"));
  auto pw = relu6(batch_norm(conv2d<conv{.out = 32}>(dw, down / "pw"), down / "pw_bn"));  // (N, 16, 16, 32)
  auto x = max_pool2d<pool{.kernel = 2}>(detail::plain_residual(pw, w / "res1"));         // (N, 8, 8, 32)
  auto narrow = relu(batch_norm(conv2d<conv{.out = 32}>(x, b1 / "conv"), b1 / "bn"));
  auto wide = relu(batch_norm(conv2d<conv{.out = 32, .kernel = 3, .pad = 1}>(x, b3 / "conv"), b3 / "bn"));
  auto both = detail::plain_residual(concat(narrow, wide), w / "res2");                 // (N, 8, 8, 64)
  auto top = average_pool2d<pool{.kernel = 2}>(both);                                   // (N, 4, 4, 64)
  auto y = relu(batch_norm(conv2d<conv{.out = 96}>(top, head / "conv"), head / "bn"));  // (N, 4, 4, 96)
  return fc<10>(global_average_pool(y), w / "fc");                                      // (N, 10)
}

}  // namespace octavo::model
