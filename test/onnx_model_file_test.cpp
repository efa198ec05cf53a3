// Small ONNX files made here: forms of operators that older files have, extents that each run chooses, and all that can
// be wrong with a file.
#include <doctest/doctest.h>

#include "octavo/importer/onnx.hpp"
#include "octavo/octavo.hpp"
#include "support/model_files.hpp"
#include "support/onnx_writer.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;
using importer::import_options;

graph load(const std::string& bytes, const import_options& options = {}) {
  return onnx::load("model.onnx", std::as_bytes(std::span(bytes)), options);
}
std::optional<std::string> failure_of_load(const std::string& bytes, const import_options& options = {}) {
  return failure_of([&] { load(bytes, options); });
}

/// Numbers from `first` on, each `step` larger.
tensor counting(const dims& extents, float first = 0, float step = 1) {
  tensor t(element::f32, extents);
  for (std::size_t i = 0; i < t.extents().count(); ++i) t.as<float>()[i] = first + step * static_cast<float>(i);
  return t;
}

std::vector<float> run(const std::string& bytes, const tensor& x, const import_options& options = {}) {
  const std::vector<tensor> y = outputs_of(compile(load(bytes, options)), std::vector{x}, x.extents()[0]);
  const std::span<const float> all = y.at(0).as<float>();
  return {all.begin(), all.end()};
}

/// A model of one node on x, called y.
std::string one_node(const std::string& type, const std::vector<std::int64_t>& extents,
                     const std::vector<proto_message>& attributes, std::int64_t opset,
                     const std::vector<proto_message>& more = {}, const std::vector<std::string>& names = {}) {
  std::vector<std::string> inputs{"x"};
  inputs.insert(inputs.end(), names.begin(), names.end());
  onnx_writer w;
  w.input("x", extents).output("y").node(type, inputs, {"y"}, attributes);
  for (const proto_message& t : more) w.initializer(t);
  return w.file(opset);
}

/// Convolution, activation, pooling and a layer: something of everything.
onnx_writer small_cnn() {
  std::vector<float> filters, matrix;
  for (int i = 0; i < 3 * 2 * 3 * 3; ++i) filters.push_back(static_cast<float>(i % 7) - 3);
  for (int i = 0; i < 3 * 2 * 2 * 4; ++i) matrix.push_back(static_cast<float>(i % 5) - 2);
  onnx_writer w;
  w.input("x", {-1, 2, 4, 4}).output("y");
  w.initializer(onnx_floats("filters", {3, 2, 3, 3}, filters)).initializer(onnx_floats("bias", {3}, {1, 0, -1}));
  w.initializer(onnx_floats("matrix", {12, 4}, matrix)).initializer(onnx_integers("index", {0}));
  w.initializer(onnx_integers("rest", {-1}));
  w.node("Conv", {"x", "filters", "bias"}, {"c"}, {onnx_list("pads", {1, 1, 1, 1})});
  w.node("Relu", {"c"}, {"r"});
  w.node("MaxPool", {"r"}, {"p"}, {onnx_list("kernel_shape", {2, 2}), onnx_list("strides", {2, 2})});
  w.node("Shape", {"p"}, {"s"}).node("Gather", {"s", "index"}, {"n"});
  w.node("Concat", {"n", "rest"}, {"to"}, {onnx_attribute("axis", 0)});
  w.node("Reshape", {"p", "to"}, {"f"}).node("MatMul", {"f", "matrix"}, {"y"});
  return w;
}

}  // namespace

