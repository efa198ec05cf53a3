// ResNet-18, 34, 50 and 101 (He et al., arXiv 1512.03385), stride on the 3x3 of each bottleneck, and the small CIFAR
// ResNets of the same paper. Parameter names: torchvision's for ImageNet; conv1, bn1, layer1.0.conv1 ... linear for
// CIFAR.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo::model {

namespace detail {

/// The two 3x3 of a basic block, before the shortcut is added.
template <int Width, int Stride>
auto two_3x3(auto x, const params& w) {
  auto y =
      relu(batch_norm(conv2d<conv{.out = Width, .kernel = 3, .stride = Stride, .pad = 1}>(x, w / "conv1"), w / "bn1"));
  return batch_norm(conv2d<conv{.out = Width, .kernel = 3, .pad = 1}>(y, w / "conv2"), w / "bn2");
}

/// relu(y + x), where a 1x1 projection gives x the shape of y if it has another.
template <int Stride>
auto add_shortcut(auto y, auto x, const params& downsample) {
  if constexpr (std::is_same_v<decltype(y), decltype(x)>) {
    return relu(y + x);
  } else {
    constexpr conv projection{.out = decltype(y)::extents.back(), .stride = Stride};
    return relu(y + batch_norm(conv2d<projection>(x, downsample / 0), downsample / 1));
  }
}

}  // namespace detail

/// 3x3, 3x3 with a shortcut, which is a 1x1 projection where the shape changes. Width channels come out. Names: conv1,
/// bn1, conv2, bn2, downsample.0, downsample.1. CIFAR ResNets have another shortcut: see cifar_basic_block.
template <int Width, int Stride>
auto basic_block(auto x, const params& w) {
  return detail::add_shortcut<Stride>(detail::two_3x3<Width, Stride>(x, w), x, w / "downsample");
}

/// 1x1, 3x3, 1x1 with a shortcut, which is a 1x1 projection where the shape changes. 4 * Width channels come out.
template <int Width, int Stride>
auto bottleneck(auto x, const params& w) {
  auto y = relu(batch_norm(conv2d<conv{.out = Width}>(x, w / "conv1"), w / "bn1"));
  auto z =
      relu(batch_norm(conv2d<conv{.out = Width, .kernel = 3, .stride = Stride, .pad = 1}>(y, w / "conv2"), w / "bn2"));
  auto out = batch_norm(conv2d<conv{.out = 4 * Width}>(z, w / "conv3"), w / "bn3");
  return detail::add_shortcut<Stride>(out, x, w / "downsample");
}

/// 3x3, 3x3 with a shortcut without weights: where the width doubles, it drops every second row and column and pads
/// channels with zeros ("option A" of the paper).
template <int Width, int Stride>
auto cifar_basic_block(auto x, const params& w) {
  auto out = detail::two_3x3<Width, Stride>(x, w);
  if constexpr (std::is_same_v<decltype(out), decltype(x)>)
    return relu(out + x);
  else
    return relu(out + pad_channels<Width / 4, Width / 4>(max_pool2d<pool{.kernel = 1, .stride = Stride}>(x)));
}

/// `blocks` basic blocks, the first of which has the stride.
template <int Width, int Stride>
auto basic_stage(auto x, int blocks, const params& w) {
  auto y = basic_block<Width, Stride>(x, w / 0);
  for (int i = 1; i < blocks; ++i) y = basic_block<Width, 1>(y, w / i);
  return y;
}

/// `blocks` bottlenecks, the first of which has the stride.
template <int Width, int Stride>
auto bottleneck_stage(auto x, int blocks, const params& w) {
  auto y = bottleneck<Width, Stride>(x, w / 0);
  for (int i = 1; i < blocks; ++i) y = bottleneck<Width, 1>(y, w / i);
  return y;
}

/// `blocks` basic blocks of CIFAR ResNets, the first of which has the stride.
template <int Width, int Stride>
auto cifar_stage(auto x, int blocks, const params& w) {
  auto y = cifar_basic_block<Width, Stride>(x, w / 0);
  for (int i = 1; i < blocks; ++i) y = cifar_basic_block<Width, 1>(y, w / i);
  return y;
}

