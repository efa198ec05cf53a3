// A graph as JSON, without the elements of its constants, which it names:
//
//   {"values": [{"name": "conv1", "type": "u8", "extents": [1, 56, 56, 64], "map": [0.02, 0]}, ...],
//    "nodes": [{"operator": "conv2d", "name": "conv1", "attributes": {"out": 64, "kernel": [3, 3]}, "inputs": [0],
//               "outputs": [1], "constants": ["conv1.weights", "conv1.bias", "conv1.scales"], "fused": ["bn1"]}, ...],
//    "outputs": [{"name": "logits", "value": 7}]}
//
// Whatever else may stand there is refused: nothing that was read goes unchecked.
#pragma once

#include <functional>
#include <initializer_list>

#include "octavo/graph/graph_index.hpp"
#include "octavo/io/json.hpp"

namespace octavo::detail {

/// A number that need not be finite.
inline nlohmann::json json_of(double v) {
  if (std::isfinite(v)) return v;
  return std::isnan(v) ? "nan" : v > 0 ? "inf" : "-inf";
}

/// An attribute. Doubles are in an object, {"doubles": [0.5, "inf"]}: in JSON, an empty list of them could be one of
/// whole numbers, and an infinity is a string.
inline nlohmann::json json_of(const attribute& a) {
  nlohmann::json j;
  if (const double* number = std::get_if<double>(&a)) {
    j["double"] = json_of(*number);
  } else if (const auto* list = std::get_if<std::vector<double>>(&a)) {
    j["doubles"] = nlohmann::json::array();
    for (double v : *list) j["doubles"].push_back(json_of(v));
  } else {
    std::visit([&](const auto& v) { j = v; }, a);
  }
  return j;
}

inline nlohmann::json json_of(const affine& q) { return nlohmann::json::array({q.scale, q.zero_point}); }

inline nlohmann::json json_of(const graph_value& v) {
  nlohmann::json j{{"name", v.name}, {"type", name_of(v.type.type)}};
  j["extents"] = nlohmann::json::array();
  for (int i = 0; i < v.type.extents.rank; ++i) j["extents"].push_back(v.type.extents.encoded_in_place(i));
  if (v.type.q != affine{}) j["map"] = json_of(v.type.q);
  if (v.quant) j["quant"] = json_of(*v.quant);
  if (!v.stem.empty()) j["stem"] = v.stem;
  if (v.observed) j["observed"] = nlohmann::json::array({v.observed->lower, v.observed->upper});
  return j;
}

/// Keeps a constant under a name like the given one, and says which: the same for the same constant.
using constant_keeper = std::function<std::string(const constant&, std::string)>;

inline nlohmann::json json_of(const node& n, const constant_keeper& keep) {
  nlohmann::json j{{"operator", name_of(n.op)}, {"name", n.name}};
  for (const auto& [name, value] : n.op.attributes()) j["attributes"][name] = json_of(value);
  if (!n.src.empty()) j["inputs"] = n.src;
  j["outputs"] = static_cast<const std::vector<int>&>(n.dst);
  const std::span<const std::string_view> names = n.op.facts().constants;
  for (std::size_t i = 0; i < n.constants.size(); ++i) {
    const std::string name = text(n.name, ".", i < names.size() ? std::string(names[i]) : std::to_string(i));
    j["constants"].push_back(n.constants[i] ? nlohmann::json(keep(n.constants[i], name)) : nlohmann::json());
  }
  if (!n.fused.empty()) j["fused"] = n.fused;
  if (n.rounded)
    j["rounded"] = nlohmann::json::array({keep(constant(n.rounded, &n.rounded->values), n.name + ".rounded_weights"),
                                          keep(constant(n.rounded, &n.rounded->scales), n.name + ".rounded_scales")});
  return j;
}

inline nlohmann::json json_of(const graph& g, const constant_keeper& keep) {
  nlohmann::json j;
  for (const char* key : {"values", "nodes", "outputs"}) j[key] = nlohmann::json::array();
  for (const graph_value& v : g.values) j["values"].push_back(json_of(v));
  for (const node& n : g.nodes) j["nodes"].push_back(json_of(n, keep));
  for (const graph_output& o : g.outputs) j["outputs"].push_back({{"name", o.name}, {"value", o.value}});
  return j;
}

// Reading. Messages begin with the key; graph_of() puts file and node before them.

inline std::string string_of(std::string_view key, const nlohmann::json& j) {
  require(j.is_string(), "'", key, "': expected a string, found ", j.type_name());
  return j.get<std::string>();
}
inline std::int64_t integer_of(std::string_view key, const nlohmann::json& j) {
  require(j.is_number_integer(), "'", key, "': expected a whole number, found ", j.type_name());
  require(!j.is_number_unsigned() || std::in_range<std::int64_t>(j.get<std::uint64_t>()), "'", key,
          "': a number is out of range");
  return j.get<std::int64_t>();
}
inline int int_of(std::string_view key, const nlohmann::json& j) {
  const std::int64_t v = integer_of(key, j);
  require(std::in_range<int>(v), "'", key, "': ", v, " is out of range");
  return static_cast<int>(v);
}
inline double double_of(std::string_view key, const nlohmann::json& j) {
  if (j == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (j == "inf") return HUGE_VAL;
  if (j == "-inf") return -HUGE_VAL;
  require(j.is_number(), "'", key, "': expected a number, found ", j.type_name());
  return j.get<double>();
}

/// An object in a file.
class json_object {
 public:
  /// Throws octavo::error unless `j` is an object that has no other keys than `known`.
  json_object(const nlohmann::json& j, std::initializer_list<std::string_view> known) : json_(j) {
    require(j.is_object(), "expected an object, found ", j.type_name());
    for (const auto& entry : j.items())
      if (std::ranges::find(known, entry.key()) == known.end()) fail("unknown key '", excerpt(entry.key()), "'");
  }

  bool has(const char* key) const { return json_.contains(key); }
  const nlohmann::json& at(const char* key) const {
    require(has(key), "'", key, "' is missing");
    return json_[key];
  }
  std::string string(const char* key) const { return string_of(key, at(key)); }

  /// Each element of a list read by `read(key, element)`; none where there is no such key.
  template <class Read>
  auto list(const char* key, const Read& read) const {
    std::vector<decltype(read(key, json_))> all;
    if (!has(key)) return all;
    require(json_[key].is_array(), "'", key, "': expected a list, found ", json_[key].type_name());
    for (const nlohmann::json& element : json_[key]) all.push_back(read(key, element));
    return all;
  }

 private:
  const nlohmann::json& json_;
};

inline attribute attribute_of(const std::string& name, const nlohmann::json& j) {
  if (j.is_boolean()) return j.get<bool>();
  if (j.is_string()) return j.get<std::string>();
  if (j.is_number_integer()) return integer_of(name, j);
  if (j.is_array()) {
    std::vector<std::int64_t> all;
    for (const nlohmann::json& v : j) all.push_back(integer_of(name, v));
    return all;
  }
  require(j.is_object() && j.size() == 1, "'", name, "': expected an attribute, found ", j.type_name());
  const json_object numbers(j, {"double", "doubles"});
  if (numbers.has("double")) return double_of("double", numbers.at("double"));
  return numbers.list("doubles", double_of);
}

inline range range_of(std::string_view key, const nlohmann::json& j) {
  require(j.is_array() && j.size() == 2, "'", key, "': expected two numbers");
  const std::string where = text("'", key, "'");
  const range r{json_float(where, j[0]), json_float(where, j[1])};
  require(r.lower <= r.upper, where, ": ", r.lower, " is above ", r.upper);
  return r;
}

inline affine affine_of(std::string_view key, const nlohmann::json& j) {
  require(j.is_array() && j.size() == 2, "'", key, "': expected scale and zero point");
  const affine q{json_float(text("'", key, "'"), j[0]), int_of(key, j[1])};
  check(q);
  return q;
}

inline element element_named(std::string_view name) {
  for (element e : {element::f32, element::u8, element::s8, element::s32, element::s64})
    if (name_of(e) == name) return e;
  fail("there is no type of elements '", excerpt(name), "'");
}

inline graph_value value_of(const nlohmann::json& j) {
  const json_object o(j, {"name", "type", "extents", "map", "quant", "stem", "observed"});
  graph_value v{o.string("name"), {element_named(o.string("type")), {}, {}}, {}, {}};
  for (std::int64_t e : o.list("extents", integer_of)) v.type.extents.push_back(e);
  if (o.has("map")) v.type.q = affine_of("map", o.at("map"));
  if (o.has("quant")) v.quant = affine_of("quant", o.at("quant"));
  if (o.has("stem")) v.stem = o.string("stem");
  if (o.has("observed")) v.observed = range_of("observed", o.at("observed"));
  check(v.type);
  return v;
}

/// Gives the constant of a name. Throws octavo::error where there is none.
using constant_source = std::function<constant(const std::string&)>;

/// The weights of node `n` on their grid.
inline std::shared_ptr<const quantized_weights> rounded_of(const node& n, const constant& values,
                                                           const constant& scales) {
  require(has_weights(n.op) && n.constants[0] && values && scales && values->type() == element::s8 &&
              values->extents() == n.constants[0]->extents() && values->extents().rank > 0 &&
              scales->type() == element::f32 && scales->extents() == dims{values->extents()[0]},
          "'rounded': expected s8 of the weights' extents, and an f32 scale for each output channel");
  return std::make_shared<const quantized_weights>(quantized_weights{*values, *scales});
}

inline node node_of(const nlohmann::json& j, const operator_set& known, const constant_source& constants) {
  const json_object o(j, {"operator", "name", "attributes", "inputs", "outputs", "constants", "fused", "rounded"});
  attribute_map attributes;
  if (o.has("attributes")) {
    require(o.at("attributes").is_object(), "'attributes': expected an object");
    for (const auto& entry : o.at("attributes").items())
      attributes.emplace(entry.key(), attribute_of(excerpt(entry.key()), entry.value()));
  }
  node n{make_operation(o.string("operator"), attributes, known), o.string("name"), {}, {}, {}, {}, {}};
  n.src = o.list("inputs", int_of);
  n.dst = o.list("outputs", int_of);
  const auto read_constant = [&](std::string_view key, const nlohmann::json& name) {
    return name.is_null() ? nullptr : constants(string_of(key, name));
  };
  n.constants = o.list("constants", read_constant);
  if (has_weights(n.op) && n.constants.size() < 2) n.constants.resize(2);  // as graph::append() leaves them
  n.fused = o.list("fused", string_of);
  if (const std::vector<constant> r = o.list("rounded", read_constant); r.size() == 2)
    n.rounded = rounded_of(n, r[0], r[1]);
  else
    require(r.empty(), "'rounded': expected weights and scales, found ", r.size(), " names");
  return n;
}

/// Calls read(element) for each element of list `key` of `o`; errors begin with `what` and the element's number, or
/// name where it has one.
template <class Read>
void read_each(const json_object& o, const char* key, std::string_view what, const Read& read) {
  int number = 0;
  (void)o.list(key, [&](std::string_view, const nlohmann::json& j) {
    try {
      read(j);
    } catch (const error& e) {
      const bool has_name = j.is_object() && j.contains("name") && j["name"].is_string();
      fail(what, " ", has_name ? text("'", excerpt(j["name"].get<std::string>()), "'") : std::to_string(number), ": ",
           e.what());
    }
    return ++number;
  });
}

/// The values of the graph that `j` holds. Throws octavo::error, naming the value, where one cannot be.
inline std::vector<graph_value> values_of(const nlohmann::json& j) {
  std::vector<graph_value> all;
  read_each(json_object(j, {"values", "nodes", "outputs"}), "values", "value",
            [&](const auto& v) { all.push_back(value_of(v)); });
  return all;
}

/// The graph that `j` holds. Every operator comes from `known`. Throws octavo::error, naming value or node, unless
/// each node reads what earlier ones write and can be run.
inline graph graph_of(const nlohmann::json& j, const operator_set& known, const constant_source& constants) {
  graph g;
  g.values = values_of(j);
  const json_object all(j, {"values", "nodes", "outputs"});
  read_each(all, "nodes", "node", [&](const auto& n) { g.nodes.push_back(node_of(n, known, constants)); });
  read_each(all, "outputs", "output", [&](const auto& o) {
    const json_object output(o, {"name", "value"});
    g.outputs.push_back({int_of("value", output.at("value")), output.string("name")});
  });
  check(g);
  return g;
}

}  // namespace octavo::detail
