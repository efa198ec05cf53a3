// The intermediate representation: a flat list of nodes in topological order, each with one output value.
// Built by the functions of builder.hpp, rewritten by passes, lowered by the planner. A plain value: copy it, print it.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "octavo/base/nearest_name.hpp"
#include "octavo/graph/handle.hpp"
#include "octavo/op/operators.hpp"
#include "octavo/quant/weights.hpp"
#include "octavo/tensor/params.hpp"

namespace octavo {

/// An edge: what one node writes and others read.
struct graph_value {
  std::string name;
  tensor_type type;
  std::optional<affine> quant{};  ///< of an f32 value: the map that quantize() shall give it, if that is known
  std::string stem{};             ///< of a value that append_after() named: the name that it was made from
  /// Of an f32 value: the range that its training saw. Where calibration tells none, quantize() goes by this one. It
  /// does not keep folding from dropping the value, as a map does.
  std::optional<range> observed{};
};

/// An operator, the values it reads and those it writes. A node that absorbs others keeps its own name and writes the
/// value of the last of them.
struct node {
  operation op;
  std::string name;
  std::vector<int> src;      ///< indices of values, by the operator's inputs; -1 for one that is left out
  one_or_more<int> dst{-1};  ///< indices of values, by the operator's outputs
  std::vector<constant> constants;
  std::vector<std::string> fused;  ///< names of the nodes that passes folded into this one
  /// What quantize() shall make of f32 weights, if that is known; a pass that changes them changes or forgets it.
  std::shared_ptr<const quantized_weights> rounded{};

  /// The operator as T, or null where it is another.
  template <class T>
  T* as() {
    return op.as<T>();
  }
  template <class T>
  const T* as() const {
    return op.as<T>();
  }
};

/// A value that the user receives, under the name he gave it.
struct graph_output {
  int value;
  std::string name;
};

/// A network: values, the nodes that compute them in an order that respects their inputs, inputs and outputs.
class graph : public detail::graph_anchor {
 public:
  std::vector<graph_value> values;  ///< a name that a value has stays
  std::vector<node> nodes;
  std::vector<graph_output> outputs;

  /// Adds an input of that type; the user gives its elements at each run, in the order of these calls. `q` says which
  /// real numbers u8 elements are: by default their own values, as pixels have them.
  template <class T, class Shape>
  value<T, Shape> input(std::string name, const affine& q = {}) {
    return {this, *append(op::input{}, std::move(name), {}, tensor_type{element_of<T>, Shape::value, q})};
  }

  /// Makes `v` an output; the user receives outputs in the order of these calls. Throws octavo::error when `v` is not a
  /// handle on a value of this graph.
  void output(const value_handle& v, std::string name);

  /// Adds a node and the values that it writes, by the operator's own account of them, and returns their indices.
  /// `src`: values, -1 for an optional input that is left out; trailing ones may be missing. The first output gets
  /// `name`, the others `name.<output>`, made unique by a number. Throws octavo::error, naming the node, and leaves the
  /// graph as it was, when the operator cannot take these inputs.
  one_or_more<int> append(const operation& op, std::string name, std::vector<int> src,
                          std::vector<constant> constants = {});

  /// The same with the type of the only output given: its scale and zero point, or that it is u8 or f32, may be chosen.
  one_or_more<int> append(operation op, std::string name, std::vector<int> src, tensor_type type,
                          std::vector<constant> constants = {}) {
    return append(std::move(op), std::move(name), std::move(src), std::vector{std::move(type)}, std::move(constants));
  }

  /// The same with the types of all outputs.
  one_or_more<int> append(operation op, std::string name, std::vector<int> src, std::vector<tensor_type> written,
                          std::vector<constant> constants);

  /// append() for a node that the user gave no name: it is called after the last named value on the way to its first
  /// input, "conv1.relu", and so keeps its name when something is inserted elsewhere.
  one_or_more<int> append_after(const operation& op, std::string_view kind, std::vector<int> src,
                                std::vector<constant> constants = {});

  /// The type of a value. Throws octavo::error when there is no such value.
  const tensor_type& type(int value_id) const { return values[place_of(value_id)].type; }
  tensor_type& type(int value_id) { return values[place_of(value_id)].type; }

  /// The types of values, in their order; no_tensor for -1. Throws octavo::error when there is no such value.
  std::vector<tensor_type> types(std::span<const int> ids) const;

  /// The types and constants of a node.
  signature signature_of(const node& n) const { return {types(n.src), types(n.dst), n.constants}; }

  // These four look at all nodes; who asks for many values makes a graph_index.

  /// The index of the node that writes a value, the number of nodes where none does.
  int producer(int value_id) const {
    const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const node& n) {
      return std::find(n.dst.begin(), n.dst.end(), value_id) != n.dst.end();
    });
    return static_cast<int>(found - nodes.begin());
  }

  /// How many times a value is read; being an output counts once.
  int uses(int value_id) const {
    std::ptrdiff_t n =
        std::count_if(outputs.begin(), outputs.end(), [&](const auto& o) { return o.value == value_id; });
    for (const node& reader : nodes) n += std::count(reader.src.begin(), reader.src.end(), value_id);
    return static_cast<int>(n);
  }

  bool is_output(int value_id) const {
    return std::any_of(outputs.begin(), outputs.end(), [&](const auto& o) { return o.value == value_id; });
  }

  /// The inputs' values, in the order of the calls of input().
  std::vector<int> input_values() const {
    std::vector<int> v;
    for (const node& n : nodes)
      if (n.as<op::input>()) v.push_back(*n.dst);
    return v;
  }

 private:
  /// The place of a value in `values`. Throws octavo::error, beginning with `what`, when there is none.
  std::size_t place_of(int value_id, std::string_view what = {}) const;

  /// `name`, or the first of name_1, name_2 ... that no value has.
  std::string unique(std::string name);

  std::unordered_map<std::string, int> numbers_;  // the names of values; no number below theirs is free
  std::size_t numbers_of_ = 0;                    // how many values are in there
};

