// The reference evaluations of gather, expand and tile.
#include "octavo/op/gather.hpp"

#include <doctest/doctest.h>

#include <numeric>

#include "octavo/octavo.hpp"
#include "octavo/op/expand.hpp"
#include "octavo/op/operation.hpp"
#include "support/evaluate.hpp"
#include "support/random.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

tensor counted(const dims& e) {
  tensor t(element::f32, e);
  std::iota(t.as<float>().begin(), t.as<float>().end(), 0.0f);
  return t;
}

tensor run(const operation& o, std::vector<tensor> src) {
  std::vector<tensor_type> from;
  for (const tensor& t : src) from.push_back({t.type(), t.extents(), {}});
  return reference_output(o, {from, o.infer(from), {}}, src);
}

tensor ids(const dims& e, const std::vector<std::int64_t>& list) {
  return tensor::of(e, std::span<const std::int64_t>(list));
}

std::optional<std::string> failure(const operation& o, std::vector<tensor_type> src) {
  return failure_of([&] { check(o, {src, o.infer(src), {}}); });
}

}  // namespace

TEST_CASE("gather: the examples of ONNX's specification") {
  const tensor x = tensor::of<float>({3, 2}, std::vector<float>{1.0f, 1.2f, 2.3f, 3.4f, 4.5f, 5.7f});
  const tensor rows = run(op::gather{}, list_of(x.reshaped({3, 2}), ids({2, 2}, {0, 1, 1, 2})));
  CHECK(rows.extents() == dims{2, 2, 2});
  CHECK(std::ranges::equal(rows.as<float>(), std::vector<float>{1.0f, 1.2f, 2.3f, 3.4f, 2.3f, 3.4f, 4.5f, 5.7f}));
  const tensor columns = run(op::gather{1}, list_of(counted({3, 3}), ids({1, 2}, {0, 2})));
  CHECK(columns.extents() == dims{3, 1, 2});
  CHECK(std::ranges::equal(columns.as<float>(), std::vector<float>{0, 2, 3, 5, 6, 8}));
  CHECK(std::ranges::equal(run(op::gather{}, list_of(counted({4}), ids({3}, {-1, -4, 2}))).as<float>(),
                           std::vector<float>{3, 0, 2}));
  CHECK(run(op::gather{-2}, list_of(counted({2, 3, 4}), ids({}, {1}))).extents() == dims{2, 4});
}

TEST_CASE("embedding: s8 rows with a scale each") {
  random_numbers random(1);
  tensor f32 = random_tensor(element::f32, {7, 5}, random);
  const quantized_weights table = quantize_weights(f32, "table");
  graph g;
  auto which = g.input<std::int32_t, shape<upto<4>, 3>>("which");
  g.output(embedding<7, 5>(which, table, "words"), "y");
  g.output(embedding<7, 5>(g.input<std::int64_t, shape<>>("one"), table), "single");
  const network planned = plan_graph(fold(g), native_kernels());
  CHECK(planned->steps.size() == 2);
  for (const step& s : planned->steps) CHECK(s.kernel == "embedding");
  session run(planned);
  const std::vector<std::int32_t> numbers{0, 6, -1, 3, 3, -7};
  const std::vector<std::int64_t> one{2};
  std::vector<float> y(6 * 5), single(5);
  const tensor i = tensor::of<std::int32_t>({2, 3}, numbers);
  run(i, one, tensor_argument(y), single).or_throw();
  const auto expected = [&](std::int64_t id, std::size_t c) {
    const auto row = static_cast<std::size_t>(id < 0 ? id + 7 : id);
    return static_cast<float>(table.values.as<std::int8_t>()[row * 5 + c]) * table.scales.as<float>()[row];
  };
  for (std::size_t k = 0; k < 6; ++k)
    for (std::size_t c = 0; c < 5; ++c) CHECK(y[k * 5 + c] == expected(numbers[k], c));
  for (std::size_t c = 0; c < 5; ++c) CHECK(single[c] == expected(2, c));
  const tensor outside = tensor::of<std::int32_t>({2, 3}, std::vector<std::int32_t>{0, 7, -8, 1, 2, 3});
  CHECK(run(outside, one, y, single).code() == run_status::refused_data);
  for (std::size_t c = 5; c < 15; ++c) CHECK(y[c] == 0.0f);
  CHECK(y[15] == expected(1, 0));

  signature s{{{element::s32, {2}, {}}}, {element::f32, {2, 5}, {}}, g.nodes[1].constants};
  CHECK_FALSE(failure_of([&] { check(op::embedding{}, s); }));
  s.src[0].type = element::f32;
  check_failure(failure_of([&] { check(op::embedding{}, s); }), "embedding: ids must be s32 or s64, found f32[2]");
  s.src[0].type = element::s64, s.dst->extents = {2, 4};
  check_failure(failure_of([&] { check(op::embedding{}, s); }), "embedding: output must be f32[2x5], found f32[2x4]");
  s.constants[1] = make_constant(tensor(element::f32, {6}));
  check_failure(failure_of([&] { check(op::embedding{}, s); }), "embedding: scales must be f32[7]");
  check_failure(failure_of([&] { embedding<5, 7>(which, table); }), "embedding: expected rows of 5x7, found 7x5");
}

