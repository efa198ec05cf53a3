// Running planned networks on tensors.
#pragma once

#include <span>
#include <vector>

#include "octavo/exec/session.hpp"

namespace octavo::test {

/// `t` as an argument of a run; const as operands are: only outputs are written to.
inline tensor_argument argument_of(const tensor& t) {
  switch (t.type()) {
    case element::u8: return view<const std::uint8_t>(t.as<std::uint8_t>().data(), t.extents());
    case element::s8: return view<const std::int8_t>(t.as<std::int8_t>().data(), t.extents());
    case element::s32: return view<const std::int32_t>(t.as<std::int32_t>().data(), t.extents());
    case element::s64: return view<const std::int64_t>(t.as<std::int64_t>().data(), t.extents());
    case element::f32: break;
  }
  return view<const float>(t.as<float>().data(), t.extents());
}

/// The extents with the outermost, where it is bounded, set to `batch`.
inline dims with_batch(dims extents, int batch) {
  if (batch > 0 && extents.is_bounded(0)) extents[0] = batch;
  extents.bounded = 0;
  return extents;
}

/// Runs `s` on `inputs` and returns its outputs, which begin as bytes of 0xa5.
inline std::vector<tensor> outputs_of(session& s, std::span<const tensor> inputs, int batch = 0) {
  std::vector<tensor> outputs;
  for (int v : s.planned()->outputs) {
    const tensor_type& type = s.planned()->values[static_cast<std::size_t>(v)].type;
    outputs.emplace_back(type.type, with_batch(type.extents, batch));
    for (std::byte& b : outputs.back().bytes()) b = std::byte{0xa5};
  }
  std::vector<tensor_argument> arguments;
  for (const tensor& t : inputs) arguments.push_back(argument_of(t));
  for (const tensor& t : outputs) arguments.push_back(argument_of(t));
  s.run(arguments).or_throw();
  return outputs;
}

inline std::vector<tensor> outputs_of(const network& net, std::span<const tensor> inputs, int batch = 0) {
  session s(net);
  return outputs_of(s, inputs, batch);
}

}  // namespace octavo::test
