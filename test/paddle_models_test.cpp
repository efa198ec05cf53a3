// Whole networks from PaddlePaddle's files, in $OCTAVO_DATA/models/paddle: what their README there asks for, in FP32 and
// in INT8.
#include <doctest/doctest.h>

#include "octavo/importer/paddle.hpp"
#include "octavo/octavo.hpp"
#include "support/model_files.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

std::filesystem::path folder_of(const std::string& name) {
  const std::filesystem::path folder = *data_folder() / "models" / "paddle" / name;
  return std::filesystem::is_directory(folder / "model") ? folder / "model" : folder;
}

/// The network of a folder for inputs like those of `set`, with the outputs that the set knows.
graph load_for(const std::string& name, const model_set& set) {
  importer::import_options options{.shapes = shapes_of(set.inputs)};
  for (const auto& output : set.outputs) options.outputs.push_back(output.first);
  return paddle::load(folder_of(name), options);
}

struct expectation {
  std::string model;
  double tolerance;
};

}  // namespace

TEST_CASE("paddle: float models in FP32") {
  if (!data_folder()) return;
  for (const auto& [name, tolerance] : {expectation{"handwriting_mlp", 1e-5},
                                        {"dqn_conv", 1e-4},
                                        {"gesture_squeezenet", 1e-5},
                                        {"ppocr_cls", 1e-4},
                                        {"ppocrv2_det", 2e-4},
                                        {"lac_seg", 1e-4}}) {
    INFO(name);
    for (const model_set& set : sets_of(*data_folder() / "models" / "paddle" / name)) {
      const named_tensors found = outputs_of(octavo::compile(load_for(name, set)), set.inputs);
      REQUIRE(found.size() == set.outputs.size());
      for (const auto& [output, expected] : set.outputs) {
        INFO(output);
        CHECK(found.at(output).extents() == expected.extents());
        if (expected.type() == element::s64) {
          CHECK(std::ranges::equal(found.at(output).as<std::int64_t>(), expected.as<std::int64_t>()));
          continue;
        }
        const difference d = difference_of(found.at(output), expected);
        MESSAGE(name, " ", output, ": ", d.largest);
        CHECK(d.largest <= tolerance);
      }
    }
  }
}
