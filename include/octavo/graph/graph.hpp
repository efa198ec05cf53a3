// The intermediate representation: a flat list of nodes in topological order, each with one output value.
// Built by the functions of builder.hpp, rewritten by passes, lowered by the planner. A plain value: copy it, print it.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

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

template <class T, class Shape>
struct value;

/// A network: values, the nodes that compute them in an order that respects their inputs, inputs and outputs.
class graph {
 public:
  std::vector<graph_value> values;
  std::vector<node> nodes;
  std::vector<graph_output> outputs;

  /// Adds an input of that type; the user gives its elements at each run, in the order of these calls.
  template <class T, class Shape>
  value<T, Shape> input(std::string name) {
    const int v = append(op::input{}, std::move(name), {}, {element_of<T>, Shape::value, {}});
    return {this, v};
  }

  /// Makes `v` an output; the user receives outputs in the order of these calls.
  template <class T, class Shape>
  void output(value<T, Shape> v, std::string name) {
    require(v.owner == this, "output '", name, "': the value belongs to another graph");
    outputs.push_back({v.id, std::move(name)});
  }

  /// Adds a node and its output value, returns the value's index. Both get `name`, made unique by a number. Throws
  /// octavo::error, naming the node, and leaves the graph as it was, when the operator cannot take these inputs.
  int append(operation op, std::string name, std::vector<int> src, tensor_type type,
             std::vector<constant> constants = {}) {
    node n{std::move(op),        unique(std::move(name)),
           std::move(src),       static_cast<int>(values.size()),
           std::move(constants), {}};
    values.push_back({n.name, std::move(type)});
    nodes.push_back(std::move(n));
    try {
      check(nodes.back().op, signature_of(nodes.back()));
    } catch (const error& e) {
      const std::string failed = nodes.back().name;
      nodes.pop_back();
      values.pop_back();
      fail("node '", failed, "': ", e.what());
    }
    return nodes.back().dst;
  }

  const tensor_type& type(int value_id) const { return values[static_cast<std::size_t>(value_id)].type; }
  tensor_type& type(int value_id) { return values[static_cast<std::size_t>(value_id)].type; }

  /// The types and constants of a node.
  signature signature_of(const node& n) const {
    signature s;
    for (int v : n.src) s.src.push_back(type(v));
    s.dst = type(n.dst);
    s.constants = n.constants;
    return s;
  }

  /// The index of the node that writes a value.
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

  /// Makes every reader of `from`, the outputs included, read `to`.
  void replace_uses(int from, int to) {
    for (node& n : nodes) std::replace(n.src.begin(), n.src.end(), from, to);
    for (graph_output& o : outputs)
      if (o.value == from) o.value = to;
  }

  /// The inputs' values, in the order of the calls of input().
  std::vector<int> input_values() const {
    std::vector<int> v;
    for (const node& n : nodes)
      if (n.as<op::input>()) v.push_back(n.dst);
    return v;
  }

 private:
  std::string unique(std::string name) const {
    const auto taken = [&](const std::string& s) {
      return std::any_of(values.begin(), values.end(), [&](const graph_value& v) { return v.name == s; });
    };
    if (!taken(name)) return name;
    for (int i = 1;; ++i)
      if (std::string s = text(name, "_", i); !taken(s)) return s;
  }
};

}  // namespace octavo
