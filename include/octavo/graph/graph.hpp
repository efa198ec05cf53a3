// The intermediate representation: a flat list of nodes in topological order, each with one output value.
// Built by the functions of builder.hpp, rewritten by passes, lowered by the planner. A plain value: copy it, print it.
#pragma once

#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "octavo/graph/handle.hpp"
#include "octavo/op/operation.hpp"
#include "octavo/tensor/params.hpp"

namespace octavo {

/// An edge: what one node writes and others read.
struct graph_value {
  std::string name;
  tensor_type type;
};

/// An operator, the values it reads and the one it writes. A node that absorbs others keeps its own name and writes the
/// value of the last of them.
struct node {
  operation op;
  std::string name;
  std::vector<int> src;  ///< indices of values
  int dst = -1;
  std::vector<constant> constants;
  std::vector<std::string> fused;  ///< names of the nodes that passes folded into this one

  /// The operator as T, or null where it is another.
  template <class T>
  T* as() {
    return std::get_if<T>(&op);
  }
  template <class T>
  const T* as() const {
    return std::get_if<T>(&op);
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

  /// Adds an input of that type; the user gives its elements at each run, in the order of these calls.
  template <class T, class Shape>
  value<T, Shape> input(std::string name) {
    return {this, append(op::input{}, std::move(name), {}, {element_of<T>, Shape::value, {}})};
  }

  /// Makes `v` an output; the user receives outputs in the order of these calls. Throws octavo::error when `v` is not a
  /// handle on a value of this graph.
  OCTAVO_COLD void output(const value_handle& v, std::string name) {
    const std::string what = text("output '", name, "'");
    require(&v.owner(what) == this, what, ": the value belongs to another graph");
    place_of(v.id, what + ": ");
    outputs.push_back({v.id, std::move(name)});
  }

  /// Adds a node and its output value, returns the value's index. Both get `name`, made unique by a number. Throws
  /// octavo::error, naming the node, and leaves the graph as it was, when the operator cannot take these inputs.
  int append(operation op, std::string name, std::vector<int> src, tensor_type type,
             std::vector<constant> constants = {}) {
    node n{std::move(op),        unique(std::move(name)),
           std::move(src),       static_cast<int>(values.size()),
           std::move(constants), {}};
    if (has_weights(n.op) && n.constants.size() < 2) n.constants.resize(2);  // so that every bias has a place
    try {
      check(n.op, signature_of(n, type));
    } catch (const error& e) {
      fail("node '", n.name, "': ", e.what());
    }
    values.push_back({n.name, std::move(type)});
    nodes.push_back(std::move(n));
    return nodes.back().dst;
  }

  /// The type of a value. Throws octavo::error when there is no such value.
  const tensor_type& type(int value_id) const { return values[place_of(value_id)].type; }
  tensor_type& type(int value_id) { return values[place_of(value_id)].type; }

  /// The types and constants of a node.
  signature signature_of(const node& n) const { return signature_of(n, type(n.dst)); }

  // These four look at all nodes; who asks for many values makes a graph_index.

  /// The index of the node that writes a value, the number of nodes where none does.
  int producer(int value_id) const {
    const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const node& n) { return n.dst == value_id; });
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
      if (n.as<op::input>()) v.push_back(n.dst);
    return v;
  }

 private:
  /// The place of a value in `values`. Throws octavo::error, beginning with `what`, when there is none.
  std::size_t place_of(int value_id, std::string_view what = {}) const {
    require(value_id >= 0 && static_cast<std::size_t>(value_id) < values.size(), what, "there is no value ", value_id,
            ": the graph has ", values.size());
    return static_cast<std::size_t>(value_id);
  }

  signature signature_of(const node& n, const tensor_type& dst) const {
    signature s;
    for (int v : n.src) s.src.push_back(type(v));
    s.dst = dst;
    s.constants = n.constants;
    return s;
  }

  /// `name`, or the first of name_1, name_2 ... that no value has.
  std::string unique(std::string name) {
    if (numbers_of_ > values.size()) numbers_.clear(), numbers_of_ = 0;
    for (; numbers_of_ < values.size(); ++numbers_of_) numbers_.try_emplace(values[numbers_of_].name, 1);
    const auto taken = numbers_.find(name);
    if (taken == numbers_.end()) return name;
    for (int& i = taken->second;; ++i)
      if (std::string s = text(name, "_", i); !numbers_.contains(s)) return s;
  }

  std::unordered_map<std::string, int> numbers_;  // the names of values; no number below theirs is free
  std::size_t numbers_of_ = 0;                    // how many values are in there
};

graph& value_handle::owner(std::string_view what) const {
  require(place_ != nullptr, what, ": the handle is empty, it belongs to no graph");
  require(*place_ != nullptr, what, ": the graph of the value is gone: it was destroyed, or another assigned to it");
  return static_cast<graph&>(**place_);
}

}  // namespace octavo