TEST_CASE("ONNX: attributes of older files, where newer ones have inputs") {
  const tensor row = counting({1, 6}, -3);
  using list = std::vector<float>;
  CHECK(run(one_node("Clip", {1, 6}, {onnx_attribute("min", -1.0f), onnx_attribute("max", 1.0f)}, 10), row) ==
        list{-1, -1, -1, 0, 1, 1});
  CHECK(run(one_node("Clip", {1, 6}, {}, 13, {onnx_floats("hi", {}, {1})}, {"", "hi"}), row) ==
        list{-3, -2, -1, 0, 1, 1});
  const proto_message axes = onnx_list("axes", {1});
  CHECK(run(one_node("ReduceSum", {1, 6}, {axes, onnx_attribute("keepdims", 0)}, 11), row) == list{-3});
  CHECK(run(one_node("ReduceSum", {1, 6}, {}, 13, {onnx_integers("axes", {-1})}, {"axes"}), row) == list{-3});
  CHECK(run(one_node("ReduceSum", {1, 6}, {onnx_attribute("noop_with_empty_axes", 1)}, 13), row) ==
        list{-3, -2, -1, 0, 1, 2});
  CHECK(
      run(one_node("Slice", {1, 6}, {onnx_list("starts", {-2}), onnx_list("ends", {1000}), onnx_list("axes", {1})}, 9),
          row) == list{1, 2});
  CHECK(run(one_node("Slice", {1, 6}, {}, 13,
                     {onnx_integers("s", {-1}), onnx_integers("e", {std::numeric_limits<std::int64_t>::min()}),
                      onnx_integers("a", {1}), onnx_integers("step", {-2})},
                     {"s", "e", "a", "step"}),
            row) == list{2, 0, -2});
  CHECK(run(one_node("Pad", {1, 6}, {onnx_list("pads", {0, 1, 0, 0}), onnx_attribute("value", 9.0f)}, 2 + 5), row) ==
        list{9, -3, -2, -1, 0, 1, 2});
  CHECK(run(one_node("Pad", {1, 6}, {}, 18,
                     {onnx_integers("pads", {0, 2}), onnx_floats("v", {}, {5}), onnx_integers("axes", {-1})},
                     {"pads", "v", "axes"}),
            row) == list{-3, -2, -1, 0, 1, 2, 5, 5});
  CHECK(run(one_node("Dropout", {1, 6}, {onnx_attribute("ratio", 0.5f)}, 10), row) == list{-3, -2, -1, 0, 1, 2});
  CHECK(run(one_node("Upsample", {1, 1, 1, 2}, {onnx_attribute("mode", "nearest")}, 9,
                     {onnx_floats("scales", {4}, {1, 1, 2, 2})}, {"scales"}),
            counting({1, 1, 1, 2})) == list{0, 0, 1, 1, 0, 0, 1, 1});
  CHECK(run(one_node("Squeeze", {1, 1, 2}, {onnx_list("axes", {1})}, 11), counting({1, 1, 2})) == list{0, 1});
  CHECK(run(one_node("Unsqueeze", {1, 2}, {onnx_list("axes", {1})}, 11), counting({1, 2})) == list{0, 1});
}

TEST_CASE("ONNX: the softmax of older files is over all axes from one on") {
  const tensor x = counting({1, 2, 2}, 0, 0.5f);
  const std::vector<float> old = run(one_node("Softmax", {1, 2, 2}, {}, 11), x);
  const std::vector<float> rows = run(one_node("Softmax", {1, 4}, {onnx_attribute("axis", 1)}, 13), x.reshaped({1, 4}));
  CHECK(old == rows);
  CHECK(old != run(one_node("Softmax", {1, 2, 2}, {}, 13), x));
}

