// PaddlePaddle's embeddings, recurrent layers, decoders and detectors, alone in a program, against formulas of their
// documentation in double.
#include <doctest/doctest.h>

#include "support/single_paddle_op.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;

using doubles = std::vector<double>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
/// Element (i, j) of a matrix of so many columns, the first one at `first`.
double at(const array& m, int i, int j, int columns, int first = 0) {
  return static_cast<double>(m.elements[static_cast<std::size_t>(first + i * columns + j)]);
}

/// The rows of x (T, I) times w (I, O).
array product(const array& x, const array& w) {
  const int t = x.extents[0], in = x.extents[1], out = w.extents[1];
  array y{{t, out}, {}};
  for (int r = 0; r < t; ++r)
    for (int o = 0; o < out; ++o) {
      double sum = 0;
      for (int i = 0; i < in; ++i) sum += at(x, r, i, in) * at(w, i, o, out);
      y.elements.push_back(static_cast<float>(sum));
    }
  return y;
}

/// A gru whose input product and bias are in x (T, 3 D). Weights are (D, 2 D), then (D, D).
array gru_of(const array& x, const array& w, bool reverse, bool origin) {
  const int steps = x.extents[0], d = w.extents[0];
  array y{{steps, d}, floats(static_cast<std::size_t>(steps * d))};
  doubles h(static_cast<std::size_t>(d), 0.0);
  for (int n = 0; n < steps; ++n) {
    const int t = reverse ? steps - 1 - n : n;
    doubles u, r, next;
    for (int gate = 0; gate < 2; ++gate)
      for (int j = 0; j < d; ++j) {
        double sum = at(x, t, gate * d + j, 3 * d);
        for (int i = 0; i < d; ++i) sum += h[static_cast<std::size_t>(i)] * at(w, i, gate * d + j, 2 * d);
        (gate == 0 ? u : r).push_back(sigmoid(sum));
      }
    for (int j = 0; j < d; ++j) {
      double sum = at(x, t, 2 * d + j, 3 * d);
      for (std::size_t i = 0; i < h.size(); ++i) sum += r[i] * h[i] * at(w, static_cast<int>(i), j, d, 2 * d * d);
      const double gate = origin ? 1 - u[static_cast<std::size_t>(j)] : u[static_cast<std::size_t>(j)];
      next.push_back((1 - gate) * h[static_cast<std::size_t>(j)] + gate * std::tanh(sum));
    }
    h = next;
    for (int j = 0; j < d; ++j)
      y.elements[static_cast<std::size_t>(t * d + j)] = static_cast<float>(h[static_cast<std::size_t>(j)]);
  }
  return y;
}

/// An lstm whose input product is in x (T, 4 D), its gates in the order c, i, f, o, as are the columns of w (D, 4 D)
/// and the bias, behind which there may be peepholes of i, f and o.
array lstm_of(const array& x, const array& w, const array& bias) {
  const int steps = x.extents[0], d = w.extents[0];
  const bool peepholes = bias.extents[1] == 7 * d;
  array y{{steps, d}, {}};
  doubles h(static_cast<std::size_t>(d), 0.0), c = h;
  for (int t = 0; t < steps; ++t) {
    doubles next_h;
    for (int j = 0; j < d; ++j) {
      double gate[4];
      const auto cell = [&](int p) { return peepholes ? at(bias, 0, (4 + p) * d + j, 7 * d) : 0.0; };
      for (int g = 0; g < 4; ++g) {
        gate[g] = at(x, t, g * d + j, 4 * d) + at(bias, 0, g * d + j, 7 * d);
        for (int i = 0; i < d; ++i) gate[g] += h[static_cast<std::size_t>(i)] * at(w, i, g * d + j, 4 * d);
      }
      double& state = c[static_cast<std::size_t>(j)];
      const double in = sigmoid(gate[1] + cell(0) * state), keep = sigmoid(gate[2] + cell(1) * state);
      state = keep * state + in * std::tanh(gate[0]);
      next_h.push_back(sigmoid(gate[3] + cell(2) * state) * std::tanh(state));
    }
    h = next_h;
    y.elements.insert(y.elements.end(), h.begin(), h.end());
  }
  return y;
}

