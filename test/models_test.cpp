// The models: output shapes, parameters of the published networks by name and number.
#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "octavo/graph/print.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/model/embedded.hpp"
#include "octavo/model/mobilenet.hpp"
#include "octavo/model/resnet.hpp"
#include "octavo/model/vgg.hpp"
#include "support/model_checks.hpp"
#include "support/pass_checks.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr model::mobilenet_v1_options keras{.width_percent = 75, .relu6 = true, .pad = same};

/// The tensors of a published file are those that the model asks for, in name and shape.
void check_names(const std::string& file, const std::map<std::string, dims>& asked) {
  const auto folder = data_folder();
  if (!folder) return;
  const safetensors published(*folder / "weights" / file);
  std::map<std::string, dims> there;
  for (const std::string& name : published.names()) there[name] = published.get(name).extents;
  for (const auto& tensor : asked) CHECK_MESSAGE(there[tensor.first] == tensor.second, tensor.first);
  for (const auto& tensor : there) CHECK_MESSAGE(asked.contains(tensor.first), tensor.first);
}

}  // namespace

// The numbers of parameters are those that torchvision and Keras publish for their models.

TEST_CASE("models: ResNet-18") {
  const auto asked = check_model<224, 1000>([](auto x, const params& w) { return model::resnet18(x, w); }, 11689512,
                                            20 + 1 + 2 + 1);  // convolutions, max pool, global pool, fc
  CHECK(asked.size() == 20 + 20 * 4 + 2);                     // a weight and a batch norm each, fc
  CHECK(asked.at("layer1.0.conv1.weight") == dims{64, 64, 3, 3});
  CHECK(asked.at("layer2.0.conv1.weight") == dims{128, 64, 3, 3});
  CHECK(asked.at("layer2.0.downsample.0.weight") == dims{128, 64, 1, 1});
  for (const char* name : {"bn1.weight", "layer1.1.bn2.bias", "layer4.0.downsample.1.running_var", "fc.bias"})
    CHECK_MESSAGE(asked.contains(name), name);
  for (const char* name : {"layer1.0.downsample.0.weight", "layer2.1.downsample.0.weight", "layer1.2.conv1.weight"})
    CHECK_MESSAGE(!asked.contains(name), name);
}

TEST_CASE("models: ResNet-34") {
  const auto asked =
      check_model<224, 1000>([](auto x, const params& w) { return model::resnet34(x, w); }, 21797672, 36 + 1 + 2 + 1);
  CHECK(asked.contains("layer3.5.conv2.weight"));
}

TEST_CASE("models: ResNet-18 runs in INT8") {
  graph g;
  g.output(model::resnet18(g.input<float, nhwc<1, 32, 32, 3>>("image"), random_params(1)), "logits");
  const graph int8 = quantized_graph(g);
  for (const node& n : int8.nodes)
    if (n.as<op::conv2d>()) CHECK_MESSAGE(int8.type(n.dst).type == element::u8, n.name);
  check_int8_is_near(g, int8,
                     0.02f);  // a step of 8 bits is 0.4 % of a range; the errors of 20 layers partly cancel out
}

TEST_CASE("models: a basic block of torchvision asks for the projection that CIFAR's does without") {
  graph g;
  auto x = g.input<float, nhwc<1, 8, 8, 4>>("x");
  const auto torch = std::make_shared<counted_weights>(), cifar = std::make_shared<counted_weights>();
  auto a = model::basic_block<8, 2>(x, params(torch));
  auto b = model::cifar_basic_block<8, 2>(x, params(cifar));
  static_assert(std::is_same_v<decltype(a), decltype(b)>);
  CHECK(torch->given().at("downsample.0.weight") == dims{8, 4, 1, 1});
  CHECK(torch->given().contains("downsample.1.running_mean"));
  CHECK(torch->given().size() == cifar->given().size() + 5);
  CHECK(!cifar->given().contains("downsample.0.weight"));
}