/// The end of a message about a name that no node or value of `g` has: where passes put it, or what was meant.
OCTAVO_COMPILED_ONCE std::string hint_for(const graph& g, std::string_view name);

graph& value_handle::owner(std::string_view what) const {
  require(place_ != nullptr, what, ": the handle is empty, it belongs to no graph");
  require(*place_ != nullptr, what, ": the graph of the value is gone: it was destroyed, or another assigned to it");
  return static_cast<graph&>(**place_);
}

#if OCTAVO_BODIES

OCTAVO_COMPILED_ONCE void graph::output(const value_handle& v, std::string name) {
  const std::string what = text("output '", name, "'");
  require(&v.owner(what) == this, what, ": the value belongs to another graph");
  place_of(v.id, what + ": ");
  outputs.push_back({v.id, std::move(name)});
}

OCTAVO_COMPILED_ONCE one_or_more<int> graph::append(const operation& op, std::string name, std::vector<int> src,
                                                    std::vector<constant> constants) {
  std::vector<tensor_type> found;
  operation resolved;
  try {
    const std::vector<tensor_type> given = types(src);
    detail::check_inputs(op.facts(), given);
    resolved = op.resolved_for(given);
    found = resolved.infer(given, constants);
  } catch (const error& e) {
    fail("node '", unique(name), "': ", e.what());
  }
  return append(std::move(resolved), std::move(name), std::move(src), std::move(found), std::move(constants));
}

OCTAVO_COMPILED_ONCE one_or_more<int> graph::append(operation op, std::string name, std::vector<int> src,
                                                    std::vector<tensor_type> written, std::vector<constant> constants) {
  node n{std::move(op), unique(std::move(name)), std::move(src), {}, std::move(constants), {}, {}};
  if (has_weights(n.op) && n.constants.size() < 2) n.constants.resize(2);  // so that every bias has a place
  try {
    signature s{types(n.src), std::move(written), n.constants};
    detail::check_inputs(n.op.facts(), s.src);
    check(n.op, s);
    written = std::move(s.dst);
  } catch (const error& e) {
    fail("node '", n.name, "': ", e.what());
  }
  n.dst.clear();
  for (std::size_t i = 0; i < written.size(); ++i) {
    n.dst.push_back(static_cast<int>(values.size()));
    values.push_back(
        {i == 0 ? n.name : unique(text(n.name, ".", n.op.facts().outputs[i])), std::move(written[i]), {}, {}});
  }
  nodes.push_back(std::move(n));
  return nodes.back().dst;
}

OCTAVO_COMPILED_ONCE one_or_more<int> graph::append_after(const operation& op, std::string_view kind,
                                                          std::vector<int> src, std::vector<constant> constants) {
  const auto first = static_cast<std::size_t>(src.empty() ? -1 : src[0]);
  if (first >= values.size())
    return append(op, std::string(kind), std::move(src), std::move(constants));  // no inputs, or a wrong one
  const std::string stem = values[first].stem.empty() ? values[first].name : values[first].stem;
  const one_or_more<int> dst = append(op, text(stem, ".", kind), std::move(src), std::move(constants));
  for (int v : dst) values[static_cast<std::size_t>(v)].stem = stem;
  return dst;
}

OCTAVO_COMPILED_ONCE std::vector<tensor_type> graph::types(std::span<const int> ids) const {
  std::vector<tensor_type> all;
  for (int v : ids) all.push_back(v == -1 ? no_tensor : type(v));
  return all;
}

OCTAVO_COMPILED_ONCE std::size_t graph::place_of(int value_id, std::string_view what) const {
  require(value_id >= 0 && static_cast<std::size_t>(value_id) < values.size(), what, "there is no value ", value_id,
          ": the graph has ", values.size());
  return static_cast<std::size_t>(value_id);
}

OCTAVO_COMPILED_ONCE std::string graph::unique(std::string name) {
  if (numbers_of_ > values.size()) numbers_.clear(), numbers_of_ = 0;
  for (; numbers_of_ < values.size(); ++numbers_of_) numbers_.try_emplace(values[numbers_of_].name, 1);
  const auto taken = numbers_.find(name);
  if (taken == numbers_.end()) return name;
  for (int& i = taken->second;; ++i)
    if (std::string s = text(name, "_", i); !numbers_.contains(s)) return s;
}

OCTAVO_COMPILED_ONCE std::string hint_for(const graph& g, std::string_view name) {
  std::vector<std::string_view> names;
  for (const node& n : g.nodes) {
    if (n.name == name || std::find(n.fused.begin(), n.fused.end(), name) != n.fused.end())
      return text("; it is part of node '", n.name, "', which computes '",
                  g.values[static_cast<std::size_t>(*n.dst)].name, "'");
    names.push_back(n.name);
    for (int v : n.dst) names.push_back(g.values[static_cast<std::size_t>(v)].name);
  }
  std::string hint = did_you_mean(name, names);
  for (std::string_view known : names)  // a node that the user did not name is called after what it follows
    if (hint.empty() && known.ends_with(text(".", name))) hint = text("; did you mean '", known, "'?");
  return hint;
}

#endif

}  // namespace octavo