TEST_CASE("ONNX: constants in all their forms, and what follows from them") {
  onnx_writer w;
  w.input("x", {1, 2}).output("y");
  const std::vector<std::uint16_t> halves{0x3c00, 0xc000};  // 1, -2
  w.initializer(onnx_tensor("half", 10, {2}, halves));
  w.initializer(onnx_tensor("double", 11, {}, std::vector<double>{10}));
  w.initializer(
      proto_message().integer(2, 10).string(8, "list").integer(1, 1).integer(5, 0x4900));  // 10, in int32_data
  w.node("Constant", {}, {"f"}, {onnx_attribute("value_float", 100.0f)});
  w.node("Constant", {}, {"i"}, {onnx_list("value_ints", {2, 3})});
  w.node("ReduceProd", {"i"}, {"six"}, {onnx_attribute("keepdims", 0)});
  w.node("Cast", {"six"}, {"g"}, {onnx_attribute("to", 1)});
  w.node("Add", {"x", "half"}, {"1"}).node("Add", {"1", "double"}, {"2"}).node("Sub", {"2", "list"}, {"3"});
  w.node("Add", {"f", "3"}, {"4"}).node("Mul", {"4", "g"}, {"y"});
  CHECK(run(w.file(), counting({1, 2})) == std::vector<float>{606, 594});
}

TEST_CASE("ONNX: a batch that each run chooses goes through shapes") {
  const std::string file = small_cnn().file();
  const import_options bounded{.shapes = {{"x", {upto<4>, 2, 4, 4}}}};
  const graph g = load(file, bounded);
  CHECK(g.type(g.outputs.at(0).value).extents == dims{upto<4>, 4});
  for (int n : {1, 3}) {
    const tensor x = counting({n, 2, 4, 4}, -5, 0.25f);
    CHECK(run(file, x, bounded) == run(file, x, {.shapes = {{"x", {n, 2, 4, 4}}}}));
  }
  const std::string flat = one_node("Reshape", {-1, 2, 3}, {}, 18, {onnx_integers("to", {-1, 6})}, {"to"});
  const graph reshaped = load(flat, {.shapes = {{"x", {upto<4>, 2, 3}}}});
  CHECK(reshaped.type(reshaped.outputs.at(0).value).extents == dims{upto<4>, 6});
  onnx_writer computes;
  computes.input("x", {-1, 2}).output("y").initializer(onnx_integers("two", {2, 2}));
  computes.node("Shape", {"x"}, {"s"}).node("Mul", {"s", "two"}, {"t"}).node("Expand", {"x", "t"}, {"y"});
  check_failure(failure_of_load(computes.file(), {.shapes = {{"x", {upto<4>, 2}}}}), "model.onnx: node 'Mul_1' (Mul)",
                "an extent that is chosen at each run");
}

TEST_CASE("ONNX: outputs in the middle, known inputs, and a network without nodes") {
  const std::string file = small_cnn().file();
  const graph g = load(file, {.shapes = {{"x", {1, 2, 4, 4}}}, .outputs = {"r"}});
  REQUIRE(g.outputs.size() == 2);
  CHECK(g.outputs[0].name == "y");
  CHECK(g.outputs[1].name == "r");
  CHECK(g.type(g.outputs[1].value).extents == dims{1, 3, 4, 4});
  onnx_writer sum;
  sum.input("x", {1, 2}).input("z", {1, 2}).output("y").node("Add", {"x", "z"}, {"y"});
  CHECK(run(sum.file(), counting({1, 2}), {.known = {{"z", counting({1, 2}, 5)}}}) == std::vector<float>{5, 7});
  CHECK(run(onnx_writer().input("x", {1, 2}).output("x").file(), counting({1, 2})) == std::vector<float>{0, 1});
}

TEST_CASE("ONNX: bytes are numbers until a node says what they stand for") {
  onnx_writer w;
  w.input("x", {1, 3}, 2).output("y").output("z");
  w.initializer(onnx_floats("scale", {}, {0.5f})).initializer(onnx_tensor("zero", 2, {}, std::vector<std::uint8_t>{3}));
  w.node("DequantizeLinear", {"x", "scale", "zero"}, {"y"}).node("Cast", {"x"}, {"z"}, {onnx_attribute("to", 1)});
  const std::vector<std::uint8_t> x{0, 3, 255};
  const std::vector<tensor> y =
      outputs_of(compile(load(w.file())), std::vector{tensor::of<std::uint8_t>({1, 3}, std::span(x))});
  CHECK(std::ranges::equal(y[0].as<float>(), std::vector<float>{-1.5f, 0, 126}));
  CHECK(std::ranges::equal(y[1].as<float>(), std::vector<float>{0, 3, 255}));
}

