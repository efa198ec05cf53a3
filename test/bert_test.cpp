// BERT and ERNIE: parameters by Hugging Face's names, and tiny ones that run.
#include "octavo/model/bert.hpp"

#include "octavo/octavo.hpp"
#include "support/model_checks.hpp"
#include "support/pass_checks.hpp"
#include "support/run.hpp"

using namespace octavo;
using namespace octavo::test;

namespace {

constexpr model::bert_options tiny{.vocabulary = 50,
                                   .positions = 16,
                                   .types = 2,
                                   .layers = 2,
                                   .hidden = 24,
                                   .heads = 3,
                                   .feed_forward = 40,
                                   .activation = model::feed_forward_activation::gelu};

/// Ids below 50, types below 2, lengths.
std::vector<tensor> sentences(const dims& extents, unsigned seed, const std::vector<std::int32_t>& lengths) {
  random_numbers random(seed);
  std::vector<tensor> in = list_of(tensor(element::s64, extents), tensor(element::s32, extents));
  for (std::int64_t& id : in[0].as<std::int64_t>()) id = random.below(50);
  for (std::int32_t& type : in[1].as<std::int32_t>()) type = random.below(2);
  if (!lengths.empty()) in.push_back(tensor::of<std::int32_t>({extents[0]}, lengths));
  return in;
}

template <int N, int T>
graph tiny_bert(bool with_lengths) {
  graph g;
  const auto ids = g.input<std::int64_t, shape<N, T>>("ids");
  const auto types = g.input<std::int32_t, shape<N, T>>("types");
  model::bert_inputs more;
  if (with_lengths) more.lengths = g.input<std::int32_t, shape<N>>("lengths");
  g.output(model::bert_classifier<3, tiny>(ids, types, random_params(7), more), "logits");
  return g;
}

}  // namespace

TEST_CASE("BERT: parameters of bert-base-uncased") {
  const auto source = std::make_shared<counted_weights>();
  graph g;
  const auto ids = g.input<std::int64_t, shape<upto<2>, 128>>("ids");
  const params w(source);
  auto x = model::bert_encoder<model::bert_base>(ids, g.input<std::int64_t, shape<upto<2>, 128>>("types"), w);
  auto pooled = model::bert_pooler(x, w);
  static_assert(std::is_same_v<decltype(x), value<float, ntc<upto<2>, 128, 768>>>);
  static_assert(std::is_same_v<decltype(pooled), value<float, nc<upto<2>, 768>>>);
  g.output(pooled, "pooled");
  CHECK(source->trainable() == 109482240);  // as Hugging Face counts BertModel
  CHECK(source->given().size() == 5 + 12 * 16 + 2);
  for (const char* name :
       {"embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight",
        "embeddings.token_type_embeddings.weight", "embeddings.LayerNorm.bias",
        "encoder.layer.0.attention.self.query.weight", "encoder.layer.3.attention.output.dense.bias",
        "encoder.layer.11.attention.output.LayerNorm.weight", "encoder.layer.5.intermediate.dense.weight",
        "encoder.layer.0.output.dense.weight", "encoder.layer.0.output.LayerNorm.bias", "pooler.dense.weight"})
    CHECK_MESSAGE(source->given().contains(name), name);
}

TEST_CASE("ERNIE: the default sizes") {
  const auto source = std::make_shared<counted_weights>();
  graph g;
  const auto ids = g.input<std::int32_t, shape<1, 128>>("ids");
  const auto types = g.input<std::int32_t, shape<1, 128>>("types");
  g.output(model::bert_classifier<2>(ids, types, params(source)), "logits");
  CHECK(source->given().at("bert.embeddings.word_embeddings.weight") == dims{18000, 768});
  CHECK(source->given().at("bert.embeddings.position_embeddings.weight") == dims{513, 768});
  CHECK(source->given().at("bert.encoder.layer.11.intermediate.dense.weight") == dims{3072, 768});
  CHECK(source->given().at("classifier.weight") == dims{2, 768});
  std::size_t relus = 0;
  for (const node& n : fold(g).nodes)
    if (const op::fc* f = n.as<op::fc>()) relus += f->act == relu_activation;
  CHECK(relus == 12);
}

TEST_CASE("BERT: padding beyond the length changes nothing") {
  const graph padded = tiny_bert<2, 12>(true), whole = tiny_bert<1, 9>(false);
  std::vector<tensor> in = sentences({2, 12}, 3, {9, 12});
  const tensor logits = std::move(outputs_of(octavo::compile(padded), in)[0]);
  std::vector<tensor> first = sentences({1, 9}, 0, {});
  for (std::size_t t = 0; t < 9; ++t) {
    first[0].as<std::int64_t>()[t] = in[0].as<std::int64_t>()[t];
    first[1].as<std::int32_t>()[t] = in[1].as<std::int32_t>()[t];
  }
  const tensor alone = std::move(outputs_of(octavo::compile(whole), first)[0]);
  for (std::size_t c = 0; c < 3; ++c) CHECK(logits.as<float>()[c] == alone.as<float>()[c]);
  for (std::size_t t = 9; t < 12; ++t) in[0].as<std::int64_t>()[t] = 1;
  CHECK(same_bits(logits, outputs_of(octavo::compile(padded), in)[0]));
  for (std::size_t t = 9; t < 12; ++t) in[0].as<std::int64_t>()[12 + t] = 1;
  CHECK_FALSE(same_bits(logits, outputs_of(octavo::compile(padded), in)[0]));
}

TEST_CASE("BERT: INT8 is near FP32, ids out of range are refused") {
  const graph g = tiny_bert<2, 12>(true);
  const auto sample = [](int i) { return sentences({2, 12}, static_cast<unsigned>(i), {12, 5 + i % 8}); };
  const sample_set samples{20, [&](int i, std::span<tensor> in) { std::ranges::move(sample(i), in.begin()); }};
  const network fp32 = octavo::compile(g), int8 = quantize(g, calibrate(fp32, samples));
  CHECK(operators_of(fp32->source).find("matmul") == std::string::npos);
  double error = 0, norm = 0;
  for (int i = 20; i < 40; ++i) {
    const tensor a = std::move(outputs_of(fp32, sample(i))[0]), b = std::move(outputs_of(int8, sample(i))[0]);
    for (std::size_t c = 0; c < 6; ++c) {
      const double expected = static_cast<double>(a.as<float>()[c]),
                   difference = static_cast<double>(b.as<float>()[c]) - expected;
      error += difference * difference, norm += expected * expected;
    }
  }
  CHECK(std::sqrt(error / norm) < 0.1);  // some 30 steps of 8 bits, 0.4 % of a range each
  std::vector<tensor> wrong = sample(0);
  wrong[0].as<std::int64_t>()[3] = 50;
  tensor logits(element::f32, {2, 3});
  session run(int8);
  CHECK(run(wrong[0], wrong[1], wrong[2], logits).code() == run_status::refused_data);
}
