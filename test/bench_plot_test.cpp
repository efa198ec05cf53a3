// Reading what the benchmarks write, for charts.
#include "plot_data.hpp"

#include <doctest/doctest.h>

#include "temporary_folder.hpp"

using namespace octavo;
using namespace octavo::bench;

namespace {

/// A file with that content, read as measurements.
measurements read_text(const std::string& content, const std::string& type = "int8") {
  const test::temporary_folder folder;
  return read_measurements(folder.write("results.json", content).string(), type);
}

constexpr const char* layer_benchmark = R"({
  "context": {"cpu": "A", "compiler": "B", "flags": "-C", "onednn": "3.1",
              "peak_int8_gops_avx2": "200", "peak_fp32_gops_avx2": "100", "read_gbs_l2": "90.5"},
  "benchmarks": [
    {"name": "net/conv1/avx2/warm/manual_time", "run_type": "iteration", "octavo_int8_us": 2, "onednn_int8_us": 3,
     "octavo_fp32_us": 8, "operations": 100, "bytes": 10},
    {"name": "net/conv2/avx2/warm/manual_time", "error_occurred": true, "error_message": "none"}]})";

}  // namespace

TEST_CASE("layers of Google Benchmark's JSON") {
  const measurements m = read_text(layer_benchmark);
  CHECK(m.machine == "A; B -C; oneDNN 3.1");
  CHECK(m.peak == std::map<std::string, double>{{"avx2", 200}});
  CHECK(m.read_gbs.at("L2") == 90.5);
  REQUIRE(m.layers.size() == 1);  // the other failed
  CHECK(m.layers[0].name == std::vector<std::string>{"net", "conv1", "avx2", "warm"});
  CHECK(m.layers[0].octavo_us == 2);
  CHECK(m.layers[0].onednn_us == 3);
  CHECK(m.layers[0].operations == 100);
  CHECK(m.layers[0].bytes == 10);
}

TEST_CASE("FP32 times of the same") {
  const measurements m = read_text(layer_benchmark, "fp32");
  CHECK(m.peak.at("avx2") == 100);
  REQUIRE(m.layers.size() == 1);
  CHECK(m.layers[0].octavo_us == 8);
  CHECK(m.layers[0].onednn_us == 0);
}

TEST_CASE("layers of bench_network") {
  const measurements m = read_text(R"({"network": "net", "isa": "amx", "peak_gops": 5000,
    "layers_int8": [{"name": "conv1", "octavo_us": 2, "onednn_us": 3, "operations": 100, "bytes": 10}]})");
  CHECK(m.peak.at("amx") == 5000);
  REQUIRE(m.layers.size() == 1);
  CHECK(m.layers[0].name == std::vector<std::string>{"net", "conv1", "amx", "in place"});
}

TEST_CASE("other files are refused by name") {
  const auto message = [](const std::string& content) -> std::string {
    try {
      read_text(content);
    } catch (const error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(message("{").find("results.json: not valid JSON: ") != std::string::npos);
  CHECK(message("[]").find("results.json: neither Google Benchmark's JSON nor") != std::string::npos);
  CHECK(message("{}").find("results.json: neither Google Benchmark's JSON nor") != std::string::npos);
  CHECK(message(R"({"benchmarks": []})").find("results.json: not the JSON of a benchmark: ") != std::string::npos);
  CHECK(message(R"({"context": {}, "benchmarks": [{"name": "BM_x"}]})").find("'BM_x': expected <network>/") !=
        std::string::npos);
  CHECK(message(R"({"network": "net", "isa": "amx"})").find("run bench_network with --layers") != std::string::npos);
  CHECK_THROWS_WITH_AS(read_measurements("/no/such/file.json", "int8"),
                       "/no/such/file.json: cannot be opened: No such file or directory", error);
}
