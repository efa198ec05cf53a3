// Whole networks whose images have any width up to a bound, or sequences any length: for each, every kernel gives what
// the same network composed for that width alone gives by the reference evaluation, FP32 and INT8, on one thread and on
// three. Inputs and outputs end at guard pages.
#include <doctest/doctest.h>

#include <set>

#include "octavo/octavo.hpp"
#include "support/guarded_buffer.hpp"
#include "support/kernel_run.hpp"
#include "support/quantized_graph.hpp"
#include "support/random_graph.hpp"
#include "support/run.hpp"
#include "support/worker_threads.hpp"
#include "temporary_folder.hpp"

/// An operator of a user's: the mean of the first `lengths` rows of each sequence. (N, T, C), (N) -> (N, C)
namespace users {
using namespace octavo;

struct mean_over_time {
  static constexpr std::string_view name = "mean_over_time";
  static constexpr port inputs[] = {{"x", port_rule::f32}, {"lengths", port_rule::untouched}};
  static constexpr auto fields = std::tuple{};
};
dims infer(const mean_over_time&, const dims& x, const dims&) { return {x.encoded(0), x.encoded(2)}; }
void check(const mean_over_time& m, const signature& s) {
  const dims &x = s.src[0].extents, &lengths = s.src[1].extents;
  require(x.rank == 3 && s.src[0].type == element::f32, "mean_over_time: input must be f32 (N, T, C), found ",
          s.src[0]);
  require(lengths == dims{x.encoded(0)} && s.src[1].type == element::s32, "mean_over_time: lengths must be s32 (N)");
  require(s.dst->extents == infer(m, x, lengths), "mean_over_time: wrong output ", *s.dst);
}
void evaluate(const mean_over_time&, const signature&, const arguments& a) {
  const dims& x = a.src[0].extents;
  for (int n = 0; n < x[0]; ++n)
    for (int c = 0; c < x[2]; ++c) {
      const int length = std::clamp(a.src[1].as<std::int32_t>()[n], 1, x[1]);
      float sum = 0;
      for (int t = 0; t < length; ++t) sum += a.src[0].row<float>(static_cast<std::size_t>(n * x[1] + t))[c];
      a.dst->row<float>(static_cast<std::size_t>(n))[c] = sum / static_cast<float>(length);
    }
}
}  // namespace users

