// A node of an ONNX file on its way into a graph: what it reads, says and writes.
#pragma once

#include "octavo/importer/composer.hpp"
#include "octavo/importer/onnx/file.hpp"

namespace octavo::onnx {

using importer::composer;
using importer::weight_grid;

/// The integers q of a tensor that the file has quantized, and that Octavo has as the real numbers
/// scale (q - zero_point) which they stand for.
struct integer_map {
  float scale = 1;
  int zero_point = 0;
  bool is_signed = false;

  /// The map of the same tensor in u8: signed integers lie 128 higher.
  affine as_u8() const { return {scale, zero_point + (is_signed ? 128 : 0)}; }
  friend bool operator==(const integer_map&, const integer_map&) = default;
};

/// A sum of products of integers, which waits for the scale that makes it real: see quantization.hpp.
struct pending_sum {
  std::string scale_of;  ///< the scale of its input, a tensor of the file
  file_node node;        ///< what makes it
};
/// The scale of an input that is found at each run, times known numbers.
struct pending_scale {
  std::string scale_of;
  tensor factor;
};

/// What importing knows of the tensors so far.
struct import_state {
  composer into;
  std::int64_t opset = 0;      ///< of ONNX's own domain
  int depth = 0;               ///< of the graph inside of other graphs' nodes
  std::size_t bytes_left = 0;  ///< that tensors computed while importing may have yet
  std::map<std::string, integer_map> quantized{};
  std::map<std::string, std::string> dynamic{};  ///< the scales of what DynamicQuantizeLinear made
  std::map<std::string, pending_sum> sums{};
  std::map<std::string, pending_scale> scales{};

  /// Whether it is a sum or a scale which is no value of the graph.
  bool is_pending(const std::string& name) const { return sums.contains(name) || scales.contains(name); }

  /// Notes that a tensor of so many bytes is computed. Throws octavo::error where that is too much for this file.
  void spend(std::size_t bytes) {
    require(bytes <= bytes_left, "a tensor of ", bytes,
            " bytes that follows from the file alone is too large: ", bytes_left, " bytes are left for such");
    bytes_left -= bytes;
  }
};

/// A node with the graph that it goes into. Whatever is asked of it throws octavo::error where the node does not have
/// it, or has it otherwise.
class node_import {
 public:
  import_state& state;
  composer& into;
  const file_node& node;

  node_import(import_state& s, const file_node& n) : state(s), into(s.into), node(n) {}

  std::int64_t opset() const { return state.opset; }

  // Inputs, by their number.

  std::size_t inputs() const { return node.inputs.size(); }
  /// Whether it is given, with elements.
  bool has(std::size_t i) const { return i < inputs() && !node.inputs[i].empty() && !into.is_empty(node.inputs[i]); }
  const std::string& in(std::size_t i = 0) const {
    require(i < inputs() && !node.inputs[i].empty(), "input ", i, " is missing");
    require(!state.is_pending(node.inputs[i]), "input ", i, " '", node.inputs[i],
            "' belongs to a dynamic quantization of another form than is supported");
    return node.inputs[i];
  }
  dims extents(std::size_t i = 0) const { return into.extents(in(i)); }
  int rank(std::size_t i = 0) const { return extents(i).rank; }
  /// Its elements where they follow from the file alone, else null.
  constant known(std::size_t i) const { return into.known(in(i)); }
  const tensor& needed(std::size_t i) const { return into.needed(in(i), text("input ", i)); }
  std::vector<std::int64_t> known_integers(std::size_t i) const { return into.integers(in(i), text("input ", i)); }
  std::vector<float> known_numbers(std::size_t i) const { return into.numbers(in(i), text("input ", i)); }
  /// A known f32 or integer, alone in its tensor.
  float known_number(std::size_t i) const {
    const tensor& t = needed(i);
    require(t.extents().count() == 1, "input ", i, " must be one number, found ", t.extents());
    return t.type() == element::f32 ? t.as<float>()[0] : static_cast<float>(known_integers(i)[0]);
  }
  /// A known f32 tensor with its elements in one axis, or null where it is not given.
  constant known_vector(std::size_t i) const {
    if (!has(i)) return nullptr;
    const tensor& t = needed(i);
    t.as<float>();
    return make_constant(t.reshaped({static_cast<std::int64_t>(t.extents().count())}));
  }
  /// The axis of the file that attribute `name` says, counted from the outermost.
  int axis(std::string_view name, int otherwise) const {
    const int a = axis_of(integer(name, otherwise), rank());
    require(a >= 0, "there is no ", name, " ", integer(name, otherwise), " in ", extents());
    return a;
  }

