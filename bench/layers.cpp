#include "layers.hpp"

#include <cstdio>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "octavo/graph/pass/drop_dead_nodes.hpp"
#include "octavo/graph/pass/limit_batch.hpp"
#include "octavo/graph/passes.hpp"

namespace octavo::bench {

namespace {

/// Zeros of any shape, one tensor for each: only the shapes of weights matter here.
class zero_weights : public weight_source {
 public:
  constant find(const std::string&, const dims& expected) const override {
    constant& zeros = tensors_[text(expected)];
    if (!zeros) zeros = make_constant(tensor(element::f32, expected));
    return zeros;
  }
  std::string description() const override { return "zeros"; }

 private:
  mutable std::map<std::string, constant> tensors_;
};

/// The network without its batch norms, which vanish in the layers before them. Folding them would compute weights that
/// nobody reads.
graph compose_without_batch_norms(const network_entry& n) {
  static const auto zeros = std::make_shared<zero_weights>();
  graph g;
  n.compose(g, params(zeros));
  std::vector<int> stands_for(g.values.size());  // a batch norm's input for its output
  std::iota(stands_for.begin(), stands_for.end(), 0);
  const auto replace = [&](int& v) { v = stands_for[static_cast<std::size_t>(v)]; };
  for (node& at : g.nodes) {
    for (int& v : at.src) replace(v);
    if (at.as<op::batch_norm>()) stands_for[static_cast<std::size_t>(at.dst)] = at.src[0];
  }
  for (graph_output& o : g.outputs) replace(o.value);
  return pass::limit_batch(pass::drop_dead_nodes(std::move(g)), 1);
}

/// `d` with its bounded extents at their bounds.
dims fixed(dims d) {
  d.bounded = 0;
  return d;
}

/// The name of its weights, or, for what has none, the kind and what it reads: "relu_112x112x64"; of a concat what it
/// writes.
std::string name_of_layer(const graph& g, const node& n) {
  if (has_weights(n.op)) return n.name;
  dims image;
  const dims& extents = g.type(n.as<op::concat>() ? *n.dst : n.src[0]).extents;
  for (int i = 1; i < extents.rank; ++i) image.push_back(extents[i]);
  std::string kind = n.name.substr(n.name.rfind('.') + 1);  // of "conv1.relu_7", which a graph made and numbered
  const std::size_t number = kind.find_last_not_of("0123456789");
  if (number + 1 < kind.size() && kind[number] == '_') kind.resize(number);
  return text(kind, "_", image);
}

/// Distinct layers, in the order in which they were added.
class layer_list {
 public:
  void add(layer l) {
    std::string key = text(l.op, " of");
    for (const dims& x : l.src) key += text(" ", x);
    if (seen_.insert(key).second) layers_.push_back(std::move(l));
  }
  void add(const graph& g, const node& n) {
    layer l{.name = name_of_layer(g, n), .op = n.op, .src = {}, .dst = fixed(g.type(n.dst).extents)};
    for (int v : n.src) l.src.push_back(fixed(g.type(v).extents));
    if (has_weights(n.op)) l.weights = n.constants[0]->extents();
    if (has_weights(n.op) && g.is_output(n.dst)) l.to = element::f32;
    add(std::move(l));
  }
  std::vector<layer> take() { return std::move(layers_); }