TEST_CASE("gather: ids out of range give zeros and refuse the run") {
  const tensor x = counted({3, 2});
  const op::gather g;
  for (const auto& [type, zero] : {std::pair{element::f32, 0}, {element::u8, 7}}) {
    const tensor table =
        type == element::f32 ? counted({3, 2}) : tensor::of<std::uint8_t>({3, 2}, std::vector<std::uint8_t>(6, 1));
    for (std::int64_t bad :
         {std::int64_t{3}, std::int64_t{-4}, std::int64_t{1} << 32, std::numeric_limits<std::int64_t>::min()}) {
      const tensor which = ids({2}, {2, bad});
      tensor y(type, {2, 2});
      const tensor_type row{type, {3, 2}, {1, zero}};
      const operand src[] = {operand_of(table), operand_of(which)};
      std::atomic<bool> refused{false};
      evaluate(g, {{row, {element::s64, {2}, {}}}, {type, {2, 2}, {1, zero}}, {}},
               {src, operand_of(y), {}, 0, nullptr, &refused});
      CHECK(refused);
      CHECK(y.bytes()[y.bytes().size() - 1] == static_cast<std::byte>(zero));
    }
  }
}

TEST_CASE("gather: what it refuses, by name") {
  const tensor_type x{element::f32, {3, 4}, {}}, which{element::s32, {2}, {}};
  CHECK_FALSE(failure(op::gather{}, {x, which}));
  check_failure(failure(op::gather{2}, {x, which}), "gather: axis 2 of a tensor of 3x4");
  check_failure(failure(op::gather{}, {x, x}), "gather: ids must be s32 or s64, found f32[3x4]");
  check_failure(failure(op::gather{}, {x, {element::s64, {1, 1, 1, 1, 1, 2}, {}}}), "more than 6 axes");
  CHECK_FALSE(failure(op::gather{}, {x, {element::s64, {upto<2>, 5}, {}}}));
  CHECK_FALSE(failure(op::gather{1}, {x, {element::s64, {upto<2>}, {}}}));
}

TEST_CASE("expand: axes of extent 1, and new ones") {
  CHECK(std::ranges::equal(run(op::expand{{2, 3}}, list_of(counted({2, 1}))).as<float>(),
                           std::vector<float>{0, 0, 0, 1, 1, 1}));
  CHECK(std::ranges::equal(run(op::expand{{2, 2}}, list_of(counted({2}))).as<float>(), std::vector<float>{0, 1, 0, 1}));
  CHECK(run(op::expand{{2, 1, 3}}, list_of(counted({4, 1}))).extents() == dims{2, 4, 3});
  const tensor_type batch{element::f32, {upto<4>, 1}, {}};
  CHECK(operation(op::expand{{1, 3}}).infer(std::array{batch})[0].extents == dims{upto<4>, 3});
  check_failure(failure(op::expand{{3, 3}}, {{element::f32, {2, 3}, {}}}), "expand: cannot expand 2x3 to 3x3");
  check_failure(failure(op::expand{{3}}, {{element::f32, {2, 3}, {}}}), "expand: cannot expand");
  check_failure(failure(op::expand{{2, 4, 3}}, {batch}), "expand: cannot expand <=4x1");
}

