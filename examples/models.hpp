// The networks that the examples know: how each is composed and how its images are prepared.
#pragma once

#include <string>

#include "comparison.hpp"
#include "octavo/io/preprocess.hpp"
#include "octavo/model/embedded.hpp"
#include "octavo/model/mobilenet.hpp"
#include "octavo/model/resnet.hpp"

namespace octavo::example {

/// A network by name.
struct model_entry {
  std::string_view name;
  int side;                                ///< height and width of its images
  preprocessing (*images)();               ///< how photographs become its input
  void (*compose)(graph&, const params&);  ///< adds the input "image" and the output "logits"
};

/// Adds an input of (N, Side, Side, 3), the network that `build` makes of it, and the output.
template <int Side>
void compose_with(graph& g, auto&& build) {
  auto image = g.input<float, nhwc<upto<largest_batch>, Side, Side, 3>>("image");
  g.output(build(image), "logits");
}

inline preprocessing cifar_preprocessing() {
  preprocessing p = imagenet_preprocessing();  // these networks were trained with ImageNet's mean and deviation
  p.crop = 32;
  return p;
}
inline preprocessing embedded_preprocessing() {
  return {.crop = 32, .mean = {0.5f, 0.5f, 0.5f}, .deviation = {0.25f, 0.25f, 0.25f}};
}

template <int Blocks>
void compose_cifar_resnet(graph& g, const params& w) {
  compose_with<32>(g, [&](auto x) { return model::cifar_resnet(x, Blocks, w); });
}

/// MobileNet-V1 as Keras has it: relu6, SAME padding, batch norms with eps 1e-3.
template <int WidthPercent>
void compose_keras_mobilenet_v1(graph& g, const params& w) {
  constexpr model::mobilenet_v1_options keras{.width_percent = WidthPercent, .relu6 = true, .pad = same};
  compose_with<224>(g, [&](auto x) { return model::mobilenet_v1<keras>(x, w, 1e-3f); });
}

inline constexpr model_entry models[] = {
    {"embedded", 32, embedded_preprocessing,
     [](graph& g, const params& w) { compose_with<32>(g, [&](auto x) { return model::embedded(x, w); }); }},
    {"resnet18", 224, imagenet_preprocessing,
     [](graph& g, const params& w) { compose_with<224>(g, [&](auto x) { return model::resnet18(x, w); }); }},
    {"resnet34", 224, imagenet_preprocessing,
     [](graph& g, const params& w) { compose_with<224>(g, [&](auto x) { return model::resnet34(x, w); }); }},
    {"resnet50", 224, imagenet_preprocessing,
     [](graph& g, const params& w) { compose_with<224>(g, [&](auto x) { return model::resnet50(x, w); }); }},
    {"mobilenet_v1", 224, tf_preprocessing, compose_keras_mobilenet_v1<100>},
    {"mobilenet_v1_0.75", 224, tf_preprocessing, compose_keras_mobilenet_v1<75>},
    {"mobilenet_v2", 224, imagenet_preprocessing,
     [](graph& g, const params& w) { compose_with<224>(g, [&](auto x) { return model::mobilenet_v2(x, w); }); }},
    {"cifar_resnet20", 32, cifar_preprocessing, compose_cifar_resnet<3>},
    {"cifar_resnet32", 32, cifar_preprocessing, compose_cifar_resnet<5>},
    {"cifar_resnet44", 32, cifar_preprocessing, compose_cifar_resnet<7>},
    {"cifar_resnet56", 32, cifar_preprocessing, compose_cifar_resnet<9>},
};

/// All their names, separated by commas.
inline std::string model_names() {
  std::string names;
  for (const model_entry& m : models) names += text(names.empty() ? "" : ", ", m.name);
  return names;
}

/// The network of that name. Throws octavo::error, with the names there are, for others.
inline const model_entry& find_model(std::string_view name) {
  for (const model_entry& m : models)
    if (m.name == name) return m;
  fail("unknown model '", name, "': expected one of ", model_names());
}

}  // namespace octavo::example
