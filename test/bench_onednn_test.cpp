// What the benchmarks compare: oneDNN's primitives must do the work that Octavo's operators do, alone and in a network.
#include <doctest/doctest.h>

#include "layers.hpp"
#include "octavo/graph/passes.hpp"
#include "octavo/octavo.hpp"
#include "onednn_network.hpp"

using namespace octavo;
using namespace octavo::bench;

namespace {

problem problem_of(std::string_view network, std::string_view name, bool int8) {
  for (const layer& l : layers_of(network))
    if (l.name == name) return make_problem(l, int8);
  FAIL("no layer " << name << " in " << network);
  return {};
}

/// The output for these operands, as each of the two computes it.
tensor run_octavo(const problem& p, std::vector<tensor> operands) {
  session run = prepare(p.op, p);
  std::vector<tensor_argument> arguments;
  for (tensor& t : operands) arguments.emplace_back(t);
  run.run(arguments).or_throw();
  return std::move(operands.back());
}

tensor run_onednn(const problem& p, std::vector<tensor> operands) {
  onednn_layer layer(make_onednn_primitive(p, dense_layouts(p)));
  aligned_memory scratchpad(layer.scratchpad_bytes());
  std::vector<const void*> src;
  for (const tensor& x : operands) src.push_back(x.bytes().data());
  layer.bind(src, operands.back().bytes().data(), scratchpad.data());
  layer.run();
  return std::move(operands.back());
}

/// The largest difference between the two, in steps of u8 or in real numbers.
double largest_difference(const problem& p) {
  const std::vector<tensor> operands = random_operands(p);
  const tensor a = run_octavo(p, operands), b = run_onednn(p, operands);
  double largest = 0;
  for (std::size_t i = 0; i < a.extents().count(); ++i) {
    const double difference = p.dst->is_u8() ? a.as<std::uint8_t>()[i] - b.as<std::uint8_t>()[i]
                                             : static_cast<double>(a.as<float>()[i] - b.as<float>()[i]);
    largest = std::max(largest, std::abs(difference));
  }
  return largest;
}

/// Whether oneDNN's INT8 is exact: the codes of its instruction sets are sets of bits.
bool has_vnni() {
  constexpr auto vnni = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_vnni);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & vnni) == vnni;
}

/// Of the layers that no network has.
double largest_difference(std::string_view name, bool int8) {
  return largest_difference(problem_of("operators", name, int8));
}

}  // namespace

TEST_CASE("INT8: within the step that another order of roundings can make") {
  CHECK(largest_difference(problem_of("mobilenet_v2", "add_7x7x160", true)) <= 1);
  CHECK(largest_difference(problem_of("resnet50", "add_7x7x2048", true)) <= 1);
  CHECK(largest_difference(problem_of("mobilenet_v2", "relu6_7x7x960", true)) <= 1);
  CHECK(largest_difference(problem_of("tensors", "quantize_1x7x7x2048", true)) <= 1);
  CHECK(largest_difference(problem_of("tensors", "requantize_1x7x7x2048", true)) <= 1);
  CHECK(largest_difference(problem_of("tensors", "dequantize_1x7x7x2048", true)) <= 1e-5);  // of values up to 3
  CHECK(largest_difference(problem_of("ssd300_vgg16", "concat_8732x4", true)) == 0);
  CHECK(largest_difference(problem_of("mobilenet_v2", "average_pool_7x7x1280", true)) <= 1);
  CHECK(largest_difference(problem_of("resnet50", "max_pool_112x112x64", true)) == 0);
}

TEST_CASE("FP32: within a few roundings of values up to 5") {
  CHECK(largest_difference(problem_of("mobilenet_v2", "add_7x7x160", false)) <= 1e-6);
  CHECK(largest_difference(problem_of("mobilenet_v2", "relu6_7x7x960", false)) == 0);
  CHECK(largest_difference(problem_of("resnet50", "relu_7x7x512", false)) == 0);
  CHECK(largest_difference(problem_of("ssd300_vgg16", "concat_8732x4", false)) == 0);
  CHECK(largest_difference(problem_of("bert_base", "softmax_12x16x16", false)) <= 1e-5);
  CHECK(largest_difference(problem_of("bert_base", "layer_norm_1x16x768", false)) <= 1e-5);
  CHECK(largest_difference(problem_of("resnet50", "max_pool_112x112x64", false)) == 0);
}

