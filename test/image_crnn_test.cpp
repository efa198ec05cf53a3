// The recogniser of text lines: with random weights, and the published one on images of words.
#include <doctest/doctest.h>

#include "../examples/text_line_images.hpp"
#include "octavo/io/safetensors.hpp"
#include "octavo/model/crnn.hpp"
#include "octavo/octavo.hpp"
#include "support/npy_data.hpp"
#include "support/random.hpp"
#include "support/run.hpp"

namespace {

using namespace octavo;
using namespace octavo::test;
using example::text_line_images;

/// The texts that a network with the outputs labels and count reads in all images.
std::vector<std::string> texts_of(const network& net, const text_line_images& images,
                                  const std::vector<std::string>& characters) {
  std::vector<std::string> texts;
  session run(net);
  tensor x(element::f32, {1, 32, 320, 3});
  std::vector<std::int64_t> labels(80), count(1);
  for (int i = 0; i < images.count(); ++i) {
    images.read(i, x.as<float>());
    run(x, labels, count).or_throw();
    texts.push_back(example::text_of(labels, characters));
    CHECK(std::ranges::count_if(labels, [](std::int64_t l) { return l >= 0; }) == count[0]);
  }
  return texts;
}

int right_letters(const std::vector<std::string>& texts, const std::vector<std::string>& labels) {
  int right = 0;
  for (std::size_t i = 0; i < texts.size(); ++i)
    right += example::letters_of(texts[i]) == example::letters_of(labels.at(i));
  return right;
}

}  // namespace

TEST_CASE("crnn: letters are compared without case and punctuation") {
  CHECK(example::letters_of("Ab-c 9!") == "abc9");
  CHECK(example::letters_of("\xe8\xa5\xbf\xe6\xb9\xbe\xe3\x80\x82") ==
        "\xe8\xa5\xbf\xe6\xb9\xbe");  // an ideographic full stop
  CHECK(example::letters_of("\xe4\xb7\xbf\xe4\xb8\x80\xe9\xbf\xbf\xea\x80\x80") ==
        "\xe4\xb8\x80\xe9\xbf\xbf");  // U+4E00 to U+9FFF
}

TEST_CASE("crnn: random weights in INT8, and lines of any width") {
  graph g;
  auto image = g.input<float, nhwc<upto<2>, 32, upto<64, 'w'>, 3>>("image");
  auto logits = model::crnn<30, 8>(image, random_params(1));
  static_assert(decltype(logits)::extents[1] == 16 && decltype(logits)::extents.is_bounded(1));
  g.output(logits, "logits");
  random_numbers random(2);
  const tensor x = random_tensor(element::f32, {1, 32, 48, 3}, random);
  const sample_set samples{1, [&](int, std::span<tensor> inputs) { inputs[0] = x.reshaped(x.extents()); }};
  const network fp32 = octavo::compile(g), int8 = quantize(g, calibrate(fp32, samples));
  std::vector<float> exact(12 * 30), found(12 * 30);
  session run_fp32(fp32), run_int8(int8);
  run_fp32(x, exact).or_throw();
  run_int8(x, found).or_throw();
  // A step of 8 bits is 0.4 % of a range; depthwise convolutions and gates lose most.
  CHECK(relative_error(found, exact) < 0.15);
}

TEST_CASE("crnn: the published recogniser") {
  const auto data = data_folder();
  if (!data) return;
  const std::filesystem::path folder = *data / "ocr";
  const params w = load_weights(folder / "crnn_mobile.safetensors");
  const text_line_images images(folder / "images");
  const std::vector<std::string> characters = example::read_characters(folder / "dictionary.txt", 6624);
  const std::vector<std::string> labels = example::read_labels(folder / "labels.tsv", images.files());

  graph logits_only;
  logits_only.output(model::crnn(logits_only.input<float, nhwc<1, 32, 320, 3>>("image"), w), "logits");
  const safetensors reference(folder / "reference" / "logits8.safetensors");
  session run(octavo::compile(logits_only));
  int compared = 0;
  for (int i = 0; i < images.count(); ++i) {
    const std::string name = images.files()[static_cast<std::size_t>(i)].stem().string();
    const constant expected = reference.find(name + ".logits_first6", {});
    if (!expected) continue;
    tensor x(element::f32, {1, 32, 320, 3}), y(element::f32, {1, 80, 6625});
    images.read(i, x.as<float>());
    run(x, y).or_throw();
    CHECK(relative_error(y.as<float>().first(expected->extents().count()), expected->as<float>()) < 1e-3);
    ++compared;
  }
  CHECK(compared == 8);

  graph g;
  auto read = ctc_greedy_decode(model::crnn(g.input<float, nhwc<1, 32, 320, 3>>("image"), w));
  g.output(read.labels, "labels");
  g.output(read.count, "count");
  const network fp32 = octavo::compile(g);
  const auto texts = texts_of(fp32, images, characters);
  int as_published = 0;
  for (const example::text_line& line : example::read_lines(folder / "reference" / "recognized.tsv")) {
    const auto [name, text] = example::two_fields(line, "name and text");
    for (std::size_t i = 0; i < texts.size(); ++i)
      as_published += images.files()[i].filename() == name && texts[i] == text ? 1 : 0;
  }
  CHECK(as_published == 105);
  CHECK(right_letters(texts, labels) == 76);

  const sample_set samples{images.count() / 3,
                           [&](int i, std::span<tensor> inputs) { images.read(3 * i, inputs[0].as<float>()); }};
  const network int8 = quantize(g, calibrate(fp32, samples), {.keep_fp32 = model::crnn_nodes_in_fp32()});
  const int right = right_letters(texts_of(int8, images, characters), labels);
  MESSAGE("76 of 105 images read right, in INT8 ", right);
  CHECK(right >= 76 - 2);
}
