// KWT-1: its parameters, and with real weights and speech ($OCTAVO_DATA) its logits in FP32 and its accuracy in INT8.
#include "octavo/model/kwt.hpp"

#include "octavo/io/npy.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/octavo.hpp"
#include "support/model_checks.hpp"
#include "support/run.hpp"
#include "temporary_folder.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

using one_clip = shape<1, 98, 40>;

/// Clip `i` of (clips, 98, 40).
tensor clip_of(const tensor& clips, std::size_t i) {
  return tensor::of(one_clip::value,
                    std::as_const(clips).as<float>().subspan(i * one_clip::value.count(), one_clip::value.count()));
}

/// What the network makes of all clips, (clips, 12).
std::vector<float> logits_of(const network& net, const tensor& clips) {
  session run(net);
  std::vector<float> all;
  for (std::size_t i = 0; i < static_cast<std::size_t>(clips.extents()[0]); ++i) {
    const std::vector<tensor> y = outputs_of(run, list_of(clip_of(clips, i)));
    all.insert(all.end(), y[0].as<float>().begin(), y[0].as<float>().end());
  }
  return all;
}

/// How many of the largest of each 12 logits are the labels.
int right_of(const std::vector<float>& logits, std::span<const std::int32_t> labels) {
  int right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto* row = logits.data() + 12 * i;
    right += std::max_element(row, row + 12) - row == labels[i];
  }
  return right;
}

/// The norm of the difference, as a fraction of that of `b`.
double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    error += difference * difference, norm += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(error / norm);
}

}  // namespace

TEST_CASE("KWT-1: parameters") {
  const auto source = std::make_shared<counted_weights>();
  graph g;
  auto logits = model::kwt1(g.input<float, shape<upto<4>, 98, 40>>("features"), params(source));
  static_assert(std::is_same_v<decltype(logits), value<float, nc<upto<4>, 12>>>);
  g.output(logits, "logits");
  CHECK(source->given().size() == 4 + 12 * 16 + 2);
  CHECK(source->given().at("encoder.layer.11.output.layer_norm.bias") == dims{64});
  CHECK(source->given().at("embeddings.position_embeddings.weight") == dims{99, 64});
  CHECK(fold(g).nodes.size() ==
        1 + 4 + 12 * 10 + 3);  // input, embeddings, layers with gelu, first position and classifier
}

TEST_CASE("KWT-1: logits in FP32, accuracy in INT8") {
  const auto folder = data_folder();
  if (!folder) return;
  const params weights(std::make_shared<safetensors>(*folder / "weights" / "kwt1.safetensors"));
  const tensor clips = load_npy(*folder / "speech" / "kwt1_mfcc.npy"),
               labels = load_npy(*folder / "speech" / "labels.npy"),
               expected = load_npy(*folder / "reference" / "kwt1_logits.npy");
  REQUIRE(clips.extents() == dims{600, 98, 40});
  graph g;
  g.output(model::kwt1(g.input<float, one_clip>("features"), weights), "logits");
  const network fp32 = octavo::compile(g);
  const std::vector<float> real = logits_of(fp32, clips);
  float difference = 0, largest = 0;
  for (std::size_t i = 0; i < real.size(); ++i) {
    difference = std::max(difference, std::fabs(real[i] - expected.as<float>()[i]));
    largest = std::max(largest, std::fabs(expected.as<float>()[i]));
  }
  CHECK(difference < 1e-3f * largest);
  const auto names = labels.as<std::int32_t>();
  const int right = right_of(real, names);
  CHECK(right == 554);

  const sample_set every_tenth{
      60, [&](int i, std::span<tensor> in) { in[0] = clip_of(clips, 10 * static_cast<std::size_t>(i)); }};
  const calibration found = calibrate(fp32, every_tenth);
  // Of 40 features the first is 20 times as large as most: in u8 that costs more than all layers together.
  quantize_options options;
  for (const node& n : fp32->source.nodes)
    if (n.name.starts_with("embeddings.projection")) options.keep_fp32.insert(n.name);
  CHECK(options.keep_fp32.size() == 3);  // besides the layer, pad and add
  const network int8 = quantize(g, found, options);
  for (const node& n : int8->source.nodes)
    if ((n.as<op::fc>() && !options.keep_fp32.contains(n.name)) || n.as<op::attention>() || n.as<op::layer_norm>())
      CHECK_MESSAGE(int8->source.type(n.src[0]).is_u8(), n.name);
  const std::vector<float> bytes = logits_of(int8, clips);
  const int right_int8 = right_of(bytes, names);
  MESSAGE("KWT-1: ", right, " of 600 in FP32, ", right_int8, " in INT8");
  CHECK(right_int8 >= right - 4);  // 0.7 points
  CHECK(relative_error(bytes, real) < 0.08);

  // With the sums before layer normalisations in FP32 the logits are four times as near.
  for (const node& n : fp32->source.nodes)
    if (n.as<op::layer_norm>()) options.keep_fp32.insert(n.name);
  CHECK(options.keep_fp32.size() == 3 + 24);
  const std::vector<float> with_f32_sums = logits_of(quantize(g, found, options), clips);
  CHECK(right_of(with_f32_sums, names) >= right - 2);
  CHECK(relative_error(with_f32_sums, real) < 0.02);
}
