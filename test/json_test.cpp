// JSON from files that nobody vouches for: what is refused, and with which message.
#include "octavo/io/json.hpp"

#include <doctest/doctest.h>

#include <string>

#include "temporary_folder.hpp"

namespace octavo::test {
namespace {

std::optional<std::string> failure_of_json(const std::string& content) {
  return failure_of([&] { (void)parse_json("some.json", content); });
}

std::string repeated(const std::string& part, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += part;
  return all;
}

}  // namespace

TEST_CASE("json: values are read") {
  const nlohmann::json value = parse_json("some.json", R"({"a": [1, -2.5, "é\n", null, true], "b": {"a": {}}})");
  CHECK(value["a"][1] == -2.5);
  CHECK(value["a"][2] == "é\n");
  CHECK(value["b"]["a"].empty());
}

TEST_CASE("json: nesting has a limit") {
  for (const auto& [open, close] : {std::pair{"[", "]"}, {"{\"a\":", "}"}}) {
    const std::string inner = open == std::string("[") ? "" : "0";
    CHECK(!failure_of_json(repeated(open, max_json_depth) + inner + repeated(close, max_json_depth)));
    check_failure(failure_of_json(repeated(open, max_json_depth + 1) + inner + repeated(close, max_json_depth + 1)),
                  "some.json", "deeper than the limit of 64");
    check_failure(failure_of_json(repeated(open, 1'000'000)), "deeper than the limit of 64");
  }
}

TEST_CASE("json: what is not strict JSON is refused, by name") {
  check_failure(failure_of_json(""), "some.json: not valid JSON");
  for (const char* bad : {"{", "[1,]", "{\"a\" 1}", "nul", "1 2", "{'a': 1}", "[01]", "[NaN]", "/**/ 1", "\"\t\"",
                          "\"\\x\"", "\"\\ud800\""})
    check_failure(failure_of_json(bad), "some.json: not valid JSON");
  check_failure(failure_of_json(std::string("{}\0[", 4)), "some.json: zero byte at offset 2");
}

TEST_CASE("json: numbers beyond double, text beyond UTF-8") {
  CHECK(parse_json("some.json", "18446744073709551616").is_number_float());
  check_failure(failure_of_json("[1e999]"), "some.json: not valid JSON", "1e999");
  check_failure(failure_of_json("[-1" + std::string(400, '0') + "]"), "some.json", "-1000");
  for (const char* bad : {"\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "{\"\xc0\x80\": 1}"})
    check_failure(failure_of_json(bad), "some.json: not valid JSON", "UTF-8");
}

TEST_CASE("json: a name appears once in its object") {
  check_failure(failure_of_json(R"({"a": 1, "a": 2})"), "some.json: 'a' appears twice");
  check_failure(failure_of_json(R"([{"b": {"a": 1, "\u0061": 2}}])"), "'a' appears twice");
  CHECK(!failure_of_json(R"([{"a": {"a": [{"a": 1}, {"a": 1}]}}, {"a": 1}])"));
}

TEST_CASE("json: a message quotes no more than a line of the file") {
  const std::string name(1'000'000, 'x');
  for (const std::string& bad : {"{\"" + name + "\": 1, \"" + name + "\": 2}", "[\"" + name, "[" + name + "]",
                                 "[1" + std::string(1'000'000, '0') + "]"}) {
    const auto message = failure_of_json(bad);
    check_failure(message, "some.json");
    CHECK(message->size() < 400);
  }
  check_failure(failure_of_json(std::string(max_json_bytes + 1, ' ')), "100000001 bytes", "limit of 100000000");
  CHECK(detail::excerpt("a\x1b[2J\n\x7f") == "a?[2J??");
  CHECK(detail::excerpt(repeated("é", 100)) == repeated("é", 100));
  CHECK(detail::excerpt("x" + repeated("é", 100)) == "x" + repeated("é", 99) + "... (201 bytes)");
}

TEST_CASE("json: what cannot be written") {
  CHECK(json_text("some.json", {{"a", 1}}) == R"({"a":1})");
  check_failure(failure_of([] { (void)json_text("some.json", "\xff"); }), "some.json", "UTF-8");
}

TEST_CASE("json: files") {
  const temporary_folder folder;
  CHECK(load_json(folder.write("good.json", "[7]"))[0] == 7);
  check_failure(failure_of([&] { (void)load_json(folder.write("bad.json", "[7")); }), "bad.json: not valid JSON");
  std::filesystem::resize_file(folder / "bad.json", max_json_bytes + 1);
  check_failure(failure_of([&] { (void)load_json(folder / "bad.json"); }), "bad.json", "100000001 bytes");
  check_refuses_no_file([](const auto& path) { (void)load_json(path); });
}

}  // namespace octavo::test
