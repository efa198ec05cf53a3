// Calibration tables: read and written by their rules, and what they make of a graph's values.
#include "octavo/io/calibration_table.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "octavo/graph/builder.hpp"
#include "octavo/octavo.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "temporary_folder.hpp"

namespace octavo::test {
namespace {

std::optional<std::string> failure_of_text(const std::string& lines) {
  return failure_of([&] { (void)parse_calibration_table("some.txt", lines); });
}

/// A table that gives every value of the folded graph its own largest magnitude.
calibration_table table_of(const graph& g) {
  calibration_table table;
  for (const auto& [name, r] : random_calibration(g).ranges) table[name] = std::max(-r.lower, r.upper);
  return table;
}

}  // namespace

TEST_CASE("calibration table: a name ends at the first space, infinities and NaN are left out") {
  const calibration_table table =
      parse_calibration_table("some.txt", "conv1 2.5\nb.c:0 1e-3\r\nx inf\ny nan\nz -inf\nlast 0");
  CHECK(table == calibration_table{{"conv1", 2.5f}, {"b.c:0", 1e-3f}, {"last", 0.0f}});
  CHECK(parse_calibration_table("some.txt", "").empty());
}

TEST_CASE("calibration table: what is no line of one is refused by its number") {
  check_failure(failure_of_text("a 1\nconv1\nb 2\n"), "some.txt: line 2", "'conv1'");
  check_failure(failure_of_text("a 1\n\nb 2\n"), "line 2");
  check_failure(failure_of_text("a\t1\n"), "line 1");
  check_failure(failure_of_text(" 1\n"), "line 1", "' 1'");
  check_failure(failure_of_text("a 1\nb 1 2\n"), "line 2", "'1 2'");
  check_failure(failure_of_text("a x\n"), "line 1", "'x'");
  check_failure(failure_of_text("a \n"), "line 1", "''");
  check_failure(failure_of_text("a 1e39\n"), "line 1", "'1e39'");
  check_failure(failure_of_text("a -1\n"), "line 1", "-1", "negative");
  check_failure(failure_of_text("a 1\nb 1\na 2\n"), "line 3", "'a'", "before");
  const temporary_folder folder;
  check_failure(failure_of([&] { (void)load_calibration_table(folder / "absent"); }), "absent");
}

TEST_CASE("calibration table: written and read back to the last bit") {
  const temporary_folder folder;
  calibration_table written{
      {"zero", 0.0f}, {"tiny", std::numeric_limits<float>::denorm_min()}, {"large", std::numeric_limits<float>::max()}};
  random_numbers random(1);
  for (int i = 0; i < 1000; ++i) written[text("v", i)] = std::ldexp(random.real(0.5f, 1.0f), random.between(-120, 120));
  save_calibration_table(folder / "table.txt", written);
  CHECK(load_calibration_table(folder / "table.txt") == written);
  for (const char* name : {"", "a b", "a\nb", "a\rb"})
    check_failure(failure_of([&] { save_calibration_table(folder / "table.txt", {{name, 1.0f}}); }), "table.txt");
  for (float bad : {-1.0f, INFINITY, NAN})
    check_failure(failure_of([&] { save_calibration_table(folder / "table.txt", {{"a", bad}}); }), "'a'", bad);
  CHECK(load_calibration_table(folder / "table.txt") == written);
  CHECK(folder.entries() == 1);
}

// x -> conv1 -> bn -> relu -> pool -> cat -> y
//  \-> conv2 ---------------------/
TEST_CASE("calibration table: values that cannot be negative are unsigned, others symmetric") {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, nhwc<1, 8, 8, 3>>("x");
  const auto a =
      max_pool2d<pool{.kernel = 2}>(relu(batch_norm(conv2d<conv{.out = 4, .kernel = 1}>(x, w / "conv1"), w / "bn")));
  const auto b = max_pool2d<pool{.kernel = 2}>(conv2d<conv{.out = 4, .kernel = 1}>(x, w / "conv2"));
  g.output(sigmoid(concat<3>(a, b)), "y");
  g.output(a + a, "sum");
  const graph folded = fold(g);
  calibration_table table;
  for (const graph_value& v : folded.values) table[v.name] = 2;
  const calibration found = calibration_of(g, table);
  CHECK(found.means.empty());
  int nonnegative = 0;
  for (const node& n : folded.nodes) {
    const std::string& name = folded.values[static_cast<std::size_t>(*n.dst)].name;
    CAPTURE(name);
    const bool is_after_relu =
        n.name == "conv1" || n.as<op::sigmoid>() || n.as<op::add>() ||
        (n.as<op::pool2d>() && folded.nodes[static_cast<std::size_t>(folded.producer(n.src[0]))].name == "conv1");
    nonnegative += is_after_relu;
    CHECK(found.ranges.at(name) == range{is_after_relu ? 0.0f : -2.0f, 2.0f});
  }
  CHECK(nonnegative == 4);
  CHECK(choose_affine({0, 2}) == affine{2.0f / 255, 0});
  CHECK(choose_affine({-2, 2}) == affine{2.0f / 127, 128});
}

TEST_CASE("nonnegative_values: never says so of a value that is negative") {
  int found = 0;
  for (unsigned seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    const graph g = fold(random_graph(seed, 16));
    const std::vector<char> nonnegative = nonnegative_values(g);
    const std::vector<tensor> values = reference_values(g, random_inputs(g, seed));
    for (std::size_t v = 0; v < values.size(); ++v) {
      if (!nonnegative[v] || values[v].type() != element::f32) continue;
      ++found;
      CAPTURE(g.values[v].name);
      for (float e : values[v].as<float>()) CHECK(e >= 0);
    }
  }
  CHECK(found > 100);
}

TEST_CASE("calibration table: networks can be quantized by one, which tells no means") {
  for (unsigned seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    const graph g = random_graph(seed, 12);
    const graph int8 = quantize_graph(g, calibration_of(g, table_of(g)));
    CHECK(!plan_graph(int8, {})->steps.empty());
  }
}

TEST_CASE("calibration table: one of another network is refused") {
  const graph g = random_graph(1, 6);
  check_failure(failure_of([&] { (void)calibration_of(g, {{"some_other", 1.0f}}); }), "'some_other'", "no value");
  CHECK(calibration_of(g, {{"some_other", 1.0f}, {"in0", 1.0f}}).ranges.size() == 1);
  CHECK(calibration_of(g, {}).ranges.empty());
}

}  // namespace octavo::test
