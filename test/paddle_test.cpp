// PaddlePaddle's files: attributes of all types, parameters of all types, folders, and everything that can be wrong in
// a file. Whole networks are in paddle_models_test.cpp.
#include <doctest/doctest.h>

#include "octavo/octavo.hpp"
#include "support/paddle_writer.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// relu(x w + b), with x of (2, 3) and w of (3, 2).
paddle_writer layer() {
  paddle_writer w;
  w.input("x", {2, 3}).parameter<float>("w", {3, 2}, {1, 2, 3, 4, 5, 6}).parameter<float>("b", {2}, {-1, -100});
  w.op("mul", {{"X", {"x"}}, {"Y", {"w"}}}, {{"Out", {"p"}}}, {{"x_num_col_dims", 1}, {"op_callstack", "line"}});
  w.op("elementwise_add", {{"X", {"p"}}, {"Y", {"b"}}}, {{"Out", {"s"}}}, {{"axis", 1}, {"unheard_of", true}});
  return w.op("relu", {{"X", {"s"}}}, {{"Out", {"y"}}}).output("y");
}

const std::vector<float> x_of_layer{1, 2, 3, -4, 5, 6}, y_of_layer{21, 0, 40, 0};

std::vector<float> run(const graph& g, const dims& extents, const std::vector<float>& x) {
  const std::vector<tensor> in{tensor::of<float>(extents, x)};
  const tensor y = outputs_of(octavo::compile(g), in)[0];
  return {y.as<float>().begin(), y.as<float>().end()};
}

/// What is wrong with it.
std::optional<std::string> failure_of_loading(const paddle_writer& w, const importer::import_options& options = {}) {
  return failure_of([&] { w.load(options); });
}

}  // namespace

TEST_CASE("paddle: a layer from memory, and from all kinds of folders") {
  const paddle_writer w = layer();
  CHECK(run(w.load(), {2, 3}, x_of_layer) == y_of_layer);
  const auto runs = [&](const graph& g) { return run(g, {2, 3}, x_of_layer) == y_of_layer; };
  const temporary_folder combined, older, separate;
  combined.write("inference.pdmodel", w.program()), combined.write("inference.pdiparams", w.parameters());
  older.write("__model__", w.program()), older.write("__params__", w.parameters());
  separate.write("__model__", w.program()), separate.write("moment_0", "of training");
  for (const auto& [name, record] : w.records()) separate.write(name, record);
  CHECK(runs(paddle::load(combined / "")));
  CHECK(runs(paddle::load(older / "")));
  CHECK(runs(paddle::load(separate / "")));
  CHECK(runs(paddle::load(older / "__model__", older / "__params__")));
  CHECK(runs(paddle::load(older / "__model__", separate / "")));
  const temporary_folder empty;
  check_failure(failure_of([&] { paddle::load(empty / ""); }), "expected a folder with inference.pdmodel");
}

TEST_CASE("paddle: a file that was cut off is refused, wherever that is") {
  const paddle_writer w = layer();
  const std::string program = w.program(), parameters = w.parameters();
  const auto load = [](std::string_view p, std::string_view q) {
    return paddle::load("cut", std::as_bytes(std::span(p)), std::as_bytes(std::span(q)));
  };
  REQUIRE(parameters.size() > 60);
  for (std::size_t n = 0; n < program.size(); ++n)
    CHECK_THROWS_AS(load(std::string_view(program).substr(0, n), parameters), error);
  for (std::size_t n = 0; n < parameters.size(); ++n)
    CHECK_THROWS_AS(load(program, std::string_view(parameters).substr(0, n)), error);
  CHECK_THROWS_AS(load(program, parameters + '\0'), error);
  for (std::size_t n = 0; n < program.size(); ++n)  // another byte: an error or another network, no crash
    for (const int bit : {1, 4, 64, 128}) {
      std::string other = program;
      other[n] = static_cast<char>(other[n] ^ bit);
      try {
        load(other, parameters);
      } catch (const error& e) {
        CHECK(std::string(e.what()).find("cut") == 0);
      }
    }
}

TEST_CASE("paddle: parameters must be those of the program") {
  paddle_writer w = layer();
  check_failure(failure_of_loading(w.variable("b", {3}, true)), "parameter 'b': the program says 3, found 2");
  paddle_writer huge;  // a description of more elements than the file has
  huge.input("x", {1}).parameter<float>("w", {1 << 30, 1 << 20}, {1.0f});
  huge.op("elementwise_add", {{"X", {"x"}}, {"Y", {"w"}}}, {{"Out", {"y"}}}).output("y");
  check_failure(failure_of_loading(huge), "found the end of the file");
  const temporary_folder folder;
  paddle_writer outside;
  outside.input("x", {1}).parameter<float>("../w", {1}, {1.0f});
  outside.op("elementwise_add", {{"X", {"x"}}, {"Y", {"../w"}}}, {{"Out", {"y"}}}).output("y");
  folder.write("__model__", outside.program());
  check_failure(failure_of([&] { paddle::load(folder / ""); }), "is no file in this folder");
}

