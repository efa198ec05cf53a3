// VGG16 and VGG19 (Simonyan and Zisserman, arXiv 1409.1556, configurations D and E). Parameter names: torchvision's,
// "features.N" and "classifier.0", "classifier.3", "classifier.6"; a bias may be missing.
#pragma once

#include "octavo/graph/builder.hpp"

namespace octavo::model {

namespace detail {

/// The parameters of a fully connected layer that follows the flattening of an image of (H, W, C), from a file whose
/// network flattens (C, H, W): the columns of the weights change places, all else passes through.
class channels_last_columns : public weight_source {
 public:
  channels_last_columns(params from, const dims& image) : from_(std::move(from)), image_(image) {}

  constant find(const std::string& name, const dims& expected) const override {
    const constant found = from_.maybe(std::string_view(name).substr(from_.path().size() + 1), expected);
    if (!found || expected.rank != 2) return found;
    const auto channels = static_cast<std::size_t>(image_.back()), pixels = image_.rows();
    tensor columns(element::f32, expected);
    const float* in = found->as<float>().data();
    float* out = columns.as<float>().data();
    for (int row = 0; row < expected[0]; ++row, in += channels * pixels, out += channels * pixels)
      for (std::size_t p = 0; p < pixels; ++p)
        for (std::size_t c = 0; c < channels; ++c) out[p * channels + c] = in[c * pixels + p];
    return make_constant(std::move(columns));
  }
  std::string description() const override { return "columns in the order (H, W, C)"; }

 private:
  params from_;
  dims image_;
};

/// `Convolutions` times 3x3 and relu, then the maximum over 2x2. `at` is the index of the first under "features", where
/// a convolution and its relu take two places.
template <int Out, int Convolutions>
auto vgg_stage(auto x, const params& features, int at) {
  auto y = relu(conv2d<conv{.out = Out, .kernel = 3, .pad = 1}>(x, features / at));
  for (int i = 1; i < Convolutions; ++i)
    y = relu(conv2d<conv{.out = Out, .kernel = 3, .pad = 1}>(y, features / (at + 2 * i)));
  return max_pool2d<pool{.kernel = 2}>(y);
}

/// The VGG whose last three stages have `Deep` convolutions each.
template <int Deep>
auto vgg(auto image, const params& w) {
  const params f = w / "features", c = w / "classifier";
  constexpr int third = 10, fourth = third + 2 * Deep + 1, fifth = fourth + 2 * Deep + 1;
  auto s1 = vgg_stage<64, 2>(image, f, 0);        // (N, 112, 112, 64)
  auto s2 = vgg_stage<128, 2>(s1, f, 5);          // (N, 56, 56, 128)
  auto s3 = vgg_stage<256, Deep>(s2, f, third);   // (N, 28, 28, 256)
  auto s4 = vgg_stage<512, Deep>(s3, f, fourth);  // (N, 14, 14, 512)
  auto s5 = vgg_stage<512, Deep>(s4, f, fifth);   // (N, 7, 7, 512)
  const params first(std::make_shared<channels_last_columns>(c / 0, dims{7, 7, 512}), (c / 0).path());
  auto y = relu(fc<4096>(flatten(s5), first));
  auto z = relu(fc<4096>(y, c / 3));
  return fc<1000>(z, c / 6);  // (N, 1000)
}

}  // namespace detail

/// Image (N, 224, 224, 3) -> logits (N, 1000).
auto vgg16(auto image, const params& w) { return detail::vgg<3>(image, w); }
/// Image (N, 224, 224, 3) -> logits (N, 1000).
auto vgg19(auto image, const params& w) { return detail::vgg<4>(image, w); }

}  // namespace octavo::model
