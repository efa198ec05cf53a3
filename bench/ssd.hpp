// The detectors whose layers are benchmarked: SSD300 on VGG16 (Liu et al., arXiv 1512.02325, as in the authors' Caffe
// model for Pascal VOC) and SSD300 on MobileNet-V1 (as in TensorFlow's object detection API for COCO). Prior boxes, box
// decoding and the L2 norm of SSD300's first map have no weights and are left out.
#pragma once

#include "octavo/model/mobilenet.hpp"

namespace octavo::bench {

namespace detail {

/// `Convolutions` times 3x3 and relu.
template <int Out, int Convolutions>
auto convolutions(auto x, const params& w) {
  auto y = relu(conv2d<conv{.out = Out, .kernel = 3, .pad = 1}>(x, w / 1));
  for (int i = 2; i <= Convolutions; ++i) y = relu(conv2d<conv{.out = Out, .kernel = 3, .pad = 1}>(y, w / i));
  return y;
}

/// What a convolution predicts at each pixel for each anchor: (N, H, W, C) -> (N, H * W * Anchors, Values).
template <int Anchors, int Values, int Kernel>
auto predict(auto map, const params& w) {
  constexpr dims x = decltype(map)::extents;
  auto y = conv2d<conv{.out = Anchors * Values, .kernel = Kernel, .pad = Kernel / 2}>(map, w);
  return reshape<ntc<x.encoded(0), x[1] * x[2] * Anchors, Values>>(y);
}

/// The predictions of six maps, whose first has `First` anchors a pixel, the last two `Last`, the others 6: outputs
/// "boxes" (N, all anchors, 4) and "classes" (N, all anchors, Classes).
template <int First, int Last, int Classes, int Kernel>
void output_predictions(graph& g, const params& w, auto m1, auto m2, auto m3, auto m4, auto m5, auto m6) {
  const auto predict_all = [&]<int Values>(std::integral_constant<int, Values>, const params& p) {
    return concat<1>(predict<First, Values, Kernel>(m1, p / 1), predict<6, Values, Kernel>(m2, p / 2),
                     predict<6, Values, Kernel>(m3, p / 3), predict<6, Values, Kernel>(m4, p / 4),
                     predict<Last, Values, Kernel>(m5, p / 5), predict<Last, Values, Kernel>(m6, p / 6));
  };
  g.output(predict_all(std::integral_constant<int, 4>{}, w / "boxes"), "boxes");
  g.output(softmax(predict_all(std::integral_constant<int, Classes>{}, w / "classes")), "classes");
}

/// 1x1 to half of `Out` channels, then 3x3 to `Out`.
template <int Out, int Stride, int Pad>
auto ssd300_extra(auto x, const params& w) {
  auto y = relu(conv2d<conv{.out = Out / 2}>(x, w / 1));
  return relu(conv2d<conv{.out = Out, .kernel = 3, .stride = Stride, .pad = Pad}>(y, w / 2));
}

template <int Out>
auto ssd_mobilenet_extra(auto x, const params& w) {
  auto y = relu6(conv2d<conv{.out = Out / 2}>(x, w / 1));
  return relu6(conv2d<conv{.out = Out, .kernel = 3, .stride = 2, .pad = same}>(y, w / 2));
}

}  // namespace detail

/// Image (N, 300, 300, 3) -> 8732 boxes of 21 classes.
void compose_ssd300_vgg16(graph& g, auto image, const params& w) {
  using detail::convolutions, detail::ssd300_extra;
  auto c1 = max_pool2d<pool{.kernel = 2}>(convolutions<64, 2>(image, w / "conv1"));  // (N, 150, 150, 64)
  auto c2 = max_pool2d<pool{.kernel = 2}>(convolutions<128, 2>(c1, w / "conv2"));    // (N, 75, 75, 128)
  auto c3 =
      max_pool2d<pool{.kernel = 2, .ceil_mode = true}>(convolutions<256, 3>(c2, w / "conv3"));  // (N, 38, 38, 256)
  auto m1 = convolutions<512, 3>(c3, w / "conv4");                                              // (N, 38, 38, 512)
  auto c5 = convolutions<512, 3>(max_pool2d<pool{.kernel = 2}>(m1), w / "conv5");               // (N, 19, 19, 512)
  auto p5 = max_pool2d<pool{.kernel = 3, .stride = 1, .pad = 1}>(c5);
  auto c6 = relu(conv2d<conv{.out = 1024, .kernel = 3, .pad = 6, .dilation = 6}>(p5, w / "conv6"));
  auto m2 = relu(conv2d<conv{.out = 1024}>(c6, w / "conv7"));  // (N, 19, 19, 1024)
  auto m3 = ssd300_extra<512, 2, 1>(m2, w / "conv8");          // (N, 10, 10, 512)
  auto m4 = ssd300_extra<256, 2, 1>(m3, w / "conv9");          // (N, 5, 5, 256)
  auto m5 = ssd300_extra<256, 1, 0>(m4, w / "conv10");         // (N, 3, 3, 256)
  auto m6 = ssd300_extra<256, 1, 0>(m5, w / "conv11");         // (N, 1, 1, 256)
  detail::output_predictions<4, 4, 21, 3>(g, w, m1, m2, m3, m4, m5, m6);
}

/// Image (N, 300, 300, 3) -> 1917 boxes of 91 classes.
void compose_ssd300_mobilenet_v1(graph& g, auto image, const params& w) {
  using detail::ssd_mobilenet_extra, model::detail::separable;
  constexpr model::mobilenet_v1_options V{.relu6 = true, .pad = same};
  constexpr float eps = 1e-3f;
  const params b = w / "blocks";
  auto x =
      relu6(batch_norm(conv2d<conv{.out = 32, .kernel = 3, .stride = 2, .pad = same}>(image, w / "conv1"), w / "bn1"));
  auto x1 = separable<V, 128, 2>(separable<V, 64, 1>(x, b / 0, eps), b / 1, eps);    // (N, 75, 75, 128)
  auto x3 = separable<V, 256, 2>(separable<V, 128, 1>(x1, b / 2, eps), b / 3, eps);  // (N, 38, 38, 256)
  auto m1 = separable<V, 512, 2>(separable<V, 256, 1>(x3, b / 4, eps), b / 5, eps);  // (N, 19, 19, 512)
  for (int i = 6; i <= 10; ++i) m1 = separable<V, 512, 1>(m1, b / i, eps);
  auto m2 = separable<V, 1024, 1>(separable<V, 1024, 2>(m1, b / 11, eps), b / 12, eps);  // (N, 10, 10, 1024)
  auto m3 = ssd_mobilenet_extra<512>(m2, w / "extra1");                                  // (N, 5, 5, 512)
  auto m4 = ssd_mobilenet_extra<256>(m3, w / "extra2");                                  // (N, 3, 3, 256)
  auto m5 = ssd_mobilenet_extra<256>(m4, w / "extra3");                                  // (N, 2, 2, 256)
  auto m6 = ssd_mobilenet_extra<128>(m5, w / "extra4");                                  // (N, 1, 1, 128)
  detail::output_predictions<3, 6, 91, 1>(g, w, m1, m2, m3, m4, m5, m6);
}

}  // namespace octavo::bench
