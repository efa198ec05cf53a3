// LAC: with random weights, and the published segmenter on sentences of a newspaper.
#include "octavo/model/lac.hpp"

#include <doctest/doctest.h>

#include "../examples/word_segmentation.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/octavo.hpp"
#include "support/npy_data.hpp"
#include "support/random.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;
using example::batch_of, example::lac_dictionary, example::sentence, example::word_score;

/// The words that a network with the outputs tags and score finds in each sentence, `batch` at a time.
std::vector<std::vector<std::string>> words_of(const network& net, const std::vector<sentence>& all,
                                               const lac_dictionary& dictionary, std::size_t batch) {
  std::vector<std::vector<std::string>> words;
  session run(net);
  for (std::size_t i = 0; i < all.size(); i += batch) {
    const std::size_t count = std::min(batch, all.size() - i);
    const std::vector<tensor> inputs = batch_of(all, i, count);
    const tensor &ids = inputs[0], &lengths = inputs[1];
    tensor tags(element::s64, ids.extents()), score(element::f32, lengths.extents());
    run(ids, lengths, tags, score).or_throw();
    const auto columns = static_cast<std::size_t>(ids.extents()[1]);
    for (std::size_t k = 0; k < count; ++k)
      words.push_back(dictionary.words(all[i + k].characters, tags.as<std::int64_t>().subspan(k * columns, columns)));
  }
  return words;
}

word_score score_of(const std::vector<std::vector<std::string>>& gold,
                    const std::vector<std::vector<std::string>>& found) {
  word_score s;
  for (std::size_t i = 0; i < gold.size(); ++i) s.add(gold[i], found.at(i));
  return s;
}

graph compose_lac_seg(const params& w) {
  graph g;
  auto ids = g.input<std::int64_t, shape<upto<50>, upto<128, 't'>>>("ids");
  auto lengths = g.input<std::int32_t, shape<upto<50>>>("lengths");
  auto [tags, score] = model::lac<model::lac_seg>(ids, lengths, w);
  g.output(tags, "tags");
  g.output(score, "score");
  return g;
}

}  // namespace

TEST_CASE("lac: a sentence has the same tags alone and in a batch of longer ones; all that multiplies is INT8") {
  constexpr model::lac_options tiny{.vocabulary = 20, .embedding = 6, .hidden = 5, .layers = 3, .labels = 4};
  graph g;
  auto ids = g.input<std::int32_t, shape<upto<4>, upto<9>>>("ids");
  auto lengths = g.input<std::int32_t, shape<upto<4>>>("lengths");
  auto [tags, score] = model::lac<tiny>(ids, lengths, random_params(3));
  static_assert(std::is_same_v<decltype(tags), value<std::int64_t, shape<upto<4>, upto<9>>>>);
  g.output(tags, "tags");
  g.output(score, "score");
  random_numbers random(1);
  const tensor x = tensor::of<std::int32_t>({3, 9}, [&] {
    std::vector<std::int32_t> v(27);
    for (auto& i : v) i = random.below(20);
    return v;
  }());
  const std::vector<std::int32_t> length{4, 9, 1};
  const sample_set samples{1, [&](int, std::span<tensor> inputs) {
                             inputs[0] = x.reshaped({3, 9}), inputs[1] = tensor::of<std::int32_t>({3}, length);
                           }};
  const network fp32 = octavo::compile(g), int8 = quantize(g, calibrate(fp32, samples));
  int s8_weights = 0;
  for (const node& n : int8->source.nodes)
    s8_weights += has_weights(n.op) && n.constants[0]->type() == element::s8 ? 1 : 0;
  CHECK(s8_weights == 3 * 2 + 1);
  for (const network& net : {fp32, int8}) {
    session run(net);
    std::vector<std::int64_t> together(27), alone(4);
    std::vector<float> scores(3), own(1);
    run(x, length, together, scores).or_throw();
    run(tensor::of<std::int32_t>({1, 4}, x.as<std::int32_t>().first(4)), std::vector<std::int32_t>{4},
        tensor_argument(view<std::int64_t>(alone.data(), {1, 4})), own)
        .or_throw();
    CHECK(std::ranges::equal(alone, std::span(together).first(4)));
    CHECK(own[0] == scores[0]);
    CHECK(together[4] == 0);
  }
}

TEST_CASE("lac: the published segmenter") {
  const auto folder = data_folder();
  if (!folder) return;
  const lac_dictionary dictionary(*folder / "text" / "lac_dict", model::lac_seg.vocabulary, model::lac_seg.labels);
  const std::vector<sentence> all = example::read_sentences(*folder / "text" / "msr200.txt", dictionary, 128);
  const auto gold = example::read_words(*folder / "text" / "msr200.gold.txt", all),
             expected = example::read_words(*folder / "text" / "msr200.expected.txt", all);
  const params w = load_weights(*folder / "weights" / "lac_seg.safetensors");
  const graph g = compose_lac_seg(w);
  const network fp32 = octavo::compile(g);
  const auto exact = words_of(fp32, all, dictionary, 7);
  CHECK(exact == expected);
  const word_score best = score_of(gold, exact);
  CHECK(best.right == 4018);
  CHECK(best.found == 4417);
  CHECK(best.gold == 4695);

  const sample_set samples{20, [&](int i, std::span<tensor> inputs) {
                             std::ranges::move(batch_of(all, static_cast<std::size_t>(10 * i), 1), inputs.begin());
                           }};
  const word_score int8 = score_of(gold, words_of(quantize(g, calibrate(fp32, samples)), all, dictionary, 50));
  MESSAGE("F1 ", best.f1(), ", in INT8 ", int8.f1());
  CHECK(best.f1() - int8.f1() < 0.003);
}

TEST_CASE("lac: what the published segmenter says of each character, before tags are decided") {
  const auto folder = data_folder();
  if (!folder) return;
  const safetensors reference(*folder / "reference" / "lac_seg_emissions20.safetensors");
  const lac_dictionary dictionary(*folder / "text" / "lac_dict", model::lac_seg.vocabulary, model::lac_seg.labels);
  const std::vector<sentence> all = example::read_sentences(*folder / "text" / "msr200.txt", dictionary, 128);
  graph g;
  auto ids = g.input<std::int64_t, shape<1, upto<128, 't'>>>("ids");
  auto lengths = g.input<std::int32_t, shape<1>>("lengths");
  g.output(
      model::lac_emissions<model::lac_seg>(ids, lengths, load_weights(*folder / "weights" / "lac_seg.safetensors")),
      "emissions");
  session run(octavo::compile(g));
  for (std::size_t i = 0; i < 20; ++i) {
    const std::vector<tensor> x = batch_of(all, i, 1);
    const constant expected = reference.find(text("emissions.", i), {});
    REQUIRE(expected);
    tensor found(element::f32, {1, x[0].extents()[1], 4});
    run(x[0], x[1], found).or_throw();
    CHECK(relative_error(found.as<float>(), expected->as<float>()) < 1e-3);  // of sums in another order
  }
}
