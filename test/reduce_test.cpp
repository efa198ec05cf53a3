// Reference evaluations of reductions, argmax, argmin, top_k, and of softmax along any axis.
#include "octavo/op/reduce.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <numeric>

#include "octavo/octavo.hpp"
#include "support/onnx_vectors.hpp"
#include "support/quantized_graph.hpp"
#include "support/random.hpp"
#include "support/rounding.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

constexpr float infinity = std::numeric_limits<float>::infinity(),
                not_a_number = std::numeric_limits<float>::quiet_NaN();

tensor_type f32(const dims& extents) { return {element::f32, extents, {}}; }

/// What `r` makes of x, its axes resolved.
tensor reduced(op::reduce r, const tensor& x, affine q_x = {}, element out = element::f32, affine q_y = {}) {
  r = op::resolved(r, x.extents());
  return reference_output(r, {{{x.type(), x.extents(), q_x}}, {out, op::infer(r, x.extents()), q_y}, {}}, list_of(x));
}

/// The elements of x that make output `i`, in raster order.
std::vector<float> elements_of(const tensor& x, const axis_numbers& axes, std::size_t i) {
  std::vector<float> all;
  const std::size_t count = x.extents().count();
  for (std::size_t at = 0; at < count; ++at) {
    std::size_t rest = at, output = 0, step = 1;
    for (int a = x.extents().rank; a-- > 0;) {
      const auto e = static_cast<std::size_t>(x.extents()[a]), index = rest % e;
      rest /= e;
      if (!axes.contains(a)) output += index * step, step *= e;
    }
    if (output == i)
      all.push_back(x.type() == element::u8 ? static_cast<float>(x.as<std::uint8_t>()[at]) : x.as<float>()[at]);
  }
  return all;
}

const axis_numbers some_axes[] = {{0}, {1}, {2}, {3}, {1, 2}, {0, 3}, {1, 3}, {2, 3}, {0, 1, 2}, {0, 1, 2, 3}};

}  // namespace

TEST_CASE("reduce: extents with and without the reduced axes") {
  const dims x{2, 3, 4, 5};
  static_assert(op::infer(op::reduce{.axes = {1, 2}}, {2, 3, 4, 5}) == dims{2, 5});
  static_assert(op::infer(op::reduce{.axes = {-1, 0}, .keep_dims = true}, {2, 3, 4, 5}) == dims{1, 3, 4, 1});
  static_assert(op::infer(op::reduce{}, {2, 3}) == dims{});
  static_assert(op::infer(op::reduce{.axes = {1, 2}}, {upto<8>, 3, 4, 5}) == dims{upto<8>, 5});
  static_assert(op::infer(op::reduce{.axes = {0}}, {2, upto<8, 't'>, 5}) == dims{upto<8, 't'>, 5});
  CHECK(op::resolved(op::reduce{.axes = {-1, 0, 3}}, x).axes == axis_numbers{0, 3});
  CHECK(op::resolved(op::reduce{}, x).axes == axis_numbers{0, 1, 2, 3});
}

TEST_CASE("reduce: FP32 in the stated order") {
  random_numbers random(1);
  const tensor x = random_tensor(element::f32, {2, 3, 4, 21}, random);
  for (const axis_numbers& axes : some_axes) {
    CAPTURE(text(axes));
    const tensor mean = reduced({op::reduce::mean, axes}, x), sum = reduced({op::reduce::sum, axes}, x),
                 prod = reduced({op::reduce::prod, axes}, x), max = reduced({op::reduce::max, axes}, x),
                 min = reduced({op::reduce::min, axes}, x);
    REQUIRE(sum.extents().count() >= 1);
    for (std::size_t i = 0; i < sum.extents().count(); ++i) {
      const std::vector<float> all = elements_of(x, axes, i);
      float sums[16] = {}, products[16];
      std::ranges::fill(products, 1.0f);
      for (std::size_t k = 0; k < all.size(); ++k) {
        const std::size_t place = axes.contains(3) ? k % 21 % 16 : 0;
        sums[place] = sums[place] + all[k], products[place] = products[place] * all[k];
      }
      for (std::size_t distance = 8; distance > 0; distance /= 2)
        for (std::size_t k = 0; k < distance; ++k)
          sums[k] = sums[k] + sums[k + distance], products[k] = products[k] * products[k + distance];
      CHECK(sum.as<float>()[i] == sums[0]);
      CHECK(mean.as<float>()[i] == sums[0] * static_cast<float>(1.0 / static_cast<double>(all.size())));
      CHECK(prod.as<float>()[i] == products[0]);
      CHECK(max.as<float>()[i] == *std::ranges::max_element(all));
      CHECK(min.as<float>()[i] == *std::ranges::min_element(all));
    }
  }
}