TEST_CASE("tile: whole axes, repeated") {
  CHECK(std::ranges::equal(run(op::tile{{2, 2}}, list_of(counted({2, 2}))).as<float>(),
                           std::vector<float>{0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3}));
  const tensor_type x{element::f32, {2, 3}, {}}, batch{element::f32, {upto<4>, 3}, {}};
  check_failure(failure(op::tile{{2}}, {x}), "tile: expected a number for each axis of 2x3, found 2");
  check_failure(failure(op::tile{{0, 1}}, {x}), "tile: cannot repeat axis 0 of 2x3 0 times");
  check_failure(failure(op::tile{{2, 1}}, {batch}), "tile: axis 0 of <=4x3 is bounded");
  CHECK_FALSE(failure(op::tile{{1, 2}}, {batch}));
}

TEST_CASE("gather: a run with an id out of range is refused, and the next one is not") {
  graph g;
  const params w = random_params(1);
  auto ids = g.input<std::int32_t, shape<upto<4>, 3>>("ids");
  g.output(embedding<7, 5>(ids, w / "words"), "y");
  const constant table = (w / "words").get("weight", {7, 5});
  for (const kernel_list& kernels : {kernel_list{}, native_kernels()}) {
    session run(plan_graph(fold(g), kernels));
    CHECK(run.planned()->steps.size() == 1);
    std::vector<float> y(2 * 3 * 5);
    std::vector<std::int32_t> good{0, 6, 3, -1, -7, 2}, bad{0, 6, 3, 7, 1, 2};
    REQUIRE(run(good, y));
    for (std::size_t i = 0; i < y.size(); ++i) {
      const int id = good[i / 5] < 0 ? good[i / 5] + 7 : good[i / 5];
      CHECK(y[i] == table->as<float>()[static_cast<std::size_t>(id) * 5 + i % 5]);
    }
    const run_status status = run(bad, y);
    CHECK_FALSE(status);
    CHECK(status.code() == run_status::refused_data);
    check_failure(failure_of([&] { status.or_throw(); }), "node 'words', gather: ", "out of range");
    CHECK(run(good, y));
  }
}

TEST_CASE("gather: a table of embeddings is quantized with what reads it, once") {
  graph g;
  const params w = random_params(2);
  auto ids = g.input<std::int64_t, shape<2, 3>>("ids");
  g.output(fc<4>(embedding<50, 8>(ids, w / "words"), w / "fc"), "y");
  calibration found;
  const graph int8 = quantize_graph(g, found);
  const auto u8_values = std::ranges::count_if(int8.values, [](const graph_value& v) { return v.type.is_u8(); });
  CHECK(u8_values == 2);  // the table and its rows: no conversion
  const std::vector<std::int64_t> some{0, 49, -1, 3, 7, 12};
  std::vector<float> y(24), exact(24);
  session run(plan_graph(int8, native_kernels())), fp32(octavo::compile(g));
  run(some, y).or_throw();
  fp32(some, exact).or_throw();
  for (std::size_t i = 0; i < y.size(); ++i)
    CHECK(std::fabs(y[i] - exact[i]) <= 0.05f);  // a few of 255 steps of [-1, 1]
}

TEST_CASE("gather, transpose: bounded axes go where they like, and a table may be bounded") {
  graph g;
  auto x = g.input<float, shape<upto<4, 't'>, 2, 3>>("x");
  auto ids = g.input<std::int32_t, shape<upto<5, 'n'>>>("ids");
  auto y = gather<1>(transpose<1, 0, 2>(x), ids);  // (2, n, 3)
  static_assert(decltype(y)::extents[1] == 5 && decltype(y)::extents.is_bounded(1));
  g.output(y, "y");
  for (const kernel_list& kernels : {kernel_list{}, native_kernels()}) {
    session run(plan_graph(g, kernels));
    const std::vector<float> in{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};  // t = 3
    const std::vector<std::int32_t> rows{2, -3};
    std::vector<float> out(12);
    run(view<const float>(in.data(), {3, 2, 3}), rows, view<float>(out.data(), {2, 2, 3})).or_throw();
    CHECK(out == std::vector<float>{12, 13, 14, 0, 1, 2, 15, 16, 17, 3, 4, 5});
    const std::vector<std::int32_t> beyond{3};  // inside the bound, not inside of this run's table
    CHECK(run(view<const float>(in.data(), {3, 2, 3}), beyond, view<float>(out.data(), {2, 1, 3})).code() ==
          run_status::refused_data);
  }
}
