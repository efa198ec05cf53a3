// A value that is known when the network is composed: an initializer, prior boxes, a table of embeddings.
//   y = value
// The planner makes it free: what reads it reads the constant's own memory, which all sessions share.
#pragma once

#include "octavo/op/signature.hpp"

namespace octavo::op {

/// A constant in a graph: no inputs, any type of element. A u8 constant has the map that its output is given.
struct constant {
  static constexpr std::string_view name = "constant";
  static constexpr std::string_view constants[] = {"value"};
  static constexpr auto fields = std::tuple{};
};

/// The type of its value, which is in the first and only constant.
inline std::vector<tensor_type> infer(const constant&, std::span<const tensor_type>,
                                      std::span<const octavo::constant> constants) {
  require(constants.size() == 1 && constants[0], "constant: expected its value as the only constant");
  return {{constants[0]->type(), constants[0]->extents(), {}}};
}

/// Throws octavo::error, naming what is wrong, unless `s` describes a constant.
inline void check(const constant&, const signature& s) {
  require(s.src.empty(), "constant: expected no inputs, found ", s.src.size());
  require(s.constants.size() == 1 && s.constants[0], "constant: expected its value as the only constant");
  const tensor& value = *s.constants[0];
  require(value.type() == s.dst->type && value.extents() == s.dst->extents && !value.bytes().empty(),
          "constant: output must be ", name_of(value.type()), "[", value.extents(), "], found ", *s.dst);
}

/// Reference evaluation: a copy, which only a constant that is alone in its graph needs.
inline void evaluate(const constant&, const signature& s, const arguments& a) {
  const std::span<const std::byte> value = s.constants[0]->bytes();
  const std::size_t row_bytes = static_cast<std::size_t>(a.dst->extents.back()) * size_of(s.dst->type);
  const auto apart = a.dst->stride * static_cast<std::ptrdiff_t>(size_of(s.dst->type));
  for (std::size_t r = 0; r < a.dst->extents.rows(); ++r)
    std::memcpy(a.dst->as<std::byte>() + static_cast<std::ptrdiff_t>(r) * apart, value.data() + r * row_bytes,
                row_bytes);
}

}  // namespace octavo::op