TEST_CASE("reduce: INT8 sums are exact, and rounded once; extremes are bytes") {
  random_numbers random(2);
  const tensor x = random_tensor(element::u8, {2, 3, 4, 21}, random);
  const affine q_x{0.03f, 100}, q_mean{0.01f, 128}, q_sum{0.4f, 30};
  for (const axis_numbers& axes : some_axes) {
    CAPTURE(text(axes));
    const tensor mean = reduced({op::reduce::mean, axes}, x, q_x, element::u8, q_mean),
                 sum = reduced({op::reduce::sum, axes}, x, q_x, element::u8, q_sum),
                 max = reduced({op::reduce::max, axes}, x, q_x, element::u8, q_x),
                 min = reduced({op::reduce::min, axes}, x, q_x, element::u8, q_x);
    for (std::size_t i = 0; i < sum.extents().count(); ++i) {
      const std::vector<float> all = elements_of(x, axes, i);
      float total = 0;
      for (float v : all) total += v - 100;
      const double n = static_cast<double>(all.size()), s_x = q_x.scale, s_mean = q_mean.scale, s_sum = q_sum.scale;
      CHECK(mean.as<std::uint8_t>()[i] == output_grid{s_mean, 128}(total * static_cast<float>(s_x / s_mean / n)));
      CHECK(sum.as<std::uint8_t>()[i] == output_grid{s_sum, 30}(total * static_cast<float>(s_x / s_sum)));
      CHECK(static_cast<float>(max.as<std::uint8_t>()[i]) == *std::ranges::max_element(all));
      CHECK(static_cast<float>(min.as<std::uint8_t>()[i]) == *std::ranges::min_element(all));
    }
  }
}

TEST_CASE("reduce: a mean over height and width has the bits of global average pooling") {
  random_numbers random(3);
  const tensor x = random_tensor(element::f32, {2, 7, 7, 10}, random);
  const op::pool2d pool{{.kernel = 7, .stride = 1}, op::pool2d::average};
  const tensor pooled = reference_output(pool, {{f32({2, 7, 7, 10})}, f32({2, 1, 1, 10}), {}}, list_of(x));
  CHECK(same_bits(reduced({op::reduce::mean, {1, 2}, true}, x), pooled));
}

TEST_CASE("reduce: NaN and infinities") {
  const tensor x = tensor::of<float>({3, 2}, std::vector<float>{1, not_a_number, -infinity, 5, 2, -infinity});
  for (auto kind : {op::reduce::mean, op::reduce::sum, op::reduce::prod, op::reduce::max, op::reduce::min}) {
    const tensor y = reduced({kind, {1}}, x);
    CHECK(std::isnan(y.as<float>()[0]));
    CHECK_FALSE(std::isnan(y.as<float>()[1]));
  }
  CHECK(reduced({op::reduce::max, {0}}, x).as<float>()[0] == 2);
  CHECK(reduced({op::reduce::min, {0}}, x).as<float>()[0] == -infinity);
}

TEST_CASE("reduce: a scalar") {
  const tensor x = tensor::of<float>({}, std::vector<float>{3});
  CHECK(reduced({op::reduce::mean}, x).as<float>()[0] == 3);
}

