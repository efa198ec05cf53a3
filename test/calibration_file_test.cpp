// Calibrations in files: written, read back to the last bit, and refused where they are anything else.
#include "octavo/io/calibration_file.hpp"

#include <doctest/doctest.h>

#include <bit>
#include <limits>
#include <string>

#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "temporary_folder.hpp"

namespace octavo::test {
namespace {

std::optional<std::string> failure_of_text(const std::string& content) {
  return failure_of([&] { (void)parse_calibration("some.json", content); });
}

/// A file with these ranges and means.
std::string file_with(const std::string& ranges, const std::string& means = "{}") {
  return R"({"octavo_calibration": 1, "ranges": )" + ranges + R"(, "means": )" + means + "}";
}

bool same_floats(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(
      a, b, {}, [](float v) { return std::bit_cast<std::uint32_t>(v); },
      [](float v) { return std::bit_cast<std::uint32_t>(v); });
}

}  // namespace

TEST_CASE("calibration file: every float comes back as it was") {
  using limits = std::numeric_limits<float>;
  std::vector<float> numbers{
      0.0f, -0.0f, 0.1f, 1.0f / 3.0f, limits::max(), limits::lowest(), limits::min(), -1.5f, limits::denorm_min()};
  random_numbers random(1);
  while (numbers.size() < 2000) {
    const auto bits = static_cast<std::uint32_t>(random.between(0, 65535) << 16 | random.between(0, 65535));
    if (const float v = std::bit_cast<float>(bits); std::isfinite(v)) numbers.push_back(v);
  }
  calibration written;
  written.means["all"] = numbers;
  written.means["a \"b\"\n é"] = {1.0f};
  for (std::size_t i = 0; i < numbers.size(); ++i)
    written.ranges[text("v", i)] = {std::min(numbers[i], 0.25f), std::max(numbers[i], 0.25f)};
  const temporary_folder folder;
  save_calibration(folder / "found.json", {});
  save_calibration(folder / "found.json", written);
  CHECK(folder.entries() == 1);
  const calibration read = load_calibration(folder / "found.json");
  CHECK(read.ranges == written.ranges);
  REQUIRE(read.means.size() == 2);
  CHECK(same_floats(read.means.at("all"), numbers));
  CHECK(same_floats(read.means.at("a \"b\"\n é"), {1.0f}));
  save_calibration(folder / "empty.json", {});
  CHECK(load_calibration(folder / "empty.json").ranges.empty());
}

TEST_CASE("calibration file: a network quantized by what a file says is the same") {
  for (unsigned seed = 0; seed < 8; ++seed) {
    CAPTURE(seed);
    const graph g = random_graph(seed, 12);
    const calibration found = random_calibration(g);
    CHECK(!found.ranges.empty());
    const temporary_folder folder;
    save_calibration(folder / "found.json", found);
    const graph a = quantize_graph(g, found), b = quantize_graph(g, load_calibration(folder / "found.json"));
    const std::vector<tensor> inputs = random_inputs(g, seed);
    CHECK(same_bits(reference_outputs(a, inputs), reference_outputs(b, inputs)));
  }
}

TEST_CASE("calibration file: what no calibration finds cannot be written and leaves what was there") {
  const temporary_folder folder;
  const auto path = folder / "found.json";
  save_calibration(path, {{{"a", {-1, 2}}}, {}});
  const auto failure = [&](const calibration& c) { return failure_of([&] { save_calibration(path, c); }); };
  check_failure(failure({{{"b", {0, INFINITY}}}, {}}), "found.json", "'b'", "inf");
  check_failure(failure({{{"b", {NAN, 0}}}, {}}), "found.json", "'b'", "nan");
  check_failure(failure({{{"b", {2, 1}}}, {}}), "found.json", "'b'", "[2, 1]");
  check_failure(failure({{}, {{"b", {0, NAN}}}}), "found.json", "'b'", "mean nan");
  check_failure(failure({{{"\xff", {1, 2}}}, {}}), "found.json", "UTF-8");
  CHECK(load_calibration(path).ranges.at("a") == range{-1, 2});
  CHECK(folder.entries() == 1);
}

TEST_CASE("calibration file: anything else is refused by name") {
  CHECK(!failure_of_text(file_with(R"({"a": [0, 1]})", R"({"a": [0.5]})")));
  for (const char* bad : {"", "{", "[]", "1", "{}", R"({"ranges": {}, "means": {}})", "\xff"}) {
    CAPTURE(std::string(bad));
    check_failure(failure_of_text(bad), "some.json");
  }
  check_failure(failure_of_text(R"({"octavo_calibration": 2})"), "some.json", "version 1", "found 2");
  check_failure(failure_of_text(R"({"octavo_calibration": "1"})"), "version 1", "found \"1\"");
  check_failure(failure_of_text(R"({"octavo_calibration": 1, "ranges": {}})"), "'means'", "found none");
  check_failure(failure_of_text(file_with("[]")), "'ranges'", "found array");
  check_failure(failure_of_text(R"({"octavo_calibration": 1, "ranges": {}, "means": {}, "more": 1})"), "'more'");
  check_failure(failure_of_text(file_with(R"({"a": 1})")), "'a'", "found number");
  check_failure(failure_of_text(file_with(R"({"a": [1]})")), "'a'", "2 numbers, found 1");
  check_failure(failure_of_text(file_with(R"({"a": [1, 2, 3]})")), "'a'", "found 3");
  check_failure(failure_of_text(file_with(R"({"a": [2, 1]})")), "'a'", "[2, 1]");
  check_failure(failure_of_text(file_with(R"({"a": [0, 1e39]})")), "'a'", "1e+39", "out of the range");
  check_failure(failure_of_text(file_with(R"({"a": [0, 1e999]})")), "some.json", "1e999");
  check_failure(failure_of_text(file_with(R"({"a": [0, null]})")), "'a'", "found null");
  check_failure(failure_of_text(file_with(R"({"a": [0, "1"]})")), "'a'", "found string");
  check_failure(failure_of_text(file_with(R"({"a": [0, 1], "a": [0, 2]})")), "'a'", "twice");
  check_failure(failure_of_text(file_with("{}", R"({"a": [true]})")), "'a'", "found boolean");
  check_failure(failure_of_text(file_with("{}", R"({"a": 1})")), "'a'", "list of numbers");
  check_refuses_no_file([](const auto& path) { (void)load_calibration(path); });
}

}  // namespace octavo::test