TEST_CASE("models: ResNet-50") {
  const auto asked = check_model<224, 1000>([](auto x, const params& w) { return model::resnet50(x, w); }, 25557032,
                                            53 + 1 + 2 + 1);  // convolutions, max pool, global pool, fc
  CHECK(asked.at("layer3.0.downsample.0.weight") == dims{1024, 512, 1, 1});
  check_names("resnet50.safetensors", asked);
}

TEST_CASE("models: ResNet-101") {
  const auto asked =
      check_model<224, 1000>([](auto x, const params& w) { return model::resnet101(x, w); }, 44549160, 104 + 1 + 2 + 1);
  CHECK(asked.contains("layer3.22.conv3.weight"));
}

TEST_CASE("models: MobileNet-V1") {
  check_model<224, 1000>([](auto x, const params& w) { return model::mobilenet_v1(x, w); }, 4231976, 27 + 2 + 1);
  check_names("mobilenet_v1_0.75.safetensors",
              check_model<224, 1000>([](auto x, const params& w) { return model::mobilenet_v1<keras>(x, w, 1e-3f); },
                                     2585560, 27 + 2 + 1));
}

TEST_CASE("models: MobileNet-V2") {
  check_names(
      "mobilenet_v2.safetensors",
      check_model<224, 1000>([](auto x, const params& w) { return model::mobilenet_v2(x, w); }, 3504872, 52 + 2 + 1));
}

// 3x3 convolutions of 16, 32 and 64 channels, batch norms, 64 x 10 + 10.
TEST_CASE("models: CIFAR ResNets") {
  check_names("cifar_resnet20.safetensors",
              check_model<32, 10>([](auto x, const params& w) { return model::cifar_resnet(x, 3, w); }, 269722,
                                  19 + 4 + 2 + 1));  // two shortcuts of max pool and padding
  check_names("cifar_resnet56.safetensors",
              check_model<32, 10>([](auto x, const params& w) { return model::cifar_resnet(x, 9, w); }, 853018,
                                  55 + 4 + 2 + 1));
}

TEST_CASE("models: VGG16 and VGG19") {
  const auto asked = check_model<224, 1000>([](auto x, const params& w) { return model::vgg16(x, w); }, 138357544,
                                            13 + 5 + 1 + 3, "");  // convolutions, max pools, flatten, fc
  for (const char* name : {"features.0.weight", "features.28.bias", "classifier.0.weight", "classifier.6.bias"})
    CHECK_MESSAGE(asked.contains(name), name);
  check_model<224, 1000>([](auto x, const params& w) { return model::vgg19(x, w); }, 143667240, 16 + 5 + 1 + 3, "");
}

TEST_CASE("models: VGG's first fully connected layer takes its columns from (C, H, W) to (H, W, C)") {
  const params file(std::make_shared<known_weights>(std::map<std::string, constant>{
      {"fc.weight", values({1, 6}, {1, 2, 3, 10, 20, 30})}, {"fc.bias", values({1}, {7})}}));  // 2 channels of 1 x 3
  const params w(std::make_shared<model::detail::channels_last_columns>(file / "fc", dims{1, 3, 2}), "fc");
  CHECK(std::ranges::equal(w.get("weight", {1, 6})->as<float>(), std::vector<float>{1, 10, 2, 20, 3, 30}));
  CHECK(w.get("bias", {1})->as<float>()[0] == 7.0f);
  CHECK(w.maybe("nothing", {1}) == nullptr);
}

TEST_CASE("models: the embedded network has every operator of an image network") {
  const auto source = std::make_shared<counted_weights>();
  graph g;
  auto image = g.input<float, nhwc<1, 32, 32, 3>>("image");
  auto logits = model::embedded(image, params(source));
  static_assert(std::is_same_v<decltype(logits), value<float, nc<1, 10>>>);
  g.output(logits, "logits");
  std::set<std::string_view> operators;
  for (const node& n : g.nodes) operators.insert(name_of(n.op));
  for (const char* name : {"conv2d", "batch_norm", "activate", "add", "concat", "pool2d", "reshape", "fc"})
    CHECK_MESSAGE(operators.contains(name), name);
  const graph folded = fold(g);
  for (const node& n : folded.nodes)
    CHECK_MESSAGE((!n.as<op::batch_norm>() && !n.as<op::activate>() && !n.as<op::add>()), n.name);
}