namespace {

using namespace octavo;
using namespace octavo::test;

/// Images of 8 x W -> sequences of about W / 4 rows: dense, pointwise, strided, grouped, depthwise and transformed
/// (Winograd's) convolutions, a residual, a shortcut, poolings and a concat.
struct text_line {
  static constexpr std::int64_t most = upto<90, 'w'>;
  template <std::int64_t W>
  static graph composed() {
    graph g;
    const params w = random_params(1);
    auto x = g.input<float, nhwc<1, 8, W, 3>>("image");
    auto a = relu(conv2d<conv{.out = 32, .kernel = 3, .pad = 1}>(x, w / "a"));
    auto b = relu(a + conv2d<conv{.out = 32, .kernel = 3, .pad = same}>(a, w / "b"));        // 8 x W
    auto main = conv2d<conv{.out = 64, .kernel = 3, .stride = 2, .pad = 1}>(b, w / "main");  // 4 x (W + 1) / 2
    auto c = relu6(main + conv2d<conv{.out = 64, .stride = 2}>(b, w / "shortcut"));
    auto d = relu(depthwise_conv2d<conv{.kernel = 3, .stride = {2, 1}, .pad = 1}>(c, w / "d"));       // 2 x (W + 1) / 2
    auto e = conv2d<conv{.out = 48, .kernel = {1, 5}, .dilation = {1, 2}, .groups = 2}>(d, w / "e");  // 8 columns less
    constexpr pool half{.kernel = 2, .stride = {1, 2}, .ceil_mode = true};
    auto f = concat(max_pool2d<half>(e), average_pool2d<half>(e));  // 1 x ...
    using sequence = decltype(f);
    auto y = fc<10>(reshape<ntc<sequence::extents.encoded(0), sequence::extents.encoded(2), 96>>(f), w / "fc");
    g.output(softmax(y), "characters");
    return g;
  }
};

/// VGG's way: 3x3 convolutions and poolings, no padding at the end.
struct vgg_like {
  static constexpr std::int64_t most = upto<75>;
  template <std::int64_t W>
  static graph composed() {
    graph g;
    const params w = random_params(2);
    auto x = g.input<float, nhwc<2, 12, W, 3>>("image");
    auto a = relu(conv2d<conv{.out = 16, .kernel = 3, .pad = 1}>(x, w / "a"));
    auto b = max_pool2d<pool{.kernel = 2}>(relu(conv2d<conv{.out = 32, .kernel = 3, .pad = 1}>(a, w / "b")));
    auto c = relu(conv2d<conv{.out = 64, .kernel = 3, .pad = 1}>(b, w / "c"));
    auto d = max_pool2d<pool{.kernel = 2}>(relu(conv2d<conv{.out = 64, .kernel = 3, .pad = 1}>(c, w / "d")));
    g.output(conv2d<conv{.out = 7, .kernel = 3}>(d, w / "e"), "y");  // 1 x W / 4 - 2
    return g;
  }
};

/// MobileNet's way, on columns: the height is bounded.
struct separable {
  static constexpr std::int64_t most = upto<61>;
  template <std::int64_t H>
  static graph composed() {
    graph g;
    const params w = random_params(3);
    auto x = g.input<float, nhwc<1, H, 10, 3>>("image");
    auto a = relu6(conv2d<conv{.out = 24, .kernel = 3, .stride = 2, .pad = {0, 0, 1, 1}}>(x, w / "stem"));
    auto b = relu6(depthwise_conv2d<conv{.kernel = 3, .pad = same}>(a, w / "b"));
    auto c = conv2d<conv{.out = 24}>(b, w / "c") + a;
    auto d = relu6(depthwise_conv2d<conv{.kernel = 5, .stride = 2, .pad = 2}>(c, w / "d"));
    auto e = conv2d<conv{.out = 40, .kernel = {3, 1}, .pad = {1, 0}}>(d, w / "e");
    g.output(average_pool2d<pool{.kernel = 3, .stride = 2, .pad = 1}>(e), "y");
    return g;
  }
};

/// The output, of extents `y`, for input `x`.
std::vector<float> run_guarded(session& run, const tensor& x, const dims& y) {
  guarded_buffer<float> in(x.extents().count()), out(y.count());
  std::ranges::copy(x.as<float>(), in.data());
  std::ranges::fill(out.span(), -1e9f);
  run(view<const float>(in.data(), x.extents()), view<float>(out.data(), y)).or_throw();
  return {out.span().begin(), out.span().end()};
}

/// A network of bounded extents, planned for every instruction set, and with every kernel before the others.
class planned_for_all {
 public:
  explicit planned_for_all(const graph& g) {
    for (isa i : {isa::portable, isa::avx2, isa::avx_vnni, isa::avx512_vnni, isa::amx})
      if (x86::runs(i)) add(std::string(name_of(i)), plan_graph(g, native_kernels(i)));
    for (kernel k : all_kernels()) {
      k.pays = nullptr;
      const network first = plan_graph(g, join(std::span(&k, 1), native_kernels()));
      if (std::ranges::none_of(first->steps, [&](const step& s) { return s.kernel == k.name; })) continue;
      used.insert(std::string(k.name));
      add(std::string(k.name), first);
    }
  }

  void check(const tensor& x, const tensor& expected) {
    REQUIRE(!runs_.empty());
    for (named_session& s : runs_) {
      const std::vector<float> got = run_guarded(s.run, x, expected.extents());
      CHECK_MESSAGE(std::ranges::equal(got, expected.as<float>()), s.name, " on ", text(x.extents()));
    }
  }

  std::set<std::string> used;  ///< kernels

 private:
  struct named_session {
    std::string name;
    session run;
  };
  void add(const std::string& name, const network& net) {
    runs_.push_back({name, session(net)});
    runs_.push_back({name + ", 3 threads", session(net, threads_)});
  }

  worker_threads threads_{3, 1};
  std::vector<named_session> runs_;
};

/// Compares `Net` for its bound with `Net` for each of `Widths`. Returns the kernels that took part.
template <class Net, int... Widths>
std::set<std::string> check_extents() {
  const graph bounded = Net::template composed<Net::most>();
  const calibration found = calibrate(octavo::compile(bounded), random_samples(2));
  std::set<std::string> used;
  for (const bool int8 : {false, true}) {
    const auto prepared = [&](const graph& g) { return int8 ? quantize_graph(g, found) : fold(g); };
    planned_for_all all(prepared(bounded));
    const auto check_one = [&](const graph& fixed) {
      const tensor x = std::move(random_inputs(fixed, 1)[0]);
      all.check(x, outputs_of(plan_graph(prepared(fixed), {}), std::span(&x, 1))[0]);
    };
    (check_one(Net::template composed<Widths>()), ...);
    used.insert(all.used.begin(), all.used.end());
  }
  return used;
}

}  // namespace

