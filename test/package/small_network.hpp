// A network that uses the whole library, from composing to running in INT8. In an unnamed namespace, so that units with
// different flags each have their own copy.
#pragma once

#include <array>
#include <vector>

#include "octavo/octavo.hpp"

namespace {

/// Weights of any name: a repeating ramp in [-0.75, 0.75].
class ramp_weights : public octavo::weight_source {
 public:
  octavo::constant find(const std::string&, const octavo::dims& expected) const override {
    octavo::tensor t(octavo::element::f32, expected);
    int i = 0;
    for (float& w : t.as<float>()) w = static_cast<float>(i++ * 7 % 13 - 6) / 8.0f;
    return octavo::make_constant(std::move(t));
  }
  std::string description() const override { return "ramp weights"; }
};

/// The logits of one image of noise.
std::vector<float> small_network_logits() {
  using namespace octavo;
  const params weights(std::make_shared<ramp_weights>());
  graph g;
  auto image = g.input<float, nhwc<1, 6, 6, 5>>("image");
  auto features = relu(conv2d<conv{.out = 19, .kernel = 3, .pad = 1}>(image, weights / "conv"));  // (1, 6, 6, 19)
  g.output(fc<10>(flatten(features), weights / "fc"), "logits");                                  // (1, 10)

  std::array<float, 6 * 6 * 5> pixels;
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i * 37 % 101) / 50.0f - 1.0f;
  const sample_set samples{1, [&](int, std::span<tensor> inputs) {
                             std::copy(pixels.begin(), pixels.end(), inputs[0].as<float>().begin());
                           }};
  session run{quantize(g, calibrate(compile(g), samples))};
  std::vector<float> logits(10);
  run(pixels, logits).or_throw();
  return logits;
}

}  // namespace