TEST_CASE("paddle: numbers of 16 bits and whole numbers") {
  CHECK(paddle::detail::from_f16(0x3c00) == 1.0f);
  CHECK(paddle::detail::from_f16(0xc500) == -5.0f);
  CHECK(paddle::detail::from_f16(0x0001) == 0x1p-24f);
  CHECK(paddle::detail::from_f16(0x7bff) == 65504.0f);
  CHECK(std::isinf(paddle::detail::from_f16(0x7c00)));
  CHECK(std::isnan(paddle::detail::from_f16(0x7c01)));
  CHECK(paddle::detail::from_bf16(0xbfc0) == -1.5f);
  paddle_writer w;  // from a parameter of s64
  w.input("x", {2, 3}).parameter<std::int64_t>("order", {2}, {1, 0});
  w.op("gather", {{"X", {"x"}}, {"Index", {"order"}}}, {{"Out", {"y"}}}).output("y");
  CHECK(run(w.load(), {2, 3}, {1, 2, 3, 4, 5, 6}) == std::vector<float>{4, 5, 6, 1, 2, 3});
}

TEST_CASE("paddle: inputs and outputs") {
  paddle_writer w;
  w.input("b", {-1, 3}).input("a", {2, -1});
  w.op("elementwise_sub", {{"X", {"a"}}, {"Y", {"b"}}}, {{"Out", {"s"}}}).op("relu", {{"X", {"s"}}}, {{"Out", {"y"}}});
  w.op("while", {{"X", {"a"}}}, {{"Out", {"never_read"}}});
  w.output("y");
  const graph g = w.load({.shapes = {{"a", {2, 3}}, {"b", {2, 3}}}, .outputs = {"s", "y"}});
  REQUIRE(g.input_values().size() == 2);
  CHECK(g.values[static_cast<std::size_t>(g.input_values()[0])].name == "b");
  REQUIRE(g.outputs.size() == 2);
  CHECK(g.outputs[1].name == "s");
  check_failure(failure_of_loading(w), "input 'b' leaves an extent open: give its shape in import_options::shapes");
  check_failure(failure_of_loading(w, {.shapes = {{"A", {2, 3}}}}), "there is no input 'A'; did you mean");
  check_failure(failure_of_loading(w, {.shapes = {{"a", {2, 3}}, {"b", {2, 3}}}, .outputs = {"z"}}),
                "nothing writes the output 'z'");
  const graph known = w.load({.shapes = {{"a", {2, 3}}}, .known = {{"b", tensor::of<float>({3}, {{1, 1, 1}})}}});
  CHECK(run(known, {2, 3}, {1, 2, 3, 0, 1, 2}) == std::vector<float>{0, 1, 2, 0, 0, 1});
}

TEST_CASE("paddle: a variable that is written again is another tensor") {
  paddle_writer w;
  w.input("x", {2}).op("scale", {{"X", {"x"}}}, {{"Out", {"t"}}}, {{"scale", 2.0f}});
  w.op("scale", {{"X", {"t"}}}, {{"Out", {"t"}}}, {{"bias", 1.0f}});
  w.op("elementwise_add", {{"X", {"t"}}, {"Y", {"x"}}}, {{"Out", {"t"}}}).output("t");
  CHECK(run(w.load(), {2}, {1, 5}) == std::vector<float>{4, 16});
}