/// A gru as cuDNN has it: gates r, z, n in rows of the weights (3 D, I) and (3 D, D), and two biases.
array cudnn_gru_of(const array& x, const array& wi, const array& wh, const array& bi, const array& bh, bool reverse) {
  const int steps = x.extents[0], in = x.extents[1], d = wh.extents[1];
  array y{{steps, d}, floats(static_cast<std::size_t>(steps * d))};
  doubles h(static_cast<std::size_t>(d), 0.0);
  for (int n = 0; n < steps; ++n) {
    const int t = reverse ? steps - 1 - n : n;
    doubles next;
    for (int j = 0; j < d; ++j) {
      const auto from_x = [&](int row) {
        double sum = at(bi, 0, row, 3 * d);
        for (int i = 0; i < in; ++i) sum += at(x, t, i, in) * at(wi, row, i, in);
        return sum;
      };
      const auto from_h = [&](int row) {
        double sum = at(bh, 0, row, 3 * d);
        for (int i = 0; i < d; ++i) sum += h[static_cast<std::size_t>(i)] * at(wh, row, i, d);
        return sum;
      };
      const double r = sigmoid(from_x(j) + from_h(j)), z = sigmoid(from_x(d + j) + from_h(d + j));
      const double c = std::tanh(from_x(2 * d + j) + r * from_h(2 * d + j));
      next.push_back((1 - z) * c + z * h[static_cast<std::size_t>(j)]);
    }
    h = next;
    for (int j = 0; j < d; ++j)
      y.elements[static_cast<std::size_t>(t * d + j)] = static_cast<float>(h[static_cast<std::size_t>(j)]);
  }
  return y;
}

/// a + b, which is for each row.
array sum_of(array a, const array& b) {
  for (std::size_t i = 0; i < a.elements.size(); ++i) a.elements[i] += b.elements[i % b.elements.size()];
  return a;
}
array beside(const array& a, const array& b) {
  array y{{a.extents[0], a.extents[1] + b.extents[1]}, {}};
  for (int r = 0; r < a.extents[0]; ++r)
    for (const array* m : {&a, &b})
      for (int j = 0; j < m->extents[1]; ++j)
        y.elements.push_back(m->elements[static_cast<std::size_t>(r * m->extents[1] + j)]);
  return y;
}

}  // namespace

TEST_CASE("paddle lookup_table: the padding's row counts as zeros") {
  for (const bool old : {true, false}) {
    paddle_writer w;
    w.input("ids", old ? std::vector<std::int64_t>{3, 1} : std::vector<std::int64_t>{3}, 3);
    w.parameter<float>("table", {3, 2}, {1, 2, 3, 4, 5, 6});
    w.op(old ? "lookup_table" : "lookup_table_v2", {{"Ids", {"ids"}}, {"W", {"table"}}}, {{"Out", {"y"}}},
         {{"padding_idx", 1}});
    w.output("y");
    const std::vector<tensor> ids{
        tensor::of<std::int32_t>(old ? dims{3, 1} : dims{3}, std::vector<std::int32_t>{2, 1, 0})};
    check(outputs_of(octavo::compile(w.load()), ids)[0], {{3, 2}, {5, 6, 0, 0, 1, 2}});
  }
}