TEST_CASE("ONNX: what is quantized can be moved, and dequantized by another map, but not computed with") {
  const auto model = [](const std::string& type, const std::vector<std::string>& inputs,
                        const std::vector<proto_message>& attributes = {}) {
    onnx_writer w;
    w.input("x", {1, 4})
        .output("y")
        .initializer(onnx_floats("half", {}, {0.5f}))
        .initializer(onnx_floats("one", {}, {1}));
    w.initializer(onnx_tensor("two", 3, {}, std::vector<std::int8_t>{2}));
    w.initializer(onnx_tensor("zero", 3, {}, std::vector<std::int8_t>{0}))
        .initializer(onnx_integers("pads", {0, 1, 0, 0}));
    w.node("QuantizeLinear", {"x", "half", "two"}, {"q"}).node("QuantizeLinear", {"x", "one", "zero"}, {"r"});
    w.node(type, inputs, {"m"}, attributes).node("DequantizeLinear", {"m", "one", "zero"}, {"y"});
    return w.file();
  };
  const tensor x = tensor::of<float>({1, 4}, std::vector<float>{-100, -1.2f, 0.25f, 3});
  CHECK(run(model("Identity", {"q"}), x) == std::vector<float>{-128, 0, 2, 8});  // the integers: round(2 x) + 2
  CHECK(run(model("Pad", {"q", "pads"}), x) == std::vector<float>{0, -128, 0, 2, 8});
  CHECK(run(model("Concat", {"q", "q"}, {onnx_attribute("axis", 1)}), x).size() == 8);
  check_failure(failure_of_load(model("Concat", {"q", "r"}, {onnx_attribute("axis", 1)})), "(Concat)",
                "different maps");
  check_failure(failure_of_load(model("Relu", {"q"})), "(Relu)", "'q' is quantized");
}

TEST_CASE("ONNX: both directions of a recurrent layer are the two of it alone, side by side") {
  constexpr int n = 2, t = 3, i = 2, h = 2;
  const auto weights = [](int directions, int rows, int columns, int from) {
    std::vector<float> w;
    for (int k = 0; k < directions * rows * std::max(columns, 1); ++k)
      w.push_back(0.1f * static_cast<float>((k + from) % 11 - 5));
    return w;
  };
  for (const bool lstm : {false, true})
    for (const int layout : {0, 1}) {
      CAPTURE(lstm);
      CAPTURE(layout);
      const int rows = (lstm ? 4 : 3) * h;
      const std::vector<std::int64_t> extents =
          layout ? std::vector<std::int64_t>{n, t, i} : std::vector<std::int64_t>{t, n, i};
      // One direction takes its part of both directions' weights.
      const auto file = [&](const char* direction, int first, int count) {
        const auto part = [&](int all_rows, int columns) {
          const std::vector<float> both = weights(2, all_rows, columns, all_rows);
          const auto each = static_cast<std::ptrdiff_t>(both.size() / 2);
          return std::vector<float>(both.begin() + first * each, both.begin() + (first + count) * each);
        };
        onnx_writer w;
        w.input("x", extents).output("y").output("h");
        w.initializer(onnx_floats("w", {count, rows, i}, part(rows, i)));
        w.initializer(onnx_floats("r", {count, rows, h}, part(rows, h)));
        w.initializer(onnx_floats("b", {count, 2 * rows}, part(2 * rows, 0)));
        w.node(lstm ? "LSTM" : "GRU", {"x", "w", "r", "b"}, {"y", "h"},
               {onnx_attribute("direction", direction), onnx_attribute("hidden_size", h),
                onnx_attribute("layout", layout)});
        return w.file();
      };
      const tensor x = counting({extents[0], extents[1], extents[2]}, -1, 0.2f);
      const auto outputs = [&](const std::string& bytes) { return outputs_of(compile(load(bytes)), std::vector{x}); };
      const auto both = outputs(file("bidirectional", 0, 2)), forward = outputs(file("forward", 0, 1)),
                 reverse = outputs(file("reverse", 1, 1));
      CHECK(both[0].extents() == (layout ? dims{n, t, 2, h} : dims{t, 2, n, h}));
      CHECK(both[1].extents() == (layout ? dims{n, 2, h} : dims{2, n, h}));
      for (int k = 0; k < t * n * h; ++k) {  // the axis of directions is after time, or after batch and time
        const int unit = k % h, middle = k / h % (layout ? 1 : n), outer = k / h / (layout ? 1 : n), m = layout ? 1 : n;
        const auto at = [&](int d) { return static_cast<std::size_t>(((outer * 2 + d) * m + middle) * h + unit); };
        CHECK(both[0].as<float>()[at(0)] == forward[0].as<float>()[static_cast<std::size_t>(k)]);
        CHECK(both[0].as<float>()[at(1)] == reverse[0].as<float>()[static_cast<std::size_t>(k)]);
      }
      CHECK(forward[0].as<float>()[0] != reverse[0].as<float>()[0]);
    }
}

