// A graph as text and as DOT, before and after the passes.
#include "octavo/graph/print.hpp"

#include <doctest/doctest.h>

#include <sstream>

#include "octavo/graph/builder.hpp"
#include "octavo/graph/passes.hpp"
#include "support/random.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// max_pool(relu(bn(conv(x)) + x)) and its softmax.
graph small_graph() {
  graph g;
  const params w = random_params(1) / "block";
  auto x = g.input<float, nhwc<upto<2>, 4, 4, 3>>("image");
  auto y = relu(batch_norm(conv2d<conv{.out = 3, .kernel = 3, .pad = 1}>(x, w / "conv"), w / "bn") + x);
  auto z = max_pool2d<pool{.kernel = 2}>(y);
  g.output(softmax(global_average_pool(z)), "probability");
  g.output(y, "features");
  return g;
}

template <class T>
std::string printed(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

std::string dot(const graph& g, const std::string& title) {
  std::ostringstream out;
  write_dot(out, g, title);
  return out.str();
}

calibration unit_ranges(const graph& g) {
  calibration c;
  for (const graph_value& v : g.values) c.ranges[v.name] = {0.0f, 255.0f};
  return c;
}

}  // namespace

TEST_CASE("print: text of a graph as it was composed") {
  CHECK(printed(small_graph()) ==
        "image: f32[<=2x4x4x3] = input ()\n"
        "block.conv: f32[<=2x4x4x3] = conv2d kernel 3x3 out 3 pad 1,1,1,1 (image)\n"
        "block.bn: f32[<=2x4x4x3] = batch_norm (block.conv)\n"
        "block.bn.add: f32[<=2x4x4x3] = add (block.bn, image)\n"
        "block.bn.relu: f32[<=2x4x4x3] = activate relu (block.bn.add)\n"
        "block.bn.max_pool: f32[<=2x2x2x3] = pool2d max kernel 2x2 stride 2x2 (block.bn.relu)\n"
        "block.bn.average_pool: f32[<=2x1x1x3] = pool2d average kernel 2x2 stride 2x2 (block.bn.max_pool)\n"
        "block.bn.reshape: f32[<=2x3] = reshape to <=2x3 (block.bn.average_pool)\n"
        "block.bn.softmax: f32[<=2x3] = softmax (block.bn.reshape)\n"
        "output probability: block.bn.softmax\n"
        "output features: block.bn.relu\n");
}

TEST_CASE("print: text of the folded graph names what was fused") {
  CHECK(printed(fold(small_graph())) ==
        "image: f32[<=2x4x4x3] = input ()\n"
        "block.conv: f32[<=2x4x4x3] = conv2d kernel 3x3 out 3 pad 1,1,1,1 residual relu (image, image)"
        "  fused: block.bn, block.bn.add, block.bn.relu\n"
        "block.bn.max_pool: f32[<=2x2x2x3] = pool2d max kernel 2x2 stride 2x2 (block.bn.relu)\n"
        "block.bn.average_pool: f32[<=2x1x1x3] = pool2d average kernel 2x2 stride 2x2 (block.bn.max_pool)\n"
        "block.bn.reshape: f32[<=2x3] = reshape to <=2x3 (block.bn.average_pool)\n"
        "block.bn.softmax: f32[<=2x3] = softmax (block.bn.reshape)\n"
        "output probability: block.bn.softmax\n"
        "output features: block.bn.relu\n");
}

TEST_CASE("print: text of the quantized graph shows scales and conversions") {
  const std::string s = printed(quantize_graph(small_graph(), unit_ranges(fold(small_graph()))));
  CHECK(s.find("image.quantize: u8[<=2x4x4x3] scale 1 zp 0 = convert (image)\n") != std::string::npos);
  CHECK(s.find("block.conv: u8[<=2x4x4x3] scale 1 zp 0 = conv2d kernel 3x3 out 3 pad 1,1,1,1 residual relu "
               "(image.quantize, image.quantize)  fused: block.bn, block.bn.add, block.bn.relu\n") !=
        std::string::npos);
  CHECK(s.find("block.bn.reshape.dequantize: f32[<=2x3] = convert (block.bn.reshape)\n") != std::string::npos);
}

