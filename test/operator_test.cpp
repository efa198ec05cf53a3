// Operators are an open set: here are two that the library does not have, composed, calibrated, quantized, printed,
// kept and run like any other.
#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "octavo/op/operators.hpp"
#include "support/evaluate.hpp"
#include "support/quantized_graph.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace users {

using namespace octavo;

/// y = x where x >= 0, slope * x elsewhere.
struct bent_relu {
  static constexpr std::string_view name = "bent_relu";
  static constexpr port inputs[] = {{"x"}};
  static constexpr bool elementwise = true;
  float slope = 0.01f;
  static constexpr auto fields = std::tuple{field{"slope", &bent_relu::slope}};
};
void check(const bent_relu& o, const signature& s) {
  require(s.src.size() == 1 && s.dst->extents == s.src[0].extents, "bent_relu: output must have the input's extents");
  require(std::isfinite(o.slope), "bent_relu: the slope is ", o.slope);
}
void evaluate(const bent_relu& o, const signature& s, const arguments& a) {
  const auto columns = static_cast<std::size_t>(a.dst->extents.back());
  for (std::size_t r = 0; r < a.dst->extents.rows(); ++r)
    for (std::size_t c = 0; c < columns; ++c) {
      const float x =
          s.src[0].is_u8() ? dequantize_u8(a.src[0].row<std::uint8_t>(r)[c], s.src[0].q) : a.src[0].row<float>(r)[c];
      const float y = x >= 0 ? x : o.slope * x;
      if (s.dst->is_u8())
        a.dst->row<std::uint8_t>(r)[c] = quantize_u8(y, s.dst->q);
      else
        a.dst->row<float>(r)[c] = y;
    }
}

/// The rows of x with an offset added, where there is one, and their sums: two outputs, one input that may be left out.
struct sum_rows {
  static constexpr std::string_view name = "sum_rows";
  static constexpr port inputs[] = {{"x", port_rule::f32}, {"offset", port_rule::f32, port_count::optional}};
  static constexpr std::string_view outputs[] = {"y", "sums"};
  static constexpr auto fields = std::tuple{};
};
std::vector<tensor_type> infer(const sum_rows&, std::span<const tensor_type> x) {
  return {x[0], {x[0].type, {x[0].extents[0]}, {}}};
}
void check(const sum_rows& o, const signature& s) {
  require(s.src[0].extents.rank == 2 && std::ranges::equal(infer(o, s.src), s.dst), "sum_rows: wrong types");
}
void evaluate(const sum_rows&, const signature&, const arguments& a) {
  for (std::size_t r = 0; r < a.dst->extents.rows(); ++r) {
    float sum = 0;
    for (int c = 0; c < a.dst->extents.back(); ++c) {
      const bool has_offset = a.src.size() > 1 && a.src[1].data != nullptr;
      const float v = a.src[0].row<float>(r)[c] + (has_offset ? a.src[1].row<float>(r)[c] : 0.0f);
      a.dst->row<float>(r)[c] = v;
      sum += v;
    }
    a.dst[1].as<float>()[r] = sum;
  }
}

/// A kernel of the user's own, which marks that it ran.
int runs = 0;
class leaky_executable final : public executable {
 public:
  explicit leaky_executable(const problem& p) : problem_(p) {}
  void run(const arguments& a, int, int, std::byte*) const noexcept override {
    ++runs;
    evaluate(problem_.op, problem_, a);
  }

 private:
  problem problem_;
};
constexpr kernel leaky_kernel{
    "users_leaky_relu", isa::portable, [](const problem& p) { return p.op.is<bent_relu>(); },
    [](const problem& p) -> std::unique_ptr<const executable> { return std::make_unique<leaky_executable>(p); }};

}  // namespace users