TEST_CASE("ONNX: If takes the branch of a condition that is known") {
  const auto branch = [](const char* type) { return onnx_writer().output("b").node(type, {"x"}, {"b"}).graph(); };
  const auto model = [&](const std::string& condition) {
    onnx_writer w;
    w.input("x", {1, 2}).input("chosen", {}, 9).output("y");
    w.initializer(onnx_tensor("yes", 9, {}, std::vector<char>{1}))
        .initializer(onnx_tensor("no", 9, {}, std::vector<char>{0}));
    w.node("If", {condition}, {"y"},
           {onnx_graph("then_branch", branch("Relu")), onnx_graph("else_branch", branch("Neg"))});
    return w.file();
  };
  const import_options unused{.known = {{"chosen", tensor(element::u8, {})}}};
  const tensor x = counting({1, 2}, -1);
  CHECK(run(model("yes"), x, unused) == std::vector<float>{0, 0});
  CHECK(run(model("no"), x, unused) == std::vector<float>{1, 0});
  CHECK(run(model("chosen"), x, unused) == std::vector<float>{1, 0});
  check_failure(failure_of_load(model("chosen")), "node 'If_0' (If): its condition depends on the network's inputs",
                "import_options::known");
  onnx_writer deep = onnx_writer().output("x");
  for (int i = 0; i < 100; ++i)
    deep = onnx_writer().output("x").node("If", {"yes"}, {}, {onnx_graph("then_branch", deep.graph())});
  onnx_writer w =
      onnx_writer().input("x", {1, 2}).output("x").initializer(onnx_tensor("yes", 9, {}, std::vector<char>{1}));
  w.node("If", {"yes"}, {}, {onnx_graph("then_branch", deep.graph())});
  check_failure(failure_of_load(w.file()), "too deep");
}

TEST_CASE("ONNX: operators that are missing are all named, each with its first node") {
  onnx_writer w;
  w.input("x", {1, 2}).output("y");
  w.node("Relu", {"x"}, {"a"}).node("Foo", {"a"}, {"b"}).node("Bar", {"b"}, {"c"}, {}, "my.domain");
  w.node("Foo", {"c"}, {"y"});
  check_failure(failure_of_load(w.file()), "model.onnx: ", "Foo (node 'Foo_1' and 1 more)",
                "my.domain.Bar (node 'Bar_2')");
}

