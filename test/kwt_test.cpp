// KWT-1: its parameters, and with real weights and speech ($OCTAVO_DATA) its logits in FP32 and its accuracy in INT8.
#include "octavo/model/kwt.hpp"

#include "octavo/io/safetensors.hpp"
#include "octavo/octavo.hpp"
#include "support/model_checks.hpp"
#include "support/npy_data.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

using one_clip = shape<1, 98, 40>;

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
  const tensor real = logits_of(fp32, clips, 12);
  CHECK(relative_error(real.as<float>(), expected.as<float>()) < 1e-3);
  const int right = right_answers(real, labels);
  CHECK(right == 554);

  const calibration found = calibrate(fp32, every_tenth(clips));
  // Of 40 features the first is 20 times as large as most: in u8 that costs more than all layers together.
  quantize_options options;
  for (const node& n : fp32->source.nodes)
    if (n.name.starts_with("embeddings.projection")) options.keep_fp32.insert(n.name);
  CHECK(options.keep_fp32.size() == 3);  // besides the layer, pad and add
  const network int8 = quantize(g, found, options);
  for (const node& n : int8->source.nodes)
    if ((n.as<op::fc>() && !options.keep_fp32.contains(n.name)) || n.as<op::attention>() || n.as<op::layer_norm>())
      CHECK_MESSAGE(int8->source.type(n.src[0]).is_u8(), n.name);
  const tensor bytes = logits_of(int8, clips, 12);
  const int right_int8 = right_answers(bytes, labels);
  MESSAGE("KWT-1: ", right, " of 600 in FP32, ", right_int8, " in INT8");
  CHECK(right_int8 >= right - 4);  // 0.7 points
  CHECK(relative_error(bytes.as<float>(), real.as<float>()) < 0.08);

  // With the sums before layer normalisations in FP32 the logits are four times as near.
  for (const node& n : fp32->source.nodes)
    if (n.as<op::layer_norm>()) options.keep_fp32.insert(n.name);
  CHECK(options.keep_fp32.size() == 3 + 24);
  const tensor with_f32_sums = logits_of(quantize(g, found, options), clips, 12);
  CHECK(right_answers(with_f32_sums, labels) >= right - 2);
  CHECK(relative_error(with_f32_sums.as<float>(), real.as<float>()) < 0.02);
}
