// Networks of one recurrent layer: keyword spotting with gru and lstm, digits with an lstm that clips its cells.
#include "octavo/model/keyword.hpp"

#include "octavo/io/safetensors.hpp"
#include "octavo/octavo.hpp"
#include "support/model_checks.hpp"
#include "support/npy_data.hpp"
#include "support/run.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

/// Rows of pixels (N, 28, 28) -> digits (N, 10): TensorFlow Lite Micro's example.
auto mnist_lstm(auto rows, const params& w) {
  constexpr lstm_options layer{.hidden = 20, .clip = 10};
  return fc<10>(flatten(lstm<layer>(rows, w / "lstm").y), w / "fc");
}

/// What a published network is known for.
struct published {
  std::string weights, inputs, labels, logits;
  int right;         ///< of all items, FP32
  double most_lost;  ///< by INT8, a fraction
  std::set<std::string> in_fp32{};
};

template <int Steps, int Features, int Classes>
void check_published(auto&& model, const published& p) {
  const auto folder = data_folder();
  if (!folder) return;
  graph g;
  auto x = g.input<float, ntc<upto<4>, Steps, Features>>("x");
  g.output(model(x, load_weights(*folder / "weights" / p.weights)), "logits");
  const tensor all = load_npy(*folder / p.inputs), labels = load_npy(*folder / p.labels);
  const tensor expected = load_npy(*folder / "reference" / p.logits);
  const int items = all.extents()[0];

  const network fp32 = octavo::compile(g);
  const tensor exact = logits_of(fp32, all, Classes);
  CHECK(relative_error(exact.as<float>(), expected.as<float>()) < 1e-3);  // of sums in another order
  CHECK(right_answers(exact, labels) == p.right);
  const network int8 = quantize(g, calibrate(fp32, every_tenth(all)), {.keep_fp32 = p.in_fp32});
  const int right = right_answers(logits_of(int8, all, Classes), labels);
  MESSAGE(p.weights, ": ", p.right, " of ", items, " right, in INT8 ", right);
  CHECK(p.right - right <= p.most_lost * items);
}

/// The network with random weights runs in INT8 and stays near FP32.
template <int Steps, int Features, int Classes>
void check_random(auto&& model, float tolerance) {
  graph g;
  auto y = model(g.input<float, ntc<1, Steps, Features>>("x"), random_params(1));
  static_assert(std::is_same_v<decltype(y), value<float, nc<1, Classes>>>);
  g.output(y, "logits");
  const graph int8 = quantized_graph(g);
  int s8_weights = 0;
  for (const node& n : int8.nodes) s8_weights += has_weights(n.op) && n.constants[0]->type() == element::s8 ? 1 : 0;
  CHECK(s8_weights == 3);  // input product, steps, fc
  const std::vector<tensor> in = list_of([] {
    tensor t(element::f32, {1, Steps, Features});
    random_numbers random(5);
    for (float& v : t.as<float>()) v = random.real(-1, 1);
    return t;
  }());
  const auto exact = outputs_of(octavo::compile(g), in), found = outputs_of(plan_graph(int8, native_kernels()), in);
  CHECK(relative_error(found[0].as<float>(), exact[0].as<float>()) < static_cast<double>(tolerance));
}

constexpr auto gru_s = [](auto x, const params& w) { return model::keyword_gru(x, w); };
constexpr auto lstm_s = [](auto x, const params& w) { return model::keyword_lstm(x, w); };
constexpr auto mnist = [](auto x, const params& w) { return mnist_lstm(x, w); };

}  // namespace

TEST_CASE("keyword_gru, keyword_lstm: all that multiplies is INT8") {
  // 8 bits are 0.4 % of a range; states are rounded at each of the steps.
  check_random<5, 10, 12>(gru_s, 0.05f);
  check_random<5, 10, 12>(lstm_s, 0.05f);
}

TEST_CASE("keyword_gru: the published network") {
  check_published<25, 10, 12>(gru_s, {"kws_gru_s.safetensors", "speech/kws_mfcc.npy", "speech/labels.npy",
                                      "kws_gru_s_logits.npy", 514, 0.004, model::keyword_nodes_in_fp32("gru")});
}

TEST_CASE("keyword_lstm: the published network") {
  check_published<25, 10, 12>(lstm_s, {"kws_lstm_s.safetensors", "speech/kws_mfcc.npy", "speech/labels.npy",
                                       "kws_lstm_s_logits.npy", 513, 0.004, model::keyword_nodes_in_fp32("lstm")});
}

TEST_CASE("an lstm of MNIST's rows: the published network") {
  check_published<28, 28, 10>(
      mnist, {"mnist_lstm.safetensors", "mnist/images.npy", "mnist/labels.npy", "mnist_lstm_logits.npy", 488, 0.004});
}
