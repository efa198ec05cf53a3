// SqueezeNet 1.0 and 1.1 (Iandola et al., arXiv 1602.07360). Parameter names: torchvision's, features.0,
// features.3.squeeze, features.3.expand1x1, features.3.expand3x3 ... classifier.1.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo::model {

/// A fire module: 1x1 to Squeeze channels, from these 1x1 and 3x3 to Expand channels each, side by side.
template <int Squeeze, int Expand>
auto fire(auto x, const params& w) {
  auto s = relu(conv2d<conv{.out = Squeeze}>(x, w / "squeeze"));
  auto narrow = relu(conv2d<conv{.out = Expand}>(s, w / "expand1x1"));
  return concat(narrow, relu(conv2d<conv{.out = Expand, .kernel = 3, .pad = 1}>(s, w / "expand3x3")));
}

namespace detail {

/// The maximum over 3x3 at every second pixel; the last window may reach beyond the map.
auto squeezenet_pool(auto x) { return max_pool2d<pool{.kernel = 3, .stride = 2, .ceil_mode = true}>(x); }

/// Map (N, 13, 13, 512) -> logits (N, 1000).
auto squeezenet_classifier(auto x, const params& w) {
  return global_average_pool(relu(conv2d<conv{.out = 1000}>(x, w / "classifier" / 1)));
}

}  // namespace detail

/// Image (N, 224, 224, 3) -> logits (N, 1000), which are not negative.
auto squeezenet1_0(auto image, const params& w) {
  const params f = w / "features";
  auto x = detail::squeezenet_pool(relu(conv2d<conv{.out = 96, .kernel = 7, .stride = 2}>(image, f / 0)));
  auto x4 = fire<16, 64>(fire<16, 64>(x, f / 3), f / 4);                           // (N, 54, 54, 128)
  auto x5 = detail::squeezenet_pool(fire<32, 128>(x4, f / 5));                     // (N, 27, 27, 256)
  auto x9 = fire<48, 192>(fire<48, 192>(fire<32, 128>(x5, f / 7), f / 8), f / 9);  // (N, 27, 27, 384)
  auto x10 = detail::squeezenet_pool(fire<64, 256>(x9, f / 10));                   // (N, 13, 13, 512)
  return detail::squeezenet_classifier(fire<64, 256>(x10, f / 12), w);             // (N, 1000)
}

/// Image (N, 224, 224, 3) -> logits (N, 1000), which are not negative: 2.4 times fewer operations than 1.0.
auto squeezenet1_1(auto image, const params& w) {
  const params f = w / "features";
  auto x = detail::squeezenet_pool(relu(conv2d<conv{.out = 64, .kernel = 3, .stride = 2}>(image, f / 0)));
  auto x4 = detail::squeezenet_pool(fire<16, 64>(fire<16, 64>(x, f / 3), f / 4));              // (N, 27, 27, 128)
  auto x7 = detail::squeezenet_pool(fire<32, 128>(fire<32, 128>(x4, f / 6), f / 7));           // (N, 13, 13, 256)
  auto x10 = fire<48, 192>(fire<48, 192>(x7, f / 9), f / 10);                                  // (N, 13, 13, 384)
  return detail::squeezenet_classifier(fire<64, 256>(fire<64, 256>(x10, f / 11), f / 12), w);  // (N, 1000)
}

}  // namespace octavo::model