namespace {

std::vector<std::int64_t> places(const operation& o, const tensor& x, affine q = {}) {
  const tensor_type type{x.type(), x.extents(), q};
  const tensor y = reference_output(o, {{type}, o.infer(std::span(&type, 1))[0], {}}, list_of(x));
  return {y.as<std::int64_t>().begin(), y.as<std::int64_t>().end()};
}
using list = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("argmax and argmin: the first or the last of equal ones, along any axis") {
  const tensor x = tensor::of<float>({2, 4}, std::vector<float>{1, 3, 3, -2, 5, -2, 0, -2});
  CHECK(places(op::argmax{}, x) == list{1, 0});
  CHECK(places(op::argmax{.select_last = true}, x) == list{2, 0});
  CHECK(places(op::argmin{}, x) == list{3, 1});
  CHECK(places(op::argmin{.select_last = true}, x) == list{3, 3});
  CHECK(places(op::argmax{.axis = 0}, x) == list{1, 0, 0, 0});
  CHECK(places(op::argmax{.axis = 0, .select_last = true}, x) == list{1, 0, 0, 1});
  CHECK(places(op::argmax{}, tensor::of<float>({3}, std::vector<float>{1, not_a_number, 7})) == list{1});
  CHECK(places(op::argmin{}, tensor::of<float>({3}, std::vector<float>{1, not_a_number, -7})) == list{1});
  CHECK(places(op::argmax{}, tensor::of<std::uint8_t>({4}, std::vector<std::uint8_t>{7, 200, 13, 200})) == list{1});
  const tensor_type type = f32({2, 4});
  CHECK(operation(op::argmax{.axis = 0, .keep_dims = true}).infer(std::span(&type, 1))[0].extents == dims{1, 4});
}

TEST_CASE("top_k: values and places, best first") {
  const tensor x = tensor::of<float>({2, 5}, std::vector<float>{1, 3, 3, -2, 0, not_a_number, -2, 9, -2, 4});
  const auto run = [&](const op::top_k& o) {
    const tensor_type type = f32(x.extents());
    const signature s{{type}, op::infer(o, std::span(&type, 1)), {}};
    check(operation(o), s);
    tensor values(element::f32, s.dst[0].extents), indices(element::s64, s.dst[1].extents);
    const operand dst[] = {operand_of(values), operand_of(indices)}, src = operand_of(x);
    evaluate(o, s, arguments{std::span(&src, 1), std::span<const operand>(dst)});
    return std::pair(std::vector<float>(values.as<float>().begin(), values.as<float>().end()),
                     list(indices.as<std::int64_t>().begin(), indices.as<std::int64_t>().end()));
  };
  const auto [most, at] = run({.k = 3});
  CHECK(at == list{1, 2, 0, 0, 2, 4});
  CHECK(std::vector<float>(most.begin(), most.begin() + 3) == std::vector<float>{3, 3, 1});
  CHECK(std::isnan(most[3]));
  CHECK(run({.k = 2, .largest = false}).second == list{3, 4, 0, 1});
  CHECK(run({.k = 5}).second == list{1, 2, 0, 4, 3, 0, 2, 4, 1, 3});
  CHECK(run({.k = 1, .axis = 0}).second == list{1, 0, 1, 0, 1});
}

TEST_CASE("softmax: along any axis, and its logarithm") {
  random_numbers random(4);
  const tensor x = random_tensor(element::f32, {3, 4, 5}, random, -10.0f, 10.0f);
  for (int axis : {0, 1, -1}) {
    const tensor y = reference_output(op::softmax{axis}, {{f32({3, 4, 5})}, f32({3, 4, 5}), {}}, list_of(x)),
                 log = reference_output(op::log_softmax{axis}, {{f32({3, 4, 5})}, f32({3, 4, 5}), {}}, list_of(x));
    for (std::size_t i = 0; i < 60; ++i) {
      const std::size_t line = axis == 0 ? i % 20 : axis == 1 ? i / 20 * 5 + i % 5 : i / 5;
      double sum = 0;
      for (float v : elements_of(x, {axis < 0 ? 2 : axis}, line)) sum += std::exp(static_cast<double>(v));
      const double exact = static_cast<double>(x.as<float>()[i]) - std::log(sum);
      // Differences of up to 20, rounded, and what exp, the sum and the quotient add.
      CHECK(std::fabs(static_cast<double>(y.as<float>()[i]) / std::exp(exact) - 1) <= 4e-6);
      CHECK(std::fabs(static_cast<double>(log.as<float>()[i]) - exact) <= 2e-6);
    }
  }
  CHECK(op::resolved(op::softmax{2}, {3, 4, 5}).axis == -1);
  CHECK(op::resolved(op::softmax{-2}, {3, 4, 5}).axis == 1);
}

TEST_CASE("softmax: ONNX Softmax along every axis") {
  for (const onnx_vector& v : onnx_vectors({"softmax_axis_0", "softmax_axis_1", "softmax_axis_2"})) {
    CAPTURE(v.name);
    const tensor_type type = f32(v.x().extents());
    const op::softmax o = op::resolved(op::softmax{v.attribute("axis", -1)}, v.x().extents());
    CHECK(largest_difference(reference_output(o, {{type}, type, {}}, list_of(v.x())), v.y()) <= 3e-7f);
  }
}

TEST_CASE("reduce: composed, calibrated, quantized and run") {
  graph g;
  auto x = g.input<float, nhwc<upto<3>, 6, 5, 20>>("x");
  auto mean = reduce_mean<axis_numbers{1, 2}>(x);
  static_assert(decltype(mean)::extents == dims{upto<3>, 20});
  static_assert(decltype(reduce_max<axis_numbers{-1}, true>(x))::extents == dims{upto<3>, 6, 5, 1});
  g.output(mean, "mean");
  g.output(reduce_max<axis_numbers{-1}, true>(relu(x)), "max");
  g.output(reduce_sum<axis_numbers{1, 2, 3}>(x), "sum");
  g.output(reduce_mean<axis_numbers{0}>(x), "over_images");
  auto line = g.input<float, shape<3, upto<9, 't'>, 4>>("line");
  g.output(reduce_max<axis_numbers{0, 2}>(line), "of_line");
  g.output(argmax(mean), "argmax");
  auto [values, indices] = top_k<3>(mean);
  g.output(values, "values");
  g.output(indices, "indices");
  g.output(log_softmax<1>(softmax<2>(x)), "softmax");
  random_numbers random(5);
  const std::vector<tensor> inputs =
      list_of(random_tensor(element::f32, {2, 6, 5, 20}, random), random_tensor(element::f32, {3, 7, 4}, random));
  for (const graph& planned : {fold(g), quantized_graph(g)}) {
    session all(plan_graph(planned, native_kernels())), reference(plan_graph(planned, {}));
    std::vector<float> mean_of(2 * 20), max_of(2 * 30), sum_of(2), over_of(600), line_of(7), values_of(6),
        softmax_of(2 * 600);
    std::vector<std::int64_t> argmax_of(2), indices_of(6);
    all(inputs[0], inputs[1], mean_of, max_of, sum_of, over_of, line_of, argmax_of, values_of, indices_of, softmax_of)
        .or_throw();
    for (std::size_t n = 0; n < 2; ++n) {
      const auto begin = mean_of.begin() + static_cast<std::ptrdiff_t>(20 * n);
      CHECK(argmax_of[n] == std::max_element(begin, begin + 20) - begin);
      CHECK(indices_of[3 * n] == argmax_of[n]);
      CHECK(values_of[3 * n] == begin[argmax_of[n]]);
    }
    std::vector<float> again(2 * 600), some(40), most(60), sums(2), over(600), lines(7), best(6);
    reference(inputs[0], inputs[1], some, most, sums, over, lines, argmax_of, best, indices_of, again).or_throw();
    CHECK(again == softmax_of);
    CHECK(some == mean_of);
    CHECK(most == max_of);
    CHECK(sums == sum_of);
    CHECK(over == over_of);
    CHECK(lines == line_of);
    CHECK(best == values_of);
  }
}

TEST_CASE("reduce: what they refuse, by name") {
  const tensor_type a = f32({2, 3}), u8{element::u8, {2, 3}, {1, 0}}, many{element::u8, {3000, 3000}, {1, 0}};
  const auto failure = [](const operation& o, const signature& s) { return failure_of([&] { check(o, s); }); };
  check_failure(failure(op::reduce{.axes = {2}}, {{a}, f32({2, 3}), {}}), "reduce: axes 2 of a tensor of 2x3");
  check_failure(failure(op::reduce{.axes = {-1}}, {{a}, f32({2}), {}}), "reduce: axes -1");
  check_failure(failure(op::reduce{.axes = {1}}, {{a}, f32({3}), {}}), "reduce: output must be 2, found");
  check_failure(failure(op::reduce{op::reduce::prod, {0, 1}}, {{u8}, f32({}), {}}), "reduce: a product needs f32");
  check_failure(failure(op::reduce{op::reduce::max, {1}}, {{u8}, f32({2}), {}}), "reduce: max moves elements");
  check_failure(failure(op::reduce{.axes = {0, 1}}, {{many}, f32({}), {}}), "a sum of 9000000 u8 could overflow");
  check_failure(failure(op::argmax{}, {{a}, a, {}}), "argmax: output must be s64[2], found f32[2x3]");
  check_failure(failure(op::argmin{.axis = 2}, {{a}, a, {}}), "argmin: there is no axis 2 in a tensor of 2x3");
  check_failure(failure_of([] {
                  graph g;
                  const int x = g.append(op::input{}, "x", {}, tensor_type{element::f32, {2, 3}, {}});
                  g.append(op::top_k{.k = 4}, "best", {x});
                }),
                "best", "top_k: k is 4");
  check_failure(failure(op::softmax{2}, {{a}, a, {}}), "softmax: axis 2 of a tensor of 2x3");
  check_failure(failure_of([] { (void)make_operation("reduce", {{"kind", std::string("median")}}); }), "median");
  const operation o = op::reduce{op::reduce::max, {1, 2}, true};
  CHECK(make_operation("reduce", o.attributes()) == o);
  CHECK(text(o) == "reduce max axes 1,2 keep_dims");
}