  // Outputs, by their number.

  bool writes(std::size_t i) const { return i < node.outputs.size() && !node.outputs[i].empty(); }
  const std::string& out(std::size_t i = 0) const {
    require(writes(i), "output ", i, " is missing");
    return node.outputs[i];
  }
  /// The name of a tensor on the way to output 0 that the file does not have.
  std::string own(std::string_view what) const { return text(out(), "#", what); }
  /// Throws octavo::error where an output from `i` on is asked for.
  void writes_only(std::size_t i) const {
    for (std::size_t k = i; k < node.outputs.size(); ++k) require(!writes(k), "output ", k, " is not supported");
  }

  // Attributes.

  int integer(std::string_view name, int otherwise) const {
    const file_attribute* a = node.attribute(name);
    if (!a) return otherwise;
    require(a->integer && std::in_range<int>(*a->integer), "attribute '", name, "' must be an integer of 32 bits");
    return static_cast<int>(*a->integer);
  }
  bool flag(std::string_view name) const { return integer(name, 0) != 0; }
  float real(std::string_view name, float otherwise) const {
    const file_attribute* a = node.attribute(name);
    require(!a || a->real, "attribute '", name, "' must be a float");
    return a ? *a->real : otherwise;
  }
  std::string string(std::string_view name, std::string otherwise) const {
    const file_attribute* a = node.attribute(name);
    require(!a || a->string, "attribute '", name, "' must be a string");
    return a ? *a->string : std::move(otherwise);
  }
  std::vector<std::int64_t> integers(std::string_view name) const {
    const file_attribute* a = node.attribute(name);
    if (!a) return {};
    require(!a->integer && !a->real && !a->string && a->reals.empty(), "attribute '", name,
            "' must be a list of integers");
    return a->integers;
  }
  /// The list of an attribute, as older files have it, or of input `i`; empty where it is neither.
  std::vector<std::int64_t> integers(std::string_view name, std::size_t i) const {
    return node.attribute(name) || !has(i) ? integers(name) : known_integers(i);
  }
  /// Throws octavo::error unless the attribute is missing or says what it says by default.
  void expects(std::string_view name, int only) const {
    require(integer(name, only) == only, "attribute '", name, "' must be ", only, ", found ", integer(name, only));
  }

  // Making values of the graph.

  /// Adds a node that is called after the first output, or with `more` behind that.
  one_or_more<int> append(const operation& o, std::vector<int> src, std::vector<constant> constants = {},
                          std::string_view more = {}) {
    return into.append(o, text(node.outputs.empty() ? node.name : node.outputs[0], more), std::move(src),
                       std::move(constants));
  }
  int reshape(int x, const dims& to, std::string_view more = ".reshaped") {
    return into.net.type(x).extents == to ? x : *append(op::reshape{to}, {x}, {}, more);
  }
  int transpose(int x, const axis_numbers& perm, std::string_view more = ".transposed") {
    for (int i = 0; i < perm.count; ++i)
      if (perm[i] != i) return *append(op::transpose{perm}, {x}, {}, more);
    return x;
  }
  /// Output `i` is that value. One without axes has one of extent 1 in the graph.
  void write(int value, bool channels_last = false, std::size_t i = 0) {
    if (into.net.type(value).extents.rank == 0) return write_scalar(reshape(value, {1}), i);
    into.set(out(i), value, channels_last);
  }
  void write_scalar(int value, std::size_t i = 0) { into.set_scalar(out(i), reshape(value, {1})); }
  void write_known(tensor t, std::optional<weight_grid> grid = {}, std::size_t i = 0) {
    state.spend(t.bytes().size());
    into.set_known(out(i), make_constant(std::move(t)), std::move(grid));
  }
  /// The same as input 0, under another name.
  void write_same() {
    into.set_same(out(), in());
    if (const auto q = state.quantized.find(in()); q != state.quantized.end()) state.quantized[out()] = q->second;
  }
};

/// Of extents in the file's order: no axes become one of extent 1, as values of a graph have it.
inline dims in_graph(const dims& extents) { return extents.rank == 0 ? dims{1} : extents; }

inline axis_numbers to_axis_numbers(std::span<const std::int64_t> list) {
  axis_numbers a;
  from_attribute(attribute(std::vector<std::int64_t>(list.begin(), list.end())), a);
  return a;
}

}  // namespace octavo::onnx
