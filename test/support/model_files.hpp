// The model files of $OCTAVO_DATA/models with what goes in and what shall come out: io.json beside each names both.
#pragma once

#include <doctest/doctest.h>

#include "octavo/io/json.hpp"
#include "octavo/io/npy.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace octavo::test {

/// Tensors by the file's names.
using named_tensors = std::map<std::string, tensor>;

/// One run of a model.
struct model_set {
  named_tensors inputs, outputs;
};

/// The sets of the model in `folder`; there is at least one.
inline std::vector<model_set> sets_of(const std::filesystem::path& folder) {
  std::vector<model_set> all;
  const nlohmann::json io = load_json(folder / "io.json");
  for (const auto& set : io["sets"]) {
    const auto read = [&](const nlohmann::json& files) {
      named_tensors t;
      for (const auto& [name, file] : files.items()) t[name] = load_npy(folder / file.get<std::string>());
      return t;
    };
    all.push_back({read(set["inputs"]), read(set["outputs"])});
  }
  REQUIRE(!all.empty());
  return all;
}

/// The extents of a set's inputs, by name, for importing the model for that set.
inline std::map<std::string, dims> shapes_of(const named_tensors& inputs) {
  std::map<std::string, dims> shapes;
  for (const auto& [name, t] : inputs) shapes[name] = t.extents();
  return shapes;
}

/// Inputs by name in the order of the network's. Integers of 64 bits become what the network takes.
inline std::vector<tensor> inputs_of(const network& net, const named_tensors& inputs) {
  std::vector<tensor> given;
  for (int v : net->inputs) {
    const planned_value& input = net->values[static_cast<std::size_t>(v)];
    const auto found = inputs.find(input.name);
    REQUIRE_MESSAGE(found != inputs.end(), input.name);
    tensor t = found->second;
    if (t.type() == element::s64 && input.type.type == element::s32) {
      tensor narrow(element::s32, t.extents());
      std::ranges::transform(t.as<std::int64_t>(), narrow.as<std::int32_t>().begin(),
                             [](std::int64_t n) { return static_cast<std::int32_t>(n); });
      t = std::move(narrow);
    }
    given.push_back(std::move(t));
  }
  return given;
}

/// Runs `net` on inputs by name and returns its outputs by name.
inline named_tensors outputs_of(const network& net, const named_tensors& inputs) {
  std::vector<tensor> found = outputs_of(net, inputs_of(net, inputs));
  named_tensors named;
  for (std::size_t i = 0; i < found.size(); ++i) named[net->source.outputs[i].name] = std::move(found[i]);
  return named;
}

/// How far two tensors of f32 are apart: at most, and on average.
struct difference {
  double largest = 0, mean = 0;
};
inline difference difference_of(const tensor& found, const tensor& expected) {
  REQUIRE_MESSAGE(found.extents().count() == expected.extents().count(), found.extents()
                                                                             << " for " << expected.extents());
  difference d;
  for (std::size_t i = 0; i < expected.extents().count(); ++i) {
    const double apart =
        std::fabs(static_cast<double>(found.as<float>()[i]) - static_cast<double>(expected.as<float>()[i]));
    d.largest = apart > d.largest || std::isnan(apart) ? apart : d.largest;
    d.mean += apart / static_cast<double>(expected.extents().count());
  }
  return d;
}

}  // namespace octavo::test
