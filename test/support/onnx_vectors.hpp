// The ONNX node tests in $OCTAVO_DATA/vectors: <test>.json says what the operator is, <test>.safetensors has its
// tensors.
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "octavo/io/safetensors.hpp"
#include "octavo/op/window.hpp"
#include "support/evaluate.hpp"
#include "temporary_folder.hpp"

namespace octavo::test {

/// One node test. Inputs that are left out are null.
struct onnx_vector {
  std::string name;
  nlohmann::json attributes;
  std::vector<constant> inputs, outputs;

  const tensor& x(std::size_t i = 0) const { return *inputs.at(i); }
  bool has(std::size_t i) const { return i < inputs.size() && inputs[i]; }
  const tensor& y() const { return *outputs.at(0); }

  int attribute(const char* key, int otherwise) const {
    return attributes.contains(key) ? attributes[key].get<int>() : otherwise;
  }
  float attribute(const char* key, float otherwise) const {
    return attributes.contains(key) ? attributes[key].get<float>() : otherwise;
  }
  std::vector<int> attribute(const char* key, std::vector<int> otherwise) const {
    return attributes.contains(key) ? attributes[key].get<std::vector<int>>() : otherwise;
  }

  /// "pads" or "auto_pad" of a window over two axes, or over one, which counts as the height.
  octavo::padding padding_of_window() const {
    const std::string rule = attributes.value("auto_pad", "NOTSET");
    if (rule == "SAME_UPPER") return same;
    if (rule == "SAME_LOWER") return same_lower;
    const std::vector<int> p = attribute("pads", {0, 0, 0, 0});
    return p.size() == 2 ? octavo::padding(p[0], 0, p[1], 0) : octavo::padding(p[0], p[1], p[2], p[3]);
  }
  /// A list of one or two numbers as (height, width).
  hw pair(const char* key, hw otherwise) const {
    if (!attributes.contains(key)) return otherwise;
    const auto list = attributes[key].get<std::vector<int>>();
    return list.size() == 1 ? hw{list[0], 1} : hw{list[0], list[1]};
  }
};

/// The node tests of these names; none, with a message, where OCTAVO_DATA is not set.
inline std::vector<onnx_vector> onnx_vectors(const std::vector<std::string>& names) {
  std::vector<onnx_vector> all;
  const auto folder = data_folder();
  if (!folder) return all;
  for (const std::string& name : names) {
    std::ifstream file(*folder / "vectors" / (name + ".json"));
    REQUIRE_MESSAGE(file.good(), name);
    const nlohmann::json description = nlohmann::json::parse(file);
    const safetensors tensors(*folder / "vectors" / (name + ".safetensors"));
    onnx_vector v{name, description["attributes"], {}, {}};
    const auto read = [&](const char* list, std::vector<constant>& to) {
      for (const auto& key : description[list])
        to.push_back(key.is_null() ? nullptr : tensors.find(key.get<std::string>()));
    };
    read("inputs", v.inputs);
    read("outputs", v.outputs);
    all.push_back(std::move(v));
  }
  return all;
}

/// (N, C, H, W) -> (N, H, W, C); (N, C, L) -> (N, L, 1, C).
inline tensor channels_last(const tensor& t) {
  const dims& d = t.extents();
  const int n = d[0], c = d[1], h = d[2], w = d.rank == 4 ? d[3] : 1;
  tensor out(t.type(), {n, h, w, c});
  const std::size_t bytes = size_of(t.type());
  std::size_t from = 0;
  for (int i = 0; i < n; ++i)
    for (int k = 0; k < c; ++k)
      for (int p = 0; p < h * w; ++p, ++from)
        std::memcpy(out.bytes().data() + static_cast<std::size_t>((i * h * w + p) * c + k) * bytes,
                    t.bytes().data() + from * bytes, bytes);
  return out;
}

/// (I, O) -> (O, I).
inline tensor transposed(const tensor& t) {
  const int rows = t.extents()[0], columns = t.extents()[1];
  tensor out(t.type(), {columns, rows});
  const std::size_t bytes = size_of(t.type());
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c)
      std::memcpy(out.bytes().data() + static_cast<std::size_t>(c * rows + r) * bytes,
                  t.bytes().data() + static_cast<std::size_t>(r * columns + c) * bytes, bytes);
  return out;
}

/// Number `i` of a tensor of any type, as an integer; the only one counts for all.
inline int integer_at(const tensor& t, std::size_t i) {
  if (t.extents().count() == 1) i = 0;
  switch (t.type()) {
    case element::u8: return t.as<std::uint8_t>()[i];
    case element::s8: return t.as<std::int8_t>()[i];
    case element::s32: return t.as<std::int32_t>()[i];
    case element::s64: return static_cast<int>(t.as<std::int64_t>()[i]);
    case element::f32:
    case element::none: break;
  }
  return static_cast<int>(t.as<float>()[i]);
}

/// s8 as u8, 128 higher; u8 as it is. A zero point moves along.
inline tensor as_u8(const tensor& t) {
  tensor out(element::u8, t.extents());
  for (std::size_t i = 0; i < out.as<std::uint8_t>().size(); ++i)
    out.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(integer_at(t, i) + (t.type() == element::s8 ? 128 : 0));
  return out;
}

/// The map of ONNX's scale and zero point of a u8 or s8 tensor, for as_u8() of it.
inline affine map_of(const tensor& scale, const tensor& zero_point) {
  return {scale.as<float>()[0], integer_at(zero_point, 0) + (zero_point.type() == element::s8 ? 128 : 0)};
}

}  // namespace octavo::test
