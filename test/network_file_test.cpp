// Networks in files: what is saved is loaded again, to the last bit and attribute, and what is no whole network is
// refused with a message.
#include "octavo/io/network_file.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "octavo/graph/pass/annotate.hpp"
#include "octavo/graph/pass/round_weights.hpp"
#include "octavo/graph/print.hpp"
#include "octavo/model/crnn.hpp"
#include "octavo/model/embedded.hpp"
#include "octavo/octavo.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "support/recurrent_graph.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace users {

using namespace octavo;

// Attributes of the user's own types, of kinds that the library's operators do not have.
struct label {
  std::string text;
  friend bool operator==(const label&, const label&) = default;
};
attribute to_attribute(const label& l) { return l.text; }
void from_attribute(const attribute& a, label& l) { l.text = detail::attribute_as<std::string>(a, "a string"); }
std::ostream& operator<<(std::ostream& out, const label& l) { return out << l.text; }

struct numbers {
  std::vector<double> all;
  friend bool operator==(const numbers&, const numbers&) = default;
};
attribute to_attribute(const numbers& n) { return n.all; }
void from_attribute(const attribute& a, numbers& n) {
  n.all = detail::attribute_as<std::vector<double>>(a, "a list of numbers");
}
std::ostream& operator<<(std::ostream& out, const numbers& n) {
  for (double v : n.all) out << v << ",";
  return out;
}

/// y = x where x is above a threshold, else 0; an attribute of each kind that has no other use here.
struct gate {
  static constexpr std::string_view name = "gate";
  static constexpr port inputs[] = {{"x", port_rule::f32}};
  float threshold = 1.0f;
  label called{"none"};
  bool closed = false;
  numbers others{{1.0}};
  static constexpr auto fields = std::tuple{field{"threshold", &gate::threshold}, field{"called", &gate::called},
                                            field{"closed", &gate::closed}, field{"others", &gate::others}};
};
void check(const gate&, const signature& s) {
  require(s.src.size() == 1 && s.dst->extents == s.src[0].extents, "gate: output must have the input's extents");
}
void evaluate(const gate& o, const signature&, const arguments& a) {
  for (std::size_t r = 0; r < a.dst->extents.rows(); ++r)
    for (int c = 0; c < a.dst->extents.back(); ++c) {
      const float x = a.src[0].row<float>(r)[c];
      a.dst->row<float>(r)[c] = x > o.threshold && !o.closed ? x : 0.0f;
    }
}

}  // namespace users