TEST_CASE("print: operators with all their attributes") {
  op::conv2d c;
  c.out = 8, c.kernel = {3, 5}, c.stride = 2, c.pad = {1, 2, 3, 4}, c.dilation = {1, 2}, c.groups = 4,
  c.act = {-1.0f, 2.0f};
  CHECK(printed(operation(c)) == "conv2d kernel 3x5 out 8 stride 2x2 pad 1,2,3,4 dilation 1x2 groups 4 clip(-1,2)");
  op::pool2d p{{.kernel = 3, .stride = 2, .pad = 1, .ceil_mode = true, .count_padding = true}, op::pool2d::average};
  CHECK(printed(operation(p)) == "pool2d average kernel 3x3 stride 2x2 pad 1,1,1,1 ceil_mode count_padding");
  CHECK(printed(operation(op::fc{.out = 10, .act = relu6_activation, .residual = true})) == "fc out 10 residual relu6");
  CHECK(printed(operation(op::concat{3})) == "concat axis 3");
  CHECK(printed(operation(op::channel_padding(2, 1, 2))) == "pad before 0,1 after 0,2 constant");
  CHECK(printed(operation(op::pad{{1}, {-1}, op::pad::reflect})) == "pad before 1 after -1 reflect");
  CHECK(printed(operation(op::slice{{0}, {-1}, {2}})) == "slice starts 0 ends -1 axes 2");
  CHECK(printed(operation(op::transpose{{0, 2, 1}})) == "transpose perm 0,2,1");
  CHECK(printed(operation(op::expand{{2, 3}})) == "expand to 2x3");
  CHECK(printed(operation(op::interp2d{.size = {4, 6}})) == "interp2d nearest size 4x6 half_pixel round_prefer_floor");
  CHECK(printed(operation(op::activate{relu_activation})) == "activate relu");
  CHECK(printed(operation(op::bias_add{relu_activation})) == "bias_add relu");
  CHECK(printed(operation(op::add{relu6_activation})) == "add relu6");
  CHECK(printed(operation(op::batch_norm{1e-3f, relu_activation})) == "batch_norm eps 0.001 relu");
  CHECK(printed(dims{}) == "scalar");
}

TEST_CASE("print: DOT") {
  graph g;
  auto x = g.input<float, nc<1, 3>>("the \"input\"");
  g.output(relu(x), "y");
  CHECK(dot(g, "a \\ title") ==
        "digraph \"a \\\\ title\" {\n"
        "  label=\"a \\\\ title\";\n"
        "  node [shape=box, style=filled, fontname=\"sans-serif\", fontsize=10];\n"
        "  edge [fontname=\"sans-serif\", fontsize=8];\n"
        "  n0 [label=\"the \\\"input\\\"\ninput\", fillcolor=\"#e0e0e0\"];\n"
        "  n1 [label=\"the \\\"input\\\".relu\nactivate relu\", fillcolor=\"#e0e0e0\"];\n"
        "  n0 -> n1 [label=\"f32 1x3\"];\n"
        "  o0 [label=\"y\", shape=ellipse, fillcolor=white];\n"
        "  n1 -> o0 [label=\"f32[1x3]\"];\n"
        "}\n");
}

TEST_CASE("print: DOT after quantization has green nodes, scales on edges and fused names") {
  const std::string s = dot(quantize_graph(small_graph(), unit_ranges(fold(small_graph()))), "int8");
  CHECK(s.find("fillcolor=\"#c7e9c0\"") != std::string::npos);
  CHECK(s.find("label=\"u8 <=2x4x4x3\nscale 1 zp 0\"") != std::string::npos);
  CHECK(s.find("+ block.bn\n+ block.bn.add\n+ block.bn.relu\"") != std::string::npos);
}