 private:
  std::vector<layer> layers_;
  std::set<std::string> seen_;
};

/// Whether the planner makes nothing of it, or another list has it.
bool is_free(const graph& g, const node& n) {
  const op::concat* c = n.as<op::concat>();
  return n.as<op::input>() || n.as<op::reshape>() || (c && c->axis == g.type(n.dst).extents.rank - 1);
}

std::vector<layer> layers_of_graph(const network_entry& n) {
  const graph g = compose_without_batch_norms(n);
  const graph fused = fold(g);
  layer_list list;
  for (const node& at : fused.nodes)
    if (!is_free(fused, at)) list.add(fused, at);
  for (const node& at : g.nodes)
    if (at.as<op::add>() || at.as<op::activate>()) list.add(g, at);
  return list.take();
}

std::vector<layer> layers_of_bert_base() {
  layer_list list;
  const auto add = [&](const char* name, int tokens, int in, int out, activation act) {
    list.add({.name = text(name, "_", tokens, "x", in, "x", out),
              .op = op::fc{.out = out, .act = act},
              .src = {{tokens, in}},
              .dst = {tokens, out},
              .weights = {out, in}});
  };
  for (const int tokens : {1, 16, 128, 512}) {
    add("attention", tokens, 768, 768, no_activation);
    add("feed_forward_in", tokens, 768, 3072, relu_activation);
    add("feed_forward_out", tokens, 3072, 768, no_activation);
  }
  for (const int tokens : {16, 128, 512}) {
    const dims scores{12, tokens, tokens}, rows{1, tokens, 768};
    list.add({.name = text("softmax_", scores), .op = op::softmax{}, .src = {scores}, .dst = scores});
    list.add({.name = text("self_attention_", rows),
              .op = op::attention{12, 0.125f},
              .src = {rows, rows, rows},
              .dst = rows});
    list.add({.name = text("layer_norm_", rows), .op = op::layer_norm{}, .src = {rows}, .dst = rows});
  }
  return list.take();
}

std::vector<layer> layers_of_tensors() {
  struct conversion {
    const char* name;
    element from, to;
  };
  constexpr conversion conversions[] = {{"quantize", element::f32, element::u8},
                                        {"dequantize", element::u8, element::f32},
                                        {"requantize", element::u8, element::u8}};
  constexpr dims tensors[] = {{1, 224, 224, 3}, {1, 56, 56, 256}, {1, 7, 7, 2048}, {128, 768}, {1, 1000}};
  std::vector<layer> layers;
  for (const conversion& c : conversions)
    for (const dims& x : tensors) layers.push_back({text(c.name, "_", x), op::convert{}, {x}, x, {}, c.from, c.to});
  layers.push_back({"softmax_1x1000", op::softmax{}, {{1, 1000}}, {1, 1000}});
  return layers;
}

/// The type of input `i` of a layer whose numbers are `numbers`.
element type_of_input(const operation& o, std::size_t i, element numbers) {
  return o.is<op::gather>() && i == 1 ? element::s32 : numbers;
}

/// An operator by what it reads; its name goes on with the extents of the first input.
layer layer_on(std::string_view name, const operation& o, std::vector<dims> src, const dims& weights = {}) {
  std::vector<tensor_type> types;
  for (std::size_t i = 0; i < src.size(); ++i) types.push_back({type_of_input(o, i, element::f32), src[i], {}});
  const operation resolved = o.resolved_for(types);
  const dims dst = resolved.infer(types, {})[0].extents;
  return {text(name, "_", src[0]), resolved, std::move(src), dst, weights};
}

template <class Convolution>
layer convolution_on(std::string_view name, const Convolution& c, const dims& x) {
  return layer_on(name, c, {x}, weight_extents(c, x));
}

/// Shapes of Whisper's and Conformer's convolutions, of R(2+1)D's, U-Net's and DCGAN's; of BERT-base's tensors for 128
/// tokens, of squeeze and excitation, of feature pyramids.
std::vector<layer> layers_of_operators() {
  const dims tokens{128, 768}, wide{128, 3072}, image{1, 56, 56, 256}, map{1, 28, 28, 256};
  std::vector<layer> layers{
      convolution_on("conv1d_3_to_384", op::conv1d{{.out = 384, .kernel = 3, .pad = 1}, {}, {}}, {1, 3000, 80}),
      convolution_on("conv1d_3_stride_2", op::conv1d{{.out = 384, .kernel = 3, .stride = 2, .pad = 1}, {}, {}},
                     {1, 3000, 384}),
      convolution_on("conv1d_31_depthwise", op::conv1d{{.out = 256, .kernel = 31, .pad = 15, .groups = 256}, {}, {}},
                     {1, 500, 256}),
      convolution_on("conv3d_3x3x3", op::conv3d{{.out = 128, .kernel = 3, .pad = 1}, {}, {}}, {1, 4, 28, 28, 128}),
      convolution_on("conv3d_1x3x3", op::conv3d{{.out = 144, .kernel = {1, 3, 3}, .pad = {0, 1, 1}}, {}, {}},
                     {1, 8, 28, 28, 64}),
      convolution_on("conv_transpose2d_2x2", op::conv_transpose2d{{.out = 256, .kernel = 2, .stride = 2}, {}, {}},
                     {1, 28, 28, 512}),
      convolution_on("conv_transpose2d_4x4",
                     op::conv_transpose2d{{.out = 256, .kernel = 4, .stride = 2, .pad = 1}, {}, {}}, {1, 8, 8, 512}),
      layer_on("add_row", op::add{}, {tokens, {768}}),
      layer_on("add_mask", op::add{}, {{12, 128, 128}, {1, 1, 128}}),
      layer_on("sub_column", op::sub{}, {tokens, {128, 1}}),
      layer_on("div_column", op::div{}, {tokens, {128, 1}}),
      layer_on("mul", op::mul{}, {wide, wide}),
      layer_on("mul_gate", op::mul{}, {{1, 56, 56, 72}, {1, 1, 1, 72}}),
      layer_on("max", op::max{}, {wide, wide}),
      layer_on("hard_swish", op::hard_swish{}, {wide}),
      layer_on("hard_swish", op::hard_swish{}, {{1, 112, 112, 16}}),
      layer_on("leaky_relu", op::leaky_relu{}, {wide}),
      layer_on("sigmoid", op::sigmoid{}, {wide}),
      layer_on("gelu", op::gelu{}, {wide}),
      layer_on("tanh", op::tanh{}, {wide}),
      layer_on("exp", op::exp{}, {wide}),
      layer_on("softmax_axis_1", op::softmax{1}, {{1, 21, 16384}}),
      layer_on("mean_rows", op::reduce{.axes = {1}}, {tokens}),
      layer_on("mean_columns", op::reduce{.axes = {0}}, {tokens}),
      layer_on("mean_image", op::reduce{.axes = {1, 2}}, {image}),
      layer_on("max_rows", op::reduce{.kind = op::reduce::max, .axes = {1}}, {tokens}),
      layer_on("transpose_heads", op::transpose{{0, 2, 1, 3}}, {{1, 128, 12, 64}}),
      layer_on("transpose_nchw_to_nhwc", op::transpose{{0, 2, 3, 1}}, {{1, 256, 56, 56}}),
      layer_on("transpose", op::transpose{}, {{768, 768}}),
      layer_on("embedding_128_of", op::gather{}, {{30522, 768}, {128}}),
      layer_on("nearest_twice", op::interp2d{.size = 56}, {map}),
      layer_on("bilinear_twice", op::interp2d{.mode = op::interp2d::bilinear, .size = 56}, {map}),
      layer_on("concat_channels", op::concat{3}, {map, map}),
  };
  return layers;
}

/// The shape of products of two activations.
struct product {
  int slices, m, k, n;
};

/// The products of these shapes, in all their forms.
std::vector<layer> layers_of_products(std::span<const product> products) {
  std::vector<layer> layers;
  for (const auto& [slices, m, k, n] : products)
    for (const bool transposed : {false, true}) {
      const dims a{slices, m, k}, b = transposed ? dims{slices, n, k} : dims{slices, k, n};
      layers.push_back(layer_on("", op::matmul{.transpose_b = transposed}, {a, b}));
      layers.back().name = text(slices, "x", m, "x", k, "x", n, transposed ? "_bT" : "_b");
      layers.push_back(layers.back());
      layers.back().name += "_s8";
      layers.back().zero_points = false;
    }
  return layers;
}

/// Those of attention in BERT-base, and squares.
constexpr product matmul_products[] = {{1, 128, 768, 768},    {12, 128, 64, 128}, {12, 128, 128, 64},
                                       {12, 1, 64, 128},      {1, 256, 256, 256}, {1, 512, 512, 512},
                                       {1, 1024, 1024, 1024}, {1, 100, 100, 100}, {1, 1, 4096, 4096}};

/// The product of that name, "1x100x100x100".
std::optional<product> product_named(const std::string& name) {
  product p{};
  int end = 0;
  const int read = std::sscanf(name.c_str(), "%dx%dx%dx%d%n", &p.slices, &p.m, &p.k, &p.n, &end);
  if (read != 4 || name.c_str()[end] != 0 || std::min({p.slices, p.m, p.k, p.n}) < 1) return std::nullopt;
  return p;
}

/// The affine map of input or output `i` of a layer: one that leaves a kernel all of its work. Inputs of a sum differ
/// in scale, since equal ones need no rescaling; an activation has something to cut off; what moves bytes keeps the
/// map.
affine map_of(const layer& l, std::size_t i) {
  const bool output = i == l.src.size();
  const bool* residual = fused_residual(l.op);
  if (l.op.rule(0) == port_rule::moved) return {0.02f, 0};
  if (op::visit(op::unary_functions{}, l.op, [](const auto&) {}))
    return output ? affine{0.03f, 20} : affine{0.05f, 128};
  if (!l.zero_points && !output) return {0.02f, i == 0 ? 0 : 128};
  if (l.op.is<op::matmul>() || l.op.is<op::attention>()) return output ? affine{0.5f, 128} : affine{0.02f, 120};
  if (l.op.is<op::reduce>()) return output ? affine{0.01f, 60} : affine{0.02f, 100};
  if (op::visit(op::binary_functions{}, l.op, [](const auto&) {}) || (residual && *residual && i == 1))
    return {0.02f + 0.01f * static_cast<float>(i), 0};
  if (l.op.is<op::activate>()) return output ? affine{6.0f / 255, 0} : affine{0.05f, 128};
  if (l.op.is<op::convert>()) return output ? affine{0.03f, 128} : affine{0.02f, 100};
  if (l.op.is<op::softmax>() && output) return {1.0f / 255, 0};
  return {0.02f, 0};
}

/// Weights, bias and, for INT8, the scales of the weights.
std::vector<constant> random_constants(const dims& extents, bool int8) {
  random_bits random(1);
  const int channels = extents[0];
  const auto depth = static_cast<float>(extents.count() / static_cast<std::size_t>(channels));
  const float deviation = std::sqrt(2.0f / depth);  // as random_weights has it
  tensor weights(int8 ? element::s8 : element::f32, extents), bias(element::f32, {channels});
  if (!int8) {
    for (float& w : weights.as<float>()) w = deviation * random.normal();
    return {make_constant(std::move(weights)), make_constant(std::move(bias))};
  }
  tensor scales(element::f32, {channels});
  for (std::int8_t& w : weights.as<std::int8_t>())
    w = static_cast<std::int8_t>(std::clamp(std::lrintf(32.0f * random.normal()), -127l, 127l));
  for (float& s : scales.as<float>()) s = deviation / 32.0f;
  return {make_constant(std::move(weights)), make_constant(std::move(bias)), make_constant(std::move(scales))};
}

}  // namespace

std::vector<std::string> layer_networks() {
  std::vector<std::string> names;
  for (const network_entry& n : classifiers()) names.emplace_back(n.name);
  for (const network_entry& n : detectors()) names.emplace_back(n.name);
  names.insert(names.end(), {"bert_base", "tensors", "operators", "matmul"});
  return names;
}

std::vector<layer> layers_of(std::string_view network) {
  if (network == "bert_base") return layers_of_bert_base();
  if (network == "tensors") return layers_of_tensors();
  if (network == "operators") return layers_of_operators();
  if (network == "matmul") return layers_of_products(matmul_products);
  if (const auto p = product_named(std::string(network))) return layers_of_products({&*p, 1});
  for (const std::span<const network_entry> list : {classifiers(), detectors()})
    for (const network_entry& n : list)
      if (n.name == network) return layers_of_graph(n);
  std::string names;
  for (const std::string& n : layer_networks()) names += text(names.empty() ? "" : ", ", n);
  fail("unknown network '", network, "': expected one of ", names);
}

problem make_problem(const layer& l, bool int8) {
  problem p;
  p.op = l.op;
  for (std::size_t i = 0; i < l.src.size(); ++i)
    p.src.push_back({type_of_input(l.op, i, int8 ? l.from : element::f32), l.src[i], map_of(l, i)});
  p.dst = {int8 ? l.to : element::f32, l.dst, map_of(l, l.src.size())};
  if (l.weights.rank > 0) p.constants = random_constants(l.weights, int8);
  return p;
}

std::vector<tensor> random_operands(const problem& p) {
  random_bits random(2);
  std::vector<tensor> operands;
  for (const tensor_type& t : p.src) {
    tensor& x = operands.emplace_back(t.type, t.extents);
    if (t.is_u8())
      for (std::uint8_t& v : x.as<std::uint8_t>()) v = static_cast<std::uint8_t>(random() >> 56);
    else if (t.type == element::s32)
      for (std::int32_t& id : x.as<std::int32_t>())
        id = static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(p.src[0].extents[0]));
    else
      for (float& v : x.as<float>()) v = random.normal();
  }
  operands.emplace_back(p.dst->type, p.dst->extents);
  return operands;
}

}  // namespace octavo::bench
