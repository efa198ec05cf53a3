// ONNX models of $OCTAVO_DATA/models, imported and run in FP32 and INT8, against what onnxruntime made of them.
#include <doctest/doctest.h>

#include "octavo/importer/onnx.hpp"
#include "octavo/octavo.hpp"
#include "support/model_files.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// The largest difference that an output may have in FP32, and in INT8: see models/README.md, which says where each
/// comes from. INT8 of 0 is not run: that file gives no tolerance for it.
struct model_tolerance {
  std::string name;
  double fp32, int8 = 0;
};

const std::vector<model_tolerance> float_models = {
    {"cifar_resnet20_float", 1e-4}, {"kws_gru_s", 1e-4, 1.0},    {"kwt1_float", 1e-4},
    {"mnist_lstm", 1e-4},           {"mnist_cntk", 1e-5 * 8063}, {"ultraface_rfb320", 1e-4, 0.1},
    {"tinycnn_float", 1e-4},        {"keras_mlp_tf2onnx", 1e-5}, {"silero_vad_16k", 1e-5}};
const std::vector<model_tolerance> quantized_models = {
    {"cifar_resnet20_qdq", 0.6, 0.6},     {"cifar_resnet20_qoperator", 0.6, 0.6}, {"mobilenet_v2_dynamic_int8", 0.3},
    {"tinycnn_qoperator_ms", 0.3, 0.3},   {"simple_cnn_qdq_s8", 0.3, 0.3},        {"conv_qdq_constants", 0.012, 0.012},
    {"qtdnn_qoperator", 0.03125, 0.03125}};

/// The model for a set's extents; integers, of which there are rates only, are known.
graph load_for(const std::filesystem::path& folder, const model_set& set) {
  importer::import_options options;
  for (const auto& [name, t] : set.inputs)
    if (t.type() == element::f32)
      options.shapes[name] = t.extents();
    else
      options.known[name] = t;
  return onnx::load(folder / "model.onnx", options);
}

/// Runs `net` on a set's inputs: outputs have its names and extents, and are at most `tolerance` apart from its own.
/// `saturated`: the set's end where the grid of the file's last quantization ends, which a last layer of ours, whose
/// sums stay f32, does not have.
void check_outputs(const network& net, const model_set& set, double tolerance, bool saturated = false) {
  const named_tensors found = outputs_of(net, set.inputs);
  REQUIRE(found.size() == set.outputs.size());
  for (const auto& output : set.outputs) {
    const std::string& name = output.first;
    const tensor& expected = output.second;
    CAPTURE(name);
    REQUIRE(found.contains(name));
    CHECK(found.at(name).extents() == expected.extents());
    tensor y = found.at(name);
    if (saturated) {
      const auto [lowest, highest] = std::ranges::minmax(expected.as<float>());
      for (float& v : y.as<float>()) v = std::clamp(v, lowest, highest);
    }
    CHECK(difference_of(y, expected).largest <= tolerance);
  }
}

void check_fp32(const std::vector<model_tolerance>& models) {
  const auto data = data_folder();
  if (!data) return;
  for (const model_tolerance& model : models) {
    CAPTURE(model.name);
    const auto folder = *data / "models" / "onnx" / model.name;
    for (const model_set& set : sets_of(folder)) check_outputs(compile(load_for(folder, set)), set, model.fp32);
  }
}

}  // namespace

TEST_CASE("ONNX models in FP32") { check_fp32(float_models); }
TEST_CASE("quantized ONNX models in FP32") { check_fp32(quantized_models); }

TEST_CASE("ONNX models in INT8, calibrated on their own inputs") {
  const auto data = data_folder();
  if (!data) return;
  int run = 0;
  for (const model_tolerance& model : float_models) {
    if (model.int8 == 0) continue;
    CAPTURE(model.name);
    const auto folder = *data / "models" / "onnx" / model.name;
    for (const model_set& set : sets_of(folder)) {
      const graph g = load_for(folder, set);
      const sample_set own{1, [&](int, std::span<tensor> inputs) { inputs[0] = set.inputs.begin()->second; }};
      // A few samples have no outliers that were better left out, and their means say little.
      const calibration found = calibrate(compile(g), own, {.recipe = minmax{}});
      check_outputs(quantize(g, found, {.keep_fp32 = {}, .correct_bias = false}), set, model.int8);
      ++run;
    }
  }
  CHECK(run > 1);
}

TEST_CASE("quantized ONNX models in INT8, by the maps of the file") {
  const auto data = data_folder();
  if (!data) return;
  int run = 0;
  for (const model_tolerance& model : quantized_models) {
    if (model.int8 == 0) continue;
    CAPTURE(model.name);
    const auto folder = *data / "models" / "onnx" / model.name;
    for (const model_set& set : sets_of(folder)) {
      const graph g = load_for(folder, set);
      CHECK(std::ranges::all_of(g.nodes, [](const node& n) { return !has_weights(n.op) || n.rounded; }));
      const network net = quantize(g);
      const graph& int8 = net->source;
      CHECK(std::ranges::none_of(int8.nodes,
                                 [&](const node& n) { return has_weights(n.op) && !int8.type(n.src[0]).is_u8(); }));
      check_outputs(net, set, model.int8, true);
      ++run;
    }
  }
  CHECK(run > 10);
}

TEST_CASE("ONNX models of classes in INT8: the same classes") {
  const auto data = data_folder();
  if (!data) return;
  for (const std::string name : {"cifar_resnet20_float", "kwt1_float", "mnist_cntk", "mnist_lstm", "tinycnn_float",
                                 "mobilenet_v2_dynamic_int8", "kws_gru_s"}) {
    CAPTURE(name);
    const auto folder = *data / "models" / "onnx" / name;
    const model_set set = sets_of(folder).front();
    const graph g = load_for(folder, set);
    const sample_set own{1, [&](int, std::span<tensor> inputs) { inputs[0] = set.inputs.begin()->second; }};
    const network net = quantize(g, calibrate(compile(g), own, {.recipe = minmax{}}));
    const tensor y = outputs_of(net, set.inputs).begin()->second, &expected = set.outputs.begin()->second;
    const auto class_of = [](const tensor& t, std::size_t row) {
      const auto classes = static_cast<std::size_t>(t.extents().back());
      const std::span<const float> logits = t.as<float>().subspan(row * classes, classes);
      return std::ranges::max_element(logits) - logits.begin();
    };
    REQUIRE(y.extents() == expected.extents());
    int agree = 0, rows = expected.extents()[0];
    for (int row = 0; row < rows; ++row)
      agree += class_of(y, static_cast<std::size_t>(row)) == class_of(expected, static_cast<std::size_t>(row));
    CHECK(agree == rows);
  }
}