TEST_CASE("ONNX: what is wrong with a node is said with its name and operator") {
  const auto of = [](const std::string& type, const std::vector<std::int64_t>& x,
                     const std::vector<proto_message>& attributes, const std::vector<proto_message>& more = {},
                     const std::vector<std::string>& names = {}) {
    return failure_of_load(one_node(type, x, attributes, 18, more, names));
  };
  check_failure(of("Relu", {1, -1}, {}), "axis 1 ('n') of input 'x' open", "import_options::shapes");
  check_failure(failure_of_load(onnx_writer().input("i", {1}, 7).output("y").node("Add", {"i", "i"}, {"y"}).file()),
                "(Add)", "integers that depend on the network's inputs");
  check_failure(of("Softmax", {1, 2}, {onnx_attribute("axis", 2)}), "node 'Softmax_0' (Softmax)", "no axis 2 in 1x2");
  check_failure(of("Add", {1, 2}, {}), "(Add): input 1 is missing");
  check_failure(of("Add", {1, 2}, {}, {}, {"nothing"}), "tensor 'nothing' is read before anything writes it");
  check_failure(of("Add", {1, 2}, {}, {onnx_floats("c", {3}, {1, 2, 3})}, {"c"}), "(Add)", "do not broadcast");
  check_failure(of("Reshape", {1, 6}, {}, {onnx_integers("to", {4, -1})}, {"to"}), "(Reshape)", "1x6");
  check_failure(of("Reshape", {1, 6}, {}, {}, {"x"}), "(Reshape)", "must not depend on the network's inputs");
  check_failure(of("Transpose", {1, 6}, {onnx_list("perm", {0, 2})}), "(Transpose)", "there is no axis 2");
  check_failure(of("Conv", {1, 2, 4, 4}, {}, {onnx_floats("w", {1, 2, 3}, std::vector<float>(6))}, {"w"}), "(Conv)",
                "do not make a convolution");
  check_failure(of("MaxPool", {1, 2, 4, 4}, {onnx_list("kernel_shape", {2})}), "(MaxPool)", "'kernel_shape'");
  check_failure(of("ReduceMax", {1, 2}, {onnx_attribute("axes", 1)}), "(ReduceMax)", "'axes' must be a list");
  check_failure(of("Cast", {1, 2}, {onnx_attribute("to", 7)}), "(Cast)", "cannot change from f32 to s64");
  check_failure(of("Gather", {2, 2}, {}, {onnx_integers("i", {2})}, {"i"}), "(Gather)", "there is no index 2");
  check_failure(of("ConvInteger", {1, 2}, {}, {}, {"x"}), "(ConvInteger)", "quantized before");
  check_failure(of("GRU", {1, 1, 2}, {}, {onnx_floats("w", {1, 2, 3}, std::vector<float>(6))}, {"w", "w"}), "(GRU)",
                "weights must be");
}

TEST_CASE("ONNX: cycles, tensors written twice, and other graphs that are none") {
  onnx_writer cycle, twice, nothing;
  cycle.input("x", {1, 2}).output("y").node("Add", {"x", "b"}, {"a"}).node("Relu", {"a"}, {"b"});
  check_failure(failure_of_load(cycle.file()), "(Add)", "tensor 'b' is read before anything writes it");
  twice.input("x", {1, 2}).output("y").node("Relu", {"x"}, {"y"}).node("Relu", {"y"}, {"x"});
  check_failure(failure_of_load(twice.file()), "(Relu)", "tensor 'x' is written twice");
  nothing.input("x", {1, 2}).output("y");
  check_failure(failure_of_load(nothing.file()), "tensor 'y' is read before anything writes it");
  check_failure(failure_of_load(""), "model.onnx: is no ONNX model");
  check_failure(failure_of_load("\x08\x07"), "model.onnx: is no ONNX model");
  check_failure(failure_of_load(nothing.file(6)), "operator sets from 7 on", "found 6");
  check_failure(failure_of_load(small_cnn().file(), {.shapes = {{"z", {1, 2, 4, 4}}}}), "there is no input 'z'");
  check_failure(failure_of_load(small_cnn().file(), {.shapes = {{"x", {1, 2}}}}), "input 'x' has 4 axes");
  check_refuses_no_file([](const std::filesystem::path& path) { onnx::load(path); });
}