TEST_CASE("paddle: gru, fused with its input product, and stacked") {
  const array x = some({5, 3}, 1), in = some({3, 12}, 2), w = some({4, 12}, 3), bias = some({1, 12}, 4);
  const array sums = sum_of(product(x, in), bias);
  for (const bool reverse : {false, true})
    for (const bool origin : {false, true}) {
      const paddle_attributes a{{"is_reverse", reverse}, {"origin_mode", origin}};
      const array expected = gru_of(sums, w, reverse, origin);
      check({"gru", {{"Input", product(x, in)}}, {{"Weight", w}, {"Bias", bias}}, a, {"Hidden"}}, expected);
      check({"fusion_gru", {{"X", x}}, {{"WeightX", in}, {"WeightH", w}, {"Bias", bias}}, a, {"Hidden"}}, expected);
    }
  const array in_1 = some({8, 12}, 5), w_1 = some({4, 12}, 6), bias_1 = some({1, 12}, 7);
  const auto both = [](const array& from, const array& wx, const array& wh, const array& b) {
    const array s = sum_of(product(from, wx), b);
    return beside(gru_of(s, wh, false, false), gru_of(s, wh, true, false));
  };
  check({"multi_gru",
         {{"X", x}},
         {{"WeightX", in},
          {"WeightX", in},
          {"WeightX", in_1},
          {"WeightX", in_1},
          {"WeightH", w},
          {"WeightH", w},
          {"WeightH", w_1},
          {"WeightH", w_1},
          {"Bias", bias},
          {"Bias", bias},
          {"Bias", bias_1},
          {"Bias", bias_1}},
         {{"layers", 2}},
         {"Hidden"}},
        both(both(x, in, w, bias), in_1, w_1, bias_1));
}

TEST_CASE("paddle: lstm with and without peepholes, fused with its input product") {
  const array x = some({5, 2}, 11), in = some({2, 12}, 12), w = some({3, 12}, 13);
  for (const bool peepholes : {false, true}) {
    array bias = some({1, 21}, 14);
    if (!peepholes) bias.extents = {1, 12}, bias.elements.resize(12);
    const paddle_attributes a{{"use_peepholes", peepholes}};
    array padded = bias;
    padded.elements.resize(21);
    const array expected = lstm_of(product(x, in), w, padded.extents[1] == 12 ? array{{1, 12}, padded.elements} : bias);
    check({"lstm", {{"Input", product(x, in)}}, {{"Weight", w}, {"Bias", bias}}, a, {"Hidden"}}, expected);
    check({"fusion_lstm", {{"X", x}}, {{"WeightX", in}, {"WeightH", w}, {"Bias", bias}}, a, {"Hidden"}}, expected);
  }
}

// The weights of `rnn` are rows of gates, i, f, c, o; those of the lstm above columns of c, i, f, o.
TEST_CASE("paddle rnn: an lstm on batches, its steps outermost") {
  const array x = some({4, 1, 2}, 21), in = some({2, 12}, 22), w = some({3, 12}, 23);
  const array no_bias{{1, 12}, floats(21)}, zeros{{12}, floats(12)};
  const auto rows = [](const array& m) {
    array r{{12, m.extents[0]}, {}};
    for (const int gate : {1, 2, 0, 3})
      for (int j = 0; j < 3; ++j)
        for (int i = 0; i < m.extents[0]; ++i)
          r.elements.push_back(m.elements[static_cast<std::size_t>(i * 12 + gate * 3 + j)]);
    return r;
  };
  array expected = lstm_of(product({{4, 2}, x.elements}, in), w, no_bias);
  expected.extents = {4, 1, 3};
  single_op rnn{"rnn", {{"Input", x}}, {}, {{"mode", "LSTM"}, {"hidden_size", 3}, {"num_layers", 1}}};
  rnn.parameters = {{"PreState", {{1, 1, 3}, floats(3)}},
                    {"PreState", {{1, 1, 3}, floats(3)}},
                    {"WeightList", rows(in)},
                    {"WeightList", rows(w)},
                    {"WeightList", zeros},
                    {"WeightList", zeros}};
  check(rnn, expected);
  for (array* state : {&rnn.parameters[0].second, &rnn.parameters[1].second}) *state = some({1, 1, 3}, 5);
  CHECK(run_all(rnn)[0].as<float>()[0] != doctest::Approx(expected.elements[0]));  // states count
  rnn.attributes[0].second = "RNN_TANH";
  check_failure(failure_of([&] { graph_of(rnn); }), "rnn 'y0'", "the mode RNN_TANH is not supported");
}