TEST_CASE("INT8 operators that no network has: within a step") {
  for (const std::string_view name : {"conv1d_3_to_384_1x3000x80",
                                      "conv1d_3_stride_2_1x3000x384",
                                      "conv3d_1x3x3_1x8x28x28x64",
                                      "conv_transpose2d_2x2_1x28x28x512",
                                      "conv_transpose2d_4x4_1x8x8x512",
                                      "add_row_128x768",
                                      "add_mask_12x128x128",
                                      "sub_column_128x768",
                                      "div_column_128x768",
                                      "mul_128x3072",
                                      "mul_gate_1x56x56x72",
                                      "max_128x3072",
                                      "hard_swish_128x3072",
                                      "hard_swish_1x112x112x16",
                                      "leaky_relu_128x3072",
                                      "sigmoid_128x3072",
                                      "gelu_128x3072",
                                      "tanh_128x3072",
                                      "exp_128x3072",
                                      "mean_rows_128x768",
                                      "mean_columns_128x768",
                                      "mean_image_1x56x56x256"}) {
    CAPTURE(name);
    if (name.starts_with("conv") && !has_vnni()) continue;  // sums of pairs saturate
    CHECK(largest_difference(name, true) <= 1);
  }
  for (const std::string_view name :
       {"max_rows_128x768", "transpose_heads_1x128x12x64", "transpose_nchw_to_nhwc_1x256x56x56", "transpose_768x768",
        "nearest_twice_1x28x28x256", "concat_channels_1x28x28x256"}) {
    CAPTURE(name);
    CHECK(largest_difference(name, true) == 0);
  }
  problem gate = problem_of("operators", "mul_gate_1x56x56x72", true);
  gate.src[0].q.zero_point = 9;  // as a hard_swish has it
  CHECK(largest_difference(gate) <= 1);
  problem hard = problem_of("operators", "sigmoid_128x3072", true);
  hard.op = op::hard_sigmoid{};
  CHECK(largest_difference(hard) <= 1);
}

TEST_CASE("FP32 operators that no network has: within a few roundings") {
  for (const std::string_view name :
       {"add_row_128x768", "add_mask_12x128x128", "sub_column_128x768", "mul_128x3072", "mul_gate_1x56x56x72",
        "max_128x3072", "hard_swish_128x3072", "leaky_relu_128x3072", "sigmoid_128x3072", "gelu_128x3072",
        "tanh_128x3072", "softmax_axis_1_1x21x16384", "mean_rows_128x768", "max_rows_128x768",
        "transpose_nchw_to_nhwc_1x256x56x56", "nearest_twice_1x28x28x256", "bilinear_twice_1x28x28x256",
        "concat_channels_1x28x28x256"}) {
    CAPTURE(name);
    CHECK(largest_difference(name, false) <= 1e-5);
  }
  CHECK(largest_difference(problem_of("matmul", "1x100x100x100_b", false)) <= 1e-4);  // of values up to 50
  CHECK(largest_difference(problem_of("matmul", "12x128x64x128_bT", false)) <= 1e-4);
}

TEST_CASE("a network with concat, hard_swish, and squeeze and excitation runs whole") {
  const params w(std::make_shared<random_weights>(4));
  graph g;
  auto x = g.input<float, nhwc<1, 12, 12, 16>>("x");
  auto a = hard_swish(conv2d<conv{.out = 40, .kernel = 3, .pad = 1}>(x, w / "a"));
  auto gate = hard_sigmoid(conv2d<conv{.out = 40}>(average_pool2d<pool{.kernel = 12}>(a), w / "gate"));
  auto b = mul(a, gate);
  auto c = leaky_relu(conv2d<conv{.out = 24}>(b, w / "c")) + conv2d<conv{.out = 24, .kernel = 3, .pad = 1}>(b, w / "d");
  g.output(fc<10>(global_average_pool(concat(b, c)), w / "fc"), "y");

  random_bits random(5);
  std::vector<float> in(12 * 12 * 16), expected(10);
  for (float& v : in) v = random.normal();
  session run{compile(g)};
  run(in, expected).or_throw();
  for (const onednn_layouts layouts : {onednn_layouts::own, onednn_layouts::nhwc}) {
    std::vector<float> out(10);
    onednn_network peer(fold(g), layouts, {in.data()}, {out.data()});
    peer.run();
    CHECK(peer.left_out().empty());
    for (std::size_t i = 0; i < out.size(); ++i) CHECK(std::abs(out[i] - expected[i]) <= 1e-4f);  // of values up to 3
  }
}

TEST_CASE("nodes that oneDNN cannot do are counted, and random numbers stand for what they compute") {
  graph g;
  auto x = g.input<float, nhwc<1, 4, 4, 16>>("x");
  g.output(relu(sign(floor(sign(x)))), "y");
  std::vector<float> in(4 * 4 * 16), out(in.size());
  onednn_network peer(fold(g), onednn_layouts::own, {in.data()}, {out.data()});
  CHECK(peer.left_out() == std::vector<std::string>{"floor (1 node): no oneDNN primitive for floor",
                                                    "sign (2 nodes): no oneDNN primitive for sign"});
  peer.run();
  CHECK(*std::max_element(out.begin(), out.end()) > 1.0f);  // no sign
}
