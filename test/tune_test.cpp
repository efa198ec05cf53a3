// Kernel choices: respected, found by tuning, saved and loaded, refused where they do not fit.
#include "octavo/plan/tune.hpp"

#include <doctest/doctest.h>

#include "octavo/io/kernel_choices.hpp"
#include "octavo/octavo.hpp"
#include "support/evaluate.hpp"
#include "support/quantized_graph.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

int packed = 0;

/// The reference evaluation, some microseconds later. Counts how many were made.
template <int Delay>
class slow_executable : public executable {
 public:
  explicit slow_executable(const problem& p) : problem_(p) { ++packed; }
  void run(const arguments& a, int begin, int end, std::byte*) const noexcept override {
    if (begin == end) return;
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(Delay);
    evaluate(problem_.op, problem_, a);
    while (std::chrono::steady_clock::now() < until) continue;
  }

 private:
  problem problem_;
};

template <int Delay>
constexpr kernel slow_kernel(std::string_view name, bool (*supports)(const problem&)) {
  return {name, isa::portable, supports, [](const problem& p) -> std::unique_ptr<const executable> {
            return std::make_unique<slow_executable<Delay>>(p);
          }};
}

bool supports_all(const problem&) { return true; }
bool supports_softmax(const problem& p) { return p.op.is<op::softmax>(); }

/// Which is the fastest is beyond doubt: a thousandth of a second is more than these little nodes ever take.
const kernel_list some_kernels{slow_kernel<2000>("slow", supports_all), slow_kernel<0>("quick", supports_all),
                               slow_kernel<0>("softmax_only", supports_softmax)};

/// Two equal convolutions, one other, a concat that costs nothing, a softmax.
graph small_graph() {
  graph g;
  const params w = random_params(1);
  auto x = g.input<float, nhwc<upto<2>, 4, 4, 3>>("x");
  auto a = conv2d<conv{.out = 3}>(x, w / "a");
  auto b = conv2d<conv{.out = 3}>(a, w / "b");
  auto c = conv2d<conv{.out = 3, .kernel = 3, .pad = 1}>(b, w / "c");
  g.output(softmax(global_average_pool(concat(max_pool2d<pool{.kernel = 2}>(c), max_pool2d<pool{.kernel = 2}>(b)))),
           "y");
  return g;
}

std::string_view kernel_of(const network& net, std::string_view node) {
  for (const step& s : net->steps)
    if (s.name == node) return s.kernel;
  return {};
}

std::string first_name(const graph& g, std::string_view operation) {
  for (const node& n : g.nodes)
    if (name_of(n.op) == operation) return n.name;
  return {};
}

}  // namespace

TEST_CASE("choices: single nodes run by the kernel that is named") {
  const graph g = small_graph();
  const network net = compile(g, some_kernels, {.by_node = {{"b", "quick"}, {"c", "reference"}}});
  CHECK(kernel_of(net, "a") == "slow");
  CHECK(kernel_of(net, "b") == "quick");
  CHECK(kernel_of(net, "c") == "reference");
}

TEST_CASE("choices: what does not fit is refused by name") {
  const graph g = small_graph();
  const auto failure = [&](const char* node, const char* kernel) {
    return failure_of([&] { compile(g, some_kernels, {.by_node = {{node, kernel}}, .origin = "some.json"}); });
  };
  check_failure(failure("none_such", "quick"), "some.json", "none_such");
  check_failure(failure("x", "quick"), "some.json", "'x'");  // an input needs no kernel
  check_failure(failure("a", "none_such"), "some.json", "'a'", "none_such");
  check_failure(failure("a", "softmax_only"), "some.json", "'a'", "softmax_only", "does not support", "conv2d");
  CHECK_FALSE(failure("a", "slow").has_value());
}

TEST_CASE("tune: the fastest kernel is kept, equal problems are timed once") {
  const graph g = fold(small_graph());
  std::vector<std::pair<int, int>> seen;
  packed = 0;
  const kernel_choices found = tune_kernels(g, some_kernels, {.repetitions = 3, .progress = [&](int done, int all) {
                                                                seen.push_back({done, all});
                                                              }});
  const std::string softmax = first_name(g, "softmax");
  for (const auto& choice : found.by_node) {
    CAPTURE(choice.first);
    if (choice.first != softmax) CHECK(choice.second == "quick");
  }
  CHECK(found.by_node.at(softmax) != "slow");
  // a and b are one problem; c, global pool and the two pools (whose outputs are slices of one concat) are three more,
  // of two kernels each; the softmax has three.
  CHECK(packed == 4 * 2 + 3);
  const int nodes = static_cast<int>(g.nodes.size());
  REQUIRE(static_cast<int>(seen.size()) == nodes);
  CHECK(seen.front() == std::pair(1, nodes));
  CHECK(seen.back() == std::pair(nodes, nodes));
}

