// Running planned networks on tensors.
#pragma once

#include <span>
#include <vector>

#include "octavo/exec/session.hpp"

namespace octavo::test {

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
  for (const tensor& t : inputs) arguments.emplace_back(t);
  for (tensor& t : outputs) arguments.emplace_back(t);
  s.run(arguments).or_throw();
  return outputs;
}

inline std::vector<tensor> outputs_of(const network& net, std::span<const tensor> inputs, int batch = 0) {
  session s(net);
  return outputs_of(s, inputs, batch);
}

}  // namespace octavo::test
