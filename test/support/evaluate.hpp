// Running operators and graphs through the reference evaluations, each value in dense memory of its own: what a planned
// network must reproduce.
#pragma once

#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "octavo/graph/graph.hpp"

namespace octavo::test {

/// The whole of `t`. Operands are not const, but a source is not written to.
inline operand operand_of(const tensor& t) {
  operand o{const_cast<std::byte*>(t.bytes().data()), t.extents(), t.extents().back()};
  o.extents.bounded = 0;
  return o;
}

/// A vector of tensors, which an initializer list would copy.
template <class... Tensors>
std::vector<tensor> list_of(Tensors... tensors) {
  std::vector<tensor> list;
  (list.push_back(std::move(tensors)), ...);
  return list;
}

/// What the operator makes of `src`. Throws octavo::error when it cannot be run with that signature.
inline tensor reference_output(const operation& o, const signature& s, std::span<const tensor> src) {
  check(o, s);
  std::vector<operand> operands;
  for (const tensor& t : src) operands.push_back(operand_of(t));
  dims extents = s.dst->extents;
  extents.bounded = 0;  // the result has exactly these
  tensor out(s.dst->type, extents);
  evaluate(o, s, {operands, operand_of(out)});
  return out;
}

/// Every value of `g`, by index.
inline std::vector<tensor> reference_values(const graph& g, std::span<const tensor> inputs) {
  std::vector<tensor> values(g.values.size());
  std::size_t next_input = 0;
  for (const node& n : g.nodes) {
    tensor& out = values[static_cast<std::size_t>(*n.dst)];
    if (n.as<op::input>()) {
      const tensor& given = inputs[next_input++];
      out = given.reshaped(given.extents());
      continue;
    }
    std::vector<tensor> src;
    for (int v : n.src) {
      const tensor& t = values[static_cast<std::size_t>(v)];
      src.push_back(t.reshaped(t.extents()));
    }
    out = reference_output(n.op, g.signature_of(n), src);
  }
  return values;
}

/// The outputs of `g`.
inline std::vector<tensor> reference_outputs(const graph& g, std::span<const tensor> inputs) {
  const std::vector<tensor> values = reference_values(g, inputs);
  std::vector<tensor> outputs;
  for (const graph_output& o : g.outputs) {
    const tensor& t = values[static_cast<std::size_t>(o.value)];
    outputs.push_back(t.reshaped(t.extents()));
  }
  return outputs;
}

/// Same type, extents and bits.
inline bool same_bits(const tensor& a, const tensor& b) {
  return a.type() == b.type() && a.extents() == b.extents() &&
         std::memcmp(a.bytes().data(), b.bytes().data(), a.bytes().size()) == 0;
}

inline bool same_bits(const std::vector<tensor>& a, const std::vector<tensor>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!same_bits(a[i], b[i])) return false;
  return true;
}

/// max |a - b| of two f32 tensors of equal extents.
inline float largest_difference(const tensor& a, const tensor& b) {
  require(a.extents() == b.extents(), "cannot compare ", a.extents(), " with ", b.extents());
  float largest = 0.0f;
  for (std::size_t i = 0; i < a.extents().count(); ++i)
    largest = std::max(largest, std::fabs(a.as<float>()[i] - b.as<float>()[i]));
  return largest;
}

/// max |a| of an f32 tensor.
inline float largest_magnitude(const tensor& a) {
  float largest = 0.0f;
  for (float v : a.as<float>()) largest = std::max(largest, std::fabs(v));
  return largest;
}

}  // namespace octavo::test
