// What the tests of models have in common: weights that are counted, and the checks of a classifier.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>

#include "octavo/graph/builder.hpp"
#include "support/evaluate.hpp"
#include "support/quantized_graph.hpp"

namespace octavo::test {

/// What no name of a layer contains.
inline const std::string no_layer = "no layer";

/// Gives zeros of any shape, one tensor per shape, and biases to convolutions whose names contain `biased`; remembers
/// what it gave.
class counted_weights : public weight_source {
 public:
  explicit counted_weights(const std::string& biased = no_layer) : biased_(biased) {}
  constant find(const std::string& name, const dims& expected) const override {
    if (name == bias_ && name.find(biased_) == std::string::npos) return nullptr;
    if (name.ends_with(".weight") && expected.rank == 4) bias_ = name.substr(0, name.size() - 6) + "bias";
    given_[name] = expected;
    constant& zeros = tensors_[text(expected)];
    if (!zeros) zeros = make_constant(tensor(element::f32, expected));
    return zeros;
  }
  std::string description() const override { return "counted weights"; }

  /// Of all but the running means and variances.
  std::size_t trainable() const {
    std::size_t n = 0;
    for (const auto& [name, extents] : given_)
      if (name.find("running_") == std::string::npos) n += extents.count();
    return n;
  }
  const std::map<std::string, dims>& given() const { return given_; }

 private:
  std::string biased_;
  mutable std::string bias_;  // of the convolution whose weights were asked for last
  mutable std::map<std::string, dims> given_;
  mutable std::map<std::string, constant> tensors_;
};

/// A model on images of Side x Side has the output (batch, Classes), that many parameters, and folds into `steps` nodes
/// besides the input. Returns the parameters' names and shapes.
template <int Side, int Classes>
std::map<std::string, dims> check_model(auto&& model, std::size_t parameters, std::size_t steps,
                                        const std::string& biased = no_layer) {
  const auto source = std::make_shared<counted_weights>(biased);
  graph g;
  auto image = g.input<float, nhwc<upto<2>, Side, Side, 3>>("image");
  auto logits = model(image, params(source));
  static_assert(std::is_same_v<decltype(logits), value<float, nc<upto<2>, Classes>>>);
  g.output(logits, "logits");
  CHECK(source->trainable() == parameters);
  CHECK(fold(g).nodes.size() == steps + 1);
  return source->given();
}

/// What a network, quantized, makes of a random image is within `tolerance` of what it makes of it in FP32, as a
/// fraction of the norm.
inline void check_int8_is_near(const graph& g, const graph& int8, float tolerance) {
  std::vector<tensor> image = list_of(tensor(element::f32, g.type(g.input_values().at(0)).extents));
  random_samples().read(0, image);
  const tensor expected = std::move(reference_outputs(g, image)[0]),
               found = std::move(reference_outputs(int8, image)[0]);
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < expected.extents().count(); ++i) {
    const double e = static_cast<double>(expected.as<float>()[i]), f = static_cast<double>(found.as<float>()[i]);
    error += (f - e) * (f - e);
    norm += e * e;
  }
  CHECK(norm > 0);
  CHECK(std::sqrt(error / norm) < static_cast<double>(tolerance));
}

}  // namespace octavo::test
