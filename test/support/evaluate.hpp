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

/// What the operator makes of `src`: all of its outputs. Of an input that is left out the tensor is empty. Throws
/// octavo::error when it cannot be run with that signature.
inline std::vector<tensor> all_reference_outputs(const operation& o, const signature& s, std::span<const tensor> src) {
  check(o, s);
  std::vector<operand> operands, results;
  for (std::size_t i = 0; i < src.size(); ++i) operands.push_back(s.has(i) ? operand_of(src[i]) : operand{});
  std::vector<tensor> out;
  for (const tensor_type& t : s.dst) {
    dims extents = t.extents;
    extents.bounded = 0;  // the result has exactly these
    out.emplace_back(t.type, extents);
    results.push_back(operand_of(out.back()));
  }
  aligned_memory workspace(o.workspace_bytes(s));
  evaluate(o, s, {operands, std::span<const operand>(results), {}, 0, workspace.data()});
  return out;
}

/// The first of them.
inline tensor reference_output(const operation& o, const signature& s, std::span<const tensor> src) {
  return std::move(all_reference_outputs(o, s, src)[0]);
}

/// Every value of `g`, by index.
inline std::vector<tensor> reference_values(const graph& g, std::span<const tensor> inputs) {
  std::vector<tensor> values(g.values.size());
  std::size_t next_input = 0;
  const auto copy_of = [](const tensor& t) { return t.reshaped(t.extents()); };
  for (const node& n : g.nodes) {
    if (n.as<op::input>()) {
      values[static_cast<std::size_t>(*n.dst)] = copy_of(inputs[next_input++]);
      continue;
    }
    std::vector<tensor> src;
    for (int v : n.src) src.push_back(v < 0 ? tensor() : copy_of(values[static_cast<std::size_t>(v)]));
    std::vector<tensor> out = all_reference_outputs(n.op, g.signature_of(n), src);
    for (std::size_t k = 0; k < out.size(); ++k) values[static_cast<std::size_t>(n.dst[k])] = std::move(out[k]);
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
