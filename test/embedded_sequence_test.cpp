// The embedded sequence network with its weights, on the sequences that are drawn for it.
#include "octavo/model/embedded_sequence.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "embedded/drawn_sequences.hpp"
#include "embedded_sequence_weights.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/octavo.hpp"
#include "support/run.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;
using namespace octavo::example;

constexpr int batch = 50;

/// Some of the sequences as a batch.
tensor batch_of(const drawn_sequences& drawn, int number) {
  constexpr dims extents{batch, sequence_steps, sequence_bands};
  return tensor::of(
      extents, drawn.features.as<float>().subspan(static_cast<std::size_t>(number) * extents.count(), extents.count()));
}

/// How many of the sequences the network names rightly.
int right_of(const network& net, const drawn_sequences& drawn) {
  session run(net);
  int right = 0;
  for (std::size_t i = 0; i < drawn.labels.size(); i += batch) {
    const std::array inputs{batch_of(drawn, static_cast<int>(i) / batch)};
    const std::vector<tensor> outputs = outputs_of(run, inputs);
    for (std::size_t n = 0; n < batch; ++n) {
      const auto logits = outputs[0].as<float>().subspan(n * track_count, track_count);
      right += std::ranges::max_element(logits) - logits.begin() == drawn.labels[i + n];
    }
  }
  return right;
}

}  // namespace

TEST_CASE("drawn sequences are the same everywhere: multiples of 1/256, the first whatever the count") {
  const drawn_sequences drawn = draw_sequences(2, 60), fewer = draw_sequences(2, 7);
  CHECK(std::ranges::equal(fewer.features.as<float>(),
                           drawn.features.as<float>().first(fewer.features.extents().count())));
  CHECK(std::ranges::equal(fewer.labels, std::vector{0, 1, 2, 3, 4, 5, 0}));
  std::int64_t sum = 0, weight = 0;
  for (float v : drawn.features.as<float>()) {
    const auto scaled = static_cast<std::int64_t>(v * 256);
    CHECK(static_cast<float>(scaled) == v * 256);
    sum += ++weight * scaled;
  }
  CHECK(sum == 3250699978);
}

TEST_CASE("the embedded sequence network: INT8 is within a point of FP32") {
  graph g;
  auto features = g.input<float, ntc<batch, sequence_steps, sequence_bands>>("features");
  const params w(std::make_shared<safetensors>("embedded sequence weights", embedded_sequence_weights()));
  auto logits = model::embedded_sequence(features, w);
  static_assert(std::is_same_v<decltype(logits), value<float, nc<batch, track_count>>>);
  g.output(logits, "logits");
  const network fp32 = octavo::compile(g);
  const drawn_sequences calibrated = draw_sequences(3, 100), tested = draw_sequences(2, 500);
  const sample_set samples{2, [&](int i, std::span<tensor> inputs) { inputs[0] = batch_of(calibrated, i); }};
  const int fp32_right = right_of(fp32, tested), int8_right = right_of(quantize(g, calibrate(fp32, samples)), tested);
  MESSAGE("of 500 right: ", fp32_right, ", in INT8 ", int8_right);
  CHECK(fp32_right >= 484);  // trained to 489
  CHECK(int8_right >= fp32_right - 5);
}
