// What the benchmarks of operators without weights compare: oneDNN's primitive must do the work that Octavo's does.
#include <doctest/doctest.h>

#include "layers.hpp"
#include "octavo/octavo.hpp"
#include "onednn_layer.hpp"

using namespace octavo;
using namespace octavo::bench;

namespace {

problem problem_of(std::string_view network, std::string_view name, bool int8) {
  for (const layer& l : layers_of(network))
    if (l.name == name) return make_problem(l, int8);
  FAIL("no layer " << name << " in " << network);
  return {};
}

std::vector<tensor> random_operands(const problem& p) {
  random_bits random(3);
  std::vector<tensor> operands;
  for (const tensor_type& t : p.src) {
    operands.emplace_back(t.type, t.extents);
    if (t.is_u8())
      for (std::uint8_t& v : operands.back().as<std::uint8_t>()) v = static_cast<std::uint8_t>(random() >> 56);
    else
      for (float& v : operands.back().as<float>()) v = random.normal();
  }
  return operands;
}

tensor run_octavo(const problem& p, const std::vector<tensor>& src) {
  tensor dst(p.dst->type, p.dst->extents);
  session run = prepare(p.op, p);
  std::vector<tensor_argument> arguments(src.begin(), src.end());
  arguments.emplace_back(dst);
  run.run(arguments).or_throw();
  return dst;
}

tensor run_onednn(const problem& p, const std::vector<tensor>& src) {
  tensor dst(p.dst->type, p.dst->extents);
  onednn_layer layer(make_onednn_primitive(p, dense_layouts(p)));
  aligned_memory scratchpad(layer.scratchpad_bytes());
  std::vector<const void*> from;
  for (const tensor& x : src) from.push_back(x.bytes().data());
  layer.bind(from, dst.bytes().data(), scratchpad.data());
  layer.run();
  return dst;
}

/// The largest difference between the two, in steps of u8 or in real numbers.
double largest_difference(const problem& p) {
  const std::vector<tensor> src = random_operands(p);
  const tensor a = run_octavo(p, src), b = run_onednn(p, src);
  double largest = 0;
  for (std::size_t i = 0; i < a.extents().count(); ++i) {
    const double difference = p.dst->is_u8() ? a.as<std::uint8_t>()[i] - b.as<std::uint8_t>()[i]
                                             : static_cast<double>(a.as<float>()[i] - b.as<float>()[i]);
    largest = std::max(largest, std::abs(difference));
  }
  return largest;
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
  CHECK(largest_difference(problem_of("resnet50", "max_pool_112x112x64", false)) == 0);
}