namespace {

using namespace octavo;
using namespace octavo::test;

/// conv, leaky relu, conv.
graph with_activation(const operation& activation) {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, nhwc<upto<2>, 5, 5, 3>>("image");
  auto a = conv2d<conv{.out = 8, .kernel = 3, .pad = 1}>(x, w / "a");
  const int middle = g.append(activation, "middle", {a.id});
  auto b = conv2d<conv{.out = 4}>(value<float, nhwc<upto<2>, 5, 5, 8>>(&g, middle), w / "b");
  g.output(b, "y");
  return g;
}

std::string_view kernel_of(const network& net, std::string_view step_name) {
  for (const step& s : net->steps)
    if (s.name == step_name) return s.kernel;
  return "none";
}

}  // namespace

TEST_CASE("an operator of the user's own: FP32, and INT8 by a table and by a kernel of his") {
  const graph g = with_activation(users::bent_relu{.slope = 0.25f}), int8 = quantized_graph(g);
  CHECK(text(g.nodes[2].op) == "bent_relu slope 0.25");
  CHECK(int8.type(*int8.nodes[3].dst).is_u8());
  CHECK(int8.nodes[3].name == "middle");
  const network fp32 = octavo::compile(g), table = plan_graph(int8, native_kernels());
  CHECK(kernel_of(fp32, "middle") == "reference");
  CHECK(kernel_of(table, "middle").starts_with("table_u8"));
  std::vector<tensor> inputs;
  inputs.emplace_back(element::f32, dims{2, 5, 5, 3});
  random_samples().read(3, inputs);
  const auto expected = reference_outputs(int8, inputs);
  CHECK(same_bits(outputs_of(table, inputs), expected));
  const int before = users::runs;
  const network own = plan_graph(int8, join(std::array{users::leaky_kernel}, native_kernels()));
  CHECK(same_bits(outputs_of(own, inputs), expected));
  CHECK(users::runs == before + 1);
  const tensor exact = std::move(outputs_of(fp32, inputs)[0]), rounded = std::move(outputs_of(own, inputs)[0]);
  CHECK(largest_difference(exact, rounded) <= 0.05f * largest_magnitude(exact));  // a few of 255 steps
  CHECK(largest_difference(exact, rounded) > 0);
}

TEST_CASE("an operator of the user's own stays FP32 where he says so") {
  const graph g = with_activation(users::bent_relu{});
  const graph mixed = quantize_graph(g, random_calibration(g), {.keep_fp32 = {"middle"}});
  const auto middle = std::ranges::find(mixed.nodes, "middle", &node::name);
  REQUIRE(middle != mixed.nodes.end());
  CHECK(mixed.type(*middle->dst).type == element::f32);
}

TEST_CASE("what an operator is can be kept, and made again from its name and attributes") {
  const operator_set known = with_operators<users::bent_relu>(builtin_operators());
  op::conv2d c;
  c.out = 8, c.kernel = {3, 5}, c.stride = 2, c.pad = {1, 2, 3, 4}, c.groups = 2, c.residual = true;
  c.act = relu6_activation;
  op::pool2d average{{.kernel = 3, .ceil_mode = true}, op::pool2d::average};
  for (const operation& o :
       {operation(users::bent_relu{.slope = -2}), operation(c), operation(average),
        operation(op::conv2d{{.out = 1, .pad = same}}), operation(op::concat{.axis = 2}),
        operation(op::reshape{{-3, 4}}), operation(op::batch_norm{.eps = 1e-3f}),
        operation(op::matmul{.transpose_b = true}), operation(op::pad{{1, 0}, {0, 2}, op::pad::edge}),
        operation(op::slice{{0}, {-1}, {1}, {2}}), operation(op::transpose{{0, 2, 1}}), operation(op::gather{-1}),
        operation(op::expand{{2, -3}}), operation(op::tile{{2, 1}}), operation(op::shuffle_channel{4}),
        operation(op::space_to_depth{3, true}), operation(op::depth_to_space{3, true}),
        operation(
            op::interp2d{op::interp2d::bilinear, {2, 3}, 0, 1.5f, op::interp2d::asymmetric, op::interp2d::ceil})}) {
    CAPTURE(text(o));
    CHECK(make_operation(name_of(o), o.attributes(), known) == o);
    CHECK(make_operation(name_of(o), {}, known) != o);
  }
  for (const auto& [name, o] : builtin_operators()) CHECK(make_operation(name, {}) == o);
}

