// Networks and tensors in files, whatever format they have, by the names that the files give them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "octavo/importer/onnx.hpp"
#include "octavo/importer/paddle.hpp"
#include "octavo/io/network_file.hpp"
#include "octavo/io/npy.hpp"
#include "octavo/plan/network.hpp"

namespace octavo::example {

/// Tensors by name.
using named_tensors = std::map<std::string, tensor>;

/// What "NAME=FILE" says. Throws octavo::error for anything else.
inline std::pair<std::string, std::string> name_and_file(const std::string& option, const std::string& given) {
  const std::size_t equals = given.rfind('=');
  require(equals != std::string::npos && equals > 0 && equals + 1 < given.size(), option,
          ": expected NAME=FILE, found '", given, "'");
  return {given.substr(0, equals), given.substr(equals + 1)};
}

/// The NumPy files that an option which may be given several times names.
inline named_tensors load_tensors(const std::string& option, const std::vector<std::string>& given) {
  named_tensors all;
  for (const std::string& one : given) {
    const auto [name, file] = name_and_file(option, one);
    require(all.emplace(name, load_npy(file)).second, option, ": '", name, "' was given twice");
  }
  return all;
}

/// The network in `file`: one that Octavo saved, ONNX's, or Paddle's, whose parameters are in `params` or beside it.
/// Throws octavo::error, naming the file, where it is none of these or cannot be read.
inline graph load_model(const std::filesystem::path& file, const std::filesystem::path& params,
                        const importer::import_options& options) {
  const std::string extension = file.extension().string();
  if (extension == ".safetensors") return load_network(file);
  if (extension == ".onnx") return onnx::load(file, options);
  if (std::filesystem::is_directory(file)) return paddle::load(file, options);
  if (!params.empty()) return paddle::load(file, params, options);
  if (file.filename() == "__model__") return paddle::load(file.parent_path(), options);
  require(extension == ".pdmodel", file.string(),
          ": expected .onnx, .safetensors, .pdmodel, a folder with a Paddle network, or --params");
  return paddle::load(file, std::filesystem::path(file).replace_extension(".pdiparams"), options);
}

/// `t` as a network takes it: integers of 64 bits where it wants those of 32. Throws octavo::error, naming the input,
/// for other types than it wants, and for integers that do not fit.
inline tensor given_as(tensor t, const planned_value& input) {
  if (t.type() == input.type.type) return t;
  require(t.type() == element::s64 && input.type.type == element::s32, "input '", input.name, "' must be ",
          name_of(input.type.type), ", found ", name_of(t.type()));
  tensor narrow(element::s32, t.extents());
  std::ranges::transform(t.as<std::int64_t>(), narrow.as<std::int32_t>().begin(), [&](std::int64_t n) {
    require(std::in_range<std::int32_t>(n), "input '", input.name, "': ", n, " does not fit into 32 bits");
    return static_cast<std::int32_t>(n);
  });
  return narrow;
}

/// Random numbers for an input that nobody gave: from -1 to 1, and 0 for integers.
inline tensor drawn_input(const planned_value& input) {
  dims extents = input.type.extents;
  extents.bounded = 0;
  tensor t(input.type.type, extents);
  std::mt19937 random(1);
  if (t.type() == element::f32)
    for (float& v : t.as<float>()) v = static_cast<float>(random()) * 0x1p-31f - 1.0f;
  return t;
}

/// Element `i` as a number.
inline double number_at(const tensor& t, std::size_t i) {
  switch (t.type()) {
    case element::f32: return static_cast<double>(t.as<float>()[i]);
    case element::u8: return t.as<std::uint8_t>()[i];
    case element::s8: return t.as<std::int8_t>()[i];
    case element::s32: return t.as<std::int32_t>()[i];
    case element::s64: return static_cast<double>(t.as<std::int64_t>()[i]);
    case element::none: break;
  }
  return 0;
}

/// How far apart two tensors are.
struct difference {
  double largest = 0, mean = 0;
};

/// Throws octavo::error, naming the output, where they have not as many elements.
inline difference difference_of(const std::string& name, const tensor& found, const tensor& expected) {
  const std::size_t count = expected.extents().count();
  require(found.extents().count() == count, "output '", name, "': expected ", expected.extents(), ", found ",
          found.extents());
  difference d;
  for (std::size_t i = 0; i < count; ++i) {
    const double apart = std::fabs(number_at(found, i) - number_at(expected, i));
    if (!(apart <= d.largest)) d.largest = apart;
    d.mean += apart / static_cast<double>(count);
  }
  return d;
}

}  // namespace octavo::example