TEST_CASE("paddle: errors name the operator") {
  paddle_writer missing;
  missing.input("x", {2}).op("conjure", {{"X", {"x"}}}, {{"Out", {"t"}}});
  missing.op("while", {{"X", {"t"}}}, {{"Out", {"u"}}}).op("relu", {{"X", {"u"}}}, {{"Out", {"y"}}}).output("y");
  check_failure(failure_of_loading(missing), "operators that are not supported: conjure 't', while 'u'");

  const auto refused = [](const std::string& type, const paddle_slots& inputs, const paddle_attributes& attributes) {
    paddle_writer w;
    w.input("x", {2, 3}).parameter<float>("w", {4, 2}, std::vector<float>(8, 1.0f));
    return failure_of_loading(w.op(type, inputs, {{"Out", {"y"}}}, attributes).output("y"));
  };
  check_failure(refused("relu", {}, {}), "test: relu 'y': input X is missing");
  check_failure(refused("relu", {{"X", {"nobody"}}}, {}), "'nobody' is read before anything writes it");
  check_failure(refused("mul", {{"X", {"x"}}, {"Y", {"w"}}}, {}), "mul 'y'");
  check_failure(refused("mul", {{"X", {"x"}}, {"Y", {"x"}}}, {}), "must not depend on the network's inputs");
  check_failure(refused("softmax", {{"X", {"x"}}}, {{"axis", 2}}), "there is no axis 2");
  check_failure(refused("softmax", {{"X", {"x"}}}, {{"axis", "last"}}), "attribute axis must be integers");
  check_failure(refused("reshape2", {{"X", {"x"}}}, {{"shape", std::vector{4, -1}}}), "cannot reshape 2x3");
  check_failure(refused("reshape2", {{"X", {"x"}}}, {{"shape", std::vector{-1, -1}}}), "more than one extent is -1");
  check_failure(refused("fill_constant", {}, {{"shape", std::vector{1 << 20, 1 << 10}}, {"value", 1.0f}}),
                "4294967296 bytes would follow from a file that has much less");
  check_failure(refused("transpose2", {{"X", {"x"}}}, {{"axis", std::vector{0, 0}}}), "is no permutation");
}

TEST_CASE("paddle: a small file asks for little memory") {
  paddle_writer w;  // 40 MB twice, and a known tensor that would be repeated
  w.input("x", {1});
  const paddle_attributes large{{"shape", std::vector{10 << 20}}, {"value", 1.0f}, {"dtype", 5}};
  for (const char* name : {"a", "b"}) w.op("fill_constant", {}, {{"Out", {name}}}, large);
  w.op("sum", {{"X", {"x", "a", "b"}}}, {{"Out", {"y"}}}).output("y");
  check_failure(failure_of_loading(w), "fill_constant 'b': tensors of 41943040 bytes would follow");
  paddle_writer repeated;
  repeated.input("x", {1}).parameter<float>("w", {1}, {1.0f});
  repeated.op("tile", {{"X", {"w"}}}, {{"Out", {"t"}}}, {{"repeat_times", std::vector{1 << 30}}});
  repeated.op("reshape2", {{"X", {"t"}}}, {{"Out", {"r"}}}, {{"shape", std::vector{2, -1}}});
  repeated.op("elementwise_add", {{"X", {"x"}}, {"Y", {"r"}}}, {{"Out", {"y"}}}).output("y");
  check_failure(failure_of_loading(repeated), "tensors of 4294967296 bytes would follow");
}

TEST_CASE("paddle: a network whose operators read each other has no order") {
  paddle_writer w;
  w.input("x", {2}).op("elementwise_add", {{"X", {"x"}}, {"Y", {"b"}}}, {{"Out", {"a"}}});
  w.op("relu", {{"X", {"a"}}}, {{"Out", {"b"}}}).output("b");
  check_failure(failure_of_loading(w), "tensor 'b' is read before anything writes it");
}

TEST_CASE("paddle: extents of bounded axes pass through shapes, and nobody computes with them") {
  const auto program = [](bool computes) {
    paddle_writer w;
    w.input("x", {-1, 2, 3}).op("shape", {{"Input", {"x"}}}, {{"Out", {"shape"}}});
    w.op("slice", {{"Input", {"shape"}}}, {{"Out", {"n"}}},
         {{"axes", std::vector{0}}, {"starts", std::vector{0}}, {"ends", std::vector{1}}});
    w.op("fill_constant", {}, {{"Out", {"six"}}}, {{"shape", std::vector{1}}, {"dtype", 3}, {"value", 6.0f}});
    if (computes) w.op("elementwise_mul", {{"X", {"n"}}, {"Y", {"six"}}}, {{"Out", {"n"}}});
    w.op("concat", {{"X", {"n", "six"}}}, {{"Out", {"to"}}}, {{"axis", 0}});
    return w.op("reshape2", {{"X", {"x"}}, {"Shape", {"to"}}}, {{"Out", {"y"}}}).output("y");
  };
  const importer::import_options bounded{.shapes = {{"x", {upto<4>, 2, 3}}}};
  const graph g = program(false).load(bounded);
  CHECK(g.type(g.outputs[0].value).extents == dims{upto<4>, 6});
  CHECK(g.nodes.size() == 2);  // nothing is left of the shapes
  check_failure(failure_of_loading(program(true), bounded), "as the extents of bounded axes are none");
}