TEST_CASE("descriptions that fit no operator are refused by name") {
  const auto failure = [](std::string_view name, const attribute_map& a) {
    return failure_of([&] { (void)make_operation(name, a); });
  };
  check_failure(failure("bent_relu", {}), "bent_relu");
  check_failure(failure("conv2d", {{"outputs", std::int64_t{1}}}), "conv2d", "outputs", "out, stride");
  check_failure(failure("conv2d", {{"out", true}}), "'conv2d'", "'out'", "whole number");
  check_failure(failure("conv2d", {{"out", std::int64_t{1} << 40}}), "'out'", "1099511627776");
  check_failure(failure("conv2d", {{"stride", std::vector<std::int64_t>{1, 2, 3}}}), "'stride'", "found 3");
  check_failure(failure("conv2d", {{"pad", std::string("valid")}}), "'pad'", "valid");
  check_failure(failure("pool2d", {{"kind", std::string("least")}}), "'kind'", "least");
  check_failure(failure_of([] { with_operators<op::add>(builtin_operators()); }), "add");
}

TEST_CASE("several outputs, and an input that is left out") {
  graph g;
  const int x = g.append(op::input{}, "x", {}, tensor_type{element::f32, {2, 3}, {}});
  const int offset = g.append(op::input{}, "offset", {}, tensor_type{element::f32, {2, 3}, {}});
  const one_or_more<int> without = g.append(users::sum_rows{}, "plain", {x}),
                         left_out = g.append(users::sum_rows{}, "left_out", {x, -1}),
                         with = g.append(users::sum_rows{}, "moved", {x, offset});
  CHECK(without.size() == 2);
  CHECK(g.values[static_cast<std::size_t>(with[1])].name == "moved.sums");
  CHECK(g.type(with[1]).extents == dims{2});
  int i = 0;
  for (int v : {without[0], without[1], left_out[1], with[0], with[1]}) g.outputs.push_back({v, text("y", i++)});
  const std::vector<float> a{1, 2, 3, 4, 5, 6}, b{10, 20, 30, 40, 50, 60};
  for (const graph& planned : {fold(g), quantize_graph(g, random_calibration(g))}) {
    session run(plan_graph(planned, native_kernels()));
    std::vector<float> y(6), sums(2), sums_left_out(2), y_moved(6), sums_moved(2);
    run(a, b, y, sums, sums_left_out, y_moved, sums_moved).or_throw();
    CHECK(y == a);
    CHECK(sums == std::vector<float>{6, 15});
    CHECK(sums_left_out == sums);
    CHECK(y_moved == std::vector<float>{11, 22, 33, 44, 55, 66});
    CHECK(sums_moved == std::vector<float>{66, 165});
  }
  CHECK(text(g).find("plain: f32[2x3], f32[2] = sum_rows (x)\n") != std::string::npos);
  CHECK(text(g).find("left_out: f32[2x3], f32[2] = sum_rows (x, -)\n") != std::string::npos);
  check_failure(failure_of([&] { g.append(users::sum_rows{}, "none", {-1}); }), "none", "'x' is missing");
  check_failure(failure_of([&] { g.append(users::sum_rows{}, "many", {x, x, x}); }), "many", "expected 2 inputs");
}

TEST_CASE("an operation that was moved from is refused, and can be assigned to") {
  operation o = op::add{};
  const operation kept = std::move(o);
  CHECK(kept.is<op::add>());
  CHECK_FALSE(o.is<op::add>());
  check_failure(failure_of([&] { (void)name_of(o); }), "moved from");
  check_failure(failure_of([&] { const operation copy = o; }), "moved from");
  check_failure(failure_of([&] { (void)text(o); }), "moved from");
  o = kept;
  CHECK(o == kept);
}