TEST_CASE("bounded extents: lines of text, VGG's and MobileNet's ways, of any size") {
  std::set<std::string> used = check_extents<text_line, 90, 17, 18, 33, 64, 77, 90>();
  used.merge(check_extents<vgg_like, 75, 12, 13, 40, 74>());
  used.merge(check_extents<separable, 61, 2, 3, 24, 59, 60>());
  for (const kernel& k : all_kernels())
    if (k.name.starts_with("conv") || k.name.starts_with("winograd") || k.name.starts_with("depthwise")) {
      CAPTURE(k.name);
      CHECK(used.contains(std::string(k.name)) != (k.name == "conv_u8s8s32_1x8_avx2"));  // for a single pixel
    }
}

TEST_CASE("bounded extents: what leaves nothing is refused by a run") {
  session run(plan_graph(text_line::composed<text_line::most>(), {}));
  std::vector<float> in(8 * 90 * 3), out(90 * 10);
  const run_status s = run(view<float>(in.data(), {1, 8, 16, 3}), view<float>(out.data(), {1, 1, 10}));
  CHECK(s.code() == run_status::wrong_extents);
  CHECK(s.message() == "argument 0 'image': expected f32[1x8x<=90wx3] with w >= 17, found 1x8x16x3, rows 3 apart");
}

TEST_CASE("bounded extents: tuning takes them") {
  const graph g = fold(text_line::composed<text_line::most>());
  const kernel_choices choices = tune_kernels(g, native_kernels(), {.repetitions = 1});
  CHECK(choices.by_node.contains("main"));
  const tensor x = std::move(random_inputs(text_line::composed<33>(), 1)[0]);
  const tensor expected = std::move(outputs_of(plan_graph(fold(text_line::composed<33>()), {}), std::span(&x, 1))[0]);
  session run(plan_graph(g, native_kernels(), choices));
  CHECK(std::ranges::equal(run_guarded(run, x, expected.extents()), expected.as<float>()));
}

TEST_CASE("bounded extents: sequences of any number and length, with their lengths as an input") {
  constexpr int channels = 6, most_sequences = 8, most_time = 20;
  graph g;
  const params w = random_params(4);
  auto x = g.input<float, ntc<upto<most_sequences>, upto<most_time>, channels>>("x");
  auto lengths = g.input<std::int32_t, shape<upto<most_sequences>>>("lengths");
  auto a = relu(fc<16>(x, w / "a"));
  const value<float, nc<upto<most_sequences>, 16>> mean(&g,
                                                        *g.append(users::mean_over_time{}, "mean", {a.id, lengths.id}));
  g.output(fc<3>(mean, w / "b"), "y");
  const sample_set samples{2, [](int i, std::span<tensor> inputs) {
                             random_numbers random(static_cast<unsigned>(i));
                             for (float& v : inputs[0].as<float>()) v = random.real(-1, 1);
                             for (std::int32_t& v : inputs[1].as<std::int32_t>()) v = random.between(1, most_time);
                           }};
  const graph int8 = quantize_graph(g, calibrate(octavo::compile(g), samples));
  REQUIRE(int8.input_values().size() == 2);
  CHECK(int8.type(int8.input_values()[1]).type == element::s32);
  const auto node_of = [&](std::string_view name) { return std::ranges::find(int8.nodes, name, &node::name); };
  REQUIRE(node_of("mean") != int8.nodes.end());
  CHECK(int8.type(*node_of("mean")->dst).type == element::f32);
  CHECK(node_of("mean")->src[1] == int8.input_values()[1]);
  CHECK(int8.type(node_of("b")->src[0]).is_u8());

  random_numbers random(1);
  for (const graph& planned : {fold(g), int8}) {
    session run(plan_graph(planned, native_kernels())), alone(plan_graph(planned, {}));
    for (int n : {8, 1, 3, 5, 8}) {
      const int most = random.between(1, most_time);
      const tensor in = random_tensor(element::f32, {n, most, channels}, random);
      std::vector<std::int32_t> length(static_cast<std::size_t>(n));
      for (std::int32_t& l : length) l = random.between(1, most);
      std::vector<float> y(static_cast<std::size_t>(n) * 3), expected(y.size());
      run(in.as<float>(), length, y).or_throw();  // the lengths say how many sequences there are
      for (int i = 0; i < n; ++i) {
        const std::int32_t l = length[static_cast<std::size_t>(i)];
        alone(view<const float>(in.as<float>().data() + i * most * channels, {1, l, channels}), std::span(&l, 1),
              std::span(expected).subspan(static_cast<std::size_t>(i) * 3, 3))
            .or_throw();
      }
      CHECK(y == expected);
    }
  }
}
