// ONNX models of $OCTAVO_DATA/models, imported and run in FP32 and INT8, against what onnxruntime made of them.
#include <doctest/doctest.h>

#include "octavo/importer/onnx.hpp"
#include "octavo/octavo.hpp"
#include "support/model_files.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// The largest difference that an output may have: see models/README.md, which says where each comes from.
struct model_tolerance {
  std::string name;
  double fp32;
};

const std::vector<model_tolerance> models = {
    {"cifar_resnet20_float", 1e-4},
    {"kws_gru_s", 1e-4},
    {"kwt1_float", 1e-4},
    {"mnist_lstm", 1e-4},
    {"mnist_cntk", 0.09},  // relative 1e-5 of 8063
    {"ultraface_rfb320", 1e-4},
    {"tinycnn_float", 1e-4},
    {"keras_mlp_tf2onnx", 1e-5},
    {"cifar_resnet20_qdq", 0.6},
    {"cifar_resnet20_qoperator", 0.6},
    {"mobilenet_v2_dynamic_int8", 0.3},
    {"tinycnn_qoperator_ms", 0.3},
    {"simple_cnn_qdq_s8", 0.3},
    {"conv_qdq_constants", 0.012},
    {"qtdnn_qoperator", 0.03125},
};

}  // namespace

TEST_CASE("ONNX models in FP32") {
  const auto data = data_folder();
  if (!data) return;
  for (const model_tolerance& model : models) {
    CAPTURE(model.name);
    const auto folder = *data / "models" / "onnx" / model.name;
    try {
      for (const model_set& set : sets_of(folder)) {
        const graph g = onnx::load(folder / "model.onnx", {.shapes = shapes_of(set.inputs)});
        const named_tensors found = outputs_of(compile(g), set.inputs);
        REQUIRE(found.size() == set.outputs.size());
        for (const auto& [name, expected] : set.outputs) {
          REQUIRE(found.contains(name));
          CHECK(found.at(name).extents() == expected.extents());
          const difference d = difference_of(found.at(name), expected);
          std::printf("%s %s: %g mean %g\n", model.name.c_str(), name.c_str(), d.largest, d.mean);
          CHECK(d.largest <= model.fp32);
        }
      }
    } catch (const std::exception& e) {
      MESSAGE(model.name << ": " << e.what());
    }
  }
}
