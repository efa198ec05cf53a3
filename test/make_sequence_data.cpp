// Writes what the applications on sequences need where there are no published weights: make_sequence_data FOLDER makes
//   lac.safetensors, lac_dict/, text.txt, gold.txt             for segment_text
//   kws_gru_s.safetensors, kws_lstm_s.safetensors, features.npy, labels.npy   for spot_keywords
//   crnn.safetensors, dictionary.txt, images/, labels.tsv      for recognize
// Weights are random.
#include <stb/stb_image_write.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "octavo/io/npy.hpp"
#include "octavo/model/crnn.hpp"
#include "octavo/model/keyword.hpp"
#include "octavo/model/lac.hpp"
#include "support/remembered_weights.hpp"

namespace {

using namespace octavo;

/// Writes the weights that `compose` asks for.
void save_weights(const std::filesystem::path& path, auto&& compose) {
  const auto weights = std::make_shared<test::remembered_weights>();
  graph g;
  compose(g, params(weights));
  weights->save(path);
}

void write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary);
  out << content;
  require(out.good(), path.string(), ": cannot be written");
}

/// The UTF-8 of a character from U+0800 to U+FFFF.
std::string utf8(int code) {
  return {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 63)),
          static_cast<char>(0x80 | (code & 63))};
}

void write_segmenter(const std::filesystem::path& folder) {
  save_weights(folder / "lac.safetensors", [](graph& g, const params& w) {
    auto ids = g.input<std::int64_t, shape<1, 4>>("ids");
    auto lengths = g.input<std::int32_t, shape<1>>("lengths");
    model::lac<model::lac_seg>(ids, lengths, w);
  });
  std::filesystem::create_directories(folder / "lac_dict");
  std::string words, text, gold;
  constexpr int first = 0x4e00, known = 100;
  for (int i = 0; i < known; ++i) words += std::to_string(i) + "\t" + utf8(first + i) + "\n";
  write(folder / "lac_dict" / "word.dic", words + "100\tOOV\n");
  write(folder / "lac_dict" / "q2b.dic", utf8(0x842c) + "\t" + utf8(first) + "\n");
  write(folder / "lac_dict" / "tag.dic", "0\t-B\n1\t-I\n2\t-E\n3\t-S\n");
  for (int line = 0; line < 12; ++line) {
    for (int i = 0; i < 3 + 2 * line; ++i) {
      const std::string c = utf8(first + (17 * line + 5 * i) % (known + 3));  // some are not known
      text += c, gold += c + (i % 2 ? " " : "");
    }
    text += "\n", gold += "\n";
  }
  write(folder / "text.txt", text);
  write(folder / "gold.txt", gold);
}

void write_spotters(const std::filesystem::path& folder) {
  const auto features = [](graph& g) { return g.input<float, ntc<1, 25, 10>>("features"); };
  save_weights(folder / "kws_gru_s.safetensors",
               [&](graph& g, const params& w) { model::keyword_gru(features(g), w); });
  save_weights(folder / "kws_lstm_s.safetensors",
               [&](graph& g, const params& w) { model::keyword_lstm(features(g), w); });
  tensor x(element::f32, {20, 25, 10}), labels(element::s32, {20});
  random_bits random(1);
  for (float& v : x.as<float>()) v = random.normal();
  for (std::int32_t& v : labels.as<std::int32_t>()) v = static_cast<std::int32_t>(random() % 12);
  save_npy(folder / "features.npy", x);
  save_npy(folder / "labels.npy", labels);
}

/// An image of vertical strokes.
void write_image(const std::filesystem::path& path, int width, int height) {
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        pixels.push_back(static_cast<std::uint8_t>((x * 7 / height) % 3 == 0 ? 20 * c : 230 - y));
  require(stbi_write_png(path.string().c_str(), width, height, 3, pixels.data(), 3 * width) != 0, path.string(),
          ": cannot be written");
}

void write_recogniser(const std::filesystem::path& folder) {
  save_weights(folder / "crnn.safetensors",
               [](graph& g, const params& w) { model::crnn(g.input<float, nhwc<1, 32, 320, 3>>("image"), w); });
  std::string characters, labels;
  for (int i = 0; i < 6624; ++i) characters += utf8(0x4e00 + i) + "\n";
  write(folder / "dictionary.txt", characters);
  std::filesystem::create_directories(folder / "images");
  for (int i = 0; i < 4; ++i) {
    const std::string name = text("word", i, ".png");
    write_image(folder / "images" / name, 60 + 130 * i, i == 2 ? 64 : 32);  // one needs to be resized
    labels += name + "\t60\t" + utf8(0x4e00 + i) + "\n";
  }
  write(folder / "labels.tsv", labels);
}

}  // namespace

int main(int argc, char** argv) try {
  require(argc == 2, "usage: make_sequence_data FOLDER");
  const std::filesystem::path folder = argv[1];
  write_segmenter(folder);
  write_spotters(folder);
  write_recogniser(folder);
  return 0;
} catch (const std::exception& e) {
  std::cerr << "make_sequence_data: " << e.what() << "\n";
  return 1;
}