namespace detail {

/// Image (N, 224, 224, 3) -> (N, 56, 56, 64): what all ResNets for ImageNet begin with.
auto resnet_stem(auto image, const params& w) {
  auto x = relu(batch_norm(conv2d<conv{.out = 64, .kernel = 7, .stride = 2, .pad = 3}>(image, w / "conv1"), w / "bn1"));
  return max_pool2d<pool{.kernel = 3, .stride = 2, .pad = 1}>(x);
}

}  // namespace detail

/// Image (N, 224, 224, 3) -> logits (N, 1000), for ResNets with that many basic blocks in each stage.
auto basic_resnet(auto image, std::array<int, 4> blocks, const params& w) {
  auto s0 = detail::resnet_stem(image, w);                     // (N, 56, 56, 64)
  auto s1 = basic_stage<64, 1>(s0, blocks[0], w / "layer1");   // (N, 56, 56, 64)
  auto s2 = basic_stage<128, 2>(s1, blocks[1], w / "layer2");  // (N, 28, 28, 128)
  auto s3 = basic_stage<256, 2>(s2, blocks[2], w / "layer3");  // (N, 14, 14, 256)
  auto s4 = basic_stage<512, 2>(s3, blocks[3], w / "layer4");  // (N, 7, 7, 512)
  return fc<1000>(global_average_pool(s4), w / "fc");          // (N, 1000)
}

/// Image (N, 224, 224, 3) -> logits (N, 1000), for bottleneck ResNets with that many blocks in each stage.
auto resnet(auto image, std::array<int, 4> blocks, const params& w) {
  auto s0 = detail::resnet_stem(image, w);                          // (N, 56, 56, 64)
  auto s1 = bottleneck_stage<64, 1>(s0, blocks[0], w / "layer1");   // (N, 56, 56, 256)
  auto s2 = bottleneck_stage<128, 2>(s1, blocks[1], w / "layer2");  // (N, 28, 28, 512)
  auto s3 = bottleneck_stage<256, 2>(s2, blocks[2], w / "layer3");  // (N, 14, 14, 1024)
  auto s4 = bottleneck_stage<512, 2>(s3, blocks[3], w / "layer4");  // (N, 7, 7, 2048)
  return fc<1000>(global_average_pool(s4), w / "fc");               // (N, 1000)
}

/// Image (N, 224, 224, 3) -> logits (N, 1000).
auto resnet18(auto image, const params& w) { return basic_resnet(image, {2, 2, 2, 2}, w); }
/// Image (N, 224, 224, 3) -> logits (N, 1000).
auto resnet34(auto image, const params& w) { return basic_resnet(image, {3, 4, 6, 3}, w); }
/// Image (N, 224, 224, 3) -> logits (N, 1000).
auto resnet50(auto image, const params& w) { return resnet(image, {3, 4, 6, 3}, w); }
/// Image (N, 224, 224, 3) -> logits (N, 1000).
auto resnet101(auto image, const params& w) { return resnet(image, {3, 4, 23, 3}, w); }

/// Image (N, 32, 32, 3) -> logits (N, 10), for depth 6 * blocks + 2: 3 blocks are ResNet-20, 9 are ResNet-56.
auto cifar_resnet(auto image, int blocks, const params& w) {
  auto x = relu(batch_norm(conv2d<conv{.out = 16, .kernel = 3, .pad = 1}>(image, w / "conv1"), w / "bn1"));
  auto s1 = cifar_stage<16, 1>(x, blocks, w / "layer1");   // (N, 32, 32, 16)
  auto s2 = cifar_stage<32, 2>(s1, blocks, w / "layer2");  // (N, 16, 16, 32)
  auto s3 = cifar_stage<64, 2>(s2, blocks, w / "layer3");  // (N, 8, 8, 64)
  return fc<10>(global_average_pool(s3), w / "linear");    // (N, 10)
}

}  // namespace octavo::model
