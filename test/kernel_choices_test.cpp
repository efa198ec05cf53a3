// Kernel choices in files: written, read back, and refused where they are anything else.
#include "octavo/io/kernel_choices.hpp"

#include <doctest/doctest.h>

#include <string>

#include "temporary_folder.hpp"

namespace octavo::test {
namespace {

std::optional<std::string> failure_of_file(const std::string& content) {
  const temporary_folder folder;
  const auto path = folder.write("some.json", content);
  return failure_of([&] { (void)load_kernel_choices(path); });
}

}  // namespace

TEST_CASE("kernel choices: written and read back") {
  const temporary_folder folder;
  const kernel_choices written{.by_node = {{"layer1.0.conv1", "onednn"}, {"a \"b\" é", "x"}}};
  save_kernel_choices(folder / "kernels.json", written);
  save_kernel_choices(folder / "kernels.json", written);
  CHECK(folder.entries() == 1);
  const kernel_choices read = load_kernel_choices(folder / "kernels.json");
  CHECK(read.by_node == written.by_node);
  CHECK(read.origin == (folder / "kernels.json").string());
  CHECK(!failure_of_file(R"({"kernels": {}})"));
}

TEST_CASE("kernel choices: a name that is not UTF-8 cannot be written and leaves what was there") {
  const temporary_folder folder;
  const auto path = folder / "kernels.json";
  save_kernel_choices(path, {.by_node = {{"a", "x"}}});
  check_failure(failure_of([&] { save_kernel_choices(path, {.by_node = {{"\xff", "x"}}}); }), "kernels.json", "UTF-8");
  check_failure(failure_of([&] { save_kernel_choices(path, {.by_node = {{"a", "\xc3"}}}); }), "kernels.json", "UTF-8");
  CHECK(load_kernel_choices(path).by_node.at("a") == "x");
  CHECK(folder.entries() == 1);
}

TEST_CASE("kernel choices: a file with anything else is refused by name") {
  for (const char* bad : {"", "{", "[]", "1", "{}", R"({"kernels": 1})", R"({"kernels": []})", R"({"Kernels": {}})",
                          R"({"kernels": {}, "more": 1})", R"({"kernels": {}} {})", "\xff"}) {
    CAPTURE(std::string(bad));
    check_failure(failure_of_file(bad), "some.json");
  }
  check_failure(failure_of_file(R"({"kernels": {"conv1": 1}})"), "some.json", "'conv1'", "found number");
  check_failure(failure_of_file(R"({"kernels": {"conv1": null}})"), "'conv1'", "found null");
  check_failure(failure_of_file(R"({"kernels": {"conv1": "a", "conv1": "b"}})"), "some.json", "'conv1'", "twice");
  check_failure(failure_of_file(R"({"kernels": {"conv1": 1e999}})"), "some.json", "1e999");
  check_failure(failure_of_file("{\"kernels\": {\"conv1\": \"\xff\"}}"), "some.json", "UTF-8");
  check_refuses_no_file([](const auto& path) { (void)load_kernel_choices(path); });
}

TEST_CASE("kernel choices: arrays in arrays end in a message, not at the end of the stack") {
  const std::string open(88'000, '['), close(88'000, ']');
  check_failure(failure_of_file("{\"kernels\": {\"a\": " + open + close + "}}"), "some.json", "deeper than the limit");
  check_failure(failure_of_file("{\"kernels\": {\"a\": [[[]]]}}"), "'a'", "found array");
}

}  // namespace octavo::test