TEST_CASE("paddle rnn: two layers of gru in both directions") {
  const array x = some({4, 2}, 31);
  single_op rnn{"rnn",
                {{"Input", {{4, 1, 2}, x.elements}}},
                {},
                {{"mode", "GRU"}, {"hidden_size", 3}, {"num_layers", 2}, {"is_bidirec", true}}};
  std::vector<array> weights, biases;
  array expected = x;
  for (unsigned layer = 0; layer < 2; ++layer) {
    std::vector<array> parts;
    for (unsigned back = 0; back < 2; ++back) {
      const unsigned seed = 40 + 10 * layer + 4 * back;
      weights.insert(weights.end(), {some({9, expected.extents[1]}, seed), some({9, 3}, seed + 1)});
      biases.insert(biases.end(), {some({9}, seed + 2), some({9}, seed + 3)});
      parts.push_back(
          cudnn_gru_of(expected, *(weights.end() - 2), weights.back(), *(biases.end() - 2), biases.back(), back == 1));
    }
    expected = beside(parts[0], parts[1]);
  }
  for (const auto* list : {&weights, &biases})
    for (const array& w : *list) rnn.parameters.push_back({"WeightList", w});
  check(rnn, {{4, 1, 6}, expected.elements});
}

TEST_CASE("paddle: steps of a sequence") {
  const array x{{3, 2}, {1, 9, 3, 4, 5, 2}};
  check({"sequence_pool", {{"X", x}}, {}, {{"pooltype", "AVERAGE"}}}, {{1, 2}, {3, 5}});
  check({"sequence_pool", {{"X", x}}, {}, {{"pooltype", "LAST"}}}, {{1, 2}, {5, 2}});
  check({"sequence_pool", {{"X", x}}, {}, {{"pooltype", "MAX"}}}, {{1, 2}, {5, 9}});
  check({"sequence_reverse", {{"X", x}}, {}, {}, {"Y"}}, {{3, 2}, {5, 2, 3, 4, 1, 9}});
}

TEST_CASE("paddle: detectors") {
  // One pixel of a map of 1 x 2 over an image of 8 x 8: centres (2, 4) and (6, 4).
  const auto priors = run_all({"prior_box",
                               {{"Input", {{1, 1, 1, 2}, {0, 0}}}, {"Image", {{1, 1, 8, 8}, floats(64)}}},
                               {},
                               {{"min_sizes", floats{4}}, {"clip", false}},
                               {"Boxes", "Variances"}});
  check(priors[0], {{1, 2, 1, 4}, {0, 0.25f, 0.5f, 0.75f, 0.5f, 0.25f, 1, 0.75f}});
  check(priors[1], {{1, 2, 1, 4}, {0.1f, 0.1f, 0.2f, 0.2f, 0.1f, 0.1f, 0.2f, 0.2f}});
  const array boxes{{1, 2, 4}, {0, 0, 0, 0, 1, 0, 0, 0}};  // the second half a centre variance times its width right
  single_op decode{"box_coder",
                   {{"TargetBox", boxes}},
                   {{"PriorBox", {{2, 4}, {0, 0.25f, 0.5f, 0.75f, 0.5f, 0.25f, 1, 0.75f}}}},
                   {{"code_type", "decode_center_size"}, {"variance", floats{0.1f, 0.1f, 0.2f, 0.2f}}},
                   {"OutputBox"}};
  check(decode, {{1, 2, 4}, {0, 0.25f, 0.5f, 0.75f, 0.55f, 0.25f, 1.05f, 0.75f}});
  check({"multiclass_nms",
         {{"BBoxes", {{1, 2, 4}, {0, 0, 1, 1, 2, 2, 3, 3}}}, {"Scores", {{1, 2, 2}, {0.9f, 0.8f, 0.1f, 0.7f}}}},
         {},
         {{"background_label", 0},
          {"score_threshold", 0.5f},
          {"nms_threshold", 0.5f},
          {"nms_top_k", 10},
          {"keep_top_k", 2}}},
        {{1, 2, 6}, {1, 0.7f, 2, 2, 3, 3, -1, 0, 0, 0, 0, 0}});
}