TEST_CASE("models: a weight of another shape is named") {
  graph g;
  auto image = g.input<float, nhwc<1, 32, 32, 3>>("image");
  const params w(std::make_shared<known_weights>(
      std::map<std::string, constant>{{"conv1.weight", values({1, 3, 1, 1}, {1, 2, 3})}}));
  check_failure(failure_of([&] { model::cifar_resnet(image, 3, w); }),
                "tensor 'conv1.weight': expected f32 16x3x3x3, found f32 1x3x1x1");
}

namespace {

/// Composes networks from what a file would say: operators with attributes, values by their numbers.
class composer {
 public:
  composer(graph& g, const params& w) : g_(g), w_(w) {}

  int convolution(int x, const std::string& name, int out, int kernel, int stride, int pad) {
    const op::conv2d c{{.out = out, .kernel = kernel, .stride = stride, .pad = pad}};
    const params w = w_ / name;
    return g_.append(c, name, {x}, {w.get("weight", {out, g_.type(x).extents[3], kernel, kernel}), nullptr});
  }
  int batch_norm(int x, const std::string& name) {
    const params w = w_ / name;
    const dims c{g_.type(x).extents.back()};
    return g_.append(op::batch_norm{}, name, {x},
                     {w.get("weight", c), w.get("bias", c), w.get("running_mean", c), w.get("running_var", c)});
  }
  int relu(int x) { return g_.append_after(op::activate{relu_activation}, "relu", {x}); }

  int bottleneck(int x, const std::string& name, int width, int stride, bool projection) {
    int y = relu(batch_norm(convolution(x, name + ".conv1", width, 1, 1, 0), name + ".bn1"));
    y = relu(batch_norm(convolution(y, name + ".conv2", width, 3, stride, 1), name + ".bn2"));
    y = batch_norm(convolution(y, name + ".conv3", 4 * width, 1, 1, 0), name + ".bn3");
    if (projection)
      x = batch_norm(convolution(x, name + ".downsample.0", 4 * width, 1, stride, 0), name + ".downsample.1");
    return relu(g_.append_after(op::add{}, "add", {y, x}));
  }

 private:
  graph& g_;
  params w_;
};

}  // namespace

TEST_CASE("ResNet-50 composed at run time is the same graph, line by line") {
  const params w(std::make_shared<counted_weights>());
  graph typed, built;
  typed.output(model::resnet50(typed.input<float, nhwc<1, 224, 224, 3>>("image"), w), "logits");
  composer c(built, w);
  int x = built.append(op::input{}, "image", {}, tensor_type{element::f32, {1, 224, 224, 3}, {}});
  x = c.relu(c.batch_norm(c.convolution(x, "conv1", 64, 7, 2, 3), "bn1"));
  x = built.append_after(op::pool2d{{.kernel = 3, .stride = 2, .pad = 1}}, "max_pool", {x});
  const int blocks[] = {3, 4, 6, 3};
  for (int stage = 0; stage < 4; ++stage)
    for (int i = 0; i < blocks[stage]; ++i)
      x = c.bottleneck(x, text("layer", stage + 1, ".", i), 64 << stage, i == 0 && stage > 0 ? 2 : 1, i == 0);
  x = built.append_after(op::pool2d{{.kernel = 7}, op::pool2d::average}, "average_pool", {x});
  x = built.append_after(op::reshape{{1, 2048}}, "reshape", {x});
  const params fc = w / "fc";
  x = built.append(op::fc{.out = 1000}, "fc", {x}, {fc.get("weight", {1000, 2048}), fc.maybe("bias", {1000})});
  built.outputs.push_back({x, "logits"});
  CHECK(text(built) == text(typed));
  CHECK(built.nodes.size() == typed.nodes.size());
  CHECK(text(fold(built)) == text(fold(typed)));
}