namespace octavo::test {
namespace {

std::string printed(const graph& g) {
  std::ostringstream out;
  out << std::hexfloat << g;
  return out.str();
}

bool same_constant(const constant& a, const constant& b) {
  return a == b || (a && b && a->type() == b->type() && a->extents() == b->extents() &&
                    std::ranges::equal(a->bytes(), b->bytes()));
}

/// Fails the test unless the graphs are equal in all that they hold.
void check_same(const graph& a, const graph& b) {
  CHECK(printed(a) == printed(b));
  REQUIRE(a.values.size() == b.values.size());
  for (std::size_t v = 0; v < a.values.size(); ++v) {
    CHECK(a.values[v].name == b.values[v].name);
    CHECK(a.values[v].type == b.values[v].type);
    CHECK(a.values[v].quant == b.values[v].quant);
    CHECK(a.values[v].observed == b.values[v].observed);
    CHECK(a.values[v].stem == b.values[v].stem);
  }
  REQUIRE(a.nodes.size() == b.nodes.size());
  for (std::size_t i = 0; i < a.nodes.size(); ++i) {
    const node &x = a.nodes[i], &y = b.nodes[i];
    CAPTURE(x.name);
    CHECK(x.op == y.op);
    CHECK(x.src == y.src);
    CHECK(x.dst == y.dst);
    CHECK(x.fused == y.fused);
    CHECK(std::ranges::equal(x.constants, y.constants, same_constant));
    REQUIRE((x.rounded == nullptr) == (y.rounded == nullptr));
    if (!x.rounded) continue;
    CHECK(std::ranges::equal(x.rounded->values.bytes(), y.rounded->values.bytes()));
    CHECK(std::ranges::equal(x.rounded->scales.bytes(), y.rounded->scales.bytes()));
  }
}

/// `g`, saved and loaded again.
graph reloaded(const graph& g, const operator_set& known = builtin_operators()) {
  const temporary_folder folder;
  save_network(folder / "net.safetensors", g);
  CHECK(folder.entries() == 1);
  return load_network(folder / "net.safetensors", known);  // the mapping outlives the name
}

/// Saves and loads `g`, and checks that all is there and computes the same bits on every instruction set.
void check_saved(const graph& g, const operator_set& known = builtin_operators()) {
  const graph loaded = reloaded(g, known);
  check_same(g, loaded);
  if (std::ranges::any_of(g.input_values(), [&](int v) { return !g.type(v).is_number(); })) return;
  const std::vector<tensor> inputs = random_inputs(g, 1);
  for (isa i : {isa::portable, isa::avx2, isa::avx_vnni, isa::avx512_vnni, isa::amx}) {
    if (!x86::runs(i)) continue;
    CAPTURE(name_of(i));
    CHECK(same_bits(outputs_of(plan_graph(g, native_kernels(i)), inputs),
                    outputs_of(plan_graph(loaded, native_kernels(i)), inputs)));
  }
}

std::string saved_bytes(const graph& g) {
  const temporary_folder folder;
  save_network(folder / "net.safetensors", g);
  return read_all(folder / "net.safetensors");
}

/// What loading a file of these bytes says; the bytes are a block of exactly their size, for a sanitizer to see.
std::optional<std::string> failure_of_bytes(const std::string& content) {
  const std::vector<char> bytes(content.begin(), content.end());
  return failure_of([&] { (void)parse_network("some.safetensors", std::as_bytes(std::span(bytes))); });
}

/// x -> conv -> relu -> fc -> y, in INT8.
graph small_network() {
  graph g;
  const params w = random_params(3);
  auto x = g.input<float, nhwc<1, 4, 4, 3>>("x");
  const auto y = relu(conv2d<conv{.out = 4, .kernel = 3, .pad = 1}>(x, w / "conv"));
  g.output(fc<2>(global_average_pool(y), w / "fc"), "y");
  return quantized_graph(g);
}

/// A file that holds what `change` makes of the graph of small_network(), with digests that fit.
template <class Change>
std::optional<std::string> failure_of_forged(const Change& change) {
  const temporary_folder folder;
  save_network(folder / "net.safetensors", small_network());
  const safetensors file(folder / "net.safetensors", file_access::copy);
  std::map<std::string, std::string> metadata = file.metadata();
  std::vector<named_constant> tensors;
  for (const std::string& name : file.names()) tensors.push_back({name, file.find(name)});
  nlohmann::json g = nlohmann::json::parse(metadata.at("graph"));
  change(g, tensors);
  nlohmann::json digests;
  for (const named_constant& t : tensors) digests[t.name] = hexadecimal(digest_of(*t.value));
  metadata["graph"] = g.dump();
  metadata["digests"] = digests.dump();
  metadata["digest"] = detail::digest_of_metadata(metadata["graph"], metadata["digests"]);
  save_safetensors(folder / "forged.safetensors", tensors, metadata);
  return failure_of([&] { (void)load_network(folder / "forged.safetensors"); });
}
template <class Change>
std::optional<std::string> failure_of_forged_graph(const Change& change) {
  return failure_of_forged([&](nlohmann::json& g, auto&) { change(g); });
}

}  // namespace

TEST_CASE("network file: random graphs, FP32, annotated and INT8, fixed and bounded") {
  for (unsigned seed = 0; seed < 24; ++seed) {
    CAPTURE(seed);
    const graph g = random_graph(seed, 14, seed % 3 == 0 ? -2 : 2), folded = fold(g);
    check_saved(g);
    check_saved(folded);
    if (seed % 3 == 0) continue;
    const calibration found = random_calibration(folded);
    check_saved(pass::round_weights(pass::annotate(folded, found.ranges), {}));
    check_saved(quantize_graph(g, found));
  }
}

TEST_CASE("network file: a network goes on as if it had not been saved") {
  const graph g = random_graph(5, 14), loaded = reloaded(g);
  check_same(quantized_graph(g), quantized_graph(loaded));
  graph longer = loaded, expected = g;
  for (graph* h : {&longer, &expected})
    h->append_after(op::activate{relu_activation}, "relu", {static_cast<int>(h->values.size()) - 1});
  check_same(expected, longer);
}

TEST_CASE("network file: one that is copied does not change with its file, nor a mapped one that is replaced") {
  const temporary_folder folder;
  const auto path = folder / "net.safetensors";
  const graph g = random_graph(4, 14);
  save_network(path, g);
  const graph mapped = load_network(path), copied = load_network(path, builtin_operators(), file_access::copy);
  save_network(path, small_network());
  folder.write("net.safetensors", "");
  check_same(g, mapped);
  check_same(g, copied);
}

TEST_CASE("network file: what training observed of values") {
  graph g = fold(random_graph(1, 14));
  for (const auto& [name, r] : random_calibration(g).ranges)
    for (graph_value& v : g.values)
      if (v.name == name) v.observed = r;
  const graph loaded = reloaded(g);
  check_same(g, loaded);
  check_same(quantize_graph(g, {}), quantize_graph(loaded, {}));
}

TEST_CASE("network file: convolutions with residuals and concats, recurrent layers, attention") {
  graph images;
  images.output(model::embedded(images.input<float, nhwc<1, 32, 32, 3>>("image"), random_params(1)), "y");
  check_saved(images);
  check_saved(quantized_graph(images));
  check_saved(recurrent_graph());
  check_saved(quantized_graph(recurrent_graph()));
  graph words;
  const auto x = words.input<float, ntc<2, 6, 8>>("x");
  words.output(attention<2>(x, x, x), "y");
  check_saved(words);
  check_saved(quantized_graph(words));
  graph ids;
  const auto i = ids.input<std::int64_t, shape<upto<3>, 4>>("ids");
  ids.output(embedding<10, 8>(i, random_params(1) / "words"), "y");
  check_saved(ids);
}

TEST_CASE("network file: operators of the user's own, attributes of every kind, infinities and NaN") {
  const operator_set known = with_operators<users::gate>(builtin_operators());
  graph g;
  int x = g.append(op::input{}, "x \"\n é", {}, tensor_type{element::f32, {2, 3}, {}});
  x = g.append(users::gate{-HUGE_VALF, {"a \"b\""}, true, {}}, "gate", {x});
  x = g.append(users::gate{1.0f / 3.0f, {}, false, {{0.1, -0.0, HUGE_VAL, 2}}}, "gate", {x});
  x = g.append(op::activate{{-HUGE_VALF, 0.1f}}, "clip", {x});
  g.outputs.push_back({x, "y"});
  check_saved(g, known);
  const temporary_folder folder;
  save_network(folder / "net.safetensors", g);
  check_failure(failure_of([&] { (void)load_network(folder / "net.safetensors"); }), "net.safetensors", "node 'gate'",
                "no operator 'gate'");
}

TEST_CASE("network file: what nodes share is written once, under names of its own") {
  graph g;
  random_numbers random(1);
  const constant w = random_constant(element::f32, {4, 4}, random);
  int x = g.append(op::input{}, "x", {}, tensor_type{element::f32, {2, 4}, {}});
  for (int i = 0; i < 3; ++i) x = g.append(op::fc{.out = 4}, "fc", {x}, {w, nullptr});
  g.nodes.back().name = "fc";
  g.nodes.back().constants[1] = random_constant(element::f32, {4}, random);
  g.nodes[1].constants[1] = random_constant(element::f32, {4}, random);
  g.outputs.push_back({x, "y"});
  const temporary_folder folder;
  save_network(folder / "net.safetensors", g);
  CHECK(safetensors(folder / "net.safetensors").names() ==
        std::vector<std::string>{"fc.weights", "fc.bias", "fc.bias_1"});
  const graph loaded = load_network(folder / "net.safetensors");
  check_same(g, loaded);
  CHECK(loaded.nodes[1].constants[0] == loaded.nodes[3].constants[0]);
  // In the file's own memory; a copy has its own.
  const std::byte* first = loaded.nodes[1].constants[0]->bytes().data();
  CHECK(loaded.nodes[1].constants[1]->bytes().data() == first + 64);
  const tensor copy = *loaded.nodes[1].constants[0];
  CHECK(copy.bytes().data() != first);
  CHECK(std::ranges::equal(copy.bytes(), w->bytes()));
}

TEST_CASE("network file: graphs that cannot be run are not written") {
  const temporary_folder folder;
  const auto path = folder / "net.safetensors";
  graph g = small_network();
  save_network(path, g);
  const std::string before = read_all(path);
  const auto refused = [&](graph broken, const auto&... parts) {
    check_failure(failure_of([&] { save_network(path, broken); }), "net.safetensors", parts...);
    CHECK(read_all(path) == before);
    CHECK(folder.entries() == 1);
  };
  graph broken = g;
  std::swap(broken.nodes[1], broken.nodes[2]);
  refused(broken, "no earlier node writes");
  broken = g;
  broken.nodes[2].constants[0] = nullptr;
  refused(broken, "node 'conv'");
  broken = g;
  broken.values[0].name = "\xff";
  refused(broken, "UTF-8");
  broken = g;
  broken.values[2].observed = range{0, INFINITY};
  refused(broken, "value 'conv'", "inf is out of the range");
  broken = g;
  broken.values[2].quant = affine{0, 0};
  refused(broken, "value 'conv'", "scale 0");
  broken = g;
  broken.outputs[0].value = 100;
  refused(broken, "output 'y'");
}

TEST_CASE("network file: a damaged file is refused, or the damage changes nothing") {
  const graph g = small_network();
  const std::string whole = saved_bytes(g);
  CHECK(!failure_of_bytes(whole));
  random_numbers random(7);
  int refused = 0, harmless = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.below(8)));
    const std::vector<char> bytes(damaged.begin(), damaged.end());
    try {
      const graph loaded = parse_network("some.safetensors", std::as_bytes(std::span(bytes)));
      ++harmless;
      CAPTURE(at);
      check_same(g, loaded);
    } catch (const error& e) {
      ++refused;
      CHECK(std::string(e.what()).starts_with("some.safetensors: "));
    }
  }
  CHECK(refused > static_cast<int>(whole.size()) * 9 / 10);
  CHECK(harmless < 100);  // spaces that became tabs
}

