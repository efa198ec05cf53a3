#include "networks.hpp"

#include "octavo/model/bert.hpp"
#include "octavo/model/crnn.hpp"
#include "octavo/model/keyword.hpp"
#include "octavo/model/kwt.hpp"
#include "octavo/model/lac.hpp"
#include "octavo/model/mobilenet.hpp"
#include "octavo/model/mobilenet_v3.hpp"
#include "octavo/model/resnet.hpp"
#include "octavo/model/squeezenet.hpp"
#include "octavo/model/ssd.hpp"
#include "octavo/model/vgg.hpp"
#include "ssd.hpp"

namespace octavo::bench {

namespace {

template <int Side>
auto image_of(graph& g) {
  return g.input<float, nhwc<upto<largest_batch>, Side, Side, 3>>("image");
}

/// Adds the image, the network that `build` makes of it, and the output.
void compose_classifier(graph& g, auto&& build) { g.output(build(image_of<224>(g)), "logits"); }

/// What SSD on MobileNet-V1 predicts, boxes and classes side by side: (N, 1917, 4 + 91).
void compose_ssd_mobilenet_v1(graph& g, const params& w) {
  const auto heads = model::mobilenet_v1_ssd_heads(image_of<300>(g), w);
  g.output(concat(heads.boxes, heads.classes), "logits");
}

template <int Tokens>
void compose_ernie(graph& g, const params& w) {
  const auto ids = g.input<std::int32_t, shape<upto<largest_batch>, Tokens>>("ids");
  const auto types = g.input<std::int32_t, shape<upto<largest_batch>, Tokens>>("types");
  g.output(model::bert_classifier<2>(ids, types, w), "logits");
}

constexpr network_entry transformer_list[] = {
    {"ernie", compose_ernie<128>},
    {"ernie_32", compose_ernie<32>},
    {"ernie_128", compose_ernie<128>},
    {"ernie_512", compose_ernie<512>},
    {"kwt1",
     [](graph& g, const params& w) {
       g.output(model::kwt1(g.input<float, shape<upto<largest_batch>, 98, 40>>("features"), w), "logits");
     }},
};

constexpr network_entry classifier_list[] = {
    {"resnet18",
     [](graph& g, const params& w) { compose_classifier(g, [&](auto x) { return model::resnet18(x, w); }); }},
    {"resnet34",
     [](graph& g, const params& w) { compose_classifier(g, [&](auto x) { return model::resnet34(x, w); }); }},
    {"resnet50",
     [](graph& g, const params& w) { compose_classifier(g, [&](auto x) { return model::resnet50(x, w); }); }},
    {"resnet101",
     [](graph& g, const params& w) { compose_classifier(g, [&](auto x) { return model::resnet101(x, w); }); }},
    {"mobilenet_v1",
     [](graph& g, const params& w) { compose_classifier(g, [&](auto x) { return model::mobilenet_v1(x, w); }); }},
    {"mobilenet_v2",
     [](graph& g, const params& w) { compose_classifier(g, [&](auto x) { return model::mobilenet_v2(x, w); }); }},
    {"mobilenet_v3",
     [](graph& g, const params& w) { compose_classifier(g, [&](auto x) { return model::mobilenet_v3_large(x, w); }); }},
    {"squeezenet",
     [](graph& g, const params& w) { compose_classifier(g, [&](auto x) { return model::squeezenet1_1(x, w); }); }},
    {"ssd_mobilenet_v1", compose_ssd_mobilenet_v1},
    {"vgg16", [](graph& g, const params& w) { compose_classifier(g, [&](auto x) { return model::vgg16(x, w); }); }},
    {"vgg19", [](graph& g, const params& w) { compose_classifier(g, [&](auto x) { return model::vgg19(x, w); }); }},
};

/// LAC up to what its tags are worth, of the size that Paddle publishes.
template <int Characters>
void compose_lac(graph& g, const params& w) {
  constexpr model::lac_options published{.vocabulary = 20940, .labels = 57};
  const auto ids = g.input<std::int32_t, shape<upto<largest_batch>, Characters>>("ids");
  g.output(model::lac_emissions<published>(ids, value_handle{}, w), "logits");
}

auto speech_of(graph& g) { return g.input<float, ntc<upto<largest_batch>, 25, 10>>("features"); }

constexpr network_entry recurrent_list[] = {
    {"lac", compose_lac<32>},
    {"lac_32", compose_lac<32>},
    {"lac_128", compose_lac<128>},
    {"crnn",
     [](graph& g, const params& w) {
       g.output(model::crnn(g.input<float, nhwc<upto<largest_batch>, 32, 320, 3>>("image"), w), "logits");
     }},
    {"kws_gru_s", [](graph& g, const params& w) { g.output(model::keyword_gru(speech_of(g), w), "logits"); }},
    {"kws_lstm_s", [](graph& g, const params& w) { g.output(model::keyword_lstm(speech_of(g), w), "logits"); }},
};

constexpr network_entry detector_list[] = {
    {"ssd300_vgg16", [](graph& g, const params& w) { compose_ssd300_vgg16(g, image_of<300>(g), w); }},
    {"ssd300_mobilenet_v1", [](graph& g, const params& w) { compose_ssd300_mobilenet_v1(g, image_of<300>(g), w); }},
};

}  // namespace

std::span<const network_entry> classifiers() { return classifier_list; }
std::span<const network_entry> transformers() { return transformer_list; }
std::span<const network_entry> recurrent_networks() { return recurrent_list; }
std::span<const network_entry> detectors() { return detector_list; }

const network_entry& find_network(std::string_view name) {
  std::string names;
  for (const std::span<const network_entry> list : {classifiers(), transformers(), recurrent_networks()})
    for (const network_entry& n : list) {
      if (n.name == name) return n;
      names += text(names.empty() ? "" : ", ", n.name);
    }
  fail("unknown network '", name, "': expected one of ", names);
}

}  // namespace octavo::bench