TEST_CASE("ONNX: a tensor's elements must be as many as its extents say") {
  const auto with = [](const proto_message& tensor) {
    return failure_of_load(onnx_writer().input("x", {1, 2}).output("x").initializer(tensor).file());
  };
  check_failure(with(onnx_floats("c", {3}, {1, 2})), "initializer 'c'", "3 elements", "found 8 bytes");
  check_failure(with(onnx_floats("c", {1}, {1, 2})), "initializer 'c'", "1 elements", "found 8 bytes");
  check_failure(with(onnx_floats("c", {1000000, 1000000}, {1, 2})), "initializer 'c'", "found 8 bytes");
  check_failure(with(onnx_floats("c", {-1}, {1, 2})), "initializer 'c'", "an extent is -1");
  check_failure(with(onnx_tensor("c", 8, {1}, std::vector<char>{'a'})), "initializer 'c'", "type 8");
  check_failure(with(onnx_floats("c", {1, 1, 1, 1, 1, 1, 1}, {1})), "at most 6 axes");
  check_failure(with(proto_message().integer(1, 2).integer(2, 1).string(8, "c").integer(14, 1)), "initializer 'c'",
                "another file");
  check_failure(with(proto_message().integer(1, 2).integer(2, 1).string(8, "c").real(4, 1)), "found 1 elements");
}

TEST_CASE("ONNX: a small file cannot ask for much memory") {
  const proto_message large = onnx_integers("n", {1 << 15, 1 << 15});
  const auto fails = [](const onnx_writer& w) { check_failure(failure_of_load(w.file()), "is too large"); };
  const auto start = [&] { return onnx_writer().input("x", {1, 2}).output("x").initializer(large); };
  fails(start().node("ConstantOfShape", {"n"}, {"y"}));
  fails(start().initializer(onnx_floats("c", {1, 1}, {1})).node("Expand", {"c", "n"}, {"y"}));
  fails(start().initializer(onnx_floats("c", {1, 1}, {1})).node("Tile", {"c", "n"}, {"y"}));
  const auto scalar = [](const std::string& name, std::int64_t v) {
    return onnx_tensor(name, 7, {}, std::vector<std::int64_t>{v});
  };
  fails(start()
            .initializer(scalar("a", 0))
            .initializer(scalar("b", 1 << 30))
            .initializer(scalar("d", 1))
            .node("Range", {"a", "b", "d"}, {"y"}));
  onnx_writer many = onnx_writer().input("x", {1, 2}).output("x").initializer(onnx_integers("n", {1 << 20}));
  for (int i = 0; i < 40; ++i) many.node("ConstantOfShape", {"n"}, {"y" + std::to_string(i)});
  fails(many);
}

TEST_CASE("ONNX: a file that ends early is refused wherever it ends") {
  const std::string file = small_cnn().file();
  const import_options options{.shapes = {{"x", {1, 2, 4, 4}}}};
  CHECK(!failure_of_load(file, options));
  REQUIRE(file.size() > 500);
  for (std::size_t size = 0; size + 8 < file.size(); ++size)  // after which the operator sets come
    CHECK_MESSAGE(failure_of_load(file.substr(0, size), options), size);
}

TEST_CASE("ONNX: bytes that are changed give an error or another network, and nothing worse") {
  const std::string file = small_cnn().file();
  const import_options options{.shapes = {{"x", {1, 2, 4, 4}}}};
  int refused = 0;
  for (std::size_t i = 0; i < file.size(); ++i)
    for (const int flip : {1, 0x80, 0xff}) {
      std::string changed = file;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      refused += failure_of_load(changed, options).has_value();
    }
  CHECK(refused > 500);
}