TEST_CASE("network file: a truncated or longer file is refused") {
  const std::string whole = saved_bytes(small_network());
  for (std::size_t size = 0; size < whole.size(); size += 1 + size / 50)
    check_failure(failure_of_bytes(whole.substr(0, size)), "some.safetensors");
  check_failure(failure_of_bytes(whole.substr(0, whole.size() - 1)), "some.safetensors");
  check_failure(failure_of_bytes(whole + "x"), "some.safetensors");
  check_refuses_no_file([](const auto& path) { (void)load_network(path); });
}

TEST_CASE("network file: other safetensors files and other versions are refused") {
  const temporary_folder folder;
  const auto path = folder / "some.safetensors";
  save_safetensors(path, {});
  check_failure(failure_of([&] { (void)load_network(path); }), "some.safetensors", "no metadata", "no network");
  save_network(path, small_network());
  std::map<std::string, std::string> metadata = safetensors(path).metadata();
  metadata["octavo_network"] = "2";
  save_safetensors(path, {}, metadata);
  check_failure(failure_of([&] { (void)load_network(path); }), "some.safetensors", "version 1", "found '2'");
}

TEST_CASE("network file: forged graphs are refused by value and node") {
  CHECK(!failure_of_forged_graph([](auto&) {}));
  const auto refused = [](const auto& change, const auto&... parts) {
    check_failure(failure_of_forged_graph(change), "forged.safetensors", parts...);
  };
  const auto& conv = [](nlohmann::json& g) -> nlohmann::json& { return g["nodes"][2]; };
  refused([](auto& g) { g = 1; }, "expected an object, found number");
  refused([](auto& g) { g["more"] = 1; }, "unknown key 'more'");
  refused([](auto& g) { g["nodes"] = 1; }, "'nodes'", "expected a list");
  refused([](auto& g) { g["values"].clear(); }, "expected one of the graph's 0 values");
  refused([&](auto& g) { conv(g)["operator"] = "conv2e"; }, "node 'conv'", "no operator 'conv2e'", "'conv2d'?");
  refused([&](auto& g) { conv(g)["operator"] = 2; }, "node 'conv'", "'operator': expected a string");
  refused([&](auto& g) { conv(g).erase("operator"); }, "node 'conv'", "'operator' is missing");
  refused([&](auto& g) { conv(g)["attributes"]["kernel"] = "3x3"; }, "node 'conv'", "attribute 'kernel'");
  refused([&](auto& g) { conv(g)["attributes"]["out"] = 1e3; }, "node 'conv'", "'out'");
  refused([&](auto& g) { conv(g)["attributes"]["out"] = 5; }, "node 'conv'", "5");
  refused([&](auto& g) { conv(g)["attributes"]["out"] = -1; }, "node 'conv'");
  refused([&](auto& g) { conv(g)["attributes"]["out"] = std::uint64_t{1} << 63; }, "node 'conv'", "'out'");
  refused([&](auto& g) { conv(g)["attributes"]["some"] = 5; }, "node 'conv'", "no attribute 'some'");
  refused([&](auto& g) { conv(g)["attributes"]["kernel"] = {1 << 30, 1 << 30}; }, "node 'conv'", "kernel");
  refused([&](auto& g) { conv(g)["attributes"] = {1}; }, "node 'conv'", "'attributes'");
  refused([&](auto& g) { conv(g)["attributes"]["act"] = {{"doubles", {"nan", 1}}}; }, "node 'conv'", "NaN");
  refused([&](auto& g) { conv(g)["attributes"]["act"] = {{"doubles", {0, 1}}, {"double", 1}}; }, "node 'conv'");
  for (const int wrong : {-2, 100, 2}) {  // 2 is its own output: a cycle
    CAPTURE(wrong);
    refused([&](auto& g) { conv(g)["inputs"] = {wrong}; }, "node 'conv' reads value ", wrong, "no earlier node");
  }
  refused([&](auto& g) { conv(g)["inputs"] = {-1}; }, "node 'conv'", "input 'x' is missing");
  refused([&](auto& g) { conv(g)["inputs"] = {1, 1, 1}; }, "node 'conv'", "found 3");
  refused([&](auto& g) { conv(g)["inputs"] = {0.5}; }, "node 'conv'", "'inputs': expected a whole number");
  refused([&](auto& g) { conv(g)["inputs"] = {std::int64_t{1} << 32}; }, "node 'conv'", "out of range");
  refused([&](auto& g) { conv(g)["outputs"] = {1}; }, "node 'conv' writes value 1");
  refused([&](auto& g) { conv(g)["outputs"] = {-1}; }, "node 'conv' writes value -1");
  refused([&](auto& g) { conv(g)["outputs"].clear(); }, "node");
  refused([&](auto& g) { std::swap(g["nodes"][1], g["nodes"][2]); }, "no earlier node writes");
  refused([&](auto& g) { conv(g)["constants"][0] = nullptr; }, "node 'conv'", "weights");
  refused([&](auto& g) { conv(g)["constants"][0] = "absent"; }, "node 'conv'", "no tensor 'absent'");
  refused([&](auto& g) { conv(g)["constants"][0] = 1; }, "node 'conv'", "'constants': expected a string");
  refused([&](auto& g) { conv(g)["constants"][0] = conv(g)["constants"][2]; }, "node 'conv'", "weights");
  refused([&](auto& g) { conv(g)["constants"].clear(); }, "node 'conv'", "weights");
  refused([&](auto& g) { conv(g)["rounded"] = {"absent"}; }, "node 'conv'", "no tensor");
  refused([&](auto& g) { conv(g)["rounded"] = {conv(g)["constants"][2], conv(g)["constants"][0]}; }, "'rounded'");
  refused([](auto& g) { g["nodes"][0]["rounded"] = {nullptr, nullptr}; }, "node 'x'", "'rounded'");
  refused([](auto& g) { g["outputs"][0]["value"] = 100; }, "output 'y' is value 100");
  refused([](auto& g) { g["outputs"][0]["value"] = -1; }, "output 'y' is value -1");
  refused([](auto& g) { g["outputs"][0]["value"] = "x"; }, "output 'y'", "'value': expected a whole number");
}