TEST_CASE("tune: kernels that fail are named, as are senseless options") {
  const graph g = fold(small_graph());
  const kernel fails{"fails", isa::portable, supports_all,
                     [](const problem&) -> std::unique_ptr<const executable> { fail("cannot pack"); }};
  check_failure(failure_of([&] { tune_kernels(g, kernel_list{some_kernels[0], fails}); }), "node 'a'", "cannot pack");
  check_failure(failure_of([&] { tune_kernels(g, some_kernels, {.repetitions = 0}); }), "repetition");
  CHECK(tune_kernels(g, {}).by_node.at("a") == "reference");
}

TEST_CASE("tune: a tuned INT8 network gives the bits of an untuned one, and its file the same plan") {
  const graph g = small_graph();
  const calibration found = random_calibration(g);
  const network plain = quantize(g, found),
                tuned = quantize(g, found, {}, native_kernels(), tune_options{.repetitions = 1});
  random_numbers random(1);
  std::vector<tensor> x;
  x.push_back(random_tensor(element::f32, {2, 4, 4, 3}, random));
  CHECK(same_bits(outputs_of(plain, x, 2), outputs_of(tuned, x, 2)));

  const temporary_folder folder;
  save_kernel_choices(folder / "kernels.json", choices_of(tuned));
  CHECK(folder.entries() == 1);
  const kernel_choices loaded = load_kernel_choices(folder / "kernels.json");
  CHECK(loaded.by_node == choices_of(tuned).by_node);
  CHECK(loaded.origin == (folder / "kernels.json").string());
  const network again = quantize(g, found, {}, native_kernels(), loaded);
  CHECK(choices_of(again).by_node == choices_of(tuned).by_node);
}

TEST_CASE("tune: kernels are timed with elements that their operator can take") {
  // A kernel may use s32 and s64 as indices or lengths: 0 is one that every tensor has.
  static int others = 0, numbers = 0;
  others = numbers = 0;
  class watching : public executable {
   public:
    void run(const arguments& a, int, int, std::byte*) const noexcept override {
      for (const operand& o : a.src)
        for (int i = 0; i < 4; ++i)
          if (type == element::f32)
            numbers += std::fabs(o.as<float>()[i]) <= 1 && o.as<float>()[i] != 0;
          else
            others += (type == element::s32 ? o.as<std::int32_t>()[i] : o.as<std::int64_t>()[i]) == 0 ? 1 : -1000;
    }
    element type;
  };
  const auto pack = [](const problem& p) -> std::unique_ptr<const executable> {
    auto e = std::make_unique<watching>();
    e->type = p.src[0].type;
    return e;
  };
  const kernel_list two{{"one", isa::portable, supports_all, pack}, {"other", isa::portable, supports_all, pack}};
  graph g;
  for (const element type : {element::f32, element::s32, element::s64}) {
    const int x = g.append(op::input{}, "x", {}, {type, {2, 2}, {}});
    g.outputs.push_back({g.append(op::concat{0}, "twice", {x, x}, {type, {4, 2}, {}}), "y"});
  }
  tune_kernels(g, two, {.repetitions = 1});
  CHECK(others > 0);
  CHECK(numbers > 0);
}

TEST_CASE("choices: kernels that are not complete are named") {
  const graph g = fold(small_graph());
  const auto failure = [&](const kernel& k) { return failure_of([&] { plan_graph(g, std::span(&k, 1)); }); };
  check_failure(failure({"empty", isa::portable, nullptr, nullptr}), "kernel 'empty'", "supports()");
  check_failure(failure({"empty", isa::portable, supports_all, nullptr}), "kernel 'empty'", "pack()");
  check_failure(failure({"lazy", isa::portable, supports_all,
                         [](const problem&) -> std::unique_ptr<const executable> { return nullptr; }}),
                "kernel 'lazy'", "packed nothing");
}

TEST_CASE("choices: a file that names another graph's nodes is refused by name") {
  const temporary_folder folder;
  const auto wrong = folder.write("wrong.json", R"({"kernels": {"nobody": "quick"}})");
  check_failure(failure_of([&] { compile(small_graph(), some_kernels, load_kernel_choices(wrong)); }), "wrong.json",
                "nobody");
}
