// SSD on MobileNet-V1 (Liu et al., arXiv 1512.02325; Howard et al., arXiv 1704.04861) as TensorFlow's object detection
// API has it, batch norms folded. Parameter names: conv1, blocks.0.dw, blocks.0.pw ..., extras.0.0, extras.0.1 ...,
// heads.0.box, heads.0.class ..., priors.
#pragma once

#include <set>

#include "octavo/graph/builder.hpp"

namespace octavo::model {

/// Variants of SSD on MobileNet-V1 that differ in shape.
struct mobilenet_v1_ssd_options {
  int width_percent = 75;  ///< of the channels of every layer but the heads
  int classes = 91;        ///< background, which is class 0, among them

  constexpr int channels(int full) const { return full * width_percent / 100; }
};

/// What the convolutions of an SSD predict for its B prior boxes: differences (N, B, 4) and logits (N, B, classes).
template <class Boxes, class Classes>
struct ssd_heads {
  Boxes boxes;
  Classes classes;
};

namespace detail {

template <int Out, int Kernel = 1, int Stride = 1>
auto ssd_convolution(auto x, const params& w) {
  return octavo::relu6(conv2d<conv{.out = Out, .kernel = Kernel, .stride = Stride, .pad = same}>(x, w));
}

/// Depthwise 3x3, then 1x1.
template <int Out, int Stride>
auto ssd_separable(auto x, const params& w) {
  auto d = octavo::relu6(depthwise_conv2d<conv{.kernel = 3, .stride = Stride, .pad = same}>(x, w / "dw"));
  return ssd_convolution<Out>(d, w / "pw");
}

/// 1x1 to half of Out channels, then 3x3 at every second pixel.
template <int Out>
auto ssd_extra(auto x, const params& w) {
  return ssd_convolution<Out, 3, 2>(ssd_convolution<Out / 2>(x, w / 0), w / 1);
}

/// Values for each of the Anchors boxes of each pixel: (N, H, W, C) -> (N, H W Anchors, Values).
template <int Anchors, int Values>
auto ssd_head(auto map, const params& w) {
  constexpr dims x = decltype(map)::extents;
  return reshape<ntc<x.encoded(0), x[1] * x[2] * Anchors, Values>>(conv2d<conv{.out = Anchors * Values}>(map, w));
}

/// Those of six maps, of which the first has 3 boxes a pixel and the others 6.
template <int Values>
auto ssd_all_heads(const params& w, const char* name, auto m0, auto m1, auto m2, auto m3, auto m4, auto m5) {
  return concat<1>(ssd_head<3, Values>(m0, w / 0 / name), ssd_head<6, Values>(m1, w / 1 / name),
                   ssd_head<6, Values>(m2, w / 2 / name), ssd_head<6, Values>(m3, w / 3 / name),
                   ssd_head<6, Values>(m4, w / 4 / name), ssd_head<6, Values>(m5, w / 5 / name));
}

}  // namespace detail

/// Image (N, 300, 300, 3), scaled to [-1, 1] -> what is predicted for 1917 boxes.
template <mobilenet_v1_ssd_options V = mobilenet_v1_ssd_options{}>
auto mobilenet_v1_ssd_heads(auto image, const params& w) {
  using detail::ssd_separable, detail::ssd_extra;
  const params b = w / "blocks", e = w / "extras", h = w / "heads";
  auto x = detail::ssd_convolution<V.channels(32), 3, 2>(image, w / "conv1");                      // (N, 150, 150, 24)
  auto x1 = ssd_separable<V.channels(128), 2>(ssd_separable<V.channels(64), 1>(x, b / 0), b / 1);  // (N, 75, 75, 96)
  auto x3 = ssd_separable<V.channels(256), 2>(ssd_separable<V.channels(128), 1>(x1, b / 2), b / 3);  // (N, 38, 38, 192)
  auto m0 = ssd_separable<V.channels(512), 2>(ssd_separable<V.channels(256), 1>(x3, b / 4), b / 5);
  for (int i = 6; i <= 10; ++i) m0 = ssd_separable<V.channels(512), 1>(m0, b / i);  // (N, 19, 19, 384)
  auto x11 = ssd_separable<V.channels(1024), 2>(m0, b / 11);
  auto m1 = ssd_separable<V.channels(1024), 1>(x11, b / 12);  // (N, 10, 10, 768)
  auto m2 = ssd_extra<V.channels(512)>(m1, e / 0);            // (N, 5, 5, 384)
  auto m3 = ssd_extra<V.channels(256)>(m2, e / 1);            // (N, 3, 3, 192)
  auto m4 = ssd_extra<V.channels(256)>(m3, e / 2);            // (N, 2, 2, 192)
  auto m5 = ssd_extra<V.channels(128)>(m4, e / 3);            // (N, 1, 1, 96)
  auto boxes = detail::ssd_all_heads<4>(h, "box", m0, m1, m2, m3, m4, m5);
  auto classes = detail::ssd_all_heads<V.classes>(h, "class", m0, m1, m2, m3, m4, m5);
  return ssd_heads<decltype(boxes), decltype(classes)>{boxes, classes};
}

/// Image (N, 300, 300, 3), scaled to [-1, 1] -> detections (N, Keep, 6): see op/multiclass_nms.hpp. `w` has "priors"
/// (B, 4), too: yc, xc, height and width of the prior boxes, in units of the image's.
template <mobilenet_v1_ssd_options V = mobilenet_v1_ssd_options{}, int Keep = 100>
auto mobilenet_v1_ssd(auto image, const params& w) {
  auto heads = mobilenet_v1_ssd_heads<V>(image, w);
  constexpr int count = decltype(heads.boxes)::extents[1];
  const constant priors = w.get("priors", {count, 4});
  auto boxes = box_decode(heads.boxes,
                          constant_value<float, shape<count, 4>>(image.owner("priors"), "priors", priors->as<float>()),
                          {.clip = true});
  return multiclass_nms<Keep>(boxes, sigmoid(heads.classes), {.score_threshold = 0.05f, .iou_threshold = 0.6f});
}

/// The nodes after the heads' convolutions, for quantize_options::keep_fp32: then these convolutions write FP32, and
/// six maps whose ranges differ need no common scale.
inline std::set<std::string> ssd_nodes_in_fp32() {
  std::set<std::string> names{"heads.0.box.concat", "heads.0.class.concat", "heads.0.class.sigmoid"};
  for (int i = 0; i < 6; ++i)
    for (const char* kind : {"box", "class"}) names.insert(text("heads.", i, ".", kind, ".reshape"));
  return names;
}

}  // namespace octavo::model
