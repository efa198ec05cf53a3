// Importing ONNX files: octavo::graph g = octavo::onnx::load("model.onnx"). Link octavo::onnx (libprotobuf).
//
// Operator sets 7 to 21. Integers of 64 bits, which are ids and lengths, are s32 where the network is given them. What
// follows from shapes and constants alone is computed while importing; of an If the branch is taken that it says.
// Quantized tensors of the file are real numbers in the graph, rounded as the file says: see onnx/quantization.hpp.
#pragma once

#include <filesystem>

#include "octavo/importer/onnx/layers.hpp"
#include "octavo/importer/onnx/quantization.hpp"
#include "octavo/importer/onnx/recurrent.hpp"
#include "octavo/importer/onnx/reduction.hpp"
#include "octavo/io/mapped_file.hpp"

namespace octavo::onnx {

using importer::import_options;

/// What an operator does with the integers of quantized tensors, of which the graph has the real numbers.
enum class on_integers : std::uint8_t {
  refused,    ///< it would compute with the integers themselves
  moved,      ///< they go where the elements go
  understood  ///< it knows what they stand for
};

/// How an operator of ONNX becomes nodes of the graph.
struct operator_entry {
  void (*append)(node_import&);
  on_integers integers = on_integers::refused;
};

/// If: the branch that a known condition takes.
inline void take_branch(node_import& n);

/// Every operator of ONNX that can be imported is one line here; those of other domains have that before their names.
inline const std::map<std::string, operator_entry, std::less<>>& operators() {
  constexpr on_integers moves = on_integers::moved, knows = on_integers::understood;
  static const std::map<std::string, operator_entry, std::less<>> all = {
      // One number for each element.
      {"Abs", {absolute}},
      {"Ceil", {unary<op::ceil>}},
      {"Clip", {clip}},
      {"Elu", {unary_alpha<op::elu>}},
      {"Erf", {unary<op::erf>}},
      {"Exp", {unary<op::exp>}},
      {"Floor", {unary<op::floor>}},
      {"Gelu", {gelu}},
      {"HardSigmoid", {hard_sigmoid}},
      {"HardSwish", {unary<op::hard_swish>}},
      {"LeakyRelu", {unary_alpha<op::leaky_relu>}},
      {"Log", {unary<op::log>}},
      {"Mish", {unary<op::mish>}},
      {"Neg", {negate}},
      {"PRelu", {prelu}},
      {"Pow", {power}},
      {"Reciprocal", {unary<op::reciprocal>}},
      {"Relu", {relu}},
      {"Round", {unary<op::round>}},
      {"Selu", {selu}},
      {"Sigmoid", {unary<op::sigmoid>}},
      {"Sign", {unary<op::sign>}},
      {"Softplus", {unary<op::softplus>}},
      {"Softsign", {unary<op::softsign>}},
      {"Sqrt", {unary<op::sqrt>}},
      {"Swish", {swish}},
      {"Tanh", {unary<op::tanh>}},
      {"ThresholdedRelu", {unary_alpha<op::thresholded_relu>}},
      // Several operands.
      {"Add", {binary<op::add>}},
      {"Div", {binary<op::div>}},
      {"Max", {fold_operands<op::max>}},
      {"Mean", {mean_of_operands}},
      {"Min", {fold_operands<op::min>}},
      {"Mul", {multiply}},
      {"Sub", {binary<op::sub>}},
      {"Sum", {fold_operands<op::add>}},
      // Weights, windows, normalisations.
      {"AveragePool", {pooling<op::pool2d::average>}},
      {"BatchNormalization", {batch_normalization}},
      {"Conv", {conv}},
      {"ConvTranspose", {conv_transpose}},
      {"GRU", {gru}},
      {"Gemm", {gemm}},
      {"GlobalAveragePool", {global_pooling<op::pool2d::average>}},
      {"GlobalMaxPool", {global_pooling<op::pool2d::max>, moves}},
      {"LSTM", {lstm}},
      {"LayerNormalization", {layer_normalization}},
      {"MatMul", {matmul}},
      {"MaxPool", {pooling<op::pool2d::max>, moves}},
      // Axes.
      {"ArgMax", {place_of_extreme<op::argmax>}},
      {"ArgMin", {place_of_extreme<op::argmin>}},
      {"LogSoftmax", {softmax<op::log_softmax>}},
      {"ReduceMax", {reduce<op::reduce::max>, moves}},
      {"ReduceMean", {reduce<op::reduce::mean>}},
      {"ReduceMin", {reduce<op::reduce::min>, moves}},
      {"ReduceProd", {reduce<op::reduce::prod>}},
      {"ReduceSum", {reduce<op::reduce::sum>}},
      {"Softmax", {softmax<op::softmax>}},
      {"TopK", {top_k}},
      // Movement.
      {"Concat", {concat, knows}},
      {"DepthToSpace", {move_blocks<op::depth_to_space>, moves}},
      {"Dropout", {identity, moves}},
      {"Expand", {expand, moves}},
      {"Flatten", {flatten, moves}},
      {"Gather", {gather, moves}},
      {"Identity", {identity, moves}},
      {"Pad", {pad, moves}},
      {"Reshape", {reshape, moves}},
      {"Resize", {resize, moves}},
      {"Slice", {slice, moves}},
      {"SpaceToDepth", {move_blocks<op::space_to_depth>, moves}},
      {"Split", {split, moves}},
      {"Squeeze", {squeeze, moves}},
      {"Tile", {tile, moves}},
      {"Transpose", {transpose, moves}},
      {"Unsqueeze", {unsqueeze, moves}},
      {"Upsample", {resize, moves}},
      // What is known while importing.
      {"And", {compare<std::logical_and<>>}},
      {"Cast", {cast, knows}},
      {"CastLike", {cast_like, knows}},
      {"Constant", {read_constant}},
      {"ConstantOfShape", {constant_of_shape}},
      {"Equal", {compare<std::equal_to<>>}},
      {"Greater", {compare<std::greater<>>}},
      {"If", {take_branch}},
      {"GreaterOrEqual", {compare<std::greater_equal<>>}},
      {"Less", {compare<std::less<>>}},
      {"LessOrEqual", {compare<std::less_equal<>>}},
      {"Not", {logical_not}},
      {"Or", {compare<std::logical_or<>>}},
      {"Range", {range_of_integers}},
      {"Shape", {shape_of_tensor, knows}},
      {"Size", {size_of_tensor, knows}},
      {"Where", {where}},
      // Integers that stand for real numbers.
      {"ConvInteger", {integer_product, knows}},
      {"DequantizeLinear", {dequantize_linear, knows}},
      {"DynamicQuantizeLinear", {dynamic_quantize_linear}},
      {"MatMulInteger", {integer_product, knows}},
      {"QLinearConv", {qlinear_conv, knows}},
      {"QLinearMatMul", {qlinear_matmul, knows}},
      {"QuantizeLinear", {quantize_linear}},
      {"com.microsoft.QGemm", {qgemm, knows}},
      {"com.microsoft.QLinearAdd", {qlinear_binary<op::add>, knows}},
      {"com.microsoft.QLinearAveragePool", {qlinear_unary<pooling<op::pool2d::average>>, knows}},
      {"com.microsoft.QLinearConcat", {qlinear_concat, knows}},
      {"com.microsoft.QLinearGlobalAveragePool", {qlinear_unary<global_pooling<op::pool2d::average>>, knows}},
      {"com.microsoft.QLinearLeakyRelu", {qlinear_unary<unary_alpha<op::leaky_relu>>, knows}},
      {"com.microsoft.QLinearMul", {qlinear_binary<op::mul>, knows}},
      {"com.microsoft.QLinearSigmoid", {qlinear_unary<unary<op::sigmoid>>, knows}},
  };
  return all;
}

namespace detail {

/// Throws octavo::error that names all operators which there are not, each with its first node.
inline void check_operators(const file_model& m) {
  std::map<std::string, std::pair<std::string, int>> missing;
  for (const file_node& n : m.nodes)
    if (!operators().contains(n.operator_name())) {
      auto& [first, count] = missing[n.operator_name()];
      if (count++ == 0) first = !n.name.empty() || n.outputs.empty() ? n.name : n.outputs[0];
    }
  std::string list;
  for (const auto& [name, where] : missing)
    list += text(list.empty() ? "" : ", ", name, " (node '", where.first, "'",
                 where.second > 1 ? text(" and ", where.second - 1, " more") : "", ")");
  require(missing.empty(), "Octavo has no operators for ", list);
}

/// Throws octavo::error where the user says something of inputs that there are not.
inline void check_inputs(const file_model& m, const import_options& options) {
  const auto check = [&](const std::string& name, std::string_view what) {
    require(std::ranges::find(m.inputs, name, &file_value::name) != m.inputs.end(), "there is no input '", name,
            "', which import_options::", what, " names");
  };
  for (const auto& entry : options.shapes) check(entry.first, "shapes");
  for (const auto& entry : options.known) check(entry.first, "known");
}

/// The type of an input of the network. Throws octavo::error where an extent is open, or the type is none.
inline tensor_type input_type(const file_value& v, const import_options& options) {
  tensor_type t{element_in_octavo(v.type), {}, {}};
  if (t.type == element::s64) t.type = element::s32;
  require(t.type == element::f32 || t.type == element::s32 || t.type == element::u8, "input '", v.name,
          "' must be floats, u8, or integers of 32 or 64 bits; its type is ", v.type);
  if (const auto given = options.shapes.find(v.name); given != options.shapes.end()) {
    const bool is_scalar = v.has_extents && v.extents.empty() && given->second == dims{1};
    require(!v.has_extents || is_scalar || given->second.rank == static_cast<int>(v.extents.size()), "input '", v.name,
            "' has ", v.extents.size(), " axes, found ", given->second, " in import_options::shapes");
    t.extents = given->second;
    return t;
  }
  require(v.has_extents, "the file does not say the extents of input '", v.name,
          "': give them by import_options::shapes");
  for (std::size_t i = 0; i < v.extents.size(); ++i) {
    require(v.extents[i] > 0, "the file leaves axis ", i,
            v.extent_names[i].empty() ? "" : " ('" + v.extent_names[i] + "')", " of input '", v.name,
            "' open: give its extents by import_options::shapes");
    t.extents.push_back(v.extents[i]);
  }
  return t;
}

/// An input of the network. Bytes are numbers from 0 to 255 until a node says what they stand for.
inline void append_input(import_state& s, const file_value& v, const import_options& options) {
  tensor_type t = input_type(v, options);
  const bool scalar = t.extents.rank == 0;
  t.extents = in_graph(t.extents);
  int id = *s.into.append(op::input{}, v.name, {}, t);
  if (t.is_u8()) {
    id = *s.into.append(op::convert{}, v.name + ".f32", {id}, {element::f32, t.extents, {}});
    s.quantized[v.name] = {};
  }
  scalar ? s.into.set_scalar(v.name, id) : s.into.set(v.name, id);
}

/// A node that reads only what is known: done in a graph of its own, whose outputs are known then.
inline void append_known(import_state& s, const file_node& n, const operator_entry& entry) {
  import_state alone{composer(s.into.file()), s.opset, s.depth, s.bytes_left};
  for (const std::string& name : n.inputs) {
    if (name.empty() || alone.into.has(name)) continue;
    if (s.into.is_empty(name)) {
      alone.into.set_empty(name);
      continue;
    }
    const weight_grid* g = s.into.grid(name);
    alone.into.set_known(name, s.into.known(name), g ? std::optional(*g) : std::nullopt);
    if (const auto q = s.quantized.find(name); q != s.quantized.end()) alone.quantized.insert(*q);
  }
  node_import there(alone, n);
  entry.append(there);
  for (const graph_value& v : alone.into.net.values) alone.spend(v.type.extents.count() * size_of(v.type.type));
  s.bytes_left = alone.bytes_left;
  for (const std::string& name : n.outputs) {
    if (name.empty() || !alone.into.has(name)) continue;
    if (alone.into.is_empty(name)) {
      s.into.set_empty(name);
      continue;
    }
    constant t = alone.into.known(name);
    const weight_grid* g = alone.into.grid(name);
    s.into.set_known(name, std::move(t), g ? std::optional(*g) : std::nullopt);
    if (const auto q = alone.quantized.find(name); q != alone.quantized.end()) s.quantized.insert(*q);
  }
}

inline void append_node(import_state& s, const file_node& n) {
  const operator_entry& entry = operators().find(n.operator_name())->second;
  const bool has_graph = std::ranges::any_of(n.attributes, [](const file_attribute& a) { return a.graph.has_value(); });
  bool known = !n.inputs.empty() && !has_graph;  // graphs inside read what they want
  for (const std::string& name : n.inputs)
    known = known && (name.empty() || (!s.is_pending(name) && (s.into.is_empty(name) || s.into.known(name))));
  if (known) return append_known(s, n, entry);
  for (const std::string& name : n.inputs)
    if (const auto q = s.quantized.find(name); q != s.quantized.end() && q->second != integer_map{})
      require(entry.integers != on_integers::refused, "tensor '", name,
              "' is quantized: only operators that move elements, or on quantized tensors, can read it");
  node_import here(s, n);
  entry.append(here);
  if (entry.integers != on_integers::moved) return;
  const auto q = s.quantized.find(here.in());
  for (const std::string& name : n.outputs)
    if (q != s.quantized.end() && !name.empty()) s.quantized[name] = q->second;
}

/// The nodes in their order; what is wrong with one is said with its name.
inline void append_nodes(import_state& s, const std::vector<file_node>& nodes) {
  for (const file_node& n : nodes) try {
      append_node(s, n);
    } catch (const error& e) {
      fail(n.title(), ": ", e.what());
    }
}

inline void set_initializers(import_state& s, std::vector<file_tensor>& initializers) {
  for (file_tensor& t : initializers)
    t.elements ? s.into.set_known(t.name, std::move(*t.elements)) : s.into.set_empty(t.name);
}

inline graph import_model(const std::string& file, std::span<const std::byte> bytes, const import_options& options) {
  file_model m = read_model({bytes, file});
  // Weights of 8 bits become f32, some twice, to be transposed. Beyond that a small file cannot ask for much memory.
  constexpr std::size_t least = std::size_t{64} << 20, times = 16;
  import_state s{composer(file), 0, 0, least + times * bytes.size()};
  if (const auto set = m.opsets.find(""); set != m.opsets.end()) s.opset = set->second;
  require(s.opset >= 7, "operator sets from 7 on are supported, found ", s.opset);
  check_operators(m);
  set_initializers(s, m.initializers);
  check_inputs(m, options);
  for (const auto& [name, elements] : options.known)
    if (!s.into.has(name)) s.into.set_known(name, elements);
  for (const file_value& v : m.inputs)
    if (!s.into.has(v.name)) append_input(s, v, options);
  append_nodes(s, m.nodes);
  std::vector<std::string> outputs;
  for (const auto& o : m.outputs) outputs.push_back(o.name);
  for (const std::string& name : options.outputs)
    if (std::ranges::find(outputs, name) == outputs.end()) outputs.push_back(name);
  require(!outputs.empty(), "it has no outputs");
  for (const std::string& name : outputs) s.into.output(name);
  return std::move(s.into.net);
}

}  // namespace detail

inline void take_branch(node_import& n) {
  require(n.known(0) != nullptr,
          "its condition depends on the network's inputs, which is not supported; the elements of an input that are "
          "always the same can be given by import_options::known");
  const file_attribute* branch = n.node.attribute(n.known_number(0) != 0.0f ? "then_branch" : "else_branch");
  require(branch && branch->graph, "it has no such branch");
  require(n.state.depth < 16, "it lies too deep in branches of branches");
  ++n.state.depth;
  file_model m = read_branch(*branch->graph);
  detail::check_operators(m);
  detail::set_initializers(n.state, m.initializers);
  detail::append_nodes(n.state, m.nodes);
  require(m.outputs.size() >= n.node.outputs.size(), "its branch has ", m.outputs.size(), " outputs");
  for (std::size_t i = 0; i < n.node.outputs.size(); ++i) {
    if (!n.writes(i)) continue;
    n.into.set_same(n.out(i), m.outputs[i].name);
    if (const auto q = n.state.quantized.find(m.outputs[i].name); q != n.state.quantized.end())
      n.state.quantized[n.out(i)] = q->second;
  }
  --n.state.depth;
}

/// The network of an ONNX file in memory, which errors call `name`. Its inputs and outputs have the file's names and
/// order of axes; values are called as the file's tensors. Inputs of 64-bit integers become s32; an output that is
/// quantized in the file is given as real numbers. Throws octavo::error, naming the file, the node and what is wrong
/// with it, where the file is damaged, or has what Octavo has not: operators that are missing are all named.
inline graph load(const std::string& name, std::span<const std::byte> bytes, const import_options& options = {}) {
  try {
    return detail::import_model(name, bytes, options);
  } catch (const error& e) {
    const std::string what = e.what();
    if (what.starts_with(name)) throw;
    fail(name, ": ", what);
  }
}

/// The same of the file at `path`.
inline graph load(const std::filesystem::path& path, const import_options& options = {}) {
  const mapped_file file(path, file_access::copy);
  return load(path.string(), file.bytes(), options);
}

}  // namespace octavo::onnx