TEST_CASE("network file: forged values are refused by name") {
  const auto refused = [](const char* key, const nlohmann::json& value, const auto&... parts) {
    CAPTURE(value.dump());
    check_failure(failure_of_forged_graph([&](auto& g) { g["values"][2][key] = value; }), "forged.safetensors",
                  "value 'conv'", parts...);
  };
  refused("extents", {1, 4, 4, 0}, "at least 1");
  refused("extents", {1, 4, 4, std::int64_t{1} << 31}, "out of range");
  refused("extents", {1, 4, 4, std::int64_t{-1} << 63}, "out of range");
  refused("extents", {1, 1, 1, 1, 1, 1, 1}, "6 axes");
  refused("extents", nlohmann::json::array({1 << 30, 1 << 30, 1 << 30, 4}), "elements");
  refused("extents", {1, 4, 4, 4.0}, "whole number");
  refused("type", "u9", "'u9'");
  refused("type", "none", "'none'");
  refused("map", {0.0, 0}, "scale 0");
  refused("map", {-1.0, 0}, "scale -1");
  refused("map", {"nan", 0}, "found string");
  refused("map", {1e39, 0}, "out of the range of a float");
  refused("map", {1.0, 256}, "zero point 256");
  refused("map", {1.0}, "scale and zero point");
  refused("quant", {1.0, 0.5}, "whole number");
  refused("observed", {1.0, 0.5}, "1 is above 0.5");
  refused("some", 1, "unknown key 'some'");
  const auto of_another_type = [](const char* key, const nlohmann::json& value) {
    return failure_of_forged_graph([&](auto& g) { g["values"][2][key] = value; });
  };
  check_failure(of_another_type("extents", {1, 4, 4, 5}), "forged.safetensors", "node 'conv'");
  check_failure(of_another_type("extents", {1, 4, 4, -5}), "forged.safetensors", "node 'conv'", "<=5");
  check_failure(of_another_type("extents", {1 << 30, 1, 1, 1}), "forged.safetensors", "node 'conv'");
  check_failure(of_another_type("type", "s64"), "forged.safetensors", "node");
  check_failure(failure_of_forged_graph([&](auto& g) { g["values"][2].erase("name"); }), "value 2", "'name'");
}

TEST_CASE("network file: forged tensors are refused by node") {
  const auto refused = [](const auto& change, const auto&... parts) {
    check_failure(failure_of_forged([&](nlohmann::json&, std::vector<named_constant>& all) {
                    for (named_constant& c : all)
                      if (c.name == "conv.weights") change(c.value);
                  }),
                  "forged.safetensors", "node 'conv'", parts...);
  };
  refused([](constant& c) { c = make_constant(tensor(element::s8, {4, 3, 3, 4})); }, "4x3x3x4");
  refused([](constant& c) { c = make_constant(tensor(element::u8, c->extents())); }, "weights");
  refused([](constant& c) { c = make_constant(tensor(element::f32, c->extents())); }, "weights");
  refused(
      [](constant& c) {
        tensor t = *c;
        t.as<std::int8_t>()[5] = -128;
        c = make_constant(std::move(t));
      },
      "-128");
  check_failure(failure_of_forged([](nlohmann::json&, auto& all) { all.erase(all.begin()); }), "forged.safetensors",
                "no tensor");
}

#if defined(__unix__) || defined(__APPLE__)

TEST_CASE("network file: killed at any moment, the name has one of the networks") {
  const temporary_folder folder;
  const auto path = folder / "net.safetensors";
  const graph a = small_network(), b = random_graph(3, 20);
  save_network(path, a);
  const std::string first = saved_bytes(a), second = saved_bytes(b);
  const char* many = std::getenv("OCTAVO_TEST_KILLS");  // more of them, by hand
  const int kills = many ? std::atoi(many) : 40;
  for (int i = 0; i < kills; ++i) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        for (;;) save_network(path, b), save_network(path, a);
      } catch (...) {
        ::_exit(1);  // not killed: the parent will see it
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(137 * i % 9000));
    REQUIRE(::kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    const std::string content = read_all(path);
    CHECK((content == first || content == second));
    CHECK(folder.entries() <= 2);
  }
  save_network(path, a);
  CHECK(folder.entries() == 1);
  CHECK(read_all(path) == first);
}

#endif

}  // namespace octavo::test
